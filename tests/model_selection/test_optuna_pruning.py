"""Searches that skip folds of bad candidates."""

import joblib
import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.pruners import (
    HyperbandPruner,
    PatientPruner,
    SuccessiveHalvingPruner,
    ThresholdPruner,
)
from sklearn.datasets import make_regression
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import Ridge

from skestimators.model_selection import OptunaSearchCV

X, y = make_regression(80, 30, noise=20.0, random_state=0)
SPACE = {"alpha": FloatDistribution(1e-2, 1e6, log=True)}


class CountsFits(Ridge):
    """Counts its fits in this process."""

    n_fits = 0

    def fit(self, X, y):
        CountsFits.n_fits += 1
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def counter():
    CountsFits.n_fits = 0


def search_ridge(**params):
    params = {"n_iter": 20, "random_state": 0, **params}
    return OptunaSearchCV(CountsFits(), SPACE, **params)


@pytest.mark.parametrize(
    "pruner", ["median", optuna.pruners.PercentilePruner(30, n_startup_trials=3)]
)
def test_pruning_skips_folds_of_bad_candidates_and_keeps_the_best(pruner):
    kwargs = {"sampler": "random", "refit": False}
    full = search_ridge(**kwargs).fit(X, y)
    assert CountsFits.n_fits == 100
    CountsFits.n_fits = 0
    pruned = search_ridge(pruner=pruner, **kwargs).fit(X, y)
    assert CountsFits.n_fits < 80
    assert pruned.best_params_ == full.best_params_
    assert pruned.best_score_ == full.best_score_
    skipped = np.isnan(pruned.cv_results_["split4_test_score"])
    np.testing.assert_array_equal(
        skipped, [trial.state.name == "PRUNED" for trial in pruned.study_.trials]
    )
    assert np.isfinite(pruned.cv_results_["split0_test_score"]).all()
    ranks = pruned.cv_results_["rank_test_score"]
    assert ranks[skipped].min() > ranks[~skipped].max()


@pytest.mark.parametrize(
    "make",
    [
        SuccessiveHalvingPruner,
        HyperbandPruner,
        lambda: PatientPruner(SuccessiveHalvingPruner(), patience=0),
    ],
)
@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_pruners_with_a_state_are_not_changed_and_resume_exactly(make, tmp_path):
    pruner = make()
    before = joblib.hash(pruner)
    uninterrupted = search_ridge(pruner=pruner).fit(X, y)
    assert "PRUNED" in {trial.state.name for trial in uninterrupted.study_.trials}
    assert joblib.hash(pruner) == before
    stored = {"storage": tmp_path / "search.db", "study_name": "OptunaSearchCV"}
    search_ridge(pruner=pruner, n_iter=11, **stored).fit(X, y)
    assert joblib.hash(pruner) == before
    resumed = search_ridge(pruner=pruner, **stored).fit(X, y)
    assert resumed.cv_results_["params"] == uninterrupted.cv_results_["params"]
    for fold in range(5):
        name = f"split{fold}_test_score"
        np.testing.assert_array_equal(
            resumed.cv_results_[name], uninterrupted.cv_results_[name]
        )
    CountsFits.n_fits = 0
    search_ridge(pruner=make(), **stored).fit(X, y)
    assert CountsFits.n_fits == 1


@pytest.mark.parametrize("refit", [True, False, lambda results: 0])
def test_there_is_no_winner_when_all_are_pruned(refit):
    search = search_ridge(pruner=ThresholdPruner(lower=2.0), n_iter=3, refit=refit)
    message = "3 of 3 were pruned, 0 failed. The pruner ThresholdPruner must let some"
    with pytest.raises(ValueError, match=message):
        search.fit(X, y)


class FailsInFirstFold(CountsFits):
    """Fails if the rows of the first fold are left out and alpha is small."""

    def fit(self, X, y):
        super().fit(X, y)
        if self.alpha < 1 and X[0, 0] != FIRST:
            raise RuntimeError("not today")
        return self


FIRST = X[0, 0]


def test_no_more_folds_after_one_that_failed():
    space = {"alpha": [0.1, 10.0]}
    search = OptunaSearchCV(
        FailsInFirstFold(), space, n_iter=2, sampler="grid", pruner="median"
    )
    with (
        pytest.warns(FitFailedWarning, match="1 fits failed out of a total of 6"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y)
    assert CountsFits.n_fits == 1 + 5 + 1
    assert search.best_params_ == {"alpha": 10.0}
    # With a score for failed fits there is one for the candidate.
    search.set_params(error_score=-9.0)
    with pytest.warns(FitFailedWarning, match="1 fits failed out of a total of 10"):
        search.fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
