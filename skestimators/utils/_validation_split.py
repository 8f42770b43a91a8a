"""The split that estimators make inside `fit` to watch their own progress."""

import numpy as np
from sklearn.model_selection import (
    GroupShuffleSplit,
    ShuffleSplit,
    StratifiedShuffleSplit,
)

_N_DRAWS = 20


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
        rows enough; with groups, shares as close as several draws come.

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
    # Groups are no strata: the draw is taken whose classes are shared out best.
    n_draws = 1 if groups is None or classes is None else _N_DRAWS
    splits = splitter(
        n_draws, test_size=validation_fraction, random_state=random_state
    ).split(np.empty(n_samples), classes, groups)
    try:
        train, validation = min(splits, key=lambda split: _imbalance(classes, split))
    except ValueError as error:
        advice = "Pass more data" if groups is None else "Pass data of more groups"
        if parameter == "validation_fraction":
            advice += " or early_stopping=False"
        raise ValueError(
            f"Cannot hold out {parameter}={validation_fraction} of {what}: {error} "
            f"{advice}."
        ) from error
    return np.sort(train), np.sort(validation)


def _imbalance(classes, split):
    """Return how much the shares of the classes differ between two sides."""
    if classes is None:
        return 0, 0.0
    labels, numbers = np.unique(classes, return_inverse=True)
    train, validation = (
        np.bincount(numbers[side], minlength=len(labels)) / len(side) for side in split
    )
    # A class that one side lacks is worse than any difference.
    n_absent = np.count_nonzero(train == 0) + np.count_nonzero(validation == 0)
    return n_absent, np.abs(train - validation).max()


def _can_stratify(classes, validation_fraction):
    _, counts = np.unique(classes, return_counts=True)
    smaller = min(validation_fraction, 1 - validation_fraction) * len(classes)
    return counts.min() >= 2 and smaller >= len(counts)
