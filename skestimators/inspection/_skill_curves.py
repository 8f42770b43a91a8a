"""Skill scores and reliability of forecasts, with bootstrap bands over clusters."""

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from scipy.sparse import csr_array
from sklearn.utils import (
    assert_all_finite,
    check_consistent_length,
    check_scalar,
)
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import (
    _check_pos_label_consistency,
    _check_sample_weight,
    column_or_1d,
)

from skestimators.utils._validation import check_groups

# Numbers of clusters times resamples that are in memory at once.
_CHUNK = 2**21


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of one kind of event, and how to resample them.

    Parameters
    ----------
    positive : ndarray of bool of shape (n_samples,)
        Whether the event happened.

    prob : ndarray of float64 of shape (n_samples,)
        Its forecast probability.

    weight : ndarray of float64 of shape (n_samples,)
        Weights, above 0.

    cluster : ndarray of int of shape (n_samples,)
        Cluster of each row, numbered from 0 without gaps.

    n_bootstraps : int
        Number of resamples.

    confidence_level : float
        Share of the resamples that a band holds.

    seed : int
        Decides the resamples, which are the same at each use.
    """

    positive: np.ndarray
    prob: np.ndarray
    weight: np.ndarray
    cluster: np.ndarray
    n_bootstraps: int
    confidence_level: float
    seed: int

    @property
    def n_clusters(self):
        """Number of clusters."""
        return int(self.cluster.max()) + 1


def check_forecasts(
    y_true, y_prob, *, groups, sample_weight, pos_label, n_bootstraps, confidence_level
):
    """Check what the user passed.

    Parameters
    ----------
    y_true, y_prob, groups, sample_weight, pos_label, n_bootstraps, confidence_level
        As in `SkillScoreDisplay.from_predictions`.

    Returns
    -------
    columns : dict
        All fields of :class:`Forecasts` but the seed. Rows of weight 0 are left out.

    pos_label : int, float, bool or str
        The positive class.

    Raises
    ------
    ValueError
        If an argument is not as it should be.
    """
    check_scalar(n_bootstraps, "n_bootstraps", Integral, min_val=1)
    check_scalar(
        confidence_level,
        "confidence_level",
        Real,
        min_val=0,
        max_val=1,
        include_boundaries="neither",
    )
    y_true = column_or_1d(y_true, input_name="y_true")
    prob = _check_prob(y_prob)
    if len(prob) != len(y_true):
        raise ValueError(
            f"y_true has {len(y_true)} rows and y_prob {len(prob)}; they must be of "
            f"the same length."
        )
    assert_all_finite(y_true, input_name="y_true")
    kind = type_of_target(y_true, input_name="y_true")
    if kind != "binary":
        raise ValueError(f"y_true must have two classes, got a {kind} target.")
    pos_label = _check_pos_label_consistency(pos_label, y_true)
    check_consistent_length(y_true, sample_weight)
    weight = _check_sample_weight(sample_weight, prob, ensure_non_negative=True)
    cluster = (
        np.arange(len(prob)) if groups is None else check_groups(groups, len(prob))
    )
    kept = weight > 0
    positive = (y_true == pos_label)[kept]
    _check_two_classes(positive, y_true[kept], pos_label)
    _, cluster = np.unique(cluster[kept], return_inverse=True)
    if cluster.max() == 0:
        raise ValueError(
            "groups has one group only. At least two, and better dozens, are needed "
            "to tell how much the scores vary; None takes rows for independent."
        )
    columns = {
        "positive": positive,
        "prob": prob[kept],
        "weight": weight[kept],
        "cluster": cluster,
        "n_bootstraps": n_bootstraps,
        "confidence_level": confidence_level,
    }
    return columns, pos_label


def _check_prob(y_prob):
    prob = np.asarray(y_prob, dtype=np.float64)
    if prob.ndim != 1:
        raise ValueError(
            f"y_prob must have one dimension, got an array of shape {prob.shape}. Of "
            f"what predict_proba returns, pass the column of the positive class."
        )
    for bad, what in (
        (np.isnan(prob), "NaN"),
        ((prob < 0) | (prob > 1), "outside [0, 1]"),
    ):
        if bad.any():
            row = int(bad.argmax())
            raise ValueError(
                f"y_prob must hold probabilities, got {prob[row]} in row {row} "
                f"(counted from 0); {np.count_nonzero(bad)} value(s) are {what}."
            )
    return prob


def _check_two_classes(positive, y_true, pos_label):
    if positive.all() or not positive.any():
        labels = np.unique(y_true).tolist()
        raise ValueError(
            f"The scores need rows of two classes, one of them pos_label="
            f"{pos_label!r}, but y_true (where sample_weight is not 0) holds {labels}."
        )


def check_thresholds(thresholds):
    """Return the thresholds in ascending order.

    Parameters
    ----------
    thresholds : int or array-like
        How many, evenly spaced from 0 to 1; or which.

    Returns
    -------
    thresholds : ndarray of float64 of shape (n_thresholds,)
        Distinct thresholds.

    Raises
    ------
    ValueError
        If there are fewer than two, or one is not from 0 to 1.
    """
    if isinstance(thresholds, Integral):
        check_scalar(thresholds, "thresholds", Integral, min_val=2)
        # Unlike linspace, this gives the floats that are written 0.57 and so on.
        return np.arange(thresholds) / (thresholds - 1)
    thresholds = np.unique(np.asarray(thresholds, dtype=np.float64))
    if len(thresholds) < 2 or not (thresholds[0] >= 0 and thresholds[-1] <= 1):
        raise ValueError(
            f"thresholds must be an int, or two or more distinct numbers from 0 to 1, "
            f"got {thresholds}."
        )
    return thresholds


def check_bins(n_bins, strategy, prob):
    """Return the limits of the bins of a reliability diagram.

    Parameters
    ----------
    n_bins : int
        Number of bins.

    strategy : {"uniform", "quantile"}
        Whether bins are equally wide or equally full.

    prob : ndarray of shape (n_samples,)
        The probabilities.

    Returns
    -------
    edges : ndarray of shape (n_bins + 1,)
        Limits of the bins.

    Raises
    ------
    ValueError
        If the number is below 1 or there is no such strategy.
    """
    check_scalar(n_bins, "n_bins", Integral, min_val=1)
    if strategy == "uniform":
        return np.linspace(0, 1, n_bins + 1)
    if strategy == "quantile":
        # Not np.quantile: it rounds differently from scikit-learn's calibration_curve.
        return np.percentile(prob, np.linspace(0, 1, n_bins + 1) * 100)
    raise ValueError(f"strategy must be 'uniform' or 'quantile', got {strategy!r}.")


def skill_and_reliability(forecasts, thresholds, edges):
    """Compute all that the display shows.

    Parameters
    ----------
    forecasts : Forecasts
        The forecasts.

    thresholds : ndarray of shape (n_thresholds,)
        Where to compute the scores, in ascending order.

    edges : ndarray of shape (n_bins + 1,)
        Limits of the bins.

    Returns
    -------
    curves : dict
        Parameters of `SkillScoreDisplay`, by name.
    """
    above = np.searchsorted(thresholds, forecasts.prob, side="right")
    # On an edge, the lower bin: as in scikit-learn's calibration_curve.
    bins = np.searchsorted(edges[1:-1], forecasts.prob)
    n_above, n_bins = len(thresholds) + 1, len(edges) - 1
    # Each row adds its weight to two cells, so one pass over the resamples is enough.
    sums, resampled = _sums_in_cells(
        forecasts,
        np.concatenate(
            [
                forecasts.positive * n_above + above,
                2 * n_above + forecasts.positive * n_bins + bins,
            ]
        ),
        2 * (n_above + n_bins),
    )
    split = 2 * n_above
    return {
        **_skill(sums[:split], resampled[:, :split], forecasts),
        **_reliability(sums[split:], resampled[:, split:], forecasts, bins, n_bins),
    }


def skill_at(forecasts, threshold):
    """Compute the scores at one threshold.

    Parameters
    ----------
    forecasts : Forecasts
        The forecasts.

    threshold : float
        From which probability on to forecast the event.

    Returns
    -------
    curves : dict
        The scores and their bands, arrays of one value.
    """
    above = forecasts.prob >= threshold
    sums, resampled = _sums_in_cells(forecasts, forecasts.positive * 2 + above, 4)
    return _skill(sums, resampled, forecasts)


def _sums_in_cells(forecasts, cells, n_cells):
    """Return the weight in each cell: of the sample, and of each resample.

    There may be several times as many cells as rows: each row is then in several.
    """
    n_clusters, n_bootstraps = forecasts.n_clusters, forecasts.n_bootstraps
    repeats = len(cells) // len(forecasts.prob)
    table = csr_array(
        (
            np.tile(forecasts.weight, repeats),
            (cells, np.tile(forecasts.cluster, repeats)),
        ),
        shape=(n_cells, n_clusters),
    )
    rng = np.random.default_rng(forecasts.seed)
    resampled = np.empty((n_bootstraps, n_cells))
    step = max(1, _CHUNK // n_clusters)
    for start in range(0, n_bootstraps, step):
        n = min(step, n_bootstraps - start)
        drawn = rng.integers(n_clusters, size=(n_clusters, n)) * n + np.arange(n)
        times = np.bincount(drawn.ravel(), minlength=n_clusters * n)
        resampled[start : start + n] = (table @ times.reshape(-1, n).astype(float)).T
    return table.sum(axis=1), resampled


def _skill(sums, resampled, forecasts):
    """Return the scores with their bands, and how many resamples lack a class."""
    tss, hss = _scores(sums[None])
    halves = resampled.reshape(len(resampled), 2, -1).sum(axis=2)
    usable = (halves > 0).all(axis=1)
    if not usable.any():
        raise ValueError(
            f"None of the {len(usable)} resamples holds both classes: too few groups "
            f"have rows of the rarer one. Increase n_bootstraps, or add such groups."
        )
    bands = [_band(s, forecasts) for s in _scores(resampled[usable])]
    return {
        **{"tss": tss[0], "tss_low": bands[0][0], "tss_high": bands[0][1]},
        **{"hss": hss[0], "hss_low": bands[1][0], "hss_high": bands[1][1]},
        "n_left_out": int(np.count_nonzero(~usable)),
    }


def _scores(sums):
    """Return TSS and HSS, from the weight of each class between thresholds."""
    cells = sums.reshape(len(sums), 2, -1)
    above = cells[..., ::-1].cumsum(axis=-1)[..., ::-1]
    (fp, tp), (negative, positive) = (
        np.moveaxis(above[..., 1:], 1, 0),
        np.moveaxis(above[..., :1], 1, 0),
    )
    fn, tn = positive - tp, negative - fp
    tss = tp / positive - fp / negative
    chance = positive * (fn + tn) + negative * (tp + fp)
    return tss, 2 * (tp * tn - fn * fp) / chance


def _reliability(sums, resampled, forecasts, bins, n_bins):
    """Return the reliability of each bin, NaN where it cannot be told."""
    positive, total = _positive_and_total(sums)
    mass = np.bincount(
        bins, weights=forecasts.weight * forecasts.prob, minlength=n_bins
    )
    filled = total > 0
    low, high = np.full((2, n_bins), np.nan)
    resampled_positive, resampled_total = _positive_and_total(resampled)
    for k in np.flatnonzero(filled):
        used = resampled_total[:, k] > 0
        # One cluster alone says nothing of how others would differ.
        if used.any() and len(np.unique(forecasts.cluster[bins == k])) > 1:
            shares = resampled_positive[used, k] / resampled_total[used, k]
            low[k], high[k] = _band(shares, forecasts)
    empty = np.full(n_bins, np.nan)
    return {
        "prob_true": np.divide(positive, total, out=empty.copy(), where=filled),
        "prob_true_low": low,
        "prob_true_high": high,
        "prob_pred": np.divide(mass, total, out=empty, where=filled),
        "counts": np.bincount(bins, minlength=n_bins),
    }


def _positive_and_total(sums):
    negative, positive = np.split(sums, 2, axis=-1)
    return positive, negative + positive


def _band(values, forecasts):
    tail = (1 - forecasts.confidence_level) / 2
    return np.quantile(values, [tail, 1 - tail], axis=0)
