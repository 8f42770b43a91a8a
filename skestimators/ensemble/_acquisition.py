"""Acquisition functions: how much a candidate is worth measuring."""

import numpy as np
from scipy.stats import norm
from sklearn.utils.validation import check_consistent_length, column_or_1d


def _check_mean_std(mean, std):
    """Return mean and std as float64 arrays of one length."""
    mean = column_or_1d(mean, dtype=np.float64)
    std = column_or_1d(std, dtype=np.float64)
    check_consistent_length(mean, std)
    if (std < 0).any():
        row = int(np.flatnonzero(std < 0)[0])
        raise ValueError(f"std must not be negative, but std[{row}] is {std[row]}.")
    return mean, std


def _standardised_gain(mean, std, best, xi):
    """Return the expected gain, and the same in units of std."""
    gain = mean - best - xi
    # Without uncertainty the gain is certain: z is infinite, of the gain's sign, and
    # no gain at all counts as no improvement.
    z = np.full_like(gain, -np.inf)
    z[gain > 0] = np.inf
    np.divide(gain, std, out=z, where=std > 0)
    return gain, z


def upper_confidence_bound(mean, std, beta=1.5):
    """Compute the upper confidence bound, `mean + beta * std`.

    Parameters
    ----------
    mean : array-like of shape (n_samples,)
        Predicted values; larger is better.

    std : array-like of shape (n_samples,)
        Standard deviations of the predictions.

    beta : float, default=1.5
        Weight of the uncertainty. 0 exploits only; large values explore.

    Returns
    -------
    score : ndarray of shape (n_samples,)
        The bound, in the unit of `mean`.

    Raises
    ------
    ValueError
        If lengths differ or `std` has a negative value.

    References
    ----------
    .. [1] Srinivas, Krause, Kakade and Seeger (2010). "Gaussian process optimization
           in the bandit setting: no regret and experimental design." ICML.

    Examples
    --------
    >>> from skestimators.ensemble import upper_confidence_bound
    >>> upper_confidence_bound([1.0, 0.5], [0.0, 1.0], beta=1.5)
    array([1., 2.])
    """
    mean, std = _check_mean_std(mean, std)
    return mean + beta * std


def expected_improvement(mean, std, best, xi=0.0):
    """Compute the expected improvement over the best value measured so far.

    It is `E[max(0, f - best - xi)]` for `f` normal with the given mean and standard
    deviation.

    Parameters
    ----------
    mean : array-like of shape (n_samples,)
        Predicted values; larger is better.

    std : array-like of shape (n_samples,)
        Standard deviations of the predictions.

    best : float
        The best value measured so far.

    xi : float, default=0.0
        Improvement that does not count yet, in the unit of `mean`; larger values
        explore more.

    Returns
    -------
    score : ndarray of shape (n_samples,)
        The expected improvement, not negative, in the unit of `mean`.

    Raises
    ------
    ValueError
        If lengths differ or `std` has a negative value.

    References
    ----------
    .. [1] Jones, Schonlau and Welch (1998). "Efficient global optimization of
           expensive black-box functions." Journal of Global Optimization 13, 455-492.

    Examples
    --------
    >>> from skestimators.ensemble import expected_improvement
    >>> expected_improvement([1.0, 0.5], [0.0, 1.0], best=0.5).round(3)
    array([0.5  , 0.399])
    """
    mean, std = _check_mean_std(mean, std)
    gain, z = _standardised_gain(mean, std, best, xi)
    certain = np.maximum(gain, 0.0)
    return np.where(std > 0, gain * norm.cdf(z) + std * norm.pdf(z), certain)


def probability_of_improvement(mean, std, best, xi=0.0):
    """Compute the probability of improving on the best value measured so far.

    Parameters
    ----------
    mean : array-like of shape (n_samples,)
        Predicted values; larger is better.

    std : array-like of shape (n_samples,)
        Standard deviations of the predictions.

    best : float
        The best value measured so far.

    xi : float, default=0.0
        Improvement that does not count yet, in the unit of `mean`; larger values
        explore more.

    Returns
    -------
    score : ndarray of shape (n_samples,)
        `P(f > best + xi)` for `f` normal with the given mean and standard deviation.

    Raises
    ------
    ValueError
        If lengths differ or `std` has a negative value.

    References
    ----------
    .. [1] Kushner (1964). "A new method of locating the maximum point of an arbitrary
           multipeak curve in the presence of noise." Journal of Basic Engineering 86,
           97-106.

    Examples
    --------
    >>> from skestimators.ensemble import probability_of_improvement
    >>> probability_of_improvement([1.0, 0.5], [0.0, 1.0], best=0.5)
    array([1. , 0.5])
    """
    mean, std = _check_mean_std(mean, std)
    return norm.cdf(_standardised_gain(mean, std, best, xi)[1])
