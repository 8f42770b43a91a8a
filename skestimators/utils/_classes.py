"""Class labels as numbers, and what classes weigh."""

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets

from skestimators.utils._validation import check_finite_target


def check_labels(estimator, y):
    """Check that there is one label a row, and none is missing.

    Parameters
    ----------
    estimator : estimator instance
        What error messages name.

    y : array-like of shape (n_samples,)
        Labels.

    Returns
    -------
    y : ndarray of shape (n_samples,)
        The labels.

    Raises
    ------
    ValueError
        If there are none, or one is None, NaN or infinite; the message names its row.
    """
    import pandas as pd

    if y is None:
        raise ValueError(
            f"{type(estimator).__name__} requires y to be passed, but the target y is "
            "None."
        )
    check_finite_target(y)
    y = column_or_1d(y, warn=True)
    if (missing := pd.isna(y)).any():
        raise ValueError(
            f"y has no label (None or NaN) in row {int(np.argmax(missing))} (counted "
            "from 0). Leave out rows without a target."
        )
    return y


def find_classes(estimator, y):
    """Return the classes among labels.

    Parameters
    ----------
    estimator : estimator instance
        What error messages name.

    y : ndarray of shape (n_samples,)
        Labels.

    Returns
    -------
    classes : ndarray of shape (n_classes,)
        Sorted.

    Raises
    ------
    ValueError
        If the labels are no classes, or all the same.
    """
    check_classification_targets(y)
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"{type(estimator).__name__} needs two classes or more, but y holds one "
            f"class: {classes.tolist()[0]!r}."
        )
    return classes


def weigh_classes(class_weight, weight, classes, numbers):
    """Return the factor of each row in the loss.

    Parameters
    ----------
    class_weight : dict, "balanced" or None
        The parameter of that name.

    weight : ndarray of shape (n_samples,)
        Row weights, not negative.

    classes : ndarray of shape (n_classes,)
        Class labels.

    numbers : ndarray of int of shape (n_samples,)
        Which of them each row has.

    Returns
    -------
    factor : ndarray of shape (n_samples,)
        Row weights times those of the classes.

    Raises
    ------
    ValueError
        If a class has a negative weight, or no row has any.
    """
    # With "balanced", a class without rows has no weight to compute.
    balanced = isinstance(class_weight, str)
    known = np.unique(numbers) if balanced else np.arange(len(classes))
    of_class = np.zeros(len(classes))
    of_class[known] = compute_class_weight(
        class_weight, classes=classes[known], y=classes[numbers], sample_weight=weight
    )
    factor = (weight * of_class[numbers]).astype(weight.dtype)
    if factor.min() < 0 or not factor.any():
        raise ValueError(
            f"class_weight={class_weight} must not be negative, nor zero for all rows."
        )
    return factor
