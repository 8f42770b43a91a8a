import numpy as np
import pytest
from joblib import parallel_config
from scipy.stats import spearmanr
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import make_friedman1
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_validate
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from xgboost import XGBRegressor

from skestimators.ensemble import BootstrapStackedLGBM, BootstrapStackedRegressor
from skestimators.neural_network import TorchMLPRegressor


def friedman(n_samples=300, noise=1.0):
    return make_friedman1(n_samples, n_features=8, noise=noise, random_state=0)


def trees(n_estimators=20, **params):
    tree = DecisionTreeRegressor(min_samples_leaf=3)
    return BootstrapStackedRegressor(
        tree, n_estimators, **{"random_state": 0, **params}
    )


def boosters(n_estimators=20, **params):
    params = {"max_iter": 25, "min_child_samples": 10, "random_state": 0, **params}
    return BootstrapStackedLGBM(n_estimators, **params)


both = pytest.mark.parametrize("make", [trees, boosters])


def test_members_are_fitted_on_their_resamples():
    X, y = friedman()
    ensemble = trees().fit(X, y)
    assert len(ensemble.estimators_) == 20
    for member, rows in zip(
        ensemble.estimators_, ensemble.estimators_samples_, strict=True
    ):
        again = clone(member).fit(X[rows], y[rows])
        np.testing.assert_array_equal(again.predict(X), member.predict(X))
        assert len(rows) == len(X)
    seeds = {member.random_state for member in ensemble.estimators_}
    assert len(seeds) == 20


@both
def test_out_of_bag_prediction_is_of_members_that_did_not_see_the_row(make):
    X, y = friedman()
    ensemble = make().fit(X, y)
    predictions = ensemble.predict_all(X)
    for row in (0, 17, 299):
        unseen = [row not in rows for rows in ensemble.estimators_samples_]
        expected = predictions[row, unseen].mean()
        np.testing.assert_allclose(ensemble.oob_prediction_[row], expected)
    residual, deviation = y - ensemble.oob_prediction_, y - y.mean()
    expected = 1 - (residual @ residual) / (deviation @ deviation)
    np.testing.assert_allclose(ensemble.oob_score_, expected)


@both
def test_mean_std_and_bound_agree_with_the_members(make):
    X, y = friedman()
    ensemble = make(beta=2.0).fit(X, y)
    members = ensemble.predict_all(X)
    mean, std = ensemble.predict(X, return_std=True)
    assert members.shape == (300, 20)
    np.testing.assert_array_equal(mean, ensemble.predict(X))
    np.testing.assert_allclose(mean, members @ ensemble.coef_)
    np.testing.assert_allclose(std, members.std(axis=1))
    np.testing.assert_allclose(ensemble.predict_ucb(X), mean + 2 * std)
    np.testing.assert_allclose(ensemble.predict_ucb(X, beta=0.5), mean + 0.5 * std)


@both
def test_in_sample_stacking_is_ridge_on_the_training_predictions(make):
    X, y = friedman()
    ensemble = make(stacking="in_sample", alpha=3.0).fit(X[:200], y[:200])
    ridge = Ridge(3.0).fit(ensemble.predict_all(X[:200]), y[:200])
    np.testing.assert_array_equal(ensemble.coef_, ridge.coef_)
    assert ensemble.intercept_ == ridge.intercept_
    np.testing.assert_allclose(
        ensemble.predict(X[200:]), ridge.predict(ensemble.predict_all(X[200:]))
    )


@both
def test_without_stacking_it_is_the_plain_mean(make):
    X, y = friedman()
    plain = make(stacking=None).fit(X, y)
    np.testing.assert_allclose(plain.predict(X), plain.predict_all(X).mean(axis=1))
    far = make(alpha=1e12).fit(X, y)
    np.testing.assert_allclose(far.predict(X), plain.predict(X))


@both
def test_out_of_bag_stacking_is_not_worse_than_the_mean(make):
    scores = {"oob": [], None: []}
    X, y = friedman(700, noise=3.0)
    for seed in range(3):
        for stacking, found in scores.items():
            ensemble = make(50, stacking=stacking, random_state=seed)
            found.append(
                spearmanr(ensemble.fit(X[:500], y[:500]).predict(X[500:]), y[500:])[0]
            )
    assert np.mean(scores["oob"]) >= np.mean(scores[None]) - 0.002


@both
@pytest.mark.parametrize("confidence_level", [0.8, 0.9])
def test_intervals_cover_what_they_promise(make, confidence_level):
    X, y = friedman(1400, noise=2.0)
    ensemble = make(40).fit(X[:400], y[:400])
    low, high = ensemble.predict_interval(X[400:], confidence_level).T
    covered = np.mean((low <= y[400:]) & (y[400:] <= high))
    assert abs(covered - confidence_level) < 0.06
    assert (low < high).all()


@both
def test_groups_are_never_split(make):
    X, y = friedman()
    groups = np.arange(300) // 6
    ensemble = make().fit(X, y, groups=groups)
    for rows in ensemble.estimators_samples_:
        count = np.bincount(rows, minlength=300).reshape(-1, 6)
        assert (count == count[:, :1]).all()
        assert 0 < (count[:, 0] == 0).sum() < 50


class Recorder(LinearRegression):
    """Take groups, as a regressor does that holds some out for early stopping."""

    def fit(self, X, y, sample_weight=None, groups=None):
        self.groups_ = groups
        return super().fit(X, y, sample_weight)


@pytest.mark.parametrize("groups", [None, np.arange(60) // 4])
def test_members_that_take_groups_get_them(groups):
    X, y = friedman(60)
    ensemble = BootstrapStackedRegressor(Recorder(), 3).fit(X, y, groups=groups)
    of_row = np.arange(60) if groups is None else groups
    for member, rows in zip(
        ensemble.estimators_, ensemble.estimators_samples_, strict=True
    ):
        np.testing.assert_array_equal(member.groups_, of_row[rows])


def test_groups_are_routed_through_a_search():
    X, y = friedman(120)
    groups = np.arange(120) // 4
    with config_context(enable_metadata_routing=True):
        ensemble = boosters(5).set_fit_request(groups=True)
        fits = cross_validate(
            make_pipeline(StandardScaler(), ensemble),
            X,
            y,
            cv=GroupKFold(3),
            params={"groups": groups},
            return_estimator=True,
        )["estimator"]
    for pipeline in fits:
        for rows in pipeline[-1].estimators_samples_:
            # Rows come in fours, each as often as the other three.
            counts = np.bincount(rows, minlength=80).reshape(-1, 4)
            assert (counts == counts[:, :1]).all()


class _TellsGroups(RegressorMixin, BaseEstimator):
    """A mean that remembers what its fit was given."""

    def fit(self, X, y, sample_weight=None, groups=None):
        self.given_ = {"sample_weight": sample_weight, "groups": groups}
        self.mean_ = np.average(y, weights=sample_weight)
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


@pytest.mark.parametrize("given", [True, False], ids=["groups", "none"])
def test_groups_and_weights_reach_the_step_of_a_member_that_is_a_pipeline(given):
    X, y = friedman(40)
    groups = np.arange(40) // 4 if given else None
    weight = np.linspace(1, 2, 40)
    with config_context(enable_metadata_routing=True):
        last = _TellsGroups().set_fit_request(groups=True, sample_weight=True)
        member = make_pipeline(StandardScaler(), last)
        member[0].set_fit_request(sample_weight=False)
        ensemble = BootstrapStackedRegressor(member, 3, random_state=0)
        ensemble.fit(X, y, sample_weight=weight, groups=groups)
        for fitted, rows in zip(
            ensemble.estimators_, ensemble.estimators_samples_, strict=True
        ):
            told = fitted[-1].given_
            # Without groups a row and its copies are one.
            np.testing.assert_array_equal(told["groups"], rows // 4 if given else rows)
            np.testing.assert_array_equal(told["sample_weight"], weight[rows])
        last.set_fit_request(groups=False, sample_weight=True)
        ensemble.fit(X, y, sample_weight=weight, groups=groups)
        assert ensemble.estimators_[0][-1].given_["groups"] is None


@both
def test_weight_is_repetition(make):
    """Weight k is k rows, up to the randomness of resampling."""
    X, y = friedman(400)
    weight = np.random.default_rng(0).integers(0, 4, 400)
    rows = np.repeat(np.arange(400), weight)
    X_test = friedman(900)[0][400:]
    weighted = make(40).fit(X, y, sample_weight=weight).predict(X_test)
    repeated = make(40).fit(X[rows], y[rows]).predict(X_test)
    plain = make(40).fit(X, y).predict(X_test)
    again = make(40, random_state=1).fit(X, y, sample_weight=weight).predict(X_test)
    noise = np.std(weighted - again)
    assert np.std(weighted - repeated) < 2.5 * noise
    assert np.std(weighted - plain) > np.std(weighted - repeated)


@both
def test_rows_of_weight_zero_are_left_out(make):
    X, y = friedman()
    weight = np.ones(300)
    weight[:50] = 0
    y[:50] = 1e6
    ensemble = make().fit(X, y, sample_weight=weight)
    assert all(rows.min() >= 50 for rows in ensemble.estimators_samples_)
    assert np.isnan(ensemble.oob_prediction_[:50]).all()
    assert np.abs(ensemble.predict(X)).max() < 100
    assert np.abs(ensemble.predict_interval(X)).max() < 100
    without = make().fit(X[50:], y[50:])
    np.testing.assert_array_equal(ensemble.predict_all(X), without.predict_all(X))


def test_weight_needs_an_estimator_that_takes_it():
    X, y = friedman(60)
    ensemble = BootstrapStackedRegressor(KNeighborsRegressor(), 3)
    with pytest.raises(ValueError, match="fit method of estimator=KNeighbors"):
        ensemble.fit(X, y, sample_weight=np.ones(60))


@both
def test_too_few_members_for_a_row_to_be_out_of_the_bag(make):
    X, y = friedman()
    ensemble = make(1).fit(X, y)
    in_bag = np.isin(np.arange(300), ensemble.estimators_samples_[0])
    np.testing.assert_array_equal(np.isnan(ensemble.oob_prediction_), in_bag)
    np.testing.assert_array_equal(ensemble.coef_, [1.0])
    assert np.isfinite(ensemble.oob_score_)
    assert np.isfinite(ensemble.predict_interval(X)).all()


def test_no_row_out_of_any_bag():
    X, y = friedman(4)
    ensemble = trees(1, max_samples=200).fit(X, y)
    assert np.isnan(ensemble.oob_score_)
    with pytest.raises(ValueError, match="No training row is out of the bag"):
        ensemble.predict_interval(X)


@both
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_results_do_not_depend_on_jobs(make, backend):
    X, y = friedman(150)
    alone = make(6).fit(X, y)
    with parallel_config(backend):
        together = make(6, n_jobs=2).fit(X, y)
    np.testing.assert_array_equal(alone.predict_all(X), together.predict_all(X))
    np.testing.assert_array_equal(alone.coef_, together.coef_)


def test_networks_do_not_depend_on_jobs_in_threads():
    """They draw from one generator, so that they must take turns."""
    X, y = friedman(80)
    network = TorchMLPRegressor((8,), dropout=0.2, max_epochs=3)
    alone = BootstrapStackedRegressor(network, 4, random_state=0).fit(X, y)
    with parallel_config("threading", n_jobs=2):
        together = clone(alone).fit(X, y)
        np.testing.assert_array_equal(alone.predict_all(X), together.predict_all(X))


def test_any_regressor_is_seeded_through_nested_parameters():
    X, y = friedman(100)
    forest = make_pipeline(StandardScaler(), RandomForestRegressor(5))
    ensemble = BootstrapStackedRegressor(forest, 3, random_state=0)
    ensemble.set_params(estimator__randomforestregressor__max_depth=2)
    first, second = (clone(ensemble).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict_all(X), second.predict_all(X))
    assert all(m[-1].max_depth == 2 for m in first.estimators_)


def test_xgboost_as_base_regressor():
    X, y = friedman()
    X[0, 0] = np.nan
    booster = XGBRegressor(n_estimators=20, max_depth=3, n_jobs=1)
    ensemble = BootstrapStackedRegressor(booster, 10, random_state=0).fit(X, y)
    assert ensemble.oob_score_ > 0.5
    assert ensemble.predict_interval(X).shape == (300, 2)


def test_members_that_take_nan_get_it_and_others_say_no():
    X, y = friedman(50)
    X[3, 2] = np.nan
    assert BootstrapStackedRegressor(DecisionTreeRegressor(), 2).fit(X, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        BootstrapStackedRegressor(LinearRegression(), 2).fit(X, y)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        boosters(2).fit(X, y)


@both
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda X, y: (X, np.where(np.arange(50) == 7, np.nan, y)),
            "y contains NaN.*row 7",
        ),
        (
            lambda X, y: (X, np.where(np.arange(50) == 7, np.inf, y)),
            "y contains inf.*row 7",
        ),
        (lambda X, y: (X, np.column_stack([y, y])), "y should be a 1d array"),
        (lambda X, y: (X[:1], y[:1]), "minimum of 2 is required"),
        (lambda X, y: (X, y, np.arange(50) == 1), "2 rows of positive sample_weight"),
        (lambda X, y: (X, y, -np.ones(50)), "Negative values"),
        (lambda X, y: (X, y, None, np.ones(50)), "at least 2 groups, got 1"),
        (lambda X, y: (X, y, None, np.ones(49)), "inconsistent numbers of samples"),
    ],
)
def test_bad_input_of_fit(make, change, message):
    with pytest.raises(ValueError, match=message):
        make(2).fit(*change(*friedman(50)))


@pytest.mark.parametrize("level", [0, 1, 90])
def test_bad_confidence_level(level):
    X, y = friedman(50)
    with pytest.raises(
        ValueError, match=r"confidence_level.*must be a float in the range"
    ):
        trees(2).fit(X, y).predict_interval(X, level)


@both
@pytest.mark.parametrize("n_jobs", [None, 2])
def test_scoring_monitor_sees_every_member(make, n_jobs):
    X, y = friedman(120)
    monitor = ScoringMonitor(scoring="r2")
    ensemble = make(4, n_jobs=n_jobs).set_callbacks(monitor).fit(X, y)
    logs = monitor.get_logs().data
    members = {
        log["task_id"]: log["r2"] for log in logs if log["task_name"] == "member"
    }
    predictions = ensemble.predict_all(X)
    for index in range(4):
        residual, deviation = y - predictions[:, index], y - y.mean()
        expected = 1 - (residual @ residual) / (deviation @ deviation)
        np.testing.assert_allclose(members[index], expected)
    whole = [log["r2"] for log in logs if log["task_name"] == "fit"]
    np.testing.assert_allclose(whole, ensemble.score(X, y))


def test_scoring_monitor_sees_every_boosting_round():
    X, y = friedman(120)
    monitor = ScoringMonitor(scoring="r2")
    boosters(2, max_iter=7).set_callbacks(monitor).fit(X, y)
    rounds = [
        log["r2"]
        for log in monitor.get_logs().data
        if log["task_name"] == "boosting-round" and log["parent_task_id_path"] == (0, 1)
    ]
    assert len(rounds) == 7
    assert (np.diff(rounds) > 0).all()


@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_progress_bar_reaches_members_of_members(backend, capsys):
    X, y = friedman(80)
    nested = BootstrapStackedRegressor(boosters(2, max_iter=3), 2, n_jobs=2)
    search = GridSearchCV(
        make_pipeline(StandardScaler(), nested), {"standardscaler": [None]}, cv=2
    )
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    with parallel_config(backend):
        search.fit(X, y)
    shown = capsys.readouterr().out
    assert "BootstrapStackedRegressor - fit" in shown
    assert "BootstrapStackedLGBM - member" in shown
    assert search.best_estimator_.predict(X).shape == (80,)
