"""From files of magnetograms to images for a network."""

import os
from numbers import Integral, Real

import numpy as np
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skestimators.preprocessing._image_files import Reading, stream_images
from skestimators.preprocessing._unreadable import complain, unreadable_table
from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task
from skestimators.utils._optional import import_optional
from skestimators.utils._progress import track
from skestimators.utils._strings import validate_strings
from skestimators.utils._validation import check_layer_sizes

_BATCH = 64


class MagnetogramReader(TransformerMixin, Estimator):
    """Read files of magnetograms into images of one size.

    A magnetogram is a map of the Sun's magnetic field along the line of sight. PNG
    files hold it as shades of grey, FITS files in gauss. A file that cannot be read
    never ends the work unless that is asked for.

    Parameters
    ----------
    size : tuple of int, default=(224, 224)
        Height and width of the images. Files of other sizes are resized with smoothing
        and linear interpolation.

    field_limit : float, default=5978.7
        The field in gauss that becomes 255; minus that becomes 0, and stronger fields
        lie outside. For FITS files only.

    nan : {"error", "zero"}, default="error"
        What is done about a FITS file with pixels that are NaN or blank, as outside the
        Sun's disk: the file counts as unreadable, or they are taken as 0 gauss. A file
        with nothing but such pixels is unreadable in either case.

    root : str, path-like or None, default=None
        Folder that paths are relative to. Paths that lead out of it, by `..`, as
        absolute paths or through symbolic links, are refused. None takes any path.

    on_unreadable : {"warn", "error"}, default="warn"
        What `transform` does about files that cannot be read: a row of NaN for each and
        one warning for all, or an error.

    n_jobs : int or None, default=None
        Number of processes that read; -1 for all processors. None is 1 unless in a
        :obj:`joblib.parallel_config` context.

    verbose : int, default=0
        Whether `transform` and `report` show a progress bar.

    Attributes
    ----------
    n_features_in_ : int
        Always 1, the column of paths.

    feature_names_in_ : ndarray of shape (1,)
        Name of the column. Defined only when `X` is a DataFrame whose column name
        is a string.

    See Also
    --------
    active_region_groups : Number the regions by their paths, to split by region.

    Notes
    -----
    PNG files must have 8 bits, grey or RGB; their pixels are taken as they are. Of a
    FITS file the first image is read, whatever HDU it is in, plain or compressed tile
    by tile with RICE or GZIP. A field `x` becomes
    `(x + field_limit) / (2 * field_limit) * 255`. Only those cards of the header are
    looked at that describe the image, so others may be malformed. Files must be what
    their names say, `.png` or `.fits`, `.fit` and `.fts`, and have no more than
    2 ** 26 pixels.

    Resizing equals that of :func:`skimage.transform.resize` with `order=1` and
    `anti_aliasing=True`.

    References
    ----------
    .. [1] Bobra, M. G. et al. (2014). The Helioseismic and Magnetic Imager (HMI) Vector
           Magnetic Field Pipeline: SHARPs. Solar Physics, 289, 3549-3578.
           https://doi.org/10.1007/s11207-014-0529-3

    .. [2] Pence, W. D. et al. (2010). Definition of the Flexible Image Transport System
           (FITS), version 3.0. Astronomy & Astrophysics, 524, A42.
           https://doi.org/10.1051/0004-6361/201015362

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> from astropy.io import fits
    >>> from skestimators.preprocessing import MagnetogramReader
    >>> field = np.linspace(-1000, 1000, 50 * 80).reshape(50, 80)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     fits.writeto(Path(folder) / "spot.fits", field)
    ...     reader = MagnetogramReader((32, 32), field_limit=1000, root=folder)
    ...     images = reader.fit_transform(["spot.fits"])
    ...     report = reader.report(["spot.fits", "none.fits"])
    >>> images.shape
    (1, 32, 32, 3)
    >>> report
       row       path                 reason
    0    1  none.fits  there is no such file
    """

    _parameter_constraints: dict = {
        "size": [tuple, list],
        "field_limit": [Interval(Real, 0, None, closed="neither")],
        "nan": [StrOptions({"error", "zero"})],
        "root": [str, os.PathLike, None],
        "on_unreadable": [StrOptions({"warn", "error"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        size=(224, 224),
        *,
        field_limit=5978.7,
        nan="error",
        root=None,
        on_unreadable="warn",
        n_jobs=None,
        verbose=0,
    ):
        self.size = size
        self.field_limit = field_limit
        self.nan = nan
        self.root = root
        self.on_unreadable = on_unreadable
        self.n_jobs = n_jobs
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check parameters and paths; no file is read yet.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Paths of image files.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            Fitted `MagnetogramReader`.

        Raises
        ------
        ImportError
            If an optional dependency is missing.

        ValueError
            If a parameter is not valid, or `X` is no column of strings.
        """
        with fit_task(self, max_steps=0, X=X):
            reading_of(self)
            self._paths(X, reset=True)
        return self

    def transform(self, X):
        """Read the files.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Paths of image files.

        Returns
        -------
        images : ndarray of shape (n_samples, height, width, 3) and dtype float32
            The images, 0 to 255; three equal channels for those that have no colours;
            NaN where a file cannot be read.

        Raises
        ------
        ValueError
            If `X` is no column of strings or, with `on_unreadable="error"`, a file
            cannot be read; the message names the first few and says why.

        Warns
        -----
        UserWarning
            If a file cannot be read.
        """
        check_is_fitted(self)
        paths = self._paths(X, reset=False)
        images = np.empty((len(paths), *self.size, 3), dtype=np.float32)
        unreadable = self._read(paths, images)
        complain(
            unreadable,
            len(paths),
            on_unreadable=self.on_unreadable,
            consequence="Their rows are NaN; report(X) lists all of them.",
        )
        return images

    def report(self, X):
        """List the files that cannot be read.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Paths of image files.

        Returns
        -------
        report : DataFrame
            One line for each file that cannot be read: its `"row"` in `X`, counted from
            0, its `"path"` and the `"reason"`.

        Raises
        ------
        ValueError
            If `X` is no column of strings.
        """
        check_is_fitted(self)
        return unreadable_table(self._read(self._paths(X, reset=False)))

    def _paths(self, X, *, reset):
        return validate_strings(self, X, reset=reset, paths=True)

    def _read(self, paths, images=None):
        """Read files, into an array if one is given; return those that cannot be."""
        batches = (np.arange(s.start, s.stop) for s in gen_batches(len(paths), _BATCH))
        stream = stream_images(paths, batches, reading_of(self), self.n_jobs)
        unreadable = []

        for rows, batch, reasons in track(
            stream,
            total=len(paths),
            description="Reading images",
            verbose=self.verbose,
        ):
            if images is not None:
                images[rows] = batch
            for row, reason in zip(rows.tolist(), reasons, strict=True):
                if reason is not None:
                    unreadable.append((row, paths[row], reason))
        return unreadable

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def reading_of(reader, caller=None):
    """Return how a reader reads, after checking that it can.

    Parameters
    ----------
    reader : MagnetogramReader
        It need not be fitted.

    caller : object or None, default=None
        What errors name; None for the reader.

    Returns
    -------
    reading : Reading
        Its parameters.

    Raises
    ------
    ImportError
        If an optional dependency is missing.

    ValueError
        If a parameter is not valid.
    """
    reader._validate_params()
    for module in ("astropy.io.fits", "PIL.Image", "skimage.transform"):
        import_optional(module, extra="solar", caller=caller or reader)
    check_layer_sizes("size", reader.size)
    if len(reader.size) != 2:
        raise ValueError(f"size must be (height, width), got {reader.size!r}.")
    root = None
    if reader.root is not None:
        root = os.path.abspath(os.path.expanduser(reader.root))
        if not os.path.isdir(root):
            raise ValueError(f"root={str(reader.root)!r} is no folder.")
    size = tuple(int(length) for length in reader.size)
    return Reading(size, float(reader.field_limit), reader.nan, root)
