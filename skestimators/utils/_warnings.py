"""Warnings that point to the user's own code."""

import sys
import warnings

_OURS = ("skestimators.", "sklearn.")


def warn_user(message):
    """Warn at the line of code that called the library.

    Parameters
    ----------
    message : str
        The warning.
    """
    level, frame = 1, sys._getframe()
    while frame.f_back and frame.f_globals.get("__name__", "").startswith(_OURS):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, UserWarning, stacklevel=level)
