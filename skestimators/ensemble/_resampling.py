"""Bootstrap resamples of rows or of whole groups."""

from numbers import Integral

import numpy as np


def draw_bootstrap_counts(n_resamples, usable, *, max_samples, groups, random_state):
    """Draw how often each row stands in each bootstrap resample.

    Parameters
    ----------
    n_resamples : int
        Number of resamples.

    usable : ndarray of bool of shape (n_samples,)
        Rows that may be drawn.

    max_samples : int, float or None
        Number of rows, or of groups if they are given, in a resample; a float is a
        share of the usable ones, None all of them.

    groups : ndarray of shape (n_samples,) or None
        Rows of one group are drawn together.

    random_state : RandomState
        The source of randomness.

    Returns
    -------
    counts : ndarray of uint32 of shape (n_resamples, n_samples)
        0 means that the row is out of the bag.

    Raises
    ------
    ValueError
        If fewer than two rows, or groups, can be drawn.
    """
    rows = np.flatnonzero(usable)
    if groups is None:
        unit_of_row = np.arange(len(rows))
    else:
        _, unit_of_row = np.unique(groups[rows], return_inverse=True)
    n_units = unit_of_row.max(initial=-1) + 1
    if n_units < 2:
        what = "rows of positive sample_weight" if groups is None else "groups"
        raise ValueError(
            f"Bootstrap resampling needs at least 2 {what}, got {n_units}."
        )
    n_draws = _n_draws(max_samples, n_units)
    counts = np.zeros((n_resamples, len(usable)), dtype=np.uint32)
    for resample in counts:
        drawn = random_state.randint(n_units, size=n_draws)
        resample[rows] = np.bincount(drawn, minlength=n_units)[unit_of_row]
    return counts


def _n_draws(max_samples, n_units):
    """Return the number of draws with replacement that make a resample."""
    if max_samples is None:
        return n_units
    if isinstance(max_samples, Integral):
        return int(max_samples)
    return max(1, round(max_samples * n_units))
