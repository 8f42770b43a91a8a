"""What the activation found is worth, against others with the same budget."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.utils import (
    check_consistent_length,
    check_random_state,
    check_scalar,
    column_or_1d,
)

from skestimators.neural_network._activation.formulas import UNARY_FORMULAS
from skestimators.neural_network._activation.space import (
    UnaryEdge,
    fixed_space,
)
from skestimators.utils._seeding import draw_seed
from skestimators.utils._validation_split import split_validation


def compare(
    estimator,
    choices,
    chosen,
    *,
    training,
    test,
    baselines,
    n_repeats,
    random_state,
):
    """Train a network with each activation, from several seeds.

    Parameters
    ----------
    estimator : ActivationSearchNet
        Its parameters are the budget.

    choices : tuple of Choice
        Those of the space that was searched.

    chosen : dict of str
        The operations that were found.

    training : tuple of (X, y, sample_weight, groups)
        What networks are trained on; the latter two may be None.

    test : tuple of (X, y)
        What they are scored on; None and None hold out a quarter of the training data,
        another one for each seed.

    baselines : sequence of str
        Names of unary operations, and `"random"`.

    n_repeats : int
        Number of seeds.

    random_state : int, RandomState instance or None
        Decides the seeds.

    Returns
    -------
    table : DataFrame
        One row an activation.
    """
    _check_baselines(baselines)
    check_scalar(n_repeats, "n_repeats", Integral, min_val=1)
    if (test[0] is None) != (test[1] is None):
        raise ValueError("X_test and y_test must be given together.")
    training = _check_training(*training)
    from skestimators.utils._skorch_callbacks import DivergenceError

    random_state = check_random_state(random_state)
    scores = {name: [] for name in ("found", *baselines)}
    expressions = {}
    for _ in range(n_repeats):
        seed = draw_seed(random_state)
        learned, tested = training, test
        if test[0] is None:
            learned, tested = _split(*training, seed)
        for name in scores:
            if name == "found":
                fixed = fixed_space(choices, chosen)
            elif name == "random":
                fixed = fixed_space(choices, _random_choice(choices, seed))
            else:
                fixed = UnaryEdge(operations=(name,))
            network = clone(estimator).set_params(
                search_space=fixed, random_state=seed, warm_start=False
            )
            try:
                score = network.fit(*learned).score(*tested)
            except DivergenceError as error:
                warnings.warn(f"Training with {name!r} failed: {error}", stacklevel=3)
                score = np.nan
            scores[name].append(score)
            expression = getattr(network, "expression_", "diverged")
            expressions.setdefault(name, []).append(expression)
    return _table(scores, expressions)


def _check_training(X, *beside):
    X = X if hasattr(X, "iloc") else np.asarray(X)
    beside = [None if values is None else column_or_1d(values) for values in beside]
    check_consistent_length(X, *beside)
    return X, *beside


def _check_baselines(baselines):
    known = ("random", *UNARY_FORMULAS)
    if isinstance(baselines, str):
        raise ValueError(f"baselines must be a list of names, got {baselines!r}.")
    for name in baselines:
        if name not in known:
            raise ValueError(f"baselines has {name!r}; there are {', '.join(known)}.")


def _split(X, y, weight, groups, seed):
    train, test = split_validation(
        len(y),
        validation_fraction=0.25,
        groups=groups,
        classes=np.unique(y, return_inverse=True)[1],
        parameter="the test share",
        random_state=seed,
    )
    beside = (None if a is None else a[train] for a in (weight, groups))
    return (_take(X, train), y[train], *beside), (_take(X, test), y[test])


def _take(X, rows):
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]


def _random_choice(choices, seed):
    rng = np.random.default_rng(seed)
    return {choice.name: str(rng.choice(choice.operations)) for choice in choices}


def _table(scores, expressions):
    import pandas as pd

    values = np.array(list(scores.values()))
    n_repeats = values.shape[1]
    error = np.full(len(values), np.nan)
    if n_repeats > 1:
        error = values.std(axis=1, ddof=1) / np.sqrt(n_repeats)
    return pd.DataFrame(
        {
            "expression": ["; ".join(dict.fromkeys(e)) for e in expressions.values()],
            "mean_score": values.mean(axis=1),
            "standard_error": error,
            **{f"score_{i}": values[:, i] for i in range(n_repeats)},
        },
        index=pd.Index(scores, name="activation"),
    )
