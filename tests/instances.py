"""Instances of every estimator, small enough to be fitted many times.

An estimator that is not named here is tested with its defaults. What a suite cannot
guess (a required parameter, what the strings mean) is an error that says so.
"""

from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags

from skestimators.utils import all_estimators

KERAS = {"learning_rate": 0.05, "max_epochs": 20}
KINDS = ("Classifier", "Regressor")

INIT_PARAMS = {
    "BootstrapStackedLGBM": {"n_estimators": 5, "max_iter": 20, "min_child_samples": 5},
    "BootstrapStackedRegressor": {"estimator": Ridge(), "n_estimators": 5},
    "ESMEmbedder": {"weights": "random", "random_state": 0},
    **{f"KerasFFNN{kind}": {"hidden_layer_sizes": (16,), **KERAS} for kind in KINDS},
    **{f"KerasCNN{kind}": {"filters": (16,), **KERAS} for kind in KINDS},
    "MutantSequenceBuilder": {"wild_type": "MKTAYIAKQR"},
    "OptunaSearchCV": {
        # One of scikit-learn's that supports callbacks.
        "estimator": LogisticRegression(),
        "param_distributions": {"C": [0.1, 1.0, 10.0]},
        "n_iter": 2,
        "cv": 2,
        "error_score": "raise",
    },
    # The checks of integers hold a point at the origin, which no sector has.
    "SectorLabeler": {"origin": 0},
    "TorchMLPRegressor": {
        "hidden_layer_sizes": (16,),
        "learning_rate": 0.05,
        "max_epochs": 20,
    },
}

SEQUENCES = ["MKTAYIAKQR", "MKTAYIAK", "MKTAWIAKQR", "MKVAYIAKQRQISFVK", "GGGGSGGGGS"]

# What each estimator of strings takes; the first entries stand for the rest.
STRINGS = {
    "ESMEmbedder": SEQUENCES,
    "MutantSequenceBuilder": ["M1A", "WT", "K2G:T3S", "R10W", "I6V"],
}


def make_instance(cls):
    """Build a fast instance of an estimator class."""
    params = INIT_PARAMS.get(cls.__name__, {})
    if "random_state" in cls._parameter_constraints:
        params = {"random_state": 0, **params}
    return cls(**params)


def all_instances():
    """Build a fast instance of every public estimator."""
    return [make_instance(cls) for _, cls in all_estimators()]


def takes_strings(estimator):
    """Tell whether an estimator takes strings, by its tags."""
    return get_tags(estimator).input_tags.string


def example_data(estimator):
    """Return (X, y) that the estimator can be fitted on."""
    import numpy as np

    if takes_strings(estimator):
        name = type(estimator).__name__
        assert name in STRINGS, f"{name} takes strings: say which in tests/instances.py"
        return np.array(STRINGS[name], dtype=object), np.arange(len(STRINGS[name]))
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = X[:, 0] + 0.1 * rng.normal(size=60)
    return X, (y > 0).astype(int) if is_classifier(estimator) else y
