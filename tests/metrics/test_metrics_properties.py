"""Bounds and symmetries that hold for any labels and numbers."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import examples
from sklearn.exceptions import UndefinedMetricWarning

from skestimators.metrics import (
    heidke_skill_score,
    spearman_score,
    top_k_recall,
    true_negative_rate,
    true_positive_rate,
    true_skill_statistic,
)

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.UndefinedMetricWarning"
)
BOUNDS = {
    true_positive_rate: (0, 1),
    true_negative_rate: (0, 1),
    true_skill_statistic: (-1, 1),
    heidke_skill_score: (-1, 1),
}


@st.composite
def rows(draw, values):
    """Draw targets, predictions and whole weights, one of which is not 0."""
    n = draw(st.integers(1, 12))
    y_true, y_pred = (draw(st.lists(values, min_size=n, max_size=n)) for _ in range(2))
    weight = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    return np.array(y_true), np.array(y_pred), np.array(weight)


binary = rows(st.integers(0, 1))
numbers = rows(st.integers(-5, 5).map(float))


@pytest.mark.parametrize("score", BOUNDS)
@examples(40)
@given(binary, st.randoms(use_true_random=False))
def test_skill_of_any_binary_labels(score, drawn, random):
    y_true, y_pred, weight = drawn
    value = score(y_true, y_pred, labels=[0, 1], sample_weight=weight)
    low, high = BOUNDS[score]
    assert low <= value <= high
    # A weight is how often a row is there, and the order of rows is nothing.
    repeated = np.repeat(np.arange(len(weight)), weight)
    random.shuffle(repeated)
    again = score(y_true[repeated], y_pred[repeated], labels=[0, 1])
    assert again == pytest.approx(value, abs=1e-12)


@examples(40)
@given(binary)
def test_classes_change_places(drawn):
    y_true, y_pred, weight = drawn
    both = {"labels": [0, 1], "sample_weight": weight}
    for score in (true_skill_statistic, heidke_skill_score):
        swapped = score(1 - y_true, 1 - y_pred, **both)
        assert swapped == pytest.approx(score(y_true, y_pred, **both), abs=1e-12)
    rate = true_positive_rate(1 - y_true, 1 - y_pred, **both)
    assert rate == true_negative_rate(y_true, y_pred, **both)
    # Truth and prediction may change places in Heidke's, and only there.
    one, other = (
        heidke_skill_score(*y, **both) for y in ((y_true, y_pred), (y_pred, y_true))
    )
    assert one == pytest.approx(other, abs=1e-12)


@examples(40)
@given(rows(st.integers(0, 3)), st.permutations(range(4)))
def test_names_of_classes_do_not_count(drawn, names):
    y_true, y_pred, weight = drawn
    names = np.array(names)
    for score in (true_skill_statistic, heidke_skill_score):
        value = score(y_true, y_pred, sample_weight=weight)
        named = score(names[y_true], names[y_pred], sample_weight=weight)
        assert named == pytest.approx(value, abs=1e-12)
        assert value <= 1


@examples(40)
@given(numbers)
def test_spearman_ranks(drawn):
    y_true, y_pred, weight = drawn
    value = spearman_score(y_true, y_pred, sample_weight=weight)
    assert -1 <= value <= 1
    close = {"abs": 1e-9}
    swapped = spearman_score(y_pred, y_true, sample_weight=weight)
    assert swapped == pytest.approx(value, **close)
    mirrored = spearman_score(y_true, -y_pred, sample_weight=weight)
    assert mirrored == pytest.approx(-value, **close)
    growing = spearman_score(np.exp(y_true), y_pred**3, sample_weight=weight)
    assert growing == pytest.approx(value, **close)
    repeated = np.repeat(np.arange(len(weight)), weight)
    again = spearman_score(y_true[repeated], y_pred[repeated])
    assert again == pytest.approx(value, **close)


@examples(40)
@given(numbers, st.integers(1, 12))
def test_top_k(drawn, k):
    y_true, y_score, weight = drawn
    value = top_k_recall(y_true, y_score, k, sample_weight=weight)
    assert 0 <= value <= 1
    assert top_k_recall(y_true, y_true, k, sample_weight=weight) == pytest.approx(1)
    repeated = np.repeat(np.arange(len(weight)), weight)[::-1]
    again = top_k_recall(np.exp(y_true[repeated]), y_score[repeated] * 2, k)
    assert again == pytest.approx(value)


@examples(30)
@given(st.integers(2, 9), st.floats(allow_nan=False, allow_infinity=False))
def test_constant_predictions_have_no_skill(n, constant):
    y_true = np.arange(n)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UndefinedMetricWarning):
            spearman_score(y_true, np.full(n, constant))
    assert spearman_score(y_true, np.full(n, constant)) == 0
    assert true_skill_statistic(y_true, np.zeros(n, int)) == pytest.approx(0)
    assert heidke_skill_score(y_true, np.zeros(n, int)) == pytest.approx(0)
