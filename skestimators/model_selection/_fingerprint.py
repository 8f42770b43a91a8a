"""What a search depends on, as text that is the same in another process."""

import numbers

import joblib
import numpy as np

from skestimators.utils._description import describe


def fingerprint_of(search, *, X, y, params, splits):
    """Hash all that decides which trials a search has and how they are scored.

    Parameters
    ----------
    search : OptunaSearchCV
        The search.

    X, y : array-like
        The data.

    params : dict
        Further arguments of `fit`, groups and weights included.

    splits : list of tuple of ndarray
        Train and test rows of each fold.

    Returns
    -------
    fingerprint : dict of str to str
        One hash for each thing that a person would name. `n_iter` is not in it, so
        that a search can be extended.
    """
    scoring = [search.scoring, search.return_train_score, search.error_score]
    if isinstance(search.refit, str):
        scoring.append(search.refit)
    random_state = search.random_state
    fixed = isinstance(random_state, numbers.Integral)
    parts = {
        "data": [
            _as_array(X),
            _as_array(y),
            {k: _as_array(v) for k, v in params.items() if v is not None},
        ],
        "splits": splits,
        "estimator": search.estimator,
        "scoring": scoring,
        "space": search.param_distributions,
        "sampler": [search.sampler, search.pruner],
        # Anything but a number is drawn once and then kept with the trials.
        "random_state": int(random_state) if fixed else None,
    }
    return {
        name: joblib.hash(describe(value, needed_by="storage"), coerce_mmap=True)
        for name, value in parts.items()
    }


def _as_array(data):
    """Return a list of data as the array that it stands for."""
    if not isinstance(data, (list, tuple)):
        return data
    if any(isinstance(item, str) and len(item) > 100 for item in data):
        # In an array, each text takes as much memory as the longest.
        return data
    try:
        array = np.asarray(data)
    except ValueError:
        return data
    return data if array.dtype.hasobject else array
