"""Bootstrapped, stacked ensembles and acquisition functions."""

from skestimators.ensemble._acquisition import (
    expected_improvement,
    probability_of_improvement,
    upper_confidence_bound,
)
from skestimators.ensemble._bootstrap import BootstrapStackedRegressor
from skestimators.ensemble._bootstrap_lgbm import BootstrapStackedLGBM

__all__ = [
    "BootstrapStackedLGBM",
    "BootstrapStackedRegressor",
    "expected_improvement",
    "probability_of_improvement",
    "upper_confidence_bound",
]
