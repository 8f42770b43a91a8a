"""Validation of a column of strings: mutant codes, sequences, paths."""

import os

import numpy as np
from sklearn.utils.validation import validate_data


def check_strings(X, *, caller, name="X", paths=False):
    """Check that `X` is one column of strings.

    Parameters
    ----------
    X : array-like of shape (n_samples,) or (n_samples, 1)
        List, array, pandas Series or one-column DataFrame.

    caller : object or str
        What needs the strings: an estimator, or the name of a function.

    name : str, default="X"
        What error messages call `X`.

    paths : bool, default=False
        Whether the strings are paths, so that `pathlib.Path` will do as well.

    Returns
    -------
    strings : ndarray of shape (n_samples,) and dtype object
        The same strings, each a plain `str`. Empty strings are kept.

    Raises
    ------
    ValueError
        If `X` is no such column, is empty, or holds anything but strings; the
        message names the first bad row, counted from 0.
    """
    who = caller if isinstance(caller, str) else type(caller).__name__
    # A set or a generator has an order nobody can rely on, or none twice.
    array = X.to_numpy(dtype=object) if hasattr(X, "to_numpy") else np.array(X, object)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        hint = " Put a single string in a list." if isinstance(X, str) else ""
        raise ValueError(
            f"{who} takes one column of strings, of shape (n_samples,) or "
            f"(n_samples, 1), but {name} is a {type(X).__name__} of shape "
            f"{array.shape}.{hint}"
        )
    if len(array) == 0:
        raise ValueError(
            f"Found array with 0 sample(s) in {name} while a minimum of 1 is "
            f"required by {who}."
        )
    if all(type(value) is str for value in array):
        return array
    strings = np.empty(len(array), dtype=object)
    for row, value in enumerate(array):
        if paths and isinstance(value, os.PathLike):
            value = os.fspath(value)
        if not isinstance(value, str):
            raise ValueError(
                f"{who} takes strings, but row {row} of {name} is {value!r}, of type "
                f"{type(value).__name__}."
            )
        strings[row] = str(value)
    return strings


def validate_strings(estimator, X, *, reset, paths=False):
    """Do for a column of strings what `validate_data` does for numbers.

    Parameters
    ----------
    estimator : estimator instance
        Gets, or is checked against, `n_features_in_` (always 1) and
        `feature_names_in_` (of a DataFrame with string column names).

    X : array-like of shape (n_samples,) or (n_samples, 1)
        The strings.

    reset : bool
        True in `fit`, False in every other method.

    paths : bool, default=False
        As for `check_strings`.

    Returns
    -------
    strings : ndarray of shape (n_samples,) and dtype object
        As `check_strings` returns it.
    """
    strings = check_strings(X, caller=estimator, paths=paths)
    # One-dimensional input has no feature names, but it is one feature all the same.
    columns = X if getattr(X, "ndim", 1) == 2 else strings[:, None]
    validate_data(estimator, columns, reset=reset, skip_check_array=True)
    return strings
