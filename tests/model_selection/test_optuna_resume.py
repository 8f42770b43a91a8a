"""Searches that are kept in a storage: resumed, extended, refused."""

import signal
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.linear_model import Ridge
from sklearn.metrics import make_scorer
from sklearn.model_selection import KFold, ShuffleSplit, cross_val_score
from sklearn.svm import SVC

from skestimators.model_selection import OptunaSearchCV
from skestimators.model_selection._optuna_storage import opened

X, y = make_regression(60, 4, noise=30.0, random_state=0)
SPACE = {
    "alpha": FloatDistribution(1e-3, 1e3, log=True),
    "fit_intercept": [True, False],
}


# No constant of the class, which would make it another.
plan = SimpleNamespace(interrupt_at=None)


class CountedRidge(Ridge):
    """Counts its fits, and can interrupt the process as Ctrl-C does."""

    n_fits = 0

    def fit(self, X, y, sample_weight=None):
        type(self).n_fits += 1
        if self.n_fits == plan.interrupt_at:
            raise KeyboardInterrupt
        return super().fit(X, y, sample_weight)


@pytest.fixture(autouse=True)
def counter():
    CountedRidge.n_fits, plan.interrupt_at = 0, None


@pytest.fixture(params=["search.db", "search.journal"])
def storage(request, tmp_path):
    return str(tmp_path / request.param)


def search_ridge(**params):
    params = {"n_iter": 6, "cv": 3, "random_state": 0, **params}
    return OptunaSearchCV(CountedRidge(), SPACE, **params)


def assert_equal(first, second, times=False):
    assert first.cv_results_["params"] == second.cv_results_["params"]
    for name in first.cv_results_:
        if name != "params" and (times or not name.endswith("_time")):
            np.testing.assert_array_equal(
                first.cv_results_[name], second.cv_results_[name], err_msg=name
            )


SCRIPT = """
    import os, signal, sys
    from optuna.distributions import FloatDistribution
    from sklearn.datasets import load_iris
    from sklearn.svm import SVC
    from skestimators.model_selection import OptunaSearchCV

    storage, sampler = sys.argv[1:3]
    # Not as constants, which would be part of what the estimator is.
    os.environ["KILL_AT"], os.environ["LOG"] = sys.argv[3:]

    class Killable(SVC):
        def fit(self, X, y):
            with open(os.environ["LOG"], "a") as file:
                print(self.C, file=file)
            if sum(1 for _ in open(os.environ["LOG"])) == int(os.environ["KILL_AT"]):
                os.kill(os.getpid(), signal.SIGKILL)
            return super().fit(X, y)

    def space(trial):
        params = {"C": trial.suggest_float("C", 0.01, 100, log=True)}
        params["kernel"] = trial.suggest_categorical("kernel", ["rbf", "linear"])
        # The order of such a set depends on the process.
        if params["kernel"] in {"rbf", "poly", "sigmoid", "laplacian"}:
            params["gamma"] = trial.suggest_float("gamma", 0.001, 1, log=True)
        return params

    X, y = load_iris(return_X_y=True)

    def search(storage):
        return OptunaSearchCV(
            Killable(), space, n_iter=15, sampler=sampler, storage=storage, cv=3,
            random_state=7, return_train_score=True,
        ).fit(X, y)

    resumed = search(storage)
    os.environ["LOG"] = os.devnull
    uninterrupted = search(None)
    assert resumed.best_params_ == uninterrupted.best_params_
    for name, values in uninterrupted.cv_results_.items():
        if not name.endswith("_time"):
            assert str(resumed.cv_results_[name]) == str(values), name
    print("equal")
"""


@pytest.mark.parametrize(
    ("sampler", "name"), [("tpe", "search.db"), ("gp", "search.journal")]
)
def test_killed_search_resumes_exactly(sampler, name, tmp_path):
    """Killed twice, somewhere in candidates 1 to 5 and 11 to 15."""
    rng = np.random.default_rng(sum(map(ord, sampler)))
    kills = [int(rng.integers(1, 16)), int(rng.integers(34, 46))]
    log = tmp_path / "fits"
    for kill_at in [*kills, -1]:
        done = subprocess.run(
            [
                *(sys.executable, "-c", textwrap.dedent(SCRIPT)),
                *(tmp_path / name, sampler, str(kill_at), log),
            ],
            capture_output=True,
            text=True,
        )
        assert done.returncode == (-signal.SIGKILL if kill_at > 0 else 0), done.stderr
    assert done.stdout.strip() == "equal"
    fits = log.read_text().splitlines()
    # The fits of the candidate at which it was killed are repeated, no others.
    repeated = [(kills[0] - 1) % 3 + 1]
    repeated.append((kills[1] - repeated[0] - 1) % 3 + 1)
    assert len(fits) == 15 * 3 + 1 + sum(repeated)


def test_interrupted_search_resumes_with_scores_and_times(storage):
    uninterrupted = search_ridge(return_train_score=True).fit(X, y)
    CountedRidge.n_fits, plan.interrupt_at = 0, 11
    search = search_ridge(storage=storage, return_train_score=True)
    with pytest.raises(KeyboardInterrupt):
        search.fit(X, y)
    CountedRidge.n_fits, plan.interrupt_at = 0, None
    search.fit(X, y)
    # Three candidates were finished; the others take three fits each, and the refit.
    assert CountedRidge.n_fits == 3 * 3 + 1
    assert_equal(search, uninterrupted)
    CountedRidge.n_fits = 0
    again = clone(search).fit(X, y)
    assert CountedRidge.n_fits == 1
    assert_equal(again, search, times=True)


def test_finished_search_can_be_extended_or_cut(storage):
    search_ridge(storage=storage, n_iter=12).fit(X, y)
    assert CountedRidge.n_fits == 37
    extended = search_ridge(storage=storage, n_iter=16).fit(X, y)
    assert CountedRidge.n_fits == 37 + 13
    assert_equal(extended, search_ridge(n_iter=16).fit(X, y))
    first = search_ridge(storage=storage, n_iter=4).fit(X, y)
    assert_equal(first, search_ridge(n_iter=4).fit(X, y))


@pytest.mark.parametrize("sampler", ["random", "grid", "qmc"])
def test_other_samplers_resume_exactly(sampler, storage):
    space = SPACE
    if sampler == "grid":
        space = {"alpha": [0.1, 1.0, 10.0], "fit_intercept": [True, False]}
    make = clone(search_ridge(sampler=sampler)).set_params(param_distributions=space)
    clone(make).set_params(storage=storage, n_iter=3).fit(X, y)
    resumed = clone(make).set_params(storage=storage).fit(X, y)
    assert_equal(resumed, make.fit(X, y))


class Reversed(optuna.samplers.RandomSampler):
    """Keeps something in the study, as a person's own sampler may."""

    def after_trial(self, study, trial, state, values):
        study.set_user_attr("seen", [trial.number, *study.user_attrs.get("seen", [])])

    def sample_independent(self, study, trial, name, distribution):
        seen = study.user_attrs.get("seen", [])
        if name == "alpha":
            return 1.0 + sum(k * number for k, number in enumerate(seen)) % 100
        return super().sample_independent(study, trial, name, distribution)


@pytest.mark.parametrize("n_iter", [9, 10, 18])
@pytest.mark.parametrize(
    "make",
    [
        lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=5),
        lambda seed: Reversed(seed),
    ],
    ids=["genetic", "own"],
)
def test_samplers_that_keep_something_in_the_study_resume_exactly(
    make, n_iter, storage
):
    search = search_ridge(sampler=make, n_iter=n_iter, cv=2)
    search.set_params(storage=storage).fit(X, y)
    resumed = clone(search).set_params(n_iter=26).fit(X, y)
    uninterrupted = clone(search).set_params(n_iter=26, storage=None).fit(X, y)
    assert_equal(resumed, uninterrupted)
    for one, other in zip(
        resumed.study_.trials, uninterrupted.study_.trials, strict=True
    ):
        assert one.user_attrs.keys() == other.user_attrs.keys()
        assert one.system_attrs == other.system_attrs


def test_pruned_and_failed_candidates_are_restored(storage):
    def fails_at_random(estimator, X, y):
        return np.nan if 0.1 < estimator.alpha < 1 else estimator.score(X, y)

    def run(**params):
        search = search_ridge(
            n_iter=16, pruner="median", scoring=fails_at_random, **params
        )
        with pytest.warns(UserWarning, match="non-finite|are nan"):
            return search.fit(X, y)

    uninterrupted = run()
    states = [trial.state.name for trial in uninterrupted.study_.trials]
    assert {*states} == {"COMPLETE", "PRUNED", "FAIL"}
    CountedRidge.n_fits, plan.interrupt_at = 0, 27
    with pytest.raises(KeyboardInterrupt):
        run(storage=storage)
    plan.interrupt_at = None
    resumed = run(storage=storage)
    assert_equal(resumed, uninterrupted)
    assert [trial.state.name for trial in resumed.study_.trials] == states


def test_values_that_are_no_json_are_restored(storage):
    space = {"C": [1.0, 2.0], "class_weight": [None, {False: 1, True: 2}]}
    search = OptunaSearchCV(SVC(), space, n_iter=5, random_state=0, storage=storage)
    first = search.fit(X, y > 0).cv_results_["params"]
    assert clone(search).fit(X, y > 0).cv_results_["params"] == first


def test_random_state_of_none_is_drawn_once_for_a_storage(storage):
    first = search_ridge(storage=storage, random_state=None, n_iter=3).fit(X, y)
    second = search_ridge(storage=storage, random_state=None, n_iter=6).fit(X, y)
    tried = second.cv_results_["params"]
    assert tried[:3] == first.cv_results_["params"]
    assert len({params["alpha"] for params in tried}) == 6
    other = search_ridge(random_state=None, n_iter=3).fit(X, y)
    assert other.cv_results_["params"] != first.cv_results_["params"]


def test_outer_folds_have_studies_of_their_own(storage):
    scores = cross_val_score(search_ridge(storage=storage), X, y, cv=3, n_jobs=2)
    np.testing.assert_array_equal(scores, cross_val_score(search_ridge(), X, y, cv=3))
    CountedRidge.n_fits = 0
    again = cross_val_score(search_ridge(storage=storage), X, y, cv=3)
    np.testing.assert_array_equal(again, scores)
    assert CountedRidge.n_fits == 3


def test_a_study_holds_the_trials_of_its_search_only(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    cross_val_score(search_ridge(storage=url), X, y, cv=3)
    with opened(url) as storage:
        names = optuna.get_all_study_names(storage)
        studies = [optuna.load_study(study_name=n, storage=storage) for n in names]
        places = [[t.user_attrs["index"] for t in study.trials] for study in studies]
    assert all(name.startswith("OptunaSearchCV-CountedRidge-") for name in names)
    assert places == [list(range(6))] * 3


def _other_data(search):
    return search, (X + 1, y)


def _other_weight(search):
    return search, (X, y, np.linspace(1, 2, len(X)))


def _other(**params):
    return lambda search: (search.set_params(**params), (X, y))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_other_data, "scored on other data"),
        (_other_weight, "scored on other data"),
        (_other(cv=KFold(3, shuffle=True, random_state=0)), "other cv splits"),
        (_other(estimator=CountedRidge(tol=0.1)), "another estimator, or of one with"),
        (_other(estimator=Ridge()), "another estimator"),
        (_other(scoring="neg_mean_squared_error"), "other scoring"),
        (_other(scoring=lambda est, X, y: est.score(X, y)), "other scoring"),
        (_other(scoring=make_scorer(lambda y, z: 1.0)), "other scoring"),
        (_other(param_distributions={"alpha": [1.0, 2.0]}), "another search space"),
        (
            _other(param_distributions=lambda t: {"alpha": t.suggest_float("a", 0, 1)}),
            "another search space",
        ),
        (_other(sampler="random"), "another sampler or pruner"),
        (_other(pruner="median"), "another sampler or pruner"),
        (_other(random_state=1), "another random_state"),
    ],
)
def test_storage_of_another_search_is_refused_by_name(change, reason, tmp_path):
    kept = search_ridge(storage=tmp_path / "search.db", study_name="mine", n_iter=2)
    kept.fit(X, y)
    other, (X_other, y_other, *weight) = change(clone(kept))
    params = {"sample_weight": weight[0]} if weight else {}
    with pytest.raises(ValueError, match=rf"'mine' in .*search\.db.*{reason}"):
        other.fit(X_other, y_other, **params)
    # By default it gets a study of its own.
    other.set_params(study_name=None).fit(X_other, y_other, **params)
    assert len(other.study_.trials) == 2


LIMITS = SimpleNamespace(low=0.0, high=1.0)


def space_of_limits(trial):
    return {"alpha": trial.suggest_float("alpha", LIMITS.low, LIMITS.high)}


def test_a_space_that_changed_behind_its_function_is_refused(tmp_path, monkeypatch):
    search = search_ridge(storage=tmp_path / "search.db", n_iter=2)
    search.set_params(param_distributions=space_of_limits).fit(X, y)
    monkeypatch.setattr(LIMITS, "high", 2.0)
    with pytest.raises(ValueError, match="another search space"):
        search.fit(X, y)


def test_what_does_not_matter_is_no_other_search(storage):
    frame = pd.DataFrame(X, columns=list("abcd"))
    search = search_ridge(storage=storage, study_name="mine").fit(frame, pd.Series(y))
    n_fits = CountedRidge.n_fits
    same = frame[["d", "c", "b", "a"]].copy()[["a", "b", "c", "d"]]
    again = clone(search).set_params(n_jobs=1, verbose=0, study_name="mine")
    again.fit(same, pd.Series(y, index=range(1, len(y) + 1)), sample_weight=None)
    assert CountedRidge.n_fits == n_fits + 1


def test_study_made_by_others_is_refused(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    with opened(url) as storage:
        study = optuna.create_study(
            storage=storage, study_name="mine", direction="maximize"
        )
        study.optimize(lambda trial: trial.suggest_float("alpha", 0, 1), n_trials=1)
    with pytest.raises(ValueError, match="not made by OptunaSearchCV"):
        search_ridge(storage=url, study_name="mine").fit(X, y)


def test_random_folds_cannot_be_stored(tmp_path):
    with pytest.raises(ValueError, match=r"ShuffleSplit.*int as random_state"):
        search_ridge(storage=tmp_path / "search.db", cv=ShuffleSplit(3)).fit(X, y)
