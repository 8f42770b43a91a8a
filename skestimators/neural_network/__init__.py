"""Neural networks as estimators."""

from skestimators.neural_network._mlp import TorchMLPRegressor

__all__ = ["TorchMLPRegressor"]
