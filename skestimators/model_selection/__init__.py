"""Search of hyper-parameters."""

from skestimators.model_selection._optuna_search import OptunaSearchCV

__all__ = ["OptunaSearchCV"]
