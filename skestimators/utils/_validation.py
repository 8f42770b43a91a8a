"""Validation of what goes beside the features: targets and groups."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_consistent_length
from sklearn.utils.validation import _check_sample_weight, validate_data


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


def check_layer_sizes(name, sizes):
    """Check that a sequence parameter holds positive integers.

    Parameters
    ----------
    name : str
        The parameter.

    sizes : sequence
        Its value.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    if not all(isinstance(size, Integral) and size > 0 for size in sizes):
        raise ValueError(f"{name} must hold positive integers, got {sizes!r}.")


def validate_training_data(
    estimator,
    X,
    y,
    sample_weight=None,
    groups=None,
    *,
    dtype=np.float32,
    **check_params,
):
    """Validate what `fit` of a network is given.

    Parameters
    ----------
    estimator : estimator instance
        Gets, or is checked against, `n_features_in_` and `feature_names_in_`.

    X : array-like of shape (n_samples, ...)
        Features.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        Targets.

    sample_weight : array-like of shape (n_samples,) or None, default=None
        Row weights, not negative.

    groups : array-like of shape (n_samples,) or None, default=None
        Group labels.

    dtype : dtype or "numeric", default=float32
        What `X` is converted to.

    **check_params : dict
        Passed on to `validate_data`.

    Returns
    -------
    X, y, weight, groups : tuple of ndarray
        `weight` of ones if none was given, `groups` numbered from 0, or None.

    Raises
    ------
    ValueError
        If anything is NaN or infinite, negative where it must not be, or of another
        length than the rest.
    """
    check_finite_target(y)
    X, y = validate_data(estimator, X, y, dtype=dtype, **check_params)
    weight = _check_sample_weight(
        sample_weight, X, dtype=np.float32, ensure_non_negative=True
    )
    return X, y, weight, None if groups is None else check_groups(groups, len(X))


def drop_weightless(weight, *arrays):
    """Leave out rows of weight zero.

    Such a row counts nowhere, least of all among those that are held out.

    Parameters
    ----------
    weight : ndarray of shape (n_samples,)
        Weights, not negative.

    *arrays : ndarray of shape (n_samples, ...) or None
        What has a row for each.

    Returns
    -------
    weight, *arrays : list of ndarray or None
        The rows with a weight.

    Raises
    ------
    ValueError
        If no row has a weight.
    """
    counts = weight > 0
    if counts.all():
        return [weight, *arrays]
    if not counts.any():
        raise ValueError("All rows have weight zero, so there is nothing to learn.")
    return [None if a is None else a[counts] for a in (weight, *arrays)]
