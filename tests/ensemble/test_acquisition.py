import numpy as np
import pytest
from scipy.stats import norm

from skestimators.ensemble import (
    expected_improvement,
    probability_of_improvement,
    upper_confidence_bound,
)


def test_upper_confidence_bound():
    bound = upper_confidence_bound([1.0, 2.0], [0.5, 0.0], beta=2.0)
    np.testing.assert_array_equal(bound, [2.0, 2.0])


@pytest.mark.parametrize("xi", [0.0, 0.3])
def test_improvement_agrees_with_simulation(xi):
    rng = np.random.default_rng(0)
    mean, std, best = np.array([0.0, 1.0, 2.0]), np.array([1.0, 0.3, 2.0]), 1.2
    draws = mean + std * rng.standard_normal((400_000, 3))
    gain = np.maximum(draws - best - xi, 0.0)
    np.testing.assert_allclose(
        expected_improvement(mean, std, best, xi), gain.mean(axis=0), atol=0.01
    )
    np.testing.assert_allclose(
        probability_of_improvement(mean, std, best, xi),
        (gain > 0).mean(axis=0),
        atol=0.01,
    )


def test_without_uncertainty_improvement_is_certain_or_none():
    mean, std = [0.0, 1.0, 2.0], [0.0, 0.0, 0.0]
    np.testing.assert_array_equal(expected_improvement(mean, std, 1.0), [0, 0, 1])
    np.testing.assert_array_equal(probability_of_improvement(mean, std, 1.0), [0, 0, 1])


def test_improvement_is_continuous_where_uncertainty_vanishes():
    tiny = 1e-12
    for mean in (0.0, 2.0):
        np.testing.assert_allclose(
            expected_improvement([mean], [tiny], 1.0),
            expected_improvement([mean], [0.0], 1.0),
            atol=1e-9,
        )
    assert probability_of_improvement([1.0], [tiny], 1.0) == norm.cdf(0)


@pytest.mark.parametrize(
    "function",
    [
        upper_confidence_bound,
        lambda mean, std: expected_improvement(mean, std, 0.0),
        lambda mean, std: probability_of_improvement(mean, std, 0.0),
    ],
)
def test_bad_input(function):
    with pytest.raises(ValueError, match=r"std\[1\] is -1.0"):
        function([0.0, 0.0], [1.0, -1.0])
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        function([0.0, 0.0], [1.0])
