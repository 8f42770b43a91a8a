import numpy as np
import pytest

from skestimators.ensemble._out_of_bag import (
    jackknife_after_bootstrap,
    out_of_bag_mean,
    stack_out_of_bag,
)
from skestimators.ensemble._resampling import draw_bootstrap_counts


@pytest.fixture
def simulated():
    """Members of which the first ten see a signal that the others miss."""
    rng = np.random.default_rng(0)
    n_samples, n_estimators = 2000, 50
    common, extra = rng.normal(size=(2, n_samples))
    predictions = common[:, None] + 0.5 * rng.normal(size=(n_samples, n_estimators))
    predictions[:, :10] += extra[:, None]
    left_out = rng.random((n_samples, n_estimators)) < 0.37
    return predictions, left_out, common + extra + 0.3 * rng.normal(size=n_samples)


def test_out_of_bag_mean_by_hand():
    predictions = np.array([[1.0, 2.0, 6.0], [3.0, 4.0, 5.0]])
    left_out = np.array([[True, False, True], [False, False, False]])
    np.testing.assert_array_equal(out_of_bag_mean(predictions, left_out), [3.5, np.nan])


def test_stacking_finds_the_better_members(simulated):
    predictions, left_out, y = simulated
    coef = stack_out_of_bag(predictions, left_out, y, None, alpha=0.1)
    assert coef[:10].min() > coef[10:].max()
    error = np.mean((y - predictions @ coef) ** 2)
    assert error < 0.3 * np.mean((y - predictions.mean(axis=1)) ** 2)


def test_stacking_does_not_look_into_the_bag(simulated):
    predictions, left_out, y = simulated
    changed = np.where(left_out, predictions, 1e6)
    np.testing.assert_array_equal(
        stack_out_of_bag(predictions, left_out, y, None, 1.0),
        stack_out_of_bag(changed, left_out, y, None, 1.0),
    )


def test_infinite_alpha_is_the_plain_mean_and_weights_sum_to_one(simulated):
    predictions, left_out, y = simulated
    coef = stack_out_of_bag(predictions, left_out, y, None, alpha=1e12)
    np.testing.assert_allclose(coef, 1 / 50, atol=1e-9)
    for alpha in (0.0, 1.0):
        coef = stack_out_of_bag(predictions, left_out, y, None, alpha)
        np.testing.assert_allclose(coef.sum(), 1.0)


def test_small_alpha_does_no_harm(simulated):
    predictions, left_out, y = simulated
    coef = stack_out_of_bag(predictions[:300], left_out[:300], y[:300], None, 1e-6)
    error = np.mean((y - predictions @ coef)[300:] ** 2)
    assert error < np.mean((y - predictions.mean(axis=1))[300:] ** 2)


def test_stacking_does_not_depend_on_units(simulated):
    predictions, left_out, y = simulated
    np.testing.assert_allclose(
        stack_out_of_bag(1000 * predictions, left_out, 1000 * y, None, 1.0),
        stack_out_of_bag(predictions, left_out, y, None, 1.0),
    )


def test_stacking_of_weights_is_stacking_of_repetitions(simulated):
    predictions, left_out, y = simulated
    weight = np.random.default_rng(1).integers(1, 4, len(y))
    rows = np.repeat(np.arange(len(y)), weight)
    np.testing.assert_allclose(
        stack_out_of_bag(predictions, left_out, y, weight.astype(float), 1.0),
        stack_out_of_bag(predictions[rows], left_out[rows], y[rows], None, 1.0),
    )


def test_intervals_by_hand():
    # Two members; row 0 and 1 are left out by the first, row 2 by both.
    left_out = np.array([[True, False], [True, False], [True, True]])
    residuals = np.array([1.0, 2.0, 4.0])
    # means of a query predicted (10, 20): 10, 10, 15; ends: 9, 8, 11 and 11, 12, 19.
    interval = jackknife_after_bootstrap(
        np.array([[10.0, 20.0]]), left_out, residuals, confidence_level=0.5
    )
    # rank floor(.5 * 4) = 2 from below, and from above
    np.testing.assert_array_equal(interval, [[9.0, 12.0]])


def test_intervals_are_infinite_where_rows_are_too_few():
    left_out = np.ones((8, 2), dtype=bool)
    interval = jackknife_after_bootstrap(np.zeros((1, 2)), left_out, np.ones(8), 0.9)
    np.testing.assert_array_equal(interval, [[-np.inf, np.inf]])
    left_out = np.ones((9, 2), dtype=bool)
    interval = jackknife_after_bootstrap(np.zeros((1, 2)), left_out, np.ones(9), 0.9)
    np.testing.assert_array_equal(interval, [[-1.0, 1.0]])


@pytest.mark.parametrize(
    ("max_samples", "n_drawn"), [(None, 20), (7, 7), (0.25, 5), (1.0, 20), (0.01, 1)]
)
def test_size_of_resamples(max_samples, n_drawn):
    counts = draw_bootstrap_counts(
        3,
        np.ones(20, dtype=bool),
        max_samples=max_samples,
        groups=None,
        random_state=np.random.RandomState(0),
    )
    np.testing.assert_array_equal(counts.sum(axis=1), n_drawn)


def test_resamples_draw_rows_alike_and_groups_whole():
    usable = np.arange(30) != 4
    groups = np.arange(30) // 3
    for group in (None, groups):
        counts = draw_bootstrap_counts(
            4000,
            usable,
            max_samples=None,
            groups=group,
            random_state=np.random.RandomState(0),
        )
        np.testing.assert_allclose(counts[:, usable].mean(axis=0), 1.0, atol=0.1)
        assert not counts[:, 4].any()
    expected = np.repeat(counts[:, ::3], 3, axis=1) * usable
    np.testing.assert_array_equal(counts, expected)
