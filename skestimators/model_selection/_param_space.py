"""Search spaces as functions of an Optuna trial."""

import copy
from decimal import Decimal

import numpy as np
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

_NATIVE = (type(None), bool, int, float, str)


def as_function(space):
    """Return a function from a trial to a dict of parameters.

    Parameters
    ----------
    space : dict or callable
        The parameter `param_distributions` of the search.

    Returns
    -------
    suggest : callable
        `suggest(trial)` draws from the trial, or repeats what a finished one drew.
    """
    return _FunctionSpace(space) if callable(space) else DictSpace(space)


class _FunctionSpace:
    """The user's own function of a trial, with its answer checked."""

    def __init__(self, function):
        self._function = function

    def __call__(self, trial):
        params = self._function(trial)
        if not isinstance(params, dict):
            raise TypeError(
                "param_distributions, called with a trial, must return a dict of "
                f"parameters of the estimator; it returned {params!r}."
            )
        return params


class DictSpace:
    """One distribution or list of values a parameter.

    Parameters
    ----------
    space : dict of str to (optuna distribution or sequence)
        Names of parameters and what they may be.
    """

    def __init__(self, space):
        self._distributions, self._objects = {}, {}
        for name, values in space.items():
            if not isinstance(values, BaseDistribution):
                values, self._objects[name] = _as_categorical(name, values)
            self._distributions[name] = values

    def __call__(self, trial):
        """Return the parameters of a trial."""
        return {
            name: self._object(name, _suggest(trial, name, distribution))
            for name, distribution in self._distributions.items()
        }

    def _object(self, name, value):
        objects = self._objects.get(name)
        return value if objects is None else objects[value]

    def grid(self):
        """Return, for each parameter, all values that a trial may draw."""
        return {
            name: _all_values(name, distribution)
            for name, distribution in self._distributions.items()
        }


def _as_categorical(name, values):
    """Return a categorical distribution, and a dict from its choices to the values.

    The dict is None where the values can be the choices. Optuna stores choices as JSON
    and compares them by equality, so that other objects are chosen by a label.
    """
    if hasattr(values, "rvs"):
        raise ValueError(
            f"param_distributions[{name!r}] has a method `rvs`, as distributions of "
            "scipy.stats do; take one of optuna.distributions, such as "
            "FloatDistribution(0.01, 1.0, log=True) or IntDistribution(1, 9)."
        )
    if isinstance(values, (str, bytes, dict)) or not hasattr(values, "__len__"):
        raise ValueError(
            f"param_distributions[{name!r}] must be a list of values or an Optuna "
            f"distribution, got {values!r}."
        )
    if isinstance(values, tuple):
        raise ValueError(
            f"param_distributions[{name!r}] is the tuple {values!r}. For these values "
            "give a list, for all between them a distribution, such as "
            "optuna.distributions.FloatDistribution."
        )
    values = [v.item() if isinstance(v, np.generic) else v for v in values]
    if not values:
        raise ValueError(f"param_distributions[{name!r}] is an empty list.")
    if all(type(v) in _NATIVE for v in values) and len(set(values)) == len(values):
        return CategoricalDistribution(values), None
    labels = [repr(v) for v in values]
    if len(set(labels)) < len(labels) or any(" at 0x" in label for label in labels):
        # An address in memory is another in the next process.
        labels = list(range(len(values)))
    return CategoricalDistribution(labels), dict(zip(labels, values, strict=True))


def _suggest(trial, name, distribution):
    """Draw one parameter from a trial, or read it from a finished one."""
    match distribution:
        case FloatDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_float(name, low, high, log=log, step=step)
        case IntDistribution(low=low, high=high, log=log, step=step):
            return trial.suggest_int(name, low, high, log=log, step=step)
        case CategoricalDistribution(choices=choices):
            return trial.suggest_categorical(name, choices)
    raise ValueError(
        f"param_distributions[{name!r}]={distribution} is none of Optuna's "
        "FloatDistribution, IntDistribution and CategoricalDistribution."
    )


def _all_values(name, distribution):
    """List the values of a distribution that has finitely many."""
    match distribution:
        case CategoricalDistribution(choices=choices):
            return list(choices)
        case IntDistribution(low=low, high=high, step=step):
            return range(low, high + 1, step)
        case FloatDistribution(low=low, high=high, step=float(step)):
            # As decimals, in which people think: 0.1 + 2 * 0.1 is 0.30000000000000004.
            low, high, step = (Decimal(str(value)) for value in (low, high, step))
            return [float(low + k * step) for k in range(int((high - low) / step) + 1)]
    raise ValueError(
        f"sampler='grid' needs a list, or a distribution with a step, for each "
        f"parameter; param_distributions[{name!r}]={distribution} is continuous."
    )


def replay(suggest, trial):
    """Return the parameters of a finished trial.

    Parameters
    ----------
    suggest : callable
        Function from a trial to parameters.

    trial : optuna.trial.FrozenTrial
        The finished trial.

    Returns
    -------
    params : dict or None
        None if the trial was not drawn from this space.
    """
    repeated = copy.deepcopy(trial)
    try:
        params = suggest(repeated)
    except ValueError:
        return None
    return params if repeated.distributions == trial.distributions else None
