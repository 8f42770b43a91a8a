"""Constraints of the parameters that all networks share."""

import os
from numbers import Integral, Real

from sklearn.utils._param_validation import Interval

TRAINING_CONSTRAINTS = {
    "dropout": [Interval(Real, 0, 1, closed="left")],
    "learning_rate": [Interval(Real, 0, None, closed="neither")],
    "batch_size": [Interval(Integral, 1, None, closed="left"), None],
    "max_epochs": [Interval(Integral, 1, None, closed="left")],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
    "tol": [Interval(Real, 0, None, closed="left")],
    "checkpoint": [str, os.PathLike, None],
    "device": [str],
    "random_state": ["random_state"],
}
