"""What is not written as it is.

Distributions of scipy run text of their state when they are made from it, so that a
file has their names instead. Requests for metadata refer to their owner, a circle that
no tree can hold. skops reads the key `False` as `True`. Callbacks are of the session.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import scipy.stats
from scipy.stats._distn_infrastructure import rv_frozen
from sklearn.utils._metadata_requests import MetadataRequest, _MetadataRequester

# Where scikit-learn keeps requests, and callbacks.
_REQUEST = "_metadata_request"
_OF_THE_SESSION = {"_skl_callbacks", "_skl_callbacks_to_teardown"}


@dataclass(frozen=True)
class NamedDistribution:
    """Stands for a frozen distribution of scipy in a file.

    Parameters
    ----------
    name : str
        As in `scipy.stats`.

    args : tuple of (float or int)
        Its shape parameters, location and scale, by position.

    kwds : dict of (float or int)
        The same by name.
    """

    name: str
    args: tuple
    kwds: dict


@dataclass(frozen=True)
class Pairs:
    """Stands for a dict with a boolean among its keys, which text cannot be.

    Parameters
    ----------
    items : list of tuple
        Keys and values.
    """

    items: list


@contextmanager
def written_form(estimator):
    """Bring an estimator into the form that is written, inside a `with` block.

    Parameters
    ----------
    estimator : estimator object
        The estimator; also those in it are changed, and changed back.

    Yields
    ------
    None
        While it has that form.
    """
    before = [(part, dict(vars(part))) for part in _parts(estimator)]
    try:
        for part, attributes in before:
            for name in _OF_THE_SESSION & attributes.keys():
                del vars(part)[name]
            if _REQUEST in attributes:
                vars(part)[_REQUEST] = attributes[_REQUEST]._serialize()
            for name in attributes.keys() & vars(part).keys():
                vars(part)[name] = _replaced(vars(part)[name], _stand_in)
        yield
    finally:
        for part, attributes in before:
            vars(part).update(attributes)


def restore(estimator):
    """Bring an estimator back from the form that `written_form` has given it."""
    for part in list(_parts(estimator)):
        if _REQUEST in vars(part):
            vars(part)[_REQUEST] = _request(part, vars(part)[_REQUEST])
        for name, value in vars(part).items():
            vars(part)[name] = _replaced(value, _original)


def _parts(root):
    """Yield what in an object, itself included, can have requests for metadata.

    That is estimators, splitters and scorers, which have the rest as well.
    """
    waiting, seen = [root], set()
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        if isinstance(value, _MetadataRequester):
            yield value
            inner = vars(value).values()
        elif isinstance(value, dict):
            inner = value.values()
        elif isinstance(value, list | tuple):
            inner = value
        elif isinstance(value, np.ndarray) and value.dtype == object:
            inner = value.flat
        else:
            continue
        seen.add(id(value))
        waiting.extend(inner)


def _request(owner, methods):
    request = MetadataRequest(owner=owner)
    for method, params in methods.items():
        for param, alias in params.items():
            getattr(request, method).add_request(param=param, alias=alias)
    return request


def _replaced(value, function):
    """Apply a function to what is in dicts and lists, and to these."""
    if type(value) is dict:
        value = {name: _replaced(item, function) for name, item in value.items()}
    elif type(value) is list:
        value = [_replaced(item, function) for item in value]
    return function(value)


def _stand_in(value):
    if isinstance(value, rv_frozen):
        return NamedDistribution(value.dist.name, tuple(value.args), dict(value.kwds))
    if type(value) is dict and any(isinstance(key, bool | np.bool) for key in value):
        return Pairs(list(value.items()))
    return value


def _original(value):
    if isinstance(value, Pairs):
        return {key: _replaced(item, _original) for key, item in value.items}
    if isinstance(value, NamedDistribution):
        make = getattr(scipy.stats, value.name, None)
        if not isinstance(make, scipy.stats.rv_continuous | scipy.stats.rv_discrete):
            raise ValueError(f"{value.name!r} is no distribution of scipy.")
        return make(*value.args, **value.kwds)
    return value
