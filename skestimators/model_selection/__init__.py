"""Search of hyper-parameters: with Optuna, in given spaces, to and from files."""

from skestimators.model_selection._optuna_search import OptunaSearchCV
from skestimators.model_selection._params_json import load_params, save_params
from skestimators.model_selection._search_space import search_space

__all__ = ["OptunaSearchCV", "search_space", "save_params", "load_params"]
