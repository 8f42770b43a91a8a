"""The types that a saved file may hold."""

from functools import lru_cache
from importlib import import_module
from inspect import isclass, isfunction

from sklearn.metrics import _dist_metrics

from skestimators.utils._discovery import all_estimators, all_public


def qualified(obj):
    """Return module and name of a type or function, joined by a dot."""
    return f"{obj.__module__}.{obj.__qualname__}"


# Ours that are no estimators.
_PARTS = (
    "skestimators.ensemble._forest.BoostedForest",
    "skestimators.metrics._scorers._MetricScorer",
    "skestimators.model_selection._search_space._Choice",
    "skestimators.model_selection._search_space._Float",
    "skestimators.model_selection._search_space._Int",
    "skestimators.model_selection._search_space._Layers",
    "skestimators.model_selection._search_space._TrialFunction",
    "skestimators.neural_network._activation.found.Activation",
    "skestimators.neural_network._activation.space.BinaryEdge",
    "skestimators.neural_network._activation.space.Choice",
    "skestimators.neural_network._activation.space.UnaryEdge",
    "skestimators.persistence._stand_ins.NamedDistribution",
    "skestimators.persistence._stand_ins.Pairs",
)
# Of others; skops itself trusts the estimators of scikit-learn and what is in most of
# them. A type belongs here only if it is written in Python, and if making it from any
# state whatever, by `__new__` and `__setstate__`, runs nothing of that state: scipy's
# distributions run text, and compiled classes read where the state has nothing.
_OTHERS = (
    "collections.OrderedDict",
    "lightgbm.sklearn.LGBMClassifier",
    "lightgbm.sklearn.LGBMRanker",
    "lightgbm.sklearn.LGBMRegressor",
    "optuna.distributions.CategoricalDistribution",
    "optuna.distributions.FloatDistribution",
    "optuna.distributions.IntDistribution",
    "numpy.dtype",
    "numpy.floating",
    "numpy.integer",
    "numpy.number",
    "pathlib.PosixPath",
    "pathlib.WindowsPath",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.compose._column_transformer.make_column_selector",
    "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
    "sklearn.metrics._scorer._CurveScorer",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.metrics._scorer._Scorer",
    "sklearn.model_selection._split._CVIterableWrapper",
    "sklearn.utils._bunch.Bunch",
    "xgboost.sklearn.XGBClassifier",
    "xgboost.sklearn.XGBRanker",
    "xgboost.sklearn.XGBRegressor",
    "xgboost.sklearn.XGBRFClassifier",
    "xgboost.sklearn.XGBRFRegressor",
)
# Can be saved without being asked for, but not loaded: compiled code follows the
# numbers in them without checking, so that a crafted file could have memory read that
# is not theirs, and crash the process.
UNCHECKED = frozenset(
    [
        *(qualified(t) for t in vars(_dist_metrics).values() if isclass(t)),
        *(
            f"scipy.sparse._{kind}.{kind}_{what}"
            for kind in ("bsr", "coo", "csc", "csr", "dia")
            for what in ("array", "matrix")
        ),
        "numpy.random._generator.Generator",
        "lightgbm.basic.Booster",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.tree._tree.Tree",
        "xgboost.core.Booster",
    ]
)


@lru_cache(maxsize=1)
def trusted_types():
    """Return the names of all types and functions that are trusted without being asked.

    Returns
    -------
    names : frozenset of str
        Such as `"skestimators.neural_network._mlp.TorchMLPRegressor"`.
    """
    return frozenset(
        [
            *_PARTS,
            *_OTHERS,
            *(qualified(cls) for _, cls in all_estimators()),
            *_metrics(),
            *_public_classes("sklearn.gaussian_process.kernels", "Kernel"),
            *_public_classes("sklearn.model_selection", "BaseCrossValidator"),
            *_public_classes("sklearn.model_selection", "BaseShuffleSplit"),
        ]
    )


def _metrics():
    """Name the functions that scorers and selectors refer to.

    An estimator calls them with its data, so these are functions that compute numbers
    and do nothing else.
    """
    import sklearn.feature_selection
    import sklearn.metrics

    ours = [f for name, f in all_public() if ".metrics." in name]
    theirs = [
        getattr(sklearn.metrics, name)
        for name in sklearn.metrics.__all__
        if name.endswith(("_score", "_loss", "_error", "_coef", "_deviance"))
    ]
    selectors = [
        getattr(sklearn.feature_selection, name)
        for name in sklearn.feature_selection.__all__
    ]
    functions = [f for f in [*ours, *theirs, *selectors] if isfunction(f)]
    pooling = [f"numpy.{name}" for name in ("max", "mean", "median", "min")]
    return [*map(qualified, functions), *pooling]


def _public_classes(module, base):
    """Name the public classes of a module that derive from one of its classes."""
    found = import_module(module)
    base = getattr(found, base)
    return [
        qualified(obj)
        for obj in vars(found).values()
        if isclass(obj) and issubclass(obj, base)
    ]
