"""Images to be embedded: those in files, and those in an array."""

from copy import copy
from hashlib import blake2b

import numpy as np
from sklearn.utils.validation import validate_data

from skestimators.preprocessing import MagnetogramReader
from skestimators.preprocessing._image_files import (
    absolute_paths,
    digest_files,
    stream_images,
)
from skestimators.preprocessing._magnetogram_reader import reading_of
from skestimators.preprocessing._unreadable import complain
from skestimators.utils._parallel import in_task
from skestimators.utils._strings import validate_strings

# What is left of fewer pixels after five poolings is nothing.
_MIN_SIZE = 32


class ImageFiles:
    """Images in files, read when they are needed.

    Parameters
    ----------
    paths : ndarray of str of shape (n_images,)
        The files.

    reader : MagnetogramReader
        How they are read.

    caller : object
        What needs the images.

    """

    def __init__(self, paths, reader, caller):
        self.paths = paths
        # What messages call them.
        self.numbers = np.arange(len(paths))
        self.on_unreadable = reader.on_unreadable
        self.reading = reading_of(reader, caller)
        self.size = self.reading.size
        # Here, as a thread that looks through files does not know whose task it is.
        self.n_jobs = 1 if in_task() else reader.n_jobs
        # What an image is made of beside the content of its file.
        self.recipe = (self.size, self.reading.field_limit, self.reading.nan)

    def __len__(self):
        return len(self.paths)

    def take(self, rows):
        """Return some of the images."""
        part = copy(self)
        part.paths, part.numbers = self.paths[rows], self.numbers[rows]
        return part

    def digests(self):
        """Return the digest of each file, None if there is none, and the reasons."""
        digests, reasons = digest_files(self.paths, self.reading, self.n_jobs)
        self.refuse(np.arange(len(self)), reasons)
        return digests, reasons

    def stream(self, batches, digests=None):
        """Yield rows, images and reasons, as `stream_images` does."""
        reading, n_jobs = self.reading, self.n_jobs
        for part in stream_images(self.paths, batches, reading, n_jobs, digests):
            self.refuse(part[0], part[2])
            yield part

    def sent(self, rows):
        """Return some of the images, for another process."""
        part = self.take(rows)
        # There may be another working directory.
        part.paths = np.array(absolute_paths(part.paths, self.reading))
        part.on_unreadable = "warn"
        return part

    def refuse(self, rows, reasons):
        """Raise an error at the first image that cannot be read, if asked to."""
        if self.on_unreadable == "error":
            pairs = zip(rows.tolist(), reasons, strict=True)
            self.tell({row: reason for row, reason in pairs if reason is not None}, "")

    def lines(self, reasons):
        """Return number, path and reason of images that cannot be read."""
        return [
            (int(self.numbers[row]), self.paths[row], reasons[row])
            for row in sorted(reasons)
        ]

    def tell(self, reasons, consequence):
        """Warn of images that cannot be read, or raise an error, as the reader says."""
        complain(
            self.lines(reasons),
            len(self),
            on_unreadable=self.on_unreadable,
            consequence=consequence,
        )


class ImageArray:
    """Images in an array.

    Parameters
    ----------
    images : ndarray of shape (n_images, height, width, 3)
        Pixels from 0 to 255. An image that holds NaN was not readable.

    rows : ndarray of int or None, default=None
        Those that count; None for all.
    """

    def __init__(self, images, rows=None):
        self.images = images
        # Not the images themselves, of which there may be many.
        self.rows = np.arange(len(images)) if rows is None else rows
        self.size = images.shape[1:3]
        # Pixels of another shape may be the same bytes.
        self.recipe = ("pixels", tuple(self.size))

    def __len__(self):
        return len(self.rows)

    def take(self, rows):
        """Return some of the images."""
        return ImageArray(self.images, self.rows[rows])

    def sent(self, rows):
        """Return some of the images, for another process."""
        return ImageArray(self.images[self.rows[rows]])

    def __sizeof__(self):
        # Dask looks at it: what is large does not go through the scheduler's memory.
        return super().__sizeof__() + self.images.nbytes

    def digests(self):
        """Return the digest of each image, and no reasons."""
        digests = [
            blake2b(np.float32(self.images[row]).tobytes(), digest_size=32).digest()
            for row in self.rows
        ]
        return digests, [None] * len(self)

    def stream(self, batches, digests=None):
        """Yield rows, images and reasons."""
        for rows in batches:
            images = self.images[self.rows[rows]].astype(np.float32)
            missing = np.isnan(images).any(axis=(1, 2, 3))
            images[missing] = np.nan
            yield rows, images, ["it holds NaN" if m else None for m in missing]

    def refuse(self, rows, reasons):
        """Do nothing, as a reader's `on_unreadable` does not hold for arrays."""

    def lines(self, reasons):
        """Return number, None and reason of images that cannot be used."""
        return [(int(self.rows[row]), None, reasons[row]) for row in sorted(reasons)]

    def tell(self, reasons, consequence):
        """Warn of images that cannot be used."""
        complain(
            self.lines(reasons),
            len(self),
            on_unreadable="warn",
            consequence=consequence,
        )


def image_source(estimator, X, reader, *, reset, any_size=False):
    """Validate what an estimator of images is given.

    Parameters
    ----------
    estimator : estimator instance
        Gets, or is checked against, `n_features_in_` and `feature_names_in_`.

    X : array-like of str of shape (n_samples,) or (n_samples, 1), or array of shape \
            (n_samples, height, width, 3)
        Paths of image files, or images.

    reader : MagnetogramReader or None
        The parameter of that name.

    reset : bool
        True in `fit`, False in every other method.

    any_size : bool, default=False
        Whether images need not have the 224 x 224 pixels that dense layers take.

    Returns
    -------
    source : ImageFiles or ImageArray
        The images.

    Raises
    ------
    ValueError
        If `X` is none of the two, or the images are of another size.
    """
    if isinstance(X, list | tuple) and X and getattr(X[0], "ndim", 0) > 1:
        X = np.stack(X)
    if getattr(X, "ndim", 1) > 2:
        X = np.asarray(X)
    if getattr(X, "ndim", 1) > 2 and X.dtype.kind in "buif":
        source = ImageArray(_check_images(estimator, X, reset))
    else:
        reader = MagnetogramReader() if reader is None else reader
        paths = validate_strings(estimator, X, reset=reset, paths=True)
        source = ImageFiles(paths, reader, estimator)
    size = tuple(source.size)
    if not any_size and size != (224, 224):
        raise ValueError(
            f"The dense layers of VGG16 take images of 224 x 224 pixels, not of "
            f"{size[0]} x {size[1]}. Resize them, or let MagnetogramReader() do it."
        )
    if min(size) < _MIN_SIZE:
        raise ValueError(
            f"VGG16 takes images of at least {_MIN_SIZE} x {_MIN_SIZE} pixels, not of "
            f"{size[0]} x {size[1]}."
        )
    return source


def _check_images(estimator, X, reset):
    images = validate_data(
        estimator,
        X,
        dtype="numeric",
        ensure_2d=False,
        allow_nd=True,
        ensure_all_finite=False,
        reset=reset,
    )
    if images.ndim != 4 or images.shape[3] != 3:
        raise ValueError(
            f"{type(estimator).__name__} takes paths of image files, or images of "
            f"shape (n_samples, height, width, 3), but X has shape {images.shape}. One "
            "channel is made three by np.repeat(X[..., np.newaxis], 3, axis=3)."
        )
    if images.dtype.kind == "f" and 0 < np.nanmax(images, initial=0) <= 1:
        raise ValueError(
            "Pixels are numbers from 0 to 255, but X holds none above 1: multiply it "
            "by 255."
        )
    for row, image in enumerate(images):
        if np.isinf(image).any():
            raise ValueError(f"The image in row {row} holds infinite pixels.")
    return images
