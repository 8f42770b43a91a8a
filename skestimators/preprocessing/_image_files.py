"""Image files to arrays of one size, one by one or as a stream."""

import os
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from hashlib import blake2b
from itertools import pairwise
from pathlib import Path

import joblib
import numpy as np

from skestimators.preprocessing._fits_images import decode_fits
from skestimators.preprocessing._image_content import (
    UnreadableImageError,
    read_content,
)
from skestimators.preprocessing._png_images import decode_png
from skestimators.preprocessing._resizing import resize_image
from skestimators.utils._parallel import in_task
from skestimators.utils._read_ahead import read_ahead

# In gauss, far beyond any on the Sun.
_STRONGEST_FIELD = 1e6


@dataclass(frozen=True)
class Reading:
    """How image files are read.

    Parameters
    ----------
    size : tuple of int
        Height and width of the arrays.

    field_limit : float
        The field in gauss that becomes 255; its negative becomes 0.

    nan : {"error", "zero"}
        Whether missing pixels make an image unreadable or stand for 0 gauss.

    root : str or None
        The folder that paths are relative to and may not leave.
    """

    size: tuple = (224, 224)
    field_limit: float = 5978.7
    nan: str = "error"
    root: str | None = None


def read_image(path, reading, digest=None):
    """Read one image file.

    Parameters
    ----------
    path : str
        The file.

    reading : Reading
        How it is read.

    digest : bytes or None, default=None
        What `digest_files` has said of it, if that has to hold still.

    Returns
    -------
    image : ndarray of float32 of shape (height, width) or (height, width, 3)
        The image, resized.

    Raises
    ------
    UnreadableImageError
        If it cannot be read; the message is the reason, without the path.
    """
    content, file_format = read_content(path, reading.root)
    if digest is not None and digest != _digest(content):
        raise UnreadableImageError("it changed while images were being read")
    if file_format == "png":
        return resize_image(decode_png(content).astype(np.float32), reading.size)
    field = _without_nan(decode_fits(content), reading.nan)
    image = resize_image(field, reading.size)
    limit = np.float32(reading.field_limit)
    return (image + limit) * np.float32(255 / (2 * reading.field_limit))


def _without_nan(field, nan):
    strongest = np.abs(field).max()
    if strongest <= _STRONGEST_FIELD:
        return field
    n_infinite = np.count_nonzero(np.isinf(field))
    if n_infinite:
        raise UnreadableImageError(f"{n_infinite} of its pixels are infinite")
    missing = np.isnan(field)
    strongest = np.nanmax(np.abs(field)) if not missing.all() else 0
    if strongest > _STRONGEST_FIELD:
        raise UnreadableImageError(
            f"its field reaches {strongest:.3g} gauss, as none on the Sun; does a "
            "number stand for missing pixels?"
        )
    n_missing = np.count_nonzero(missing)
    if n_missing == field.size:
        raise UnreadableImageError("all of its pixels are NaN")
    if nan == "error":
        raise UnreadableImageError(
            f"{n_missing} of its {field.size} pixels are NaN; nan='zero' takes them as "
            "0 gauss"
        )
    return np.where(missing, np.float32(0), field)


def read_images(paths, reading):
    """Read image files.

    Parameters
    ----------
    paths : sequence of str
        The files.

    reading : Reading
        How they are read.

    Returns
    -------
    images : ndarray of float32 of shape (n_paths, height, width, 3)
        The images, NaN where a file cannot be read.

    reasons : list of str or None
        Why a file cannot be read.
    """
    return _stack(_read_each([(path, None) for path in paths], reading), reading.size)


def _read_each(files, reading):
    """Return an image, or the reason why there is none, for each path and digest."""
    return [_image_or_reason(*file, reading) for file in files]


def _image_or_reason(path, digest, reading):
    try:
        return read_image(path, reading, digest)
    except UnreadableImageError as error:
        return str(error)


def _stack(read, size):
    images = np.empty((len(read), *size, 3), dtype=np.float32)
    reasons = [result if isinstance(result, str) else None for result in read]
    for image, result in zip(images, read, strict=True):
        if isinstance(result, str):
            image[:] = np.nan
        else:
            image[:] = result if result.ndim == 3 else result[..., None]
    return images, reasons


def stream_images(paths, batches, reading, n_jobs=None, digests=None):
    """Read image files batch by batch, in the background.

    Parameters
    ----------
    paths : sequence of str
        The files.

    batches : iterable of ndarray of int
        The rows of each batch; advanced in the caller's thread, a few ahead.

    reading : Reading
        How files are read.

    n_jobs : int or None, default=None
        Number of processes that share the reading of a batch.

    digests : sequence of bytes or None, default=None
        What `digest_files` has said of the files, if that has to hold still.

    Yields
    ------
    rows : ndarray of int
        A batch.

    images : ndarray of float32 of shape (n_rows, height, width, 3)
        Its images, NaN where a file cannot be read.

    reasons : list of str or None
        Why a file cannot be read.
    """
    reading = replace(reading, root=_absolute(reading.root))
    paths = absolute_paths(paths, reading)
    with ExitStack() as stack:
        parallel = None
        # Dask would hand out the reading of a task's files to the workers, all of which
        # may be waiting for just that.
        if not in_task():
            # Made here, as the background thread does not see the caller's
            # parallel_config, and once, as some backends start their processes anew.
            parallel = stack.enter_context(
                joblib.Parallel(n_jobs=n_jobs, batch_size=1, pre_dispatch="all")
            )

        def read(rows):
            batch = [(paths[row], digests and digests[row]) for row in rows]
            results = _in_parallel(parallel, _read_each, batch, reading)
            return _stack(results, reading.size)

        # Closed before the processes, if the caller takes no more.
        parts = stack.enter_context(closing(read_ahead(batches, read)))
        for rows, (images, reasons) in parts:
            yield rows, images, reasons


def absolute_paths(paths, reading):
    """Make paths independent of the working directory.

    Parameters
    ----------
    paths : sequence of str
        Paths, relative to the root if there is one.

    reading : Reading
        How they are read.

    Returns
    -------
    paths : list of str
        The same files, for a process that may be in another folder.
    """
    base = os.getcwd() if reading.root is None else ""
    return [os.path.join(base, path) for path in paths]


def digest_files(paths, reading, n_jobs=None):
    """Compute the digests of the contents of files.

    Parameters
    ----------
    paths : sequence of str
        The files.

    reading : Reading
        Its `root` holds for the paths.

    n_jobs : int or None, default=None
        Number of threads.

    Returns
    -------
    digests : list of bytes or None
        32 bytes of BLAKE2b for each file; None if it cannot be opened or is no image
        file.

    reasons : list of str or None
        Why there is none.
    """
    parallel = joblib.Parallel(n_jobs=n_jobs, prefer="threads", pre_dispatch="all")
    results = _in_parallel(parallel, _digest_each, list(paths), reading)
    digests = [result if isinstance(result, bytes) else None for result in results]
    reasons = [result if isinstance(result, str) else None for result in results]
    return digests, reasons


def _digest_each(paths, reading):
    return [_digest_or_reason(path, reading) for path in paths]


def _digest_or_reason(path, reading):
    try:
        content, _ = read_content(path, reading.root)
    except UnreadableImageError as error:
        return str(error)
    return _digest(content)


def _digest(content):
    return blake2b(content, digest_size=32).digest()


def _in_parallel(parallel, function, files, reading):
    """Split the files among the workers."""
    n_parts = min(parallel._effective_n_jobs(), len(files)) if parallel else 1
    if n_parts <= 1:
        return function(files, reading)
    bounds = np.linspace(0, len(files), n_parts + 1).astype(int)
    parts = parallel(
        joblib.delayed(function)(files[start:stop], reading)
        for start, stop in pairwise(bounds)
    )
    return [result for part in parts for result in part]


def _absolute(root):
    return None if root is None else str(Path(root).expanduser().absolute())
