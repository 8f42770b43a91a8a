"""What can be learned from the members that did not see a row."""

import numpy as np


def out_of_bag_mean(predictions, left_out):
    """Average, for each row, the members that did not see it.

    Parameters
    ----------
    predictions : ndarray of shape (n_samples, n_estimators)
        Predictions of all members on the training rows.

    left_out : ndarray of bool of shape (n_samples, n_estimators)
        True where the member did not see the row.

    Returns
    -------
    mean : ndarray of shape (n_samples,)
        nan for a row that every member has seen.
    """
    n_members = left_out.sum(axis=1)
    total = np.where(left_out, predictions, 0.0).sum(axis=1)
    mean = np.full(len(predictions), np.nan)
    return np.divide(total, n_members, out=mean, where=n_members > 0)


def stack_out_of_bag(predictions, left_out, y, sample_weight, alpha):
    """Learn weights of the members from their out-of-bag predictions.

    A training row i has `k_i` members that did not see it, `O_i`, of
    `n_estimators`. To predict it from them alone, the weights `v_b` of the ensemble
    have to be scaled up so that those of `O_i` sum to one. With `v_b = 1 / n_estimators
    + w_b` that is, to first order in w,

        f_i = m_i + n_estimators / k_i * sum_{b in O_i} w_b (p_ib - m_i)

    where `p_ib` is the prediction of member b and `m_i` the mean over `O_i`. The `w_b`
    minimise `sum_i (y_i - f_i)^2 + penalty * ||w||^2`: a ridge regression of what the
    mean gets wrong on the deviations from it. In expectation, products of the
    deviations of two members come out as they are for new rows, for which no member is
    missing, while squares come out larger, by `n_estimators / k_i`. So leaving members
    out acts as a ridge penalty of its own, as dropout does, which keeps the solution
    tame at any alpha; scaling squares and products each by how many were seen would be
    unbiased, but the Gram matrix may then have negative eigenvalues [1]_.

    The penalty is `alpha * (3 * n_estimators)^2 * mean((y - m)^2)`: for `alpha=1` it is
    the prior belief that a weight lies between 0 and `2 / n_estimators` (three standard
    deviations), so that hardly any member counts negative. That is independent of the
    scale of y and of the number of members, and `alpha -> inf` gives the plain mean. As
    the deviations of a row sum to zero, so do the `w_b`.

    Parameters
    ----------
    predictions, left_out : ndarray of shape (n_samples, n_estimators)
        As in `out_of_bag_mean`.

    y : ndarray of shape (n_samples,)
        Targets.

    sample_weight : ndarray of shape (n_samples,) or None
        Weights of the rows.

    alpha : float
        Strength of the pull towards the plain mean.

    Returns
    -------
    coef : ndarray of shape (n_estimators,)
        Weights, which sum to one.

    References
    ----------
    .. [1] Loh and Wainwright (2012). "High-dimensional regression with noisy and
           missing data: provable guarantees with nonconvexity." Annals of Statistics
           40, 1637-1664.
    """
    n_estimators = predictions.shape[1]
    plain = np.full(n_estimators, 1.0 / n_estimators)
    mean = out_of_bag_mean(predictions, left_out)
    rows = np.isfinite(mean)
    if not rows.any():
        return plain
    weight = np.ones(rows.sum()) if sample_weight is None else sample_weight[rows]
    residual = (y - mean)[rows]
    seen = left_out[rows]
    deviation = np.where(seen, predictions[rows] - mean[rows, None], 0.0)
    deviation *= n_estimators / seen.sum(axis=1, keepdims=True)
    weighted = deviation * weight[:, None]
    noise = np.average(residual**2, weights=weight)
    penalty = alpha * (3 * n_estimators) ** 2 * noise
    eigenvalues, vectors = np.linalg.eigh(weighted.T @ deviation)
    # The deviations of a row sum to zero, so at least one eigenvalue is zero.
    kept = eigenvalues > n_estimators * np.finfo(float).eps * eigenvalues[-1]
    vectors, scale = vectors[:, kept], eigenvalues[kept] + penalty
    return plain + vectors @ ((vectors.T @ (weighted.T @ residual)) / scale)


def jackknife_after_bootstrap(predictions, left_out, residuals, confidence_level):
    """Compute jackknife+-after-bootstrap intervals.

    For each training row i, `m_i(x)` is the mean of the members that did not see it
    and `R_i` the size of its out-of-bag residual. The interval goes from the lower
    quantile of `m_i(x) - R_i` to the upper quantile of `m_i(x) + R_i` over all i.

    Parameters
    ----------
    predictions : ndarray of shape (n_queries, n_estimators)
        Predictions of all members.

    left_out : ndarray of bool of shape (n_samples, n_estimators)
        True where the member did not see the training row; each row has one.

    residuals : ndarray of shape (n_samples,)
        Absolute out-of-bag residuals of the training rows.

    confidence_level : float
        Nominal coverage, in (0, 1).

    Returns
    -------
    interval : ndarray of shape (n_queries, 2)
        Lower and upper ends; infinite where there are too few training rows for the
        level.
    """
    n_samples = len(residuals)
    # Rounded lest 1 - .9 = .09999... takes the next rank.
    rank = int(np.floor(round((1 - confidence_level) * (n_samples + 1), 9)))
    interval = np.full((len(predictions), 2), np.inf)
    interval[:, 0] = -np.inf
    if rank < 1:
        return interval
    rank = min(rank, n_samples)
    means = predictions @ (left_out / left_out.sum(axis=1, keepdims=True)).T
    for end, sign in enumerate((-1.0, 1.0)):
        kth = rank - 1 if sign < 0 else n_samples - rank
        values = means + sign * residuals
        values.partition(kth, axis=1)
        interval[:, end] = values[:, kth]
    # At levels far below one half the two quantiles may pass each other.
    return np.sort(interval, axis=1)
