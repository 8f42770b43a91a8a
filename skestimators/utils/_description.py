"""What decides a result, as values that are the same in another process."""

import dis
import inspect
import numbers
import sys
import sysconfig
import types
from functools import lru_cache, partial
from pathlib import Path

import joblib
import numpy as np
from sklearn.base import BaseEstimator
from sklearn.frozen import FrozenEstimator
from sklearn.metrics._scorer import _BaseScorer
from sklearn.utils._metadata_requests import MetadataRequest

# Parameters of an estimator that do not change what it learns.
IRRELEVANT = frozenset({"n_jobs", "verbose", "checkpoint"})
_LIBRARIES = (
    *(
        Path(path).resolve()
        for name, path in sysconfig.get_paths().items()
        if name.endswith(("lib", "stdlib"))
    ),
    # Also where it is installed from a checkout.
    Path(__file__).resolve().parents[1],
)


def describe(value, *, needed_by, irrelevant=IRRELEVANT):
    """Reduce a value to what joblib hashes alike in every process.

    Parameters
    ----------
    value : object
        Estimators are reduced to class, parameters and metadata requests (callbacks
        are none of these), functions to their code and what it reads, classes of the
        user's to their functions and others to their names, networks to their
        attributes, frames to their columns, containers to what is in them.

    needed_by : str
        The parameter that needs this, for errors.

    irrelevant : set of str, default=IRRELEVANT
        Parameters of estimators that are left out.

    Returns
    -------
    description : object
        Made of what joblib can hash.

    Raises
    ------
    TypeError
        If there is something that another process could not tell from others.
    """
    return _Describer(needed_by, irrelevant)(value)


class _Describer:
    """Describe values, each function once, as functions may call themselves."""

    def __init__(self, needed_by, irrelevant):
        self._needed_by = needed_by
        self._irrelevant = irrelevant
        self._functions = {}
        self._classes = set()

    def __call__(self, value):
        match value:
            case type():
                return self._describe_class(value)
            case dict():
                items = value.items()
                return ["dict", *([self(key), self(item)] for key, item in items)]
            case list() | tuple():
                return ["sequence", *map(self, value)]
            case set() | frozenset():
                # Their order depends on the process.
                return ["set", *sorted(joblib.hash(self._alone(v)) for v in value)]
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

    def _alone(self, value):
        """Describe what must not depend on the functions that came before."""
        return _Describer(self._needed_by, self._irrelevant)(value)

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
        # Nobody has a tensor without having imported torch.
        if (torch := sys.modules.get("torch")) is not None:
            if isinstance(value, torch.Tensor):
                # Its pickle tells where in memory it is.
                kind = [str(value.dtype), value.requires_grad, *value.shape]
                flat = value.detach().cpu().contiguous().reshape(-1)
                return ["tensor", *kind, flat.view(torch.uint8).numpy()]
            if isinstance(value, torch.nn.Module):
                return self._describe_object(value)
        # A pickle has the name of its class alone.
        is_own = hasattr(value, "__dict__") and _is_own(type(value))
        if is_own or not _can_be_hashed(value):
            return self._describe_object(value)
        return value

    def _describe_class(self, cls):
        """Describe a class by its name, and the user's own by what it says, too."""
        name = f"{cls.__module__}.{cls.__qualname__}"
        if cls in self._classes or not _is_own(cls):
            return name
        self._classes.add(cls)
        bases = [self(base) for base in cls.__bases__]
        said = _said_by(cls)
        return ["class", name, bases, {key: self(said[key]) for key in sorted(said)}]

    def _describe_estimator(self, estimator):
        params = estimator.get_params(deep=False).items()
        kept = {k: v for k, v in params if k not in self._irrelevant}
        requests = vars(estimator).get("_metadata_request")
        return [self(type(estimator)), self(kept), self(requests)]

    def _describe_frozen(self, frozen):
        """Describe what `fit` does not learn anew by what it has learned."""
        if not _can_be_hashed(frozen.estimator):
            raise self._not_comparable(frozen)
        return ["frozen", joblib.hash(frozen.estimator)]

    def _describe_object(self, value):
        """Describe an object by its attributes, among which there may be functions."""
        if not hasattr(value, "__dict__"):
            raise self._not_comparable(value)
        return [self(type(value)), self(vars(value))]

    def _not_comparable(self, value):
        return TypeError(
            f"{self._needed_by} cannot be used here: {value!r} cannot be pickled, so "
            "that another process could not tell whether it is the same."
        )

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


def _is_own(cls):
    """Tell whether the user wrote a class."""
    module = sys.modules.get(cls.__module__)
    file = getattr(module, "__file__", None)
    if file is not None:
        return not _is_in_a_library(file)
    # Python's own, some of which have no file.
    spec = getattr(module, "__spec__", None)
    return getattr(spec, "origin", None) not in ("built-in", "frozen")


def _said_by(cls):
    """Return the functions and the constants that stand in a class."""
    functions, constants = {}, {}
    for name, value in vars(cls).items():
        for wrapped in ("__func__", "fget", "func"):
            value = getattr(value, wrapped, value)
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, types.FunctionType):
            functions[name] = value
        elif _is_plain(value) and _can_be_constant(value) and name[:2] != "__":
            constants[name] = value
    # A counter is none, for example.
    changing = set().union(*(_stored_names(f.__code__) for f in functions.values()))
    return functions | {n: v for n, v in constants.items() if n not in changing}


def _can_be_constant(value):
    try:
        hash(value)
    except TypeError:
        return False
    return True


def _stored_names(code):
    """Return the names of attributes that code, or code in it, writes to."""
    names = {
        instruction.argval
        for instruction in dis.get_instructions(code)
        if instruction.opname == "STORE_ATTR"
    }
    inner = (const for const in code.co_consts if isinstance(const, types.CodeType))
    return names.union(*map(_stored_names, inner))


def _is_of_a_library(code):
    """Tell whether code is of Python or an installed package, not the user's own."""
    return _is_in_a_library(code.co_filename)


@lru_cache(maxsize=1024)
def _is_in_a_library(file):
    return any(Path(file).resolve().is_relative_to(folder) for folder in _LIBRARIES)


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
