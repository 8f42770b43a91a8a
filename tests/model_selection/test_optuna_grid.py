"""OptunaSearchCV on the points of a grid."""

import numpy as np
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from sklearn.datasets import load_iris
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.svm import SVC

from skestimators.model_selection import OptunaSearchCV

X, y = load_iris(return_X_y=True)


def search_svc(space, **params):
    params = {"sampler": "grid", "n_iter": 99, "cv": 3, "random_state": 0, **params}
    return OptunaSearchCV(SVC(), space, **params)


def test_grid_finds_what_grid_search_finds_and_ends():
    space = {"C": [0.1, 1.0, 10.0], "kernel": ["linear", "rbf"]}
    ours = search_svc(space).fit(X, y)
    theirs = GridSearchCV(SVC(), space, cv=3).fit(X, y)
    tried = sorted(map(str, ours.cv_results_["params"]))
    assert tried == sorted(map(str, theirs.cv_results_["params"]))
    assert ours.best_score_ == theirs.best_score_
    part = search_svc(space, n_iter=4).fit(X, y)
    assert part.cv_results_["params"] == ours.cv_results_["params"][:4]


def test_grid_of_distributions_with_a_step():
    space = {
        "alpha": FloatDistribution(0, 1, step=0.25),
        "max_iter": IntDistribution(10, 30, step=10),
    }
    search = OptunaSearchCV(Ridge(), space, sampler="grid", n_iter=99, cv=2)
    alphas = search.fit(X, y).cv_results_["param_alpha"]
    assert sorted(set(alphas)) == [0, 0.25, 0.5, 0.75, 1]
    assert len(alphas) == 15
    assert np.ma.count_masked(alphas) == 0


@pytest.mark.parametrize("stored", [False, True])
@pytest.mark.parametrize(
    ("low", "high", "values"),
    [
        (0.1, 0.7, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7]),
        (-0.3, 0.3, [-0.3, -0.2, -0.1, 0.0, 0.1, 0.2, 0.3]),
    ],
)
def test_steps_of_a_grid_are_those_that_people_write(
    low, high, values, stored, tmp_path
):
    space = {"coef0": FloatDistribution(low, high, step=0.1)}
    storage = tmp_path / "search.db" if stored else None
    search = search_svc(space, storage=storage).fit(X, y)
    assert sorted(p["coef0"] for p in search.cv_results_["params"]) == values


def test_grid_may_be_larger_than_memory():
    space = {
        "C": FloatDistribution(0.01, 100, step=0.01),
        "max_iter": IntDistribution(1, 10**9),
        "cache_size": IntDistribution(1, 10**9),
        "gamma": ["scale", 0.5],
    }
    search = search_svc(space, n_iter=3).fit(X, y)
    tried = search.cv_results_["params"]
    assert len({params["max_iter"] for params in tried}) == 3
    more = search_svc(space, n_iter=5).fit(X, y)
    assert more.cv_results_["params"][:3] == tried


def test_grid_needs_values_that_can_be_listed():
    with pytest.raises(ValueError, match=r"\['C'\].* is continuous"):
        search_svc({"C": FloatDistribution(0, 1)}).fit(X, y)
    with pytest.raises(ValueError, match="function of the trial cannot be listed"):
        search_svc(lambda trial: {}).fit(X, y)
