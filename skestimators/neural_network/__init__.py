"""Neural networks as estimators."""

from skestimators.neural_network._dkt import DKTClassifier
from skestimators.neural_network._keras_cnn import (
    KerasCNNClassifier,
    KerasCNNRegressor,
)
from skestimators.neural_network._keras_ffnn import (
    KerasFFNNClassifier,
    KerasFFNNRegressor,
)
from skestimators.neural_network._mlp import TorchMLPRegressor

__all__ = [
    "DKTClassifier",
    "KerasCNNClassifier",
    "KerasCNNRegressor",
    "KerasFFNNClassifier",
    "KerasFFNNRegressor",
    "TorchMLPRegressor",
]
