import numpy as np
import pytest
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import (
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    recall_score,
)

from skestimators.metrics import (
    heidke_skill_score,
    true_negative_rate,
    true_positive_rate,
    true_skill_statistic,
)

ALL = [
    true_positive_rate,
    true_negative_rate,
    true_skill_statistic,
    heidke_skill_score,
]
SKILLS = [true_skill_statistic, heidke_skill_score]


def expand(matrix):
    """Return true and predicted labels that have this confusion matrix."""
    truth, prediction = np.indices(np.shape(matrix)).reshape(2, -1)
    return np.repeat(truth, np.ravel(matrix)), np.repeat(prediction, np.ravel(matrix))


def test_hand_computed_two_by_two():
    tn, fp, fn, tp = 700, 177, 25, 69
    y_true, y_pred = expand([[tn, fp], [fn, tp]])
    tpr, tnr = 69 / 94, 700 / 877
    assert true_positive_rate(y_true, y_pred) == pytest.approx(tpr)
    assert true_negative_rate(y_true, y_pred) == pytest.approx(tnr)
    assert true_skill_statistic(y_true, y_pred) == pytest.approx(tpr + tnr - 1)
    # 2 (69 * 700 - 25 * 177) / (94 * 725 + 246 * 877)
    assert heidke_skill_score(y_true, y_pred) == pytest.approx(87750 / 283892)


def test_positive_and_negative_may_swap():
    y_true, y_pred = expand([[30, 7], [11, 23]])
    tpr, tnr, tss, hss = (metric(y_true, y_pred) for metric in ALL)
    swapped = [metric(1 - y_true, 1 - y_pred) for metric in ALL]
    assert swapped == pytest.approx([tnr, tpr, tss, hss])
    assert true_positive_rate(y_true, y_pred, pos_label=0) == pytest.approx(tnr)


def test_three_classes_by_hand():
    matrix = np.array([[10, 2, 3], [1, 20, 4], [5, 6, 49]])
    y_true, y_pred = expand(matrix)
    p = matrix / 100
    right, truth, prediction = p.trace(), p.sum(axis=1), p.sum(axis=0)
    gain = right - truth @ prediction
    tss, hss = true_skill_statistic(y_true, y_pred), heidke_skill_score(y_true, y_pred)
    assert tss == pytest.approx(gain / (1 - truth @ truth))
    assert hss == pytest.approx(gain / (1 - truth @ prediction))
    assert hss == pytest.approx(cohen_kappa_score(y_true, y_pred))


@pytest.mark.parametrize("n_classes", [2, 5])
def test_relatives_in_scikit_learn(n_classes):
    rng = np.random.default_rng(n_classes)
    y_true, y_pred = rng.integers(n_classes, size=(2, 300))
    weight = rng.uniform(size=300)
    kappa = cohen_kappa_score(y_true, y_pred, sample_weight=weight)
    hss = heidke_skill_score(y_true, y_pred, sample_weight=weight)
    assert hss == pytest.approx(kappa)
    recall = recall_score(y_true == 1, y_pred == 1, sample_weight=weight)
    tpr = true_positive_rate(y_true, y_pred, sample_weight=weight)
    assert tpr == pytest.approx(recall)
    adjusted = balanced_accuracy_score(
        y_true, y_pred, sample_weight=weight, adjusted=True
    )
    tss = true_skill_statistic(y_true, y_pred, sample_weight=weight)
    # Equal for two classes only: more are weighted by frequency in Peirce's form.
    assert (tss == pytest.approx(adjusted)) == (n_classes == 2)


def test_equal_to_adjusted_balanced_accuracy_if_classes_are_equally_frequent():
    y_true = np.tile(np.arange(4), 50)
    y_pred = np.random.default_rng(0).permutation(y_true)
    expected = balanced_accuracy_score(y_true, y_pred, adjusted=True)
    assert true_skill_statistic(y_true, y_pred) == pytest.approx(expected)


@pytest.mark.parametrize("metric", ALL)
def test_integer_weights_equal_repeated_rows(metric):
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(2, size=(2, 60))
    weight = rng.integers(4, size=60)
    repeated = np.repeat(np.arange(60), weight)
    expected = metric(y_true[repeated], y_pred[repeated])
    assert metric(y_true, y_pred, sample_weight=weight) == pytest.approx(expected)
    assert metric(y_true, y_pred) != pytest.approx(expected)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize("names", [("no", "yes"), (False, True), (-1.0, 1.0)])
def test_labels_of_any_type(metric, names):
    y_true, y_pred = expand([[5, 2], [1, 4]])
    positive = {"pos_label": names[1]} if metric not in SKILLS else {}
    named = metric(np.array(names)[y_true], np.array(names)[y_pred], **positive)
    assert named == pytest.approx(metric(y_true, y_pred))
    listed = metric([names[i] for i in y_true], [names[i] for i in y_pred], **positive)
    assert listed == named


def test_rates_of_one_class_against_the_rest():
    y_true, y_pred = expand([[10, 2, 3], [1, 20, 4], [5, 6, 49]])
    assert true_positive_rate(y_true, y_pred, pos_label=2) == pytest.approx(49 / 60)
    assert true_negative_rate(y_true, y_pred, pos_label=2) == pytest.approx(33 / 40)


@pytest.mark.parametrize("metric", ALL)
def test_labels_select_as_in_a_confusion_matrix(metric):
    y_true, y_pred = expand([[10, 2, 3], [1, 20, 4], [5, 6, 49]])
    keep = (y_true < 2) & (y_pred < 2)
    expected = metric(y_true[keep], y_pred[keep])
    assert metric(y_true, y_pred, labels=[1, 0]) == pytest.approx(expected)


@pytest.mark.parametrize("metric", SKILLS)
def test_constant_predictions_have_no_skill(metric):
    y_true = [0, 1, 1, 2]
    for constant in y_true:
        assert metric(y_true, [constant] * 4) == pytest.approx(0)


@pytest.mark.parametrize(
    ("metric", "y_true", "y_pred", "reason"),
    [
        (true_positive_rate, [0, 0], [0, 1], "no true label is 1"),
        (true_positive_rate, [0, 0], [0, 0], "no true label is 1"),
        (true_negative_rate, [1, 1], [0, 1], "every true label is 1"),
        (true_negative_rate, [1, 1], [1, 1], "every true label is 1"),
        (true_skill_statistic, [0, 0], [0, 1], "all true labels are the same"),
        (true_skill_statistic, [0, 0], [0, 0], "all true labels are the same"),
        (heidke_skill_score, [1, 1], [1, 1], "true and predicted labels are the same"),
    ],
)
@pytest.mark.parametrize("labels", [None, [0, 1]])
def test_absent_classes_give_zero_with_one_warning(
    metric, y_true, y_pred, reason, labels
):
    with pytest.warns(UndefinedMetricWarning, match=reason) as record:
        assert metric(y_true, y_pred, labels=labels) == 0
    assert len(record) == 1


def test_heidke_of_one_wrong_class_is_defined():
    assert heidke_skill_score([0, 0], [0, 1]) == 0
    assert heidke_skill_score([0, 0], [1, 1]) == 0


def test_zero_weight_makes_a_class_absent():
    with pytest.warns(UndefinedMetricWarning, match="all true labels are the same"):
        assert true_skill_statistic([0, 0, 1], [0, 1, 1], sample_weight=[1, 1, 0]) == 0


@pytest.mark.parametrize("rate", [true_positive_rate, true_negative_rate])
def test_a_wrong_pos_label_is_an_error(rate):
    with pytest.raises(ValueError, match=r"pos_label=1 is not a valid label.*\[0, 2\]"):
        rate([0, 2, 2], [0, 2, 0])
    with (
        pytest.warns(UndefinedMetricWarning)
        if rate is true_positive_rate
        else (pytest.MonkeyPatch.context())
    ):
        assert rate([0, 2, 2], [0, 2, 0], labels=[0, 1, 2]) in (0, 1)


@pytest.mark.parametrize("metric", ALL)
@pytest.mark.parametrize(
    ("y_true", "y_pred", "message"),
    [
        ([0, 1], [0, 1, 1], "inconsistent numbers of samples"),
        ([0.5, 1.2], [0, 1], "continuous"),
        ([[0, 1], [1, 0]], [0, 1], "1d array"),
        ([0, np.nan], [0, 1], "NaN"),
        (["a", "b"], [0, 1], "[Mm]ix"),
    ],
)
def test_bad_labels_are_refused(metric, y_true, y_pred, message):
    with pytest.raises(ValueError, match=message):
        metric(y_true, y_pred)


def test_agrees_with_the_confusion_matrix_of_scikit_learn():
    y_true, y_pred = expand([[30, 7], [11, 23]])
    (tn, fp), (fn, tp) = confusion_matrix(y_true, y_pred)
    expected = 2 * (tp * tn - fn * fp)
    expected /= (tp + fn) * (fn + tn) + (tp + fp) * (fp + tn)
    assert heidke_skill_score(y_true, y_pred) == pytest.approx(expected)
