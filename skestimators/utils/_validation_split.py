"""The split that estimators make inside `fit` to watch their own progress."""

import numpy as np
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedShuffleSplit,
)


def split_validation(
    n_samples,
    *,
    validation_fraction,
    groups=None,
    classes=None,
    unit="sample",
    parameter="validation_fraction",
    random_state=None,
):
    """Hold out a fraction of the rows, or of the groups where there are any.

    Parameters
    ----------
    n_samples : int
        Number of rows.

    validation_fraction : float
        Share of the rows, or of the groups, that is held out.

    groups : ndarray of int of shape (n_samples,) or None, default=None
        Rows of one group stay on one side.

    classes : ndarray of shape (n_samples,) or None, default=None
        Class of each row. Both sides get the same shares of the classes, if there are
        no groups and rows enough.

    unit : str, default="sample"
        What errors call a row.

    parameter : str, default="validation_fraction"
        What errors call the fraction.

    random_state : int, RandomState instance or None, default=None
        Decides which rows are held out.

    Returns
    -------
    train, validation : tuple of ndarray of int
        Row indices, sorted.

    Raises
    ------
    ValueError
        If one side would be empty.
    """
    splitter, what = ShuffleSplit, f"{n_samples} {unit}(s)"
    if groups is not None:
        splitter, what = GroupShuffleSplit, f"{len(np.unique(groups))} group(s)"
    elif classes is not None and _can_stratify(classes, validation_fraction):
        splitter = StratifiedShuffleSplit
    split = splitter(1, test_size=validation_fraction, random_state=random_state)
    try:
        train, validation = next(split.split(np.empty(n_samples), classes, groups))
    except ValueError as error:
        advice = "Pass more data" if groups is None else "Pass data of more groups"
        if parameter == "validation_fraction":
            advice += " or early_stopping=False"
        raise ValueError(
            f"Cannot hold out {parameter}={validation_fraction} of {what}: {error} "
            f"{advice}."
        ) from error
    return np.sort(train), np.sort(validation)


def _can_stratify(classes, validation_fraction):
    _, counts = np.unique(classes, return_counts=True)
    smaller = min(validation_fraction, 1 - validation_fraction) * len(classes)
    return counts.min() >= 2 and smaller >= len(counts)
