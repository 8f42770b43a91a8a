"""The split that estimators make inside `fit` to watch their own progress."""

import numpy as np
from sklearn.model_selection import GroupShuffleSplit, ShuffleSplit


def split_validation(n_samples, *, validation_fraction, groups=None, random_state=None):
    """Hold out a fraction of the rows, or of the groups where there are any.

    Parameters
    ----------
    n_samples : int
        Number of rows.

    validation_fraction : float
        Share of the rows, or of the groups, that is held out.

    groups : ndarray of int of shape (n_samples,) or None, default=None
        Rows of one group stay on one side.

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
    rows = np.arange(n_samples)
    splitter = ShuffleSplit
    if groups is not None:
        splitter = GroupShuffleSplit
    split = splitter(1, test_size=validation_fraction, random_state=random_state)
    try:
        train, validation = next(split.split(rows, groups=groups))
    except ValueError as error:
        raise ValueError(
            f"Cannot hold out validation_fraction={validation_fraction} of "
            f"{n_samples} sample(s): {error} Pass more data or early_stopping=False."
        ) from error
    return np.sort(train), np.sort(validation)
