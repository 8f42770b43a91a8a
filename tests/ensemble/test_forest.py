import lightgbm
import numpy as np
import pytest

from skestimators.ensemble._forest import BoostedForest
from skestimators.ensemble._lgbm_members import read_trees

N_TREES = 12


def boosters(**params):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 8)).astype(np.float32)
    X[:, 1] = rng.integers(0, 3, 600)
    X[:, 2] = 0.0
    y = X[:, 0] * X[:, 1] + X[:, 3] + rng.normal(size=600)
    params = {"verbosity": -1, "num_threads": 1, "min_data_in_leaf": 2, **params}
    return [
        lightgbm.train(
            {**params, "bagging_fraction": 0.5, "bagging_freq": 1, "seed": seed},
            lightgbm.Dataset(X, y),
            num_boost_round=N_TREES - seed,
        )
        for seed in range(3)
    ]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "params",
    [{"num_leaves": 31}, {"num_leaves": 2}, {"num_leaves": 400, "max_bin": 1000}],
    ids=["usual", "stumps", "more than 256 leaves and bins"],
)
def test_predictions_are_those_of_lightgbm_to_the_bit(params, dtype):
    members = boosters(**params)
    forest = BoostedForest([read_trees(member) for member in members], N_TREES)
    thresholds = forest.threshold_.astype(np.float32)
    rng = np.random.default_rng(1)
    X = rng.normal(size=(700, 8)).astype(dtype)
    # Values on the thresholds and next to them, where comparisons go wrong.
    for feature in range(8):
        at = thresholds[forest.feature_ == feature][:200]
        near = np.concatenate([at, np.nextafter(at, 9), np.nextafter(at, -9)])
        # LightGBM takes numbers nearer to zero than that for zero.
        X[: len(near), feature] = np.where(np.abs(near) < 1e-30, 0.0, near)
    expected = np.column_stack([m.predict(X, num_threads=1) for m in members])
    np.testing.assert_array_equal(forest.predict(X), expected)
    np.testing.assert_array_equal(forest.predict(X[:100]), expected[:100])


def test_trees_without_a_split():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), np.full(20, 3.0)
    data = lightgbm.Dataset(X, y)
    booster = lightgbm.train({"verbosity": -1}, data, num_boost_round=5)
    forest = BoostedForest([read_trees(booster)] * 2, 5)
    for n_samples in (1, 1000):
        predictions = forest.predict(rng.normal(size=(n_samples, 2)))
        np.testing.assert_array_equal(predictions, np.full((n_samples, 2), 3.0))
