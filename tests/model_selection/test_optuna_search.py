"""OptunaSearchCV as a search of scikit-learn."""

import pickle
import sys
import warnings

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import FloatDistribution, IntDistribution
from scipy import stats
from sklearn import config_context
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.callback import ProgressBar
from sklearn.datasets import load_iris, make_regression
from sklearn.exceptions import FitFailedWarning
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    RandomizedSearchCV,
    ShuffleSplit,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler
from sklearn.svm import SVC

from skestimators.model_selection import OptunaSearchCV

X, y = load_iris(return_X_y=True)
SPACE = {
    "C": FloatDistribution(0.01, 100, log=True),
    "gamma": FloatDistribution(0.001, 1, log=True),
    "kernel": ["rbf", "poly"],
    "degree": IntDistribution(2, 3),
}


def search_svc(space=SPACE, **params):
    params = {"n_iter": 8, "cv": 3, "random_state": 0, **params}
    return OptunaSearchCV(SVC(), space, **params)


def conditional(trial):
    params = {"kernel": trial.suggest_categorical("kernel", ["linear", "rbf"])}
    if params["kernel"] == "rbf":
        params["gamma"] = trial.suggest_float("gamma", 0.001, 1, log=True)
    return params


def assert_same_results(first, second):
    """Times differ, all else is the same."""
    assert first.cv_results_.keys() == second.cv_results_.keys()
    assert first.cv_results_["params"] == second.cv_results_["params"]
    for name in first.cv_results_:
        if not name.endswith("_time") and name != "params":
            np.testing.assert_array_equal(
                first.cv_results_[name], second.cv_results_[name], err_msg=name
            )
    assert first.best_params_ == second.best_params_


@pytest.mark.parametrize("scoring", [None, ["accuracy", "neg_log_loss"]])
def test_results_have_the_form_of_randomized_search(scoring):
    kwargs = {"n_iter": 3, "scoring": scoring, "return_train_score": True, "cv": 3}
    refit = scoring[0] if scoring else True
    space = {"C": [0.1, 1.0, 10.0], "max_iter": [200, 300]}
    ours, theirs = (
        cls(LogisticRegression(), space, random_state=0, refit=refit, **kwargs).fit(
            X, y
        )
        for cls in (OptunaSearchCV, RandomizedSearchCV)
    )
    assert ours.cv_results_.keys() == theirs.cv_results_.keys()
    for name, values in theirs.cv_results_.items():
        if name != "params":
            assert ours.cv_results_[name].dtype == values.dtype, name
            assert ours.cv_results_[name].shape == values.shape, name
    fitted = {name for name in vars(theirs) if name.endswith("_")}
    assert {name for name in vars(ours) if name.endswith("_")} == fitted | {"study_"}
    assert ours.multimetric_ == bool(scoring)


def test_scores_are_those_of_grid_search_on_the_same_candidates():
    ours = search_svc(return_train_score=True).fit(X, y)
    grid = [{k: [v] for k, v in p.items()} for p in ours.cv_results_["params"]]
    theirs = GridSearchCV(SVC(), grid, cv=3, return_train_score=True).fit(X, y)
    # GridSearchCV sorts the names of parameters.
    assert ours.cv_results_["params"] == theirs.cv_results_["params"]
    assert ours.best_index_ == theirs.best_index_
    for name in theirs.cv_results_:
        if "score" in name and "time" not in name:
            np.testing.assert_array_equal(
                ours.cv_results_[name], theirs.cv_results_[name]
            )
    np.testing.assert_array_equal(ours.predict(X), theirs.predict(X))
    assert ours.score(X, y) == theirs.score(X, y)


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random", "qmc"])
def test_every_sampler_is_reproducible_and_independent_of_n_jobs(sampler):
    first = search_svc(sampler=sampler, n_iter=12).fit(X, y)
    second = search_svc(sampler=sampler, n_iter=12, n_jobs=2).fit(X, y)
    assert_same_results(first, second)
    assert len({p["C"] for p in first.cv_results_["params"]}) == 12
    other = search_svc(sampler=sampler, n_iter=12, random_state=1).fit(X, y)
    assert other.cv_results_["params"] != first.cv_results_["params"]


@pytest.mark.parametrize("sampler", ["tpe", "gp"])
def test_model_based_samplers_beat_random_search(sampler):
    """Median over seeds of the best of 20 candidates, on a narrow optimum."""
    X, y = make_regression(60, 5, noise=30.0, random_state=0)
    optimum = 0.3

    def closeness(estimator, X, y):
        return -abs(np.log10(estimator.alpha / optimum)) - abs(estimator.tol - 0.5)

    def median_best(sampler):
        space = {
            "alpha": FloatDistribution(1e-6, 1e6, log=True),
            "tol": FloatDistribution(0, 1),
        }
        searches = [
            OptunaSearchCV(
                Ridge(),
                space,
                n_iter=20,
                sampler=sampler,
                scoring=closeness,
                cv=2,
                random_state=seed,
            ).fit(X, y)
            for seed in range(3)
        ]
        return np.median([search.best_score_ for search in searches])

    assert median_best(sampler) > median_best("random")


def test_gp_names_the_package_it_needs(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"sampler='gp'.*'torch'.*\[torch\]"):
        search_svc(sampler="gp").fit(X, y)


def test_missing_target_is_named_before_folds_are_made():
    with pytest.raises(ValueError, match="requires y to be passed"):
        search_svc().fit(X)
    labels = y.astype(float)
    labels[7] = np.nan
    with pytest.raises(ValueError, match="y contains NaN, first in row 7"):
        search_svc().fit(X, labels)


def test_sampler_may_be_a_callable_or_an_instance():
    def make(seed):
        return optuna.samplers.TPESampler(seed=seed)

    assert_same_results(search_svc(sampler=make).fit(X, y), search_svc().fit(X, y))
    instance = optuna.samplers.RandomSampler(seed=3)
    search = search_svc(sampler=instance).fit(X, y)
    # The instance is copied, so that it starts anew each time.
    assert_same_results(search, clone(search).fit(X, y))


@pytest.mark.parametrize("sampler", ["tpe", "gp", "random", "qmc"])
def test_conditional_parameter_is_masked_where_it_is_absent(sampler):
    search = search_svc(conditional, n_iter=12, sampler=sampler).fit(X, y)
    results = search.cv_results_
    linear = results["param_kernel"] == "linear"
    assert 0 < linear.sum() < 12
    assert len(set(results["param_gamma"].compressed())) == 12 - linear.sum()
    np.testing.assert_array_equal(results["param_gamma"].mask, linear)
    assert ["gamma" not in params for params in results["params"]] == list(linear)


def test_any_object_may_be_a_value():
    scalers = [StandardScaler(), MinMaxScaler(), "passthrough", None]
    space = {
        "standardscaler": scalers,
        "logisticregression__class_weight": [None, {0: 1, 1: 2, 2: 3}],
        "logisticregression__C": np.logspace(-1, 1, 3),
    }
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    search = OptunaSearchCV(pipeline, space, n_iter=12, cv=2, random_state=0).fit(X, y)
    tried = search.cv_results_["param_standardscaler"]
    assert {str(value) for value in tried} == {str(value) for value in scalers}
    params = search.cv_results_["params"]
    assert {type(p["logisticregression__C"]) for p in params} == {float}
    # An estimator among the values is not fitted itself.
    assert not hasattr(scalers[0], "mean_")


def test_multimetric_optimises_the_metric_that_refit_names():
    scoring = {"error": "neg_mean_squared_error", "r2": make_scorer(r2_score)}
    X, y = make_regression(60, 5, noise=30.0, random_state=0)
    space = {"alpha": FloatDistribution(1e-3, 1e3, log=True)}
    search = OptunaSearchCV(
        Ridge(), space, n_iter=5, scoring=scoring, refit="error", random_state=0
    ).fit(X, y)
    results = search.cv_results_
    assert search.best_score_ == results["mean_test_error"].max()
    values = [trial.value for trial in search.study_.trials]
    np.testing.assert_array_equal(values, results["mean_test_error"])
    assert search.score(X, y) < 0
    by_callable = clone(search).set_params(
        scoring=lambda est, X, y: {name: est.score(X, y) for name in ("error", "r2")}
    )
    assert by_callable.fit(X, y).multimetric_


@pytest.mark.parametrize("refit", [True, False, "f1", lambda results: 0])
@pytest.mark.parametrize(
    "scoring",
    [["accuracy", "recall_macro"], lambda est, X, y: {"accuracy": 1, "recall": 1}],
)
def test_multimetric_needs_the_name_of_one(refit, scoring):
    with pytest.raises(ValueError, match=r"one of \['accuracy', 'recall"):
        search_svc(scoring=scoring, refit=refit).fit(X, y)


def test_refit_may_be_a_callable_or_false():
    search = search_svc(refit=lambda results: 2).fit(X, y)
    assert search.best_index_ == 2
    assert not hasattr(search, "best_score_")
    search = search_svc(refit=False).fit(X, y)
    assert search.best_score_ == search.cv_results_["mean_test_score"].max()
    assert not hasattr(search, "best_estimator_")
    assert not hasattr(search, "predict")


def test_groups_reach_the_splitter():
    groups = np.arange(len(X)) % 5
    search = search_svc(cv=GroupKFold(5)).fit(X, y, groups=groups)
    assert search.n_splits_ == 5
    with pytest.raises(ValueError, match="groups"):
        search_svc(cv=GroupKFold(5)).fit(X, y)


def test_metadata_is_routed():
    groups = np.arange(len(X)) % 3
    weight = np.random.default_rng(0).uniform(size=len(X))
    with config_context(enable_metadata_routing=True):
        scorer = make_scorer(r2_score).set_score_request(sample_weight=True)
        search = OptunaSearchCV(
            Ridge().set_fit_request(sample_weight=True),
            {"alpha": [1.0]},
            n_iter=1,
            cv=GroupKFold(3),
            scoring=scorer,
        ).fit(X, y, sample_weight=weight, groups=groups)
        train, test = groups != 0, groups == 0
        ridge = Ridge().fit(X[train], y[train], sample_weight=weight[train])
        expected = r2_score(y[test], ridge.predict(X[test]), sample_weight=weight[test])
    scores = [search.cv_results_[f"split{i}_test_score"][0] for i in range(3)]
    assert np.isclose(scores, expected).any()


def test_frames_are_handed_on_as_they_are():
    frame = pd.DataFrame(X, columns=list("abcd"))
    search = search_svc().fit(frame, pd.Series(y))
    assert list(search.feature_names_in_) == list("abcd")
    assert_same_results(search, search_svc().fit(X, y))


def test_all_candidates_see_the_same_random_folds():
    search = OptunaSearchCV(
        Ridge(), {"alpha": [1.0], "tol": [0.1, 0.2]}, n_iter=4, cv=ShuffleSplit(2)
    ).fit(X, y)
    assert len(set(search.cv_results_["split0_test_score"])) == 1


class FailsWhenLinear(ClassifierMixin, BaseEstimator):
    """Fails for one kernel."""

    def __init__(self, kernel="rbf"):
        self.kernel = kernel

    def fit(self, X, y):
        if self.kernel == "linear":
            raise RuntimeError("no linear kernels today")
        self.svc_ = SVC(kernel=self.kernel).fit(X, y)
        self.classes_ = self.svc_.classes_
        return self

    def predict(self, X):
        return self.svc_.predict(X)


def test_failed_fits_are_nan_or_an_error():
    space = {"kernel": ["linear", "rbf"]}
    search = OptunaSearchCV(FailsWhenLinear(), space, n_iter=6, random_state=0)
    with (
        pytest.warns(FitFailedWarning, match="no linear kernels today"),
        pytest.warns(UserWarning, match="non-finite"),
    ):
        search.fit(X, y)
    failed = search.cv_results_["param_kernel"] == "linear"
    assert np.isnan(search.cv_results_["mean_test_score"][failed]).all()
    assert search.best_params_ == {"kernel": "rbf"}
    states = [trial.state.name for trial in search.study_.trials]
    assert states == ["FAIL" if is_failed else "COMPLETE" for is_failed in failed]
    with pytest.raises(RuntimeError, match="no linear"):
        clone(search).set_params(error_score="raise").fit(X, y)
    with pytest.raises(ValueError, match="All the 10 fits failed"):
        clone(search).set_params(
            param_distributions={"kernel": ["linear"]}, n_iter=2
        ).fit(X, y)


def test_nested_search_in_cross_val_score_and_pipeline():
    pipeline = make_pipeline(StandardScaler(), search_svc())
    assert cross_val_score(pipeline, X, y, cv=3).mean() > 0.9


def test_fitted_search_can_be_pickled_and_plotted():
    search = search_svc().fit(X, y)
    loaded = pickle.loads(pickle.dumps(search))
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))
    assert loaded.study_.best_value == search.best_score_
    plt = pytest.importorskip("matplotlib.pyplot")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        ax = optuna.visualization.matplotlib.plot_optimization_history(search.study_)
    assert len(ax.collections[0].get_offsets()) == 8
    plt.close("all")


def test_progress_bar_shows_candidates_and_refit(capsys):
    search = OptunaSearchCV(
        LogisticRegression(max_iter=1000), {"C": [0.1, 1.0]}, n_iter=2, cv=2
    ).set_callbacks(ProgressBar())
    search.fit(X, y)
    out = capsys.readouterr().out
    assert "OptunaSearchCV - search" in out
    assert "OptunaSearchCV - refit-with-best-params | LogisticRegression" in out


def test_optuna_is_silent_and_its_verbosity_is_left_as_it_was(capfd):
    before = optuna.logging.get_verbosity()
    search_svc(n_iter=12, sampler="gp").fit(X, y)
    assert optuna.logging.get_verbosity() == before
    captured = capfd.readouterr()
    assert captured.out == captured.err == ""
    search_svc(verbose=1, n_iter=2).fit(X, y)
    assert "3 folds for each of 2 candidates, totalling 6" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("space", "error", "match"),
    [
        ({"C": 1.0}, ValueError, r"\['C'\] must be a list"),
        ({"C": "rbf"}, ValueError, r"\['C'\] must be a list"),
        (
            {"C": stats.loguniform(0.1, 1)},
            ValueError,
            r"\['C'\].*rvs.* of optuna\.dist",
        ),
        ({"C": []}, ValueError, r"\['C'\] is an empty list"),
        ({"wrong": [1]}, ValueError, "Invalid parameter 'wrong'"),
        (lambda trial: None, TypeError, "must return a dict"),
    ],
)
def test_bad_spaces_are_named(space, error, match):
    with pytest.raises(error, match=match):
        search_svc(space).fit(X, y)


def test_a_tuple_is_no_range():
    X, y = load_iris(return_X_y=True)
    search = OptunaSearchCV(LogisticRegression(), {"C": (0.1, 10.0)}, n_iter=2)
    with pytest.raises(ValueError, match=r"'C'\] is the tuple .*FloatDistribution"):
        search.fit(X, y)
