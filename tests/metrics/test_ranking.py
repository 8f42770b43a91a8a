import warnings

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.exceptions import UndefinedMetricWarning

from skestimators.metrics import spearman_score, top_k_recall


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("n_values", [3, 10, 10**6], ids="{}_values".format)
def test_spearman_is_that_of_scipy(rng, n_values):
    y_true = rng.integers(n_values, size=200)
    y_pred = y_true + rng.integers(n_values, size=200)
    expected = spearmanr(y_true, y_pred).statistic
    assert spearman_score(y_true, y_pred) == pytest.approx(expected, abs=1e-12)
    assert spearman_score(y_pred, y_true) == pytest.approx(expected, abs=1e-12)
    assert spearman_score(y_true, -y_pred) == pytest.approx(-expected, abs=1e-12)


def test_spearman_reaches_its_bounds(rng):
    y = rng.normal(size=1000)
    assert spearman_score(y, np.exp(y)) == 1
    assert spearman_score(y, -np.exp(y)) == -1
    weight = rng.uniform(size=1000) ** 300
    assert spearman_score(y, np.exp(y), sample_weight=weight) == 1


@pytest.mark.parametrize(
    "score", [spearman_score, lambda *args, **kw: top_k_recall(*args, k=12.5, **kw)]
)
def test_integer_weights_equal_repeated_rows(rng, score):
    y_true, y_pred = rng.integers(6, size=(2, 60))
    weight = rng.integers(4, size=60)
    repeated = np.repeat(np.arange(60), weight)
    weighted = score(y_true, y_pred, sample_weight=weight)
    assert weighted == pytest.approx(score(y_true[repeated], y_pred[repeated]))
    assert weighted != pytest.approx(score(y_true, y_pred))


@pytest.mark.parametrize("scale", [1e-300, 0.3, 1e100])
def test_spearman_ignores_the_scale_of_weights(rng, scale):
    y_true, y_pred = rng.normal(size=(2, 50))
    weight = rng.uniform(size=50)
    expected = spearman_score(y_true, y_pred, sample_weight=weight)
    scaled = spearman_score(y_true, y_pred, sample_weight=scale * weight)
    assert scaled == pytest.approx(expected)


@pytest.mark.parametrize(
    ("y_true", "y_pred", "weight", "column"),
    [
        ([1, 2, 3], [5, 5, 5], None, "y_pred"),
        ([1, 1, 1], [1, 2, 3], None, "y_true"),
        ([1], [2], None, "y_true"),
        ([1, 2, 3], [5, 5, 6], [1, 1, 0], "y_pred"),
    ],
)
def test_spearman_of_a_constant_is_zero_with_a_warning(y_true, y_pred, weight, column):
    with pytest.warns(UndefinedMetricWarning, match=f"{column} is constant"):
        assert spearman_score(y_true, y_pred, sample_weight=weight) == 0


def test_the_warning_points_at_the_caller():
    with pytest.warns(UndefinedMetricWarning) as record:
        spearman_score([1, 2], [1, 1])
    assert record[0].filename == __file__


def test_top_k_recall_counts_the_best_found():
    y_true = [10, 9, 8, 1, 2, 3]
    y_score = [0.9, 0.1, 0.8, 0.7, 0.2, 0.3]
    assert top_k_recall(y_true, y_score, k=1) == 1
    assert top_k_recall(y_true, y_score, k=2) == 0.5
    assert top_k_recall(y_true, y_score, k=3) == pytest.approx(2 / 3)


def test_ties_at_the_last_score_count_by_expectation(rng):
    y_true = rng.permutation(40)
    y_score = rng.integers(5, size=40)
    drawn = [
        top_k_recall(y_true, y_score + rng.uniform(0, 0.5, size=40), k=10)
        for _ in range(4000)
    ]
    expected = top_k_recall(y_true, y_score, k=10)
    assert np.mean(drawn) == pytest.approx(expected, abs=0.01)
    order = rng.permutation(40)
    assert top_k_recall(y_true[order], y_score[order], k=10) == pytest.approx(expected)


def test_ties_of_the_kth_best_are_all_good_choices():
    y_true = [3, 2, 2, 2, 1]
    for y_score in ([9, 8, 0, 0, 0], [9, 0, 8, 0, 0], [9, 0, 0, 8, 0]):
        assert top_k_recall(y_true, y_score, k=2) == 1
    assert top_k_recall(y_true, [9, 0, 0, 0, 8], k=2) == 0.5


def test_perfect_scores_find_everything(rng):
    y = rng.integers(8, size=100)
    for k in range(1, 100):
        assert top_k_recall(y, y, k=k) == pytest.approx(1)


@pytest.mark.parametrize(
    ("y_true", "y_score", "k", "reason", "expected"),
    [
        (range(10), [1] * 10, 3, "y_score is constant", 0.3),
        ([1] * 10, range(10), 3, "y_true is constant", 1),
        (range(10), range(10), 10, "chooses all samples", 1),
        (range(10), range(10)[::-1], 11, "chooses all samples", 1),
    ],
)
def test_meaningless_top_k_recall_warns(y_true, y_score, k, reason, expected):
    with pytest.warns(UndefinedMetricWarning, match=reason):
        score = top_k_recall(list(y_true), list(y_score), k=k)
    assert score == pytest.approx(expected)


@pytest.mark.parametrize("k", [0, -1, "2"])
def test_top_k_recall_refuses_a_bad_k(k):
    with pytest.raises(ValueError, match="'k' parameter"):
        top_k_recall([1, 2, 3], [1, 2, 3], k=k)


@pytest.mark.parametrize("score", [spearman_score, lambda *a, **k: top_k_recall(*a, 2)])
@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([1, 2, np.nan], [1, 2, 3], "y_true contains NaN"),
        ([1, 2, 3], [1, np.inf, 3], "y_(pred|score) contains infinity"),
        ([1, 2, 3], [1, 2], "inconsistent numbers of samples"),
        ([[1, 2], [3, 4]], [1, 2], r"y should be a 1d array|1d array"),
        ([], [], "0 sample"),
        (["a", "b"], [1, 2], "could not convert"),
    ],
)
def test_bad_columns_are_refused(score, y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        score(y_true, y_pred)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, 2], "sample_weight.shape"),
        ([1, -1, 1], "Negative values"),
        ([0, 0, 0], "at least one non-zero"),
        ([1, np.nan, 1], "NaN"),
    ],
)
def test_bad_weights_are_refused(weight, message):
    with pytest.raises(ValueError, match=message):
        spearman_score([1, 2, 3], [1, 2, 3], sample_weight=weight)


def test_column_vectors_are_flattened():
    column = np.arange(4.0)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert spearman_score(column, column) == pytest.approx(1)
        assert isinstance(spearman_score(column, column), float)
