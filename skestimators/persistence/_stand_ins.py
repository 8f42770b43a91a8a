"""What is not written as it is.

Distributions of scipy run text of their state when they are made from it, so that a
file has their names instead.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import scipy.stats
from scipy.stats._distn_infrastructure import rv_frozen
from sklearn.base import BaseEstimator

from skestimators.utils._archive import DamagedFileError

_SPACE = "param_distributions"
# Where scikit-learn keeps callbacks.
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


@contextmanager
def written_form(estimator):
    """Bring an estimator into the form that is written, inside a `with` block.

    Scipy's distributions in the spaces of searches are named, and callbacks, which are
    of the session, are laid aside.

    Parameters
    ----------
    estimator : estimator object
        The estimator; also those in its parameters are changed, and changed back.

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
            if _SPACE in attributes:
                vars(part)[_SPACE] = _replaced(attributes[_SPACE], _name)
        yield
    finally:
        for part, attributes in before:
            vars(part).update(attributes)


def restore_distributions(estimator):
    """Put scipy's distributions where `written_form` has put names."""
    for part in _parts(estimator):
        if _SPACE in vars(part):
            vars(part)[_SPACE] = _replaced(vars(part)[_SPACE], _distribution)


def _parts(estimator):
    found = {id(part): part for part in estimator.get_params(deep=True).values()}
    return [
        part for part in (estimator, *found.values()) if isinstance(part, BaseEstimator)
    ]


def _replaced(value, function):
    if type(value) is dict:
        return {name: _replaced(item, function) for name, item in value.items()}
    if type(value) is list:
        return [_replaced(item, function) for item in value]
    return function(value)


def _name(value):
    if not isinstance(value, rv_frozen):
        return value
    return NamedDistribution(value.dist.name, tuple(value.args), dict(value.kwds))


def _distribution(value):
    if not isinstance(value, NamedDistribution):
        return value
    make = getattr(scipy.stats, value.name, None)
    if not isinstance(make, scipy.stats.rv_continuous | scipy.stats.rv_discrete):
        raise DamagedFileError(f"{value.name!r} is no distribution of scipy.")
    return make(*value.args, **value.kwds)
