"""Scores of how well predictions rank the samples."""

from numbers import Real

import numpy as np
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import Interval, validate_params
from sklearn.utils.validation import _check_sample_weight, column_or_1d

from skestimators.metrics._undefined import undefined_score


def _check_numbers(y_true, y_score, name, sample_weight):
    """Return targets, scores and weights of the rows that have a weight."""
    check_consistent_length(y_true, y_score)
    columns = [
        column_or_1d(
            check_array(y, ensure_2d=False, dtype=np.float64, input_name=input_name),
            input_name=input_name,
        )
        for y, input_name in [(y_true, "y_true"), (y_score, name)]
    ]
    weight = _check_sample_weight(
        sample_weight, columns[0], dtype=np.float64, ensure_non_negative=True
    )
    return [column[weight > 0] for column in [*columns, weight]]


def _weighted_ranks(values, weight):
    """Return the ranks that rows have once each is repeated `weight` times."""
    _, group = np.unique(values, return_inverse=True)
    group_weight = np.bincount(group, weights=weight)
    below = np.cumsum(group_weight) - group_weight
    return (below + (group_weight + 1) / 2)[group]


@validate_params(
    {
        "y_true": ["array-like"],
        "y_pred": ["array-like"],
        "sample_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def spearman_score(y_true, y_pred, *, sample_weight=None):
    """Compute Spearman's rank correlation of targets and predictions.

    It is Pearson's correlation of the ranks, tied values sharing their mean rank. With
    weights, both the ranks and the correlation are those of the data in which each row
    is repeated `sample_weight` times; the definition extends to weights that are no
    integers, and their scale has no effect.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The targets.

    y_pred : array-like of shape (n_samples,)
        The predictions.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, not negative and not all zero. None weighs all the same.

    Returns
    -------
    score : float
        From -1 to 1, the best. Where either column is constant the correlation is
        undefined: the score is then 0, with an `UndefinedMetricWarning`.

    See Also
    --------
    top_k_recall : How many of the best are among those ranked first.
    scipy.stats.spearmanr : The same without weights, with a p-value.

    References
    ----------
    .. [1] C. Spearman, "The Proof and Measurement of Association between Two Things",
           The American Journal of Psychology 15 (1904), 72-101.

    Examples
    --------
    >>> from skestimators.metrics import spearman_score
    >>> spearman_score([1.0, 2.0, 3.0], [0.1, 0.3, 0.2])
    0.5
    """
    y_true, y_pred, weight = _check_numbers(y_true, y_pred, "y_pred", sample_weight)
    for name, values in [("y_true", y_true), ("y_pred", y_pred)]:
        if np.all(values == values[0]):
            return undefined_score("The Spearman score", f"{name} is constant", 0.0)
    weight = weight / weight.max()
    ranks = np.stack([_weighted_ranks(values, weight) for values in (y_true, y_pred)])
    ranks -= np.average(ranks, axis=1, weights=weight)[:, None]
    (var_true, covariance), (_, var_pred) = (ranks * weight) @ ranks.T
    low, high = sorted([var_true, var_pred])
    # The root of low * high, which could underflow for very unequal weights.
    return float(np.clip(covariance / (high * np.sqrt(low / high)), -1, 1))


@validate_params(
    {
        "y_true": ["array-like"],
        "y_score": ["array-like"],
        "k": [Interval(Real, 0, None, closed="neither")],
        "sample_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
def top_k_recall(y_true, y_score, k, *, sample_weight=None):
    """Compute the share of the `k` best samples found among the `k` top scored.

    This is what counts when only `k` candidates can be measured. Ties have no effect
    that depends on the order of the rows: every sample whose target equals that of the
    k-th best counts as one of the best, and of samples tied at the k-th score the
    expected number is counted, as if they were drawn at random.

    Parameters
    ----------
    y_true : array-like of shape (n_samples,)
        The targets, high is good.

    y_score : array-like of shape (n_samples,)
        The scores by which samples are chosen, high is chosen first.

    k : float
        The number of samples to choose, greater than 0; with weights, their total
        weight.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples, not negative and not all zero. A weight of 2 counts like
        two rows. None weighs every row 1.

    Returns
    -------
    score : float
        From 0 to 1, the best. An `UndefinedMetricWarning` tells where it says nothing
        about the scores: where these are constant (the score is then that of a random
        choice), where the targets are constant, or where all samples are chosen (1 in
        both cases).

    See Also
    --------
    spearman_score : Agreement of the whole ranking.

    Examples
    --------
    >>> from skestimators.metrics import top_k_recall
    >>> top_k_recall([1, 2, 3, 4, 5], [0.1, 0.9, 0.2, 0.7, 0.8], k=2)
    0.5
    """
    y_true, y_score, weight = _check_numbers(y_true, y_score, "y_score", sample_weight)
    total = weight.sum()
    best = y_true >= _kth_largest(y_true, weight, k)
    last_score = _kth_largest(y_score, weight, k)
    chosen, tied = y_score > last_score, y_score == last_score
    room = k - weight[chosen].sum()
    found = weight[chosen & best].sum()
    found += weight[tied & best].sum() * min(1, room / weight[tied].sum())
    score = float(min(1, found / min(k, total)))
    for reason, meaningless in [
        (f"k={k} chooses all samples (total weight {total:g})", k >= total),
        ("y_true is constant", np.all(y_true == y_true[0])),
        ("y_score is constant", np.all(y_score == y_score[0])),
    ]:
        if meaningless:
            return undefined_score("The top-k recall", reason, score)
    return score


def _kth_largest(values, weight, k):
    """Return the value at which the weight, summed from the largest, reaches `k`."""
    order = np.argsort(-values, kind="stable")
    reached = np.searchsorted(np.cumsum(weight[order]), k, side="left")
    return values[order[min(reached, len(order) - 1)]]
