"""What a search depends on, as text that is the same in another process."""

import numbers
import types
from functools import partial

import joblib
from sklearn.base import BaseEstimator
from sklearn.metrics._scorer import _BaseScorer

# Parameters of an estimator that do not change what it learns.
_IRRELEVANT = {"n_jobs", "verbose"}


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
        "data": [X, y, {k: v for k, v in params.items() if v is not None}],
        "splits": splits,
        "estimator": search.estimator,
        "scoring": scoring,
        "space": search.param_distributions,
        "sampler": [_describe_sampler(search.sampler), search.pruner],
        # Anything but a number is drawn once and then kept with the trials.
        "random_state": int(random_state) if fixed else None,
    }
    return {
        name: joblib.hash(describe(value), coerce_mmap=True)
        for name, value in parts.items()
    }


def _describe_sampler(sampler):
    """Know a sampler instance by its class, as its state changes when it is used."""
    return type(sampler) if hasattr(sampler, "sample_independent") else sampler


def describe(value):
    """Reduce a value to what joblib hashes alike in every process.

    Parameters
    ----------
    value : object
        Estimators are reduced to class and parameters (callbacks are none), functions
        to their code, frames to their columns, containers to what is in them.

    Returns
    -------
    description : object
        Made of what joblib can hash.
    """
    match value:
        case type():
            return f"{value.__module__}.{value.__qualname__}"
        case dict():
            return ["dict", *([describe(k), describe(v)] for k, v in value.items())]
        case list() | tuple():
            return ["sequence", *map(describe, value)]
        case set() | frozenset():
            # Their order depends on the process.
            return ["set", *sorted(joblib.hash(describe(v)) for v in value)]
        case partial(func=func, args=args, keywords=keywords):
            return ["partial", describe(func), describe(args), describe(keywords)]
        case types.MethodType(__func__=func, __self__=owner):
            return ["method", describe(func), describe(owner)]
        case types.FunctionType():
            return ["function", *_describe_function(value)]
        case BaseEstimator():
            params = value.get_params(deep=False).items()
            kept = {k: v for k, v in params if k not in _IRRELEVANT}
            return [describe(type(value)), describe(kept)]
        case _BaseScorer():
            return _describe_object(value)
    if hasattr(value, "to_numpy"):
        # How a frame keeps its columns in memory depends on how it was made.
        if not hasattr(value, "columns"):
            return value.to_numpy()
        columns = list(value.columns)
        return ["frame", columns, *(value[name].to_numpy() for name in columns)]
    return value if _can_be_hashed(value) else _describe_object(value)


def _describe_function(function):
    cells = [cell.cell_contents for cell in function.__closure__ or ()]
    return [
        _describe_code(function.__code__),
        describe(function.__defaults__),
        describe(function.__kwdefaults__),
        describe(cells),
    ]


def _describe_code(code):
    constants = [
        _describe_code(c) if isinstance(c, types.CodeType) else describe(c)
        for c in code.co_consts
    ]
    return [code.co_code, code.co_names, code.co_varnames, constants]


def _can_be_hashed(value):
    try:
        joblib.hash(value)
    except Exception:
        return False
    return True


def _describe_object(value):
    """Describe an object by its attributes, among which there may be functions."""
    if not hasattr(value, "__dict__"):
        raise TypeError(
            f"storage cannot be used here: {value!r} cannot be pickled, so that "
            "another process could not tell whether it is the same."
        )
    return [describe(type(value)), describe(vars(value))]
