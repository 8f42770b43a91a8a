"""Small Keras estimators, and data they learn."""

import numpy as np
from sklearn.preprocessing import scale

from skestimators.neural_network import (
    KerasCNNClassifier,
    KerasCNNRegressor,
    KerasFFNNClassifier,
    KerasFFNNRegressor,
)

FFNN = (KerasFFNNRegressor, KerasFFNNClassifier)
CNN = (KerasCNNRegressor, KerasCNNClassifier)
REGRESSORS = (KerasFFNNRegressor, KerasCNNRegressor)
CLASSIFIERS = (KerasFFNNClassifier, KerasCNNClassifier)
ALL = (*FFNN, *CNN)


def small(cls, **params):
    """An instance; few different architectures, as each has to be traced."""
    layers = {"hidden_layer_sizes": (16,)} if cls in FFNN else {"filters": (16,)}
    return cls(
        **{
            **layers,
            "learning_rate": 0.01,
            "max_epochs": 10,
            "random_state": 0,
            **params,
        }
    )


def data_for(cls, n_samples=300):
    """Two targets or three labels, of rows or of windows of 5 steps."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 5, 4)).astype(np.float32)
    features = (X[:, 0] if cls in FFNN else X.mean(axis=1)).astype(float) * 2
    if cls in REGRESSORS:
        y = scale(np.column_stack([features[:, 0], features[:, 1] - features[:, 2]]))
    else:
        y = np.array(["pull", "push", "rest"])[features[:, :3].argmax(axis=1)]
    return (X[:, 0] if cls in FFNN else X), y


def outputs(estimator, X):
    method = "predict_proba" if type(estimator) in CLASSIFIERS else "predict"
    return getattr(estimator, method)(X)
