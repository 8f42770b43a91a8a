"""Names of skills, and cells that hold several of them."""

import re
from functools import lru_cache
from numbers import Integral, Real

import numpy as np

SKILL_SEPARATOR = "~"

# As programs write whole numbers that were read as float.
_DECIMAL = re.compile(r"-?\d+\.0+")
_EXPONENT = re.compile(r"-?\d(\.\d+)?e\+\d{2,3}")
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


def skill_names(cell):
    """Return the names of the skills in a cell.

    Parameters
    ----------
    cell : str, int or float
        A skill, or several joined with `"~"`.

    Returns
    -------
    names : tuple of str
        Distinct and sorted; empty if the cell names no skill. A whole number has the
        same name as int, float and text.
    """
    if isinstance(cell, str):
        return _split(cell)
    if isinstance(cell, Integral):
        return _split(str(int(cell)))
    if isinstance(cell, Real) and np.isfinite(cell):
        return _split(repr(float(cell)))
    return ()


# The same few cells come again and again while a lesson is followed.
@lru_cache(maxsize=4096)
def _split(cell):
    names = {whole_as_int(name.strip()) for name in cell.split(SKILL_SEPARATOR)}
    return () if "" in names else tuple(sorted(names, key=skill_order))


def whole_as_int(text):
    """Return `"12"` for `"12.0"`, and text that is no whole number as it is.

    Parameters
    ----------
    text : str
        A name, which may have been a number read as float.

    Returns
    -------
    text : str
        The name.
    """
    if _DECIMAL.fullmatch(text):
        text = text.partition(".")[0]
    elif _EXPONENT.fullmatch(text) and float(text).is_integer():
        text = str(int(float(text)))
    return "0" if text == "-0" else text


def skill_order(name):
    """Return a sort key that puts numbers first, as numbers.

    Parameters
    ----------
    name : str
        Name of a skill.

    Returns
    -------
    key : tuple
        To sort by.
    """
    is_number = _NUMBER.fullmatch(name)
    return (not is_number, float(name) if is_number else 0.0, name)
