"""Simulator of magnetograms of active regions, some of which will flare."""

import csv
import io
import os
from numbers import Integral, Real
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skestimators.datasets._active_regions import (
    draw_region,
    line_of_sight_field,
    pixel_size,
    radial_field,
)
from skestimators.utils._optional import import_optional

_FIRST_REGION = 11001
# Of the log-odds of a flare, by complexity; and what is the region's own.
_SLOPE, _REGION_SCALE = 16.0, 1.0
# From here on field counts as that of a region, in gauss.
_ACTIVE = 100.0
# Square centimetres in a square megametre.
_MM2 = 1e16
# How HMI stores its field: in tenths of a gauss, and what stands for none.
_QUANTUM, _BLANK = 0.1, -(2**31)

_DESCR = """\
Simulated line-of-sight magnetograms of active regions.

paths: files `<region>/<region>_<frame>.<png or fits>`.
labels: 1 if the region flares within a day of the image, else 0.
groups: number of the active region.
unsigned_flux: flux of the pixels above 100 G in the image, in Mx.
complexity: share of the flux near strong polarity-inversion lines, which the flares
depend on.
longitude: of the region, from the centre of the disk, in degrees.
"""


@validate_params(
    {
        "folder": [str, os.PathLike],
        "n_regions": [Interval(Integral, 1, 99999 - _FIRST_REGION, closed="both")],
        "n_frames": [Interval(Integral, 1, 9999, closed="both")],
        "image_shape": ["array-like"],
        "file_format": [StrOptions({"png", "fits", "compressed_fits"})],
        "field_limit": [Interval(Real, 0, None, closed="neither")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "flare_share": [Interval(Real, 0, 1, closed="neither")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_magnetograms(
    folder,
    *,
    n_regions=50,
    n_frames=8,
    image_shape=(224, 224),
    file_format="png",
    field_limit=5978.7,
    noise=10.0,
    flare_share=0.25,
    random_state=None,
):
    """Simulate magnetograms of active regions, and write them to files.

    Each region is one to three bipoles in the activity belts of the Sun. They obey
    Hale's law of polarities and, with scatter, Joy's law of tilt. Over the frames,
    which are half a day apart, their flux emerges and the Sun turns [1]_:

    - in simple regions two clean polarities face each other; in complex ones, of delta
      type, they interleave along a long and curved inversion line with steep gradients;
    - whether a region flares within a day of an image is drawn from a logistic model.
      Its log-odds rise by 16 over the complexity, the share of the flux that is near
      an inversion line between strong fields, a measure akin to Schrijver's R [2]_.
      They have a share of the region's own that no image shows;
    - total flux varies much and tells little: large regions are only somewhat more
      complex;
    - the telescope sees the field along the line of sight, foreshortened and weakened
      towards the limb, where noise doubles. There is no field beyond the limb.

    As the frames of one region look alike and share what the images do not show, only
    splits by `groups` tell how well new regions are forecast.

    Parameters
    ----------
    folder : str or path-like
        Where to write. It is made if it does not exist; one with anything in it is
        refused, so that nothing is overwritten or mixed.

    n_regions : int, default=50
        Number of active regions.

    n_frames : int, default=8
        Number of images of each region. If the Sun would turn them out of sight, they
        are closer than half a day.

    image_shape : tuple of 2 int, default=(224, 224)
        Rows and columns of the images. The longer side is 224 Mm on the Sun.

    file_format : {"png", "fits", "compressed_fits"}, default="png"
        How to write the images.

        - `"png"`: 8 bits of grey, linear from `-field_limit` to `field_limit`; what is
          beyond the limb has no field, which is grey 128;
        - `"fits"`: gauss, as the integers of .1 G in which HMI stores them, in HDU 1;
          NaN beyond the limb;
        - `"compressed_fits"`: the same, Rice-compressed as the SHARP files are, and
          like them with a card, `R_VALUE = nan`, that the standard does not allow.

        The first row is the southernmost in all of them.

    field_limit : float, default=5978.7
        The field in gauss that is white in a PNG file; stronger field is cut. The
        default lets a PNG and a FITS file stand for the same pixels where the latter
        are scaled by as much, but one grey level is 47 G: the noise is lost. About
        1500 shows more of the weak field, and cuts that of spots.

    noise : float, default=10.0
        Standard deviation of the noise in gauss, at the centre of the disk.

    flare_share : float, default=0.25
        Share of the images with a flare. Exactly as many as this have one, rounded.

    random_state : int, RandomState instance or None, default=None
        Determines regions, noise and flares. With an int, a larger `n_regions` gives
        the same images and more; the labels may differ, as they go by `flare_share`.

    Returns
    -------
    magnetograms : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes; n is
        `n_regions * n_frames`. Ordered by region, then by time.

        paths : ndarray of shape (n,) and dtype object
            The files, `<folder>/<region>/<region>_<frame>.<png or fits>`, with region
            numbers from 11001.
        labels : ndarray of shape (n,) and dtype int64
            1 if the region flares within a day, else 0.
        groups : ndarray of shape (n,) and dtype int64
            The region numbers.
        unsigned_flux : ndarray of shape (n,)
            The flux along the line of sight in Mx, regardless of sign, of the pixels
            above 100 G; as in the image, noise included.
        complexity : ndarray of shape (n,)
            The share of the flux near inversion lines between strong fields, from 0 to
            1.
        longitude : ndarray of shape (n,)
            The longitude of the region in degrees west of the centre of the disk.
        csv : str
            The table `<folder>/labels.csv` of columns `filename`, relative to `folder`,
            and `class`. It is written last.
        DESCR : str
            A description of the data.

    Raises
    ------
    FileExistsError
        If the folder is not empty.

    ImportError
        If pillow, or for FITS files astropy, is not installed.

    See Also
    --------
    read_flare_table : Read paths and labels from the table.
    skestimators.preprocessing.active_region_groups : Groups of other files.

    References
    ----------
    .. [1] L. van Driel-Gesztelyi and L. M. Green, "Evolution of Active Regions",
           Living Reviews in Solar Physics 12 (2015), 1.
    .. [2] C. J. Schrijver, "A Characteristic Magnetic Field Pattern Associated with All
           Major Solar Flares and Its Use in Flare Forecasting", The Astrophysical
           Journal 655 (2007), L117-L120.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators.datasets import make_magnetograms
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     regions = make_magnetograms(
    ...         folder, n_regions=2, n_frames=4, image_shape=(64, 64), random_state=0
    ...     )
    ...     print(Path(regions.csv).read_text()[:35])
    filename,class
    11001/11001_0000.png
    >>> regions.labels.sum(), regions.groups
    (np.int64(2), array([11001, 11001, 11001, 11001, 11002, 11002, 11002, 11002]))
    """
    image_shape = _check_shape(image_shape)
    write = _choose_writer(file_format, field_limit)
    folder = _make_folder(folder)
    rng = check_random_state(random_state)
    seeds = rng.randint(2**31 - 1, size=n_regions)
    suffix = "png" if file_format == "png" else "fits"
    names, rows, odds = [], [], []
    for number, seed in enumerate(seeds, start=_FIRST_REGION):
        region_rng = np.random.default_rng(seed)
        Path(folder, f"{number:05}").mkdir()
        region = draw_region(region_rng, n_frames)
        luck = _REGION_SCALE * region_rng.normal()
        for frame, image, row in _frames(region, region_rng, image_shape, noise):
            names.append(f"{number:05}/{number:05}_{frame:04}.{suffix}")
            write(Path(folder, names[-1]), image, number, row)
            rows.append((number, *row))
            odds.append(_SLOPE * row[1] + luck + region_rng.logistic())
    groups, flux, complexity, longitude = zip(*rows, strict=True)
    labels = _highest(np.array(odds), round(flare_share * len(odds)))
    return Bunch(
        paths=np.array([os.path.join(folder, name) for name in names], dtype=object),
        labels=labels,
        groups=np.array(groups, dtype=np.int64),
        unsigned_flux=np.array(flux),
        complexity=np.array(complexity),
        longitude=np.array(longitude),
        csv=_write_table(folder, names, labels),
        DESCR=_DESCR,
    )


def _check_shape(image_shape):
    """Return the shape as a tuple of two numbers."""
    shape = tuple(image_shape)
    if len(shape) != 2 or not all(isinstance(n, Integral) and n > 0 for n in shape):
        raise ValueError(
            f"image_shape must be two positive integers, rows and columns; got "
            f"{image_shape!r}."
        )
    return shape


def _make_folder(folder):
    """Make the folder, or check that it is empty."""
    folder = os.fspath(folder)
    os.makedirs(folder, exist_ok=True)
    if os.listdir(folder):
        raise FileExistsError(
            f"folder={folder!r} is not empty. Choose another, or empty this one."
        )
    return folder


def _frames(region, rng, image_shape, noise):
    """Yield the images of a region, with flux, complexity and longitude."""
    area = pixel_size(image_shape) ** 2 * _MM2
    for frame, longitude in enumerate(region.longitude):
        field, complexity = radial_field(region, frame)
        image, cosine = line_of_sight_field(region, frame, field, image_shape)
        grain = rng.standard_normal(image_shape, dtype=np.float32)
        image += np.float32(noise) * (2 - cosine) * grain
        strength = np.abs(image)
        flux = area * strength[strength > _ACTIVE].sum(dtype=np.float64)
        yield frame, image, (flux, complexity, np.rad2deg(longitude))


def _highest(scores, count):
    """Return 1 for the `count` highest scores, else 0.

    With logistic noise in the scores, it is a draw from a logistic model whose
    intercept suits the count.
    """
    labels = np.zeros(len(scores), dtype=np.int64)
    labels[np.argsort(-scores)[:count]] = 1
    return labels


def _choose_writer(file_format, field_limit):
    """Return a function that writes an image to a file."""
    if file_format == "png":
        pillow = import_optional("PIL.Image", extra="solar", caller="make_magnetograms")
        return lambda path, image, number, row: _write_png(
            pillow, path, image, field_limit
        )
    fits = import_optional("astropy.io.fits", extra="solar", caller="make_magnetograms")
    compressed = file_format == "compressed_fits"
    return lambda path, image, number, row: _write_fits(
        fits, path, image, number, row, compressed
    )


def _write_png(pillow, path, image, field_limit):
    grey = (image + np.float32(field_limit)) * np.float32(255 / (2 * field_limit))
    np.nan_to_num(grey, copy=False, nan=127.5)
    grey = np.rint(np.clip(grey, 0, 255)).astype(np.uint8)
    # The noise can hardly be packed any more densely, however long it is tried.
    pillow.fromarray(grey).save(path, compress_level=1)


def _write_fits(fits, path, image, number, row, compressed):
    whole = np.where(np.isnan(image), _BLANK, np.rint(image / np.float32(_QUANTUM)))
    kind = fits.CompImageHDU if compressed else fits.ImageHDU
    hdu = kind(whole.astype(np.int32))
    hdu.header["BSCALE"] = _QUANTUM
    hdu.header["BZERO"] = 0.0
    hdu.header["BLANK"] = _BLANK
    hdu.header["BUNIT"] = "Mx/cm^2"
    hdu.header["NOAA_AR"] = number
    hdu.header["USFLUX"] = row[0]
    hdu.header["LON_FWT"] = row[2]
    hdu.header["R_VALUE"] = "nan"
    hdu.header["CONTENT"] = "SIMULATED MAGNETOGRAM"
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    data = file.getvalue()
    if compressed:
        # As HMI's pipeline writes it; astropy itself would refuse to.
        data = data.replace(b"R_VALUE = 'nan     '", b"R_VALUE = nan       ", 1)
    path.write_bytes(data)


def _write_table(folder, names, labels):
    path = os.path.join(folder, "labels.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["filename", "class"])
        table.writerows(zip(names, labels.tolist(), strict=True))
    return path
