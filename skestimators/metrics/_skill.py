"""Rates and skill scores of a classifier's confusion matrix."""

from numbers import Real

import numpy as np
from sklearn.metrics import confusion_matrix
from sklearn.utils import assert_all_finite, check_consistent_length
from sklearn.utils._param_validation import validate_params
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from skestimators.metrics._undefined import undefined_score

_CONSTRAINTS = {
    "y_true": ["array-like"],
    "y_pred": ["array-like"],
    "labels": ["array-like", None],
    "sample_weight": ["array-like", None],
}
_RATE_CONSTRAINTS = {**_CONSTRAINTS, "pos_label": [Real, str, "boolean"]}


def _confusion(y_true, y_pred, labels, sample_weight):
    """Return the confusion matrix and its labels; any label may be absent."""
    check_consistent_length(y_true, y_pred)
    y_true = column_or_1d(y_true, input_name="y_true")
    y_pred = column_or_1d(y_pred, input_name="y_pred")
    assert_all_finite(y_true, input_name="y_true")
    assert_all_finite(y_pred, input_name="y_pred")
    weight = _check_sample_weight(sample_weight, y_true, ensure_non_negative=True)
    present = unique_labels(y_true, y_pred)
    labels = present if labels is None else column_or_1d(labels)
    if labels.size == 1 and np.array_equal(labels, present):
        # confusion_matrix would warn of this, which is for its callers to judge.
        return np.array([[weight.sum()]]), labels
    return confusion_matrix(y_true, y_pred, labels=labels, sample_weight=weight), labels


def _binary_counts(y_true, y_pred, labels, pos_label, sample_weight):
    """Return the weights of true and false positives, false and true negatives."""
    matrix, labels = _confusion(y_true, y_pred, labels, sample_weight)
    is_positive = labels == pos_label
    if not np.any(is_positive) and labels.size > 1:
        raise ValueError(
            f"pos_label={pos_label!r} is not a valid label. It should be one of "
            f"{labels.tolist()}; name the labels by the parameter `labels` if some do "
            f"not occur in the data."
        )
    halves = np.stack([is_positive, ~is_positive]).astype(float)
    (tp, fn), (fp, tn) = halves @ matrix @ halves.T
    return tp, fp, fn, tn


@validate_params(_RATE_CONSTRAINTS, prefer_skip_nested_validation=True)
def true_positive_rate(y_true, y_pred, *, labels=None, pos_label=1, sample_weight=None):
    """Compute the share of positive samples that are predicted positive.

    Also called recall, sensitivity or probability of detection. With more than two
    classes, all but `pos_label` are negative.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.

    y_pred : array-like of shape (n_samples,)
        Predicted labels.

    labels : array-like of shape (n_classes,), default=None
        The labels to consider, including any that the data may lack; samples with
        another true or predicted label are left out. None takes those of the data.

    pos_label : int, float, bool or str, default=1
        The label of the positive class.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, not negative and not all zero.

    Returns
    -------
    score : float
        From 0 to 1, the best. Without positive samples it is undefined: it is then 0,
        with an `UndefinedMetricWarning`.

    Raises
    ------
    ValueError
        If two or more labels are considered and `pos_label` is none of them.

    See Also
    --------
    true_negative_rate : The same for the negative samples.
    sklearn.metrics.recall_score : The same with averages over classes.

    Examples
    --------
    >>> from skestimators.metrics import true_positive_rate
    >>> true_positive_rate([1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0])
    0.75
    """
    tp, _, fn, _ = _binary_counts(y_true, y_pred, labels, pos_label, sample_weight)
    if tp + fn == 0:
        return undefined_score(
            "The true positive rate", f"no true label is {pos_label!r}", 0.0
        )
    return float(tp / (tp + fn))


@validate_params(_RATE_CONSTRAINTS, prefer_skip_nested_validation=True)
def true_negative_rate(y_true, y_pred, *, labels=None, pos_label=1, sample_weight=None):
    """Compute the share of negative samples that are predicted negative.

    Also called specificity. With more than two classes, all but `pos_label` are
    negative.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.

    y_pred : array-like of shape (n_samples,)
        Predicted labels.

    labels : array-like of shape (n_classes,), default=None
        The labels to consider, including any that the data may lack; samples with
        another true or predicted label are left out. None takes those of the data.

    pos_label : int, float, bool or str, default=1
        The label of the positive class.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, not negative and not all zero.

    Returns
    -------
    score : float
        From 0 to 1, the best. Without negative samples it is undefined: it is then 0,
        with an `UndefinedMetricWarning`.

    Raises
    ------
    ValueError
        If two or more labels are considered and `pos_label` is none of them.

    See Also
    --------
    true_positive_rate : The same for the positive samples.

    Examples
    --------
    >>> from skestimators.metrics import true_negative_rate
    >>> true_negative_rate([1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0])
    0.5
    """
    _, fp, _, tn = _binary_counts(y_true, y_pred, labels, pos_label, sample_weight)
    if tn + fp == 0:
        return undefined_score(
            "The true negative rate", f"every true label is {pos_label!r}", 0.0
        )
    return float(tn / (tn + fp))


def _correct_beyond_chance(matrix):
    """Return marginals and what is right beyond chance, over the squared total."""
    truth, prediction = matrix.sum(axis=1), matrix.sum(axis=0)
    return truth, prediction, matrix.sum() * np.trace(matrix) - truth @ prediction


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def true_skill_statistic(y_true, y_pred, *, labels=None, sample_weight=None):
    r"""Compute the true skill statistic, or Peirce skill score.

    For two classes it is the true positive rate plus the true negative rate minus 1,
    whichever class is called positive. In general, with :math:`p_{ij}` the share of
    samples of true class i predicted as class j, it is

    .. math::

        \frac{\sum_i p_{ii} - \sum_i p_{i \cdot} p_{\cdot i}}
             {1 - \sum_i p_{i \cdot}^2}

    Unlike the Heidke skill score it does not depend, for two classes, on how frequent
    these are in the data.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.

    y_pred : array-like of shape (n_samples,)
        Predicted labels.

    labels : array-like of shape (n_classes,), default=None
        The labels to consider; samples with another true or predicted label are left
        out. None takes those of the data.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, not negative and not all zero.

    Returns
    -------
    score : float
        1 for perfect, 0 for constant or random predictions, negative for worse than
        that (down to -1 for two classes). Where all true labels are the same it is
        undefined: it is then 0, with an `UndefinedMetricWarning`.

    See Also
    --------
    heidke_skill_score : Compares with chance instead of with the climatology.
    sklearn.metrics.balanced_accuracy_score : With `adjusted=True` the same for two
        classes; for more it weighs the classes equally.

    References
    ----------
    .. [1] C. S. Peirce, "The Numerical Measure of the Success of Predictions", Science
           4 (1884), 453-454.
    .. [2] D. S. Bloomfield et al., "Toward Reliable Benchmarking of Solar Flare
           Forecasting Methods", The Astrophysical Journal Letters 747 (2012), L41.

    Examples
    --------
    >>> from skestimators.metrics import true_skill_statistic
    >>> true_skill_statistic([1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0])
    0.25
    """
    matrix, _ = _confusion(y_true, y_pred, labels, sample_weight)
    truth, _, gain = _correct_beyond_chance(matrix)
    if np.count_nonzero(truth) < 2:
        return undefined_score(
            "The true skill statistic", "all true labels are the same", 0.0
        )
    return float(gain / (truth.sum() ** 2 - truth @ truth))


@validate_params(_CONSTRAINTS, prefer_skip_nested_validation=True)
def heidke_skill_score(y_true, y_pred, *, labels=None, sample_weight=None):
    r"""Compute the Heidke skill score.

    The share of correct predictions, rescaled so that 0 is what chance gives with the
    same frequencies of predicted classes and 1 is perfect. It equals Cohen's kappa. For
    two classes it is

    .. math::

        \frac{2 (TP \cdot TN - FN \cdot FP)}
             {(TP + FN)(FN + TN) + (TP + FP)(FP + TN)}

    and in general, with :math:`p_{ij}` the share of samples of true class i predicted
    as class j,

    .. math::

        \frac{\sum_i p_{ii} - \sum_i p_{i \cdot} p_{\cdot i}}
             {1 - \sum_i p_{i \cdot} p_{\cdot i}}

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        True labels.

    y_pred : array-like of shape (n_samples,)
        Predicted labels.

    labels : array-like of shape (n_classes,), default=None
        The labels to consider; samples with another true or predicted label are left
        out. None takes those of the data.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, not negative and not all zero.

    Returns
    -------
    score : float
        From -1 to 1, the best. Where all true and predicted labels are the same it is
        undefined: it is then 0, with an `UndefinedMetricWarning`.

    See Also
    --------
    true_skill_statistic : Does not depend on the frequencies of two classes.
    sklearn.metrics.cohen_kappa_score : The same statistic, nan where undefined.

    References
    ----------
    .. [1] P. Heidke, "Berechnung des Erfolges und der Güte der Windstärkevorhersagen
           im Sturmwarnungsdienst", Geografiska Annaler 8 (1926), 301-349.

    Examples
    --------
    >>> from skestimators.metrics import heidke_skill_score
    >>> heidke_skill_score([1, 1, 1, 1, 0, 0], [1, 1, 1, 0, 1, 0])
    0.25
    """
    matrix, _ = _confusion(y_true, y_pred, labels, sample_weight)
    truth, prediction, gain = _correct_beyond_chance(matrix)
    if np.count_nonzero(truth + prediction) < 2:
        return undefined_score(
            "The Heidke skill score",
            "all true and predicted labels are the same",
            0.0,
        )
    return float(gain / (truth.sum() ** 2 - truth @ prediction))
