import pickle

import lightgbm
import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.base import clone
from sklearn.datasets import make_friedman1

from skestimators.ensemble import BootstrapStackedLGBM


def friedman(n_samples=400, n_features=10, noise=1.0):
    return make_friedman1(n_samples, n_features=n_features, noise=noise, random_state=0)


@pytest.mark.parametrize("min_child_samples", [5, 40])
def test_members_are_lightgbm_on_repeated_rows(min_child_samples):
    """Weights over distinct rows are what repeated rows are, given the same bins."""
    X, y = friedman()
    X = np.round(4 * X)  # few values, so that bins are the same for every resample
    ensemble = BootstrapStackedLGBM(
        4,
        max_iter=20,
        colsample_bytree=1.0,
        min_child_samples=min_child_samples,
        random_state=0,
    ).fit(X, y)
    ours = ensemble.predict_all(X)
    for member, rows in enumerate(ensemble.estimators_samples_):
        theirs = lightgbm.LGBMRegressor(
            n_estimators=20,
            learning_rate=0.0727,
            num_leaves=99,
            max_depth=5,
            min_child_samples=min_child_samples,
            n_jobs=1,
            verbose=-1,
        ).fit(X[rows], y[rows])
        theirs = theirs.booster_.predict(X)
        np.testing.assert_allclose(ours[:, member], theirs, atol=1e-6)


def test_defaults_rank_as_well_as_lightgbm_in_a_loop():
    X, y = friedman(700, n_features=60, noise=3.0)
    X_train, y_train, X_test, y_test = X[:450], y[:450], X[450:], y[450:]
    rng = np.random.RandomState(0)
    notebook = []
    for _ in range(30):
        rows = rng.choice(450, 450)
        member = lightgbm.LGBMRegressor(
            n_estimators=100,
            learning_rate=0.0727,
            num_leaves=99,
            min_child_samples=40,
            max_depth=5,
            subsample=0.692,
            colsample_bytree=0.549,
            n_jobs=1,
            verbose=-1,
        )
        member.fit(X_train[rows], y_train[rows])
        notebook.append(member.booster_.predict(X_test))
    theirs = spearmanr(np.mean(notebook, axis=0), y_test)[0]
    ours = BootstrapStackedLGBM(30, stacking=None, random_state=0)
    ours = spearmanr(ours.fit(X_train, y_train).predict(X_test), y_test)[0]
    assert ours > theirs - 0.01


def test_subsample_without_frequency_warns_and_does_nothing():
    X, y = friedman(100)
    params = {"max_iter": 5, "min_child_samples": 20, "random_state": 0}
    plain = BootstrapStackedLGBM(2, **params).fit(X, y)
    ignored = BootstrapStackedLGBM(2, subsample=0.5, **params)
    with pytest.warns(UserWarning, match="no effect with subsample_freq=0"):
        ignored.fit(X, y)
    np.testing.assert_array_equal(ignored.predict(X), plain.predict(X))
    used = BootstrapStackedLGBM(2, subsample=0.5, subsample_freq=1, **params).fit(X, y)
    assert (used.predict(X) != plain.predict(X)).any()


def test_float32_and_float64_agree():
    X, y = friedman(200)
    X = X.astype(np.float32)
    small = BootstrapStackedLGBM(5, max_iter=10, random_state=0).fit(X, y)
    large = BootstrapStackedLGBM(5, max_iter=10, random_state=0).fit(
        X.astype(np.float64), y
    )
    np.testing.assert_array_equal(
        small.predict_all(X), large.predict_all(X.astype(np.float64))
    )


def test_boosting_that_cannot_go_on_stops_and_says_so():
    X, y = friedman(60)
    ensemble = BootstrapStackedLGBM(3, min_child_samples=50, random_state=0)
    with pytest.warns(UserWarning, match="min_child_samples=50 rows .* there are 60"):
        ensemble.fit(X, y)
    assert ensemble.n_iter_ == 1
    for column, rows in zip(
        ensemble.predict_all(X).T, ensemble.estimators_samples_, strict=True
    ):
        np.testing.assert_allclose(column, y[rows].mean(), rtol=1e-6)
    clone(ensemble).fit(X, np.ones(60))


def test_pickle_is_small_and_needs_no_lightgbm(monkeypatch):
    X, y = friedman()
    ensemble = BootstrapStackedLGBM(20, random_state=0).fit(X, y)
    data = pickle.dumps(ensemble)
    n_nodes = len(ensemble.forest_.feature_)
    assert len(data) < 50 * n_nodes + 1_000_000
    monkeypatch.setitem(__import__("sys").modules, "lightgbm", None)
    loaded = pickle.loads(data)
    np.testing.assert_array_equal(loaded.predict(X), ensemble.predict(X))
    with pytest.raises(ImportError, match=r"skestimators\[boosting\]"):
        loaded.fit(X, y)
