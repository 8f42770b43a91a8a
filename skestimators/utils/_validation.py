"""Validation of what goes beside the features: targets and groups."""

import numpy as np
from sklearn.utils import check_consistent_length


def check_finite_target(y):
    """Name the first row of a numeric target that is not finite.

    Parameters
    ----------
    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        The target. What is not of floats is left to `validate_data`.

    Raises
    ------
    ValueError
        If a value is NaN or infinite.
    """
    values = np.asarray(y)
    if values.dtype.kind != "f":
        return
    bad = ~np.isfinite(values)
    if bad.any():
        first = np.argwhere(bad)[0]
        what = "infinity or a value too large for float64"
        if np.isnan(values[tuple(first)]):
            what = "NaN"
        raise ValueError(
            f"Input y contains {what}, first in row {first[0]} (counted from 0), "
            f"{np.count_nonzero(bad)} time(s) in all. Leave out rows without a target."
        )


def check_groups(groups, n_samples):
    """Check groups and number them.

    Parameters
    ----------
    groups : array-like of shape (n_samples,)
        Labels of any type that can be told apart.

    n_samples : int
        Number of rows.

    Returns
    -------
    numbers : ndarray of int of shape (n_samples,)
        From 0; equal where the labels are equal.

    Raises
    ------
    ValueError
        If there is not one label a row, or a label is missing.
    """
    import pandas as pd

    groups = np.asarray(groups)
    if groups.ndim != 1:
        raise ValueError(
            f"groups must have one dimension, got an array of shape {groups.shape}."
        )
    check_consistent_length(groups, np.empty(n_samples))
    numbers, _ = pd.factorize(groups)
    if (numbers < 0).any():
        row = int(np.flatnonzero(numbers < 0)[0])
        raise ValueError(f"groups has no label (None or NaN) in row {row}.")
    return numbers
