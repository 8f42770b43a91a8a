"""What a search depends on, as text that is the same in another process."""

import dis
import inspect
import numbers
import sysconfig
import types
from functools import partial
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils._metadata_requests import MetadataRequest

# Parameters of an estimator that do not change what it learns.
_IRRELEVANT = {"n_jobs", "verbose"}
_LIBRARIES = tuple(
    str(Path(path).resolve())
    for name, path in sysconfig.get_paths().items()
    if name.endswith(("lib", "stdlib"))
)


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
        name: joblib.hash(describe(value), coerce_mmap=True)
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


def describe(value):
    """Reduce a value to what joblib hashes alike in every process.

    Parameters
    ----------
    value : object
        Estimators are reduced to class, parameters and metadata requests (callbacks
        are none of these), functions to their code and what it reads, frames to their
        columns, containers to what is in them.

    Returns
    -------
    description : object
        Made of what joblib can hash.
    """
    return _Describer()(value)


class _Describer:
    """Describe values, each function once, as functions may call themselves."""

    def __init__(self):
        self._functions = {}

    def __call__(self, value):
        match value:
            case type():
                return f"{value.__module__}.{value.__qualname__}"
            case dict():
                items = value.items()
                return ["dict", *([self(key), self(item)] for key, item in items)]
            case list() | tuple():
                return ["sequence", *map(self, value)]
            case set() | frozenset():
                # Their order depends on the process.
                return ["set", *sorted(joblib.hash(describe(item)) for item in value)]
            case partial(func=func, args=args, keywords=keywords):
                return ["partial", self(func), self(args), self(keywords)]
            case types.MethodType(__func__=func, __self__=owner):
                return ["method", self(func), self(owner)]
            case types.FunctionType():
                return self._describe_function(value)
            case MetadataRequest():
                # Its attributes lead back to whom it belongs to.
                return ["requests", self(value._serialize())]
            case FrozenEstimator():
                return self._describe_frozen(value)
            case BaseEstimator():
                return self._describe_estimator(value)
            case _BaseScorer():
                return self._describe_object(value)
        if hasattr(value, "sample_independent") or hasattr(value, "prune"):
            # Samplers and pruners may hold functions, which joblib knows by name.
            return self._describe_object(value)
        return self._describe_data(value)

    def _describe_data(self, value):
        if type(value) in (np.ndarray, np.memmap) and not value.dtype.hasobject:
            # How it is kept in memory depends on how it was made.
            return np.asarray(value, order="C")
        if hasattr(value, "to_numpy"):
            if not hasattr(value, "columns"):
                return self._describe_data(value.to_numpy())
            columns = list(value.columns)
            arrays = (value[name].to_numpy() for name in columns)
            return ["frame", columns, *map(self._describe_data, arrays)]
        return value if _can_be_hashed(value) else self._describe_object(value)

    def _describe_estimator(self, estimator):
        params = estimator.get_params(deep=False).items()
        kept = {k: v for k, v in params if k not in _IRRELEVANT}
        requests = vars(estimator).get("_metadata_request")
        return [self(type(estimator)), self(kept), self(requests)]

    def _describe_frozen(self, frozen):
        """Describe what `fit` does not learn anew by what it has learned."""
        if not _can_be_hashed(frozen.estimator):
            raise _not_comparable(frozen)
        return ["frozen", joblib.hash(frozen.estimator)]

    def _describe_object(self, value):
        """Describe an object by its attributes, among which there may be functions."""
        if not hasattr(value, "__dict__"):
            raise _not_comparable(value)
        return [self(type(value)), self(vars(value))]

    def _describe_function(self, function):
        if function in self._functions:
            return ["function", self._functions[function]]
        self._functions[function] = len(self._functions)
        code = function.__code__
        return [
            "function",
            self._describe_code(code),
            self(function.__defaults__),
            self(function.__kwdefaults__),
            self(_nonlocals(function)),
            {} if _is_of_a_library(code) else self._describe_globals(function),
        ]

    def _describe_code(self, code):
        constants = [
            self._describe_code(const)
            if isinstance(const, types.CodeType)
            else self(const)
            for const in code.co_consts
        ]
        return [code.co_code, code.co_names, code.co_varnames, constants]

    def _describe_globals(self, function):
        """Describe the constants and functions of its module that a function reads."""
        found = function.__globals__
        return {
            name: self._describe_global(found[name])
            for name in sorted(_global_names(function.__code__))
            if name in found
        }

    def _describe_global(self, value):
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, types.FunctionType):
            if not _is_of_a_library(value.__code__):
                return self(value)
            return f"{value.__module__}.{value.__qualname__}"
        known = (type, partial, BaseEstimator, _BaseScorer)
        # Of a module or another object it is not known what the function uses.
        return self(value) if _is_plain(value) or isinstance(value, known) else None


def _nonlocals(function):
    """Return the variables of enclosing functions that a function reads."""
    found = {}
    cells = function.__closure__ or ()
    for name, cell in zip(function.__code__.co_freevars, cells, strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            # Not assigned yet.
            found[name] = None
    return found


def _global_names(code):
    """Return the global names that code, or code in it, reads and does not write."""
    read, written = set(), set()
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            read.add(instruction.argval)
        elif instruction.opname == "STORE_GLOBAL":
            written.add(instruction.argval)
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            read |= _global_names(const)
    return read - written


def _is_of_a_library(code):
    """Tell whether code is of Python or an installed package, not the user's own."""
    return str(Path(code.co_filename).resolve()).startswith(_LIBRARIES)


def _is_plain(value):
    if isinstance(value, dict):
        return all(map(_is_plain, [*value.keys(), *value.values()]))
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(map(_is_plain, value))
    return value is None or isinstance(
        value, (bool, numbers.Number, str, bytes, np.generic, np.ndarray)
    )


def _can_be_hashed(value):
    try:
        joblib.hash(value)
    except Exception:
        return False
    return True


def _not_comparable(value):
    return TypeError(
        f"storage cannot be used here: {value!r} cannot be pickled, so that "
        "another process could not tell whether it is the same."
    )
