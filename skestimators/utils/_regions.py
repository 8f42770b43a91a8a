"""The active region that an image is of, by its path."""

import re

import numpy as np

from skestimators.utils._strings import check_strings

# HMI's cutouts, and MDI's before them: series, number, time.
_CUTOUT = re.compile(r"(hmi\.sharp|mdi\.smarp)_\w+\.(\d{1,6})\.\d{8}_\d{6}", re.I)
# The images of AR-flares, by NOAA's number: 1069_hmi.M_720s.20100505_000000_TAI.1....
_FRAME = re.compile(r"(\d{3,6})_(?:hmi|mdi)\.", re.I)
# A number of eight digits is a date, not a region.
_FOLDER = re.compile(r"(?:(NOAA|(?:NOAA[ _-]?)?AR|S?HARP)[ _.-]?)?(\d{1,6})", re.I)
_HINT = (
    "a folder named by the number, of three digits or more, as in '11158/frame.png', "
    "or a SHARP file name, as "
    "'hmi.sharp_cea_720s.377.20110215_000000_TAI.magnetogram.fits'"
)


def region_numbers(paths, *, caller="region_numbers", name="paths", locate=None):
    """Return the number of the active region that each image is of.

    Parameters
    ----------
    paths : array-like of shape (n_samples,) or (n_samples, 1)
        Paths of images, as strings.

    caller : object or str, default="region_numbers"
        What needs the numbers: an estimator, or the name of a function.

    name : str, default="paths"
        What error messages call `paths`.

    locate : callable, default=None
        From a row to the words by which error messages name it. None is
        `"row 3 of paths"`.

    Returns
    -------
    regions : ndarray of shape (n_samples,) and dtype int64
        The HARP number in the file name of a SHARP cutout, or the number before `_hmi`
        or `_mdi` in that of a frame of AR-flares; otherwise the nearest folder whose
        name is a number of three to six digits, or of fewer after AR, NOAA or HARP. A
        folder of one or two digits alone is of a date, and what is above it as well.

    Raises
    ------
    ValueError
        If a path has no such number, or some numbers are NOAA's, some HARP's and some
        of unknown origin: the same region has another number in each.
    """
    strings = check_strings(paths, caller=caller, name=name, paths=True)
    locate = locate or (lambda row: f"row {row} of {name}")
    regions = np.empty(len(strings), dtype=np.int64)
    first = {}
    for row, path in enumerate(strings):
        kind, number = _find_region(path)
        if number is None:
            raise ValueError(f"{locate(row)}: no region in {path!r}; it takes {_HINT}.")
        regions[row] = int(number)
        first.setdefault(kind, row)
    if len(first) > 1:
        (kind, row), (other_kind, other) = list(first.items())[:2]
        raise ValueError(
            f"The numbers of regions must be of one kind, but {locate(row)} has "
            f"{kind}, {strings[row]!r}, and {locate(other)} has {other_kind}, "
            f"{strings[other]!r}; the same region would be two."
        )
    return regions


def has_region(path):
    """Tell whether a path has the number of a region."""
    return _find_region(path)[1] is not None


def frame_region(name):
    """Return the digits of the region in the name of a frame of AR-flares, or None."""
    frame = _FRAME.match(name)
    return frame and frame[1]


def _find_region(path):
    """Return what kind of number a path has, and its digits, or None twice."""
    # Tables written on Windows are read elsewhere, too.
    *folders, file = re.split(r"[/\\]", path)
    if cutout := _CUTOUT.search(file):
        mission = "a SMARP" if cutout[1].lower().startswith("mdi") else "a HARP"
        return f"{mission} number", cutout[2]
    if frame := frame_region(file):
        return "a plain number", frame
    for folder in reversed(folders):
        # The folders of archives, year/month/day, are no regions.
        if re.fullmatch(r"\d{1,2}", folder):
            return None, None
        if found := _FOLDER.fullmatch(folder):
            prefix = (found[1] or "").upper()
            if not prefix:
                return "a plain number", found[2]
            return ("a HARP number" if "HARP" in prefix else "a NOAA number"), found[2]
    return None, None
