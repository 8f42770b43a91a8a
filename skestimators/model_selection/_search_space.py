"""Search spaces of the estimators of this library."""

from dataclasses import dataclass

from scipy import stats
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions, validate_params


@dataclass(frozen=True)
class _Choice:
    """One of a few values; of a single one, that."""

    values: tuple

    def suggest(self, trial, name):
        if len(self.values) == 1:
            return self.values[0]
        return trial.suggest_categorical(name, self.values)

    def distribution(self):
        return list(self.values)


@dataclass(frozen=True)
class _Float:
    low: float
    high: float
    log: bool = False

    def suggest(self, trial, name):
        return trial.suggest_float(name, self.low, self.high, log=self.log)

    def distribution(self):
        if self.log:
            return stats.loguniform(self.low, self.high)
        return stats.uniform(self.low, self.high - self.low)


@dataclass(frozen=True)
class _Int:
    low: int
    high: int

    def suggest(self, trial, name):
        return trial.suggest_int(name, self.low, self.high)

    def distribution(self):
        return stats.randint(self.low, self.high + 1)


@dataclass(frozen=True)
class _Layers:
    """Widths of a number of layers, of which the first may have a given width.

    It is its own distribution: scikit-learn's searches call `rvs`.
    """

    fewest: int
    most: int
    narrowest: int
    widest: int
    step: int
    first: tuple = ()

    def suggest(self, trial, name):
        count = trial.suggest_int(f"{name}_count", self.fewest, self.most)
        bounds = (self.narrowest, self.widest)
        widths = [
            trial.suggest_int(f"{name}_{i}", *bounds, step=self.step)
            for i in range(len(self.first), len(self.first) + count)
        ]
        return (*self.first, *widths)

    def distribution(self):
        return self

    def rvs(self, random_state=None):
        rng = check_random_state(random_state)
        count = rng.randint(self.fewest, self.most + 1)
        widths = range(self.narrowest, self.widest + 1, self.step)
        return (*self.first, *(widths[i] for i in rng.randint(len(widths), size=count)))


_TRAINING = {
    "activation": _Choice(("relu", "tanh")),
    "batch_size": _Choice((16, 32, 64)),
}
_FFNN = {
    "hidden_layer_sizes": _Layers(1, 5, 32, 512, step=32, first=(20,)),
    **_TRAINING,
    "dropout": _Choice((0.0, 0.2)),
    "learning_rate": _Float(1e-4, 1e-2, log=True),
}
_CNN = {
    # The first and one to six more.
    "filters": _Layers(2, 7, 16, 128, step=16),
    "kernel_size": _Choice((3, 5)),
    **_TRAINING,
    "dropout": _Choice((0.0, 0.25)),
    "learning_rate": _Float(1e-3, 1e-2, log=True),
}
_LGBM = {
    "learning_rate": _Float(0.01, 0.2, log=True),
    "num_leaves": _Int(10, 100),
    "min_child_samples": _Int(5, 50),
    "max_depth": _Int(3, 10),
    "subsample": _Float(0.5, 1.0),
    # Without it LightGBM ignores subsample.
    "subsample_freq": _Choice((1,)),
    "colsample_bytree": _Float(0.5, 1.0),
}

# By name, as importing the classes would import nothing that is needed here.
_SPACES = {
    "KerasFFNNRegressor": _FFNN,
    "KerasFFNNClassifier": _FFNN,
    "KerasCNNRegressor": _CNN,
    "KerasCNNClassifier": _CNN,
    "TorchMLPRegressor": {
        **_FFNN,
        "hidden_layer_sizes": _Layers(1, 5, 32, 512, step=32),
    },
    "BootstrapStackedLGBM": _LGBM,
}


class _TrialFunction:
    """A space as a function of an Optuna trial; it can be pickled and compared."""

    def __init__(self, space):
        self._space = space

    def __call__(self, trial):
        return {name: part.suggest(trial, name) for name, part in self._space.items()}


@validate_params(
    {"estimator": "no_validation", "kind": [StrOptions({"optuna", "sklearn"})]},
    prefer_skip_nested_validation=True,
)
def search_space(estimator, kind="optuna"):
    """Return a search space for an estimator of this library.

    Parameters
    ----------
    estimator : estimator object
        A `KerasFFNNRegressor`, `KerasFFNNClassifier`, `KerasCNNRegressor`,
        `KerasCNNClassifier`, `TorchMLPRegressor` or
        :class:`~skestimators.ensemble.BootstrapStackedLGBM`; or a
        :class:`~sklearn.pipeline.Pipeline`,
        :class:`~sklearn.compose.TransformedTargetRegressor` or other meta-estimator
        with such in it, at any depth. Names of parameters are then prefixed as in
        `set_params`; of several such estimators all parameters are searched.

    kind : {"optuna", "sklearn"}, default="optuna"
        `"optuna"` gives a function of a trial for :class:`OptunaSearchCV`; only the
        layers that a candidate has are drawn. `"sklearn"` gives a dict of lists and
        distributions for :class:`~sklearn.model_selection.RandomizedSearchCV` and
        :class:`~sklearn.model_selection.HalvingRandomSearchCV`;
        :class:`~sklearn.model_selection.GridSearchCV` takes no distributions: replace
        them by lists.

    Returns
    -------
    space : callable or dict
        For `param_distributions` of the search.

    Raises
    ------
    ValueError
        If no space is known for the estimator or one in it.

    See Also
    --------
    OptunaSearchCV : Search with Optuna.

    Notes
    -----
    All values are drawn uniformly, those named "log" on a logarithmic scale. The
    activation is that of all layers, also of the first of 20.

    ==================== ============================== ==============================
    Parameter            Feed-forward                   Convolutional
    ==================== ============================== ==============================
    hidden_layer_sizes   20, then 1 to 5 layers of 32,
                         64, ..., 512
    filters                                             2 to 7 layers of 16, 32, ...,
                                                        128
    kernel_size                                         3 or 5
    activation           relu or tanh                   relu or tanh
    dropout              0 or 0.2                       0 or 0.25
    learning_rate        0.0001 to 0.01, log            0.001 to 0.01, log
    batch_size           16, 32 or 64                   16, 32 or 64
    ==================== ============================== ==============================

    `TorchMLPRegressor` has the space of feed-forward networks without the first layer
    of 20. `BootstrapStackedLGBM` has `learning_rate` 0.01 to 0.2 (log), `num_leaves` 10
    to 100, `min_child_samples` 5 to 50, `max_depth` 3 to 10, `subsample` and
    `colsample_bytree` 0.5 to 1, and `subsample_freq=1`, without which `subsample` does
    nothing.

    Examples
    --------
    >>> from sklearn.model_selection import ParameterSampler
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skestimators.ensemble import BootstrapStackedLGBM
    >>> from skestimators.model_selection import search_space
    >>> pipeline = make_pipeline(StandardScaler(), BootstrapStackedLGBM())
    >>> space = search_space(pipeline, kind="sklearn")
    >>> params = next(iter(ParameterSampler(space, 1, random_state=0)))
    >>> params["bootstrapstackedlgbm__num_leaves"]
    19
    """
    space = {}
    for prefix, part in [("", estimator), *_named_parts(estimator)]:
        for cls in type(part).__mro__:
            if cls.__name__ in _SPACES:
                found = _SPACES[cls.__name__].items()
                space.update({prefix + name: values for name, values in found})
                break
    if not space:
        raise ValueError(
            f"No search space is known for {type(estimator).__name__} or an estimator "
            f"in it, only for {', '.join(sorted(_SPACES))}."
        )
    if kind == "sklearn":
        return {name: part.distribution() for name, part in space.items()}
    return _TrialFunction(space)


def _named_parts(estimator):
    """Return prefix and object for each parameter of an estimator, at any depth."""
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        raise TypeError(f"estimator must be an instance, got {estimator!r}.")
    params = estimator.get_params(deep=True)
    return [(f"{name}__", value) for name, value in params.items()]
