"""Neural networks as estimators."""

from skestimators.neural_network._activation.space import BinaryEdge, UnaryEdge
from skestimators.neural_network._activation_search import ActivationSearchNet
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
from skestimators.neural_network._vgg_flare import VGGFlareClassifier

__all__ = [
    "ActivationSearchNet",
    "BinaryEdge",
    "DKTClassifier",
    "KerasCNNClassifier",
    "KerasCNNRegressor",
    "KerasFFNNClassifier",
    "KerasFFNNRegressor",
    "TorchMLPRegressor",
    "UnaryEdge",
    "VGGFlareClassifier",
]
