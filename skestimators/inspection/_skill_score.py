"""The plot of skill scores against the threshold, and of reliability."""

from numbers import Real

import numpy as np
from sklearn.utils import check_scalar
from sklearn.utils._response import _get_response_values_binary

from skestimators.inspection._skill_curves import (
    Forecasts,
    check_bins,
    check_forecasts,
    check_thresholds,
    skill_and_reliability,
    skill_at,
)
from skestimators.inspection._skill_plot import draw_reliability, draw_skill, new_axes
from skestimators.utils._optional import import_optional
from skestimators.utils._seeding import draw_seed


class SkillScoreDisplay:
    """Skill scores against the probability threshold, beside a reliability diagram.

    One part shows the true skill statistic (TSS) and the Heidke skill score (HSS) of a
    binary classifier that forecasts the positive class where its probability is at
    least the threshold. The other part shows how often the positive class really
    occurred among forecasts of about the same probability, and how many of them there
    are. Bands tell how much all this may vary, by a bootstrap of whole groups: images
    of one active region of the Sun are much alike, and as independent samples would
    make the scores look more certain than they are.

    Use :meth:`from_estimator` or :meth:`from_predictions` to make one. All parameters
    are stored as attributes.

    Parameters
    ----------
    thresholds : ndarray of shape (n_thresholds,)
        Probabilities from which on the positive class is forecast, in ascending order.

    tss, tss_low, tss_high : ndarray of shape (n_thresholds,)
        True skill statistic at each threshold, and the limits of its band.

    hss, hss_low, hss_high : ndarray of shape (n_thresholds,)
        Heidke skill score at each threshold, and the limits of its band.

    bin_edges : ndarray of shape (n_bins + 1,)
        Limits of the bins of forecast probability.

    prob_true, prob_true_low, prob_true_high : ndarray of shape (n_bins,)
        Share of the positive class in each bin, and the limits of its band. NaN in
        empty bins. The band is NaN also where all rows are of one group.

    prob_pred : ndarray of shape (n_bins,)
        Mean forecast probability in each bin, NaN in empty ones.

    counts : ndarray of int of shape (n_bins,)
        Number of rows in each bin.

    confidence_level : float, default=0.95
        Level of the bands, for the plot's legend.

    n_left_out : int, default=0
        Number of resamples without one of the classes, left out of the bands of scores.

    forecasts : object, default=None
        What :meth:`at` computes from. Set by :meth:`from_estimator` and
        :meth:`from_predictions`.

    name : str, default=None
        Name of the classifier, for the plot's legend.

    pos_label : int, float, bool or str, default=None
        The positive class, for the plot's labels.

    Attributes
    ----------
    best_tss_threshold : float
        The threshold with the highest TSS; the lowest one if there are several.

    best_hss_threshold : float
        The threshold with the highest HSS; the lowest one if there are several.

    lines_ : dict of matplotlib Line2D
        With the keys `"tss"`, `"hss"`, `"reliability"` and `"diagonal"`.

    bands_ : dict of matplotlib FillBetweenPolyCollection
        With the keys `"tss"`, `"hss"` and `"reliability"`.

    bars_ : matplotlib BarContainer
        The number of forecasts in each bin.

    axes_ : dict of matplotlib Axes
        With the keys `"skill"`, `"reliability"` and `"counts"`.

    bounding_ax_ : matplotlib Axes or None
        Axes that were given and whose place the parts share.

    figure_ : matplotlib Figure
        Figure that holds them.

    See Also
    --------
    SkillScoreDisplay.from_estimator : Plot from a fitted classifier and data.
    SkillScoreDisplay.from_predictions : Plot from probabilities that are there already.
    skestimators.metrics.true_skill_statistic : The score of one set of predictions.
    sklearn.calibration.CalibrationDisplay : A reliability diagram without bands.

    Notes
    -----
    A band holds the central share `confidence_level` of the values in the resamples
    (percentile bootstrap), point by point: it is not a band for the curve as a whole.
    Each resample draws as many groups as there are, with replacement, and takes all
    rows of each drawn group. With few groups, or few that hold the rarer class, bands
    are too narrow.

    The best threshold of the rows that are shown flatters on the same rows. Choose it
    on others, for example by
    :class:`~sklearn.model_selection.TunedThresholdClassifierCV`, and read the score by
    :meth:`at`.

    References
    ----------
    .. [1] D. S. Bloomfield et al., "Toward Reliable Benchmarking of Solar Flare
       Forecasting Methods", The Astrophysical Journal Letters 747 (2012), L41.
    .. [2] J. Bröcker and L. A. Smith, "Increasing the Reliability of Reliability
       Diagrams", Weather and Forecasting 22 (2007), 651-661.
    .. [3] A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application",
       Cambridge University Press, 1997, section 3.8.

    Examples
    --------
    >>> import numpy as np
    >>> from skestimators.inspection import SkillScoreDisplay
    >>> rng = np.random.default_rng(0)
    >>> regions = np.repeat(np.arange(40), 5)
    >>> y_prob = np.repeat(rng.uniform(size=40), 5)
    >>> flares = rng.uniform(size=200) < y_prob
    >>> display = SkillScoreDisplay.from_predictions(
    ...     flares, y_prob, groups=regions, random_state=0
    ... )
    >>> display.at(0.5).round(2)
         score   low  high
    tss   0.56  0.41  0.69
    hss   0.56  0.42  0.69
    """

    def __init__(
        self,
        *,
        thresholds,
        tss,
        tss_low,
        tss_high,
        hss,
        hss_low,
        hss_high,
        bin_edges,
        prob_true,
        prob_true_low,
        prob_true_high,
        prob_pred,
        counts,
        confidence_level=0.95,
        n_left_out=0,
        forecasts=None,
        name=None,
        pos_label=None,
    ):
        self.thresholds = thresholds
        self.tss = tss
        self.tss_low = tss_low
        self.tss_high = tss_high
        self.hss = hss
        self.hss_low = hss_low
        self.hss_high = hss_high
        self.bin_edges = bin_edges
        self.prob_true = prob_true
        self.prob_true_low = prob_true_low
        self.prob_true_high = prob_true_high
        self.prob_pred = prob_pred
        self.counts = counts
        self.confidence_level = confidence_level
        self.n_left_out = n_left_out
        self.forecasts = forecasts
        self.name = name
        self.pos_label = pos_label

    @property
    def best_tss_threshold(self):
        """The threshold with the highest TSS."""
        return float(self.thresholds[np.argmax(self.tss)])

    @property
    def best_hss_threshold(self):
        """The threshold with the highest HSS."""
        return float(self.thresholds[np.argmax(self.hss)])

    def at(self, threshold):
        """Return the scores at any one threshold, with their confidence intervals.

        Parameters
        ----------
        threshold : float
            From which probability on, 0 to 1, to forecast the positive class. It need
            not be one of `thresholds`; the resamples are the same for all.

        Returns
        -------
        scores : DataFrame of shape (2, 3)
            Rows `"tss"` and `"hss"`; columns `"score"`, `"low"` and `"high"`.

        Raises
        ------
        ValueError
            If the threshold is out of range, or the display was made without
            `forecasts`.
        """
        import pandas as pd

        check_scalar(threshold, "threshold", Real, min_val=0, max_val=1)
        if self.forecasts is None:
            raise ValueError(
                "This display was made without forecasts. Make it by from_estimator or "
                "from_predictions."
            )
        curves = skill_at(self.forecasts, threshold)
        rows = {
            score: [curves[score + end][0] for end in ("", "_low", "_high")]
            for score in ("tss", "hss")
        }
        columns = ["score", "low", "high"]
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns)

    def plot(self, ax=None, *, name=None):
        """Plot the scores and the reliability diagram.

        Parameters
        ----------
        ax : matplotlib Axes or array-like of two Axes, default=None
            Axes for the scores and for the reliability diagram. One subplot is divided
            among the two, and is kept without content. If None, a new figure is made.

        name : str, default=None
            Name of the classifier, for the legend. None takes that of the display.

        Returns
        -------
        display : SkillScoreDisplay
            The display itself, with the attributes of a plot.

        Raises
        ------
        ValueError
            If `ax` is neither a subplot nor two axes.

        ImportError
            If matplotlib is not installed.
        """
        import_optional("matplotlib", extra="plot", caller="SkillScoreDisplay")
        skill, reliability, self.bounding_ax_ = new_axes(ax)
        self.figure_ = skill.figure
        lines, bands = draw_skill(skill, self, self.name if name is None else name)
        parts = draw_reliability(reliability, self)
        self.lines_ = {**lines, **parts["lines"]}
        self.bands_ = {**bands, **parts["bands"]}
        self.bars_ = parts["bars"]
        self.axes_ = {
            "skill": skill,
            "reliability": reliability,
            "counts": parts["counts"],
        }
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        y,
        *,
        groups=None,
        sample_weight=None,
        thresholds=101,
        n_bootstraps=1000,
        confidence_level=0.95,
        n_bins=10,
        strategy="uniform",
        pos_label=None,
        name=None,
        ax=None,
        random_state=None,
    ):
        """Plot how well a classifier forecasts.

        Parameters
        ----------
        estimator : estimator instance
            A fitted binary classifier with `predict_proba`, or a fitted
            :class:`~sklearn.pipeline.Pipeline` that ends with one.

        X : array-like of shape (n_samples, n_features) or what the estimator takes
            Rows that it was not trained on.

        y : array-like of shape (n_samples,)
            True labels.

        groups : array-like of shape (n_samples,), default=None
            Which rows belong together, for example the number of the active region that
            an image shows. Groups are resampled as a whole. None takes the rows for
            independent.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. Rows of weight 0 are left out.

        thresholds : int or array-like of shape (n_thresholds,), default=101
            Where to compute the scores: how many thresholds, evenly spaced from 0 to 1,
            or which.

        n_bootstraps : int, default=1000
            Number of resamples.

        confidence_level : float, default=0.95
            Level of the bands, between 0 and 1.

        n_bins : int, default=10
            Number of bins of the reliability diagram.

        strategy : {"uniform", "quantile"}, default="uniform"
            Whether the bins are equally wide, or hold equally many rows.

        pos_label : int, float, bool or str, default=None
            The positive class. None takes the second of the estimator's `classes_`.

        name : str, default=None
            Name of the classifier in the legend. None takes that of its class.

        ax : matplotlib Axes or array-like of two Axes, default=None
            Axes to plot on, as in :meth:`plot`.

        random_state : int, RandomState instance or None, default=None
            Decides the resamples.

        Returns
        -------
        display : SkillScoreDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If the estimator is no binary classifier, or as in :meth:`from_predictions`.

        ImportError
            If matplotlib is not installed.

        Examples
        --------
        >>> from sklearn.datasets import make_classification
        >>> from sklearn.linear_model import LogisticRegression
        >>> from skestimators.inspection import SkillScoreDisplay
        >>> X, y = make_classification(random_state=0)
        >>> model = LogisticRegression().fit(X[:50], y[:50])
        >>> display = SkillScoreDisplay.from_estimator(model, X[50:], y[50:])
        >>> display.tss.shape
        (101,)
        """
        import_optional("matplotlib", extra="plot", caller="SkillScoreDisplay")
        y_prob, pos_label = _get_response_values_binary(
            estimator, X, response_method="predict_proba", pos_label=pos_label
        )
        return cls.from_predictions(
            y,
            y_prob,
            groups=groups,
            sample_weight=sample_weight,
            thresholds=thresholds,
            n_bootstraps=n_bootstraps,
            confidence_level=confidence_level,
            n_bins=n_bins,
            strategy=strategy,
            pos_label=pos_label,
            name=type(estimator).__name__ if name is None else name,
            ax=ax,
            random_state=random_state,
        )

    @classmethod
    def from_predictions(
        cls,
        y_true,
        y_prob,
        *,
        groups=None,
        sample_weight=None,
        thresholds=101,
        n_bootstraps=1000,
        confidence_level=0.95,
        n_bins=10,
        strategy="uniform",
        pos_label=None,
        name=None,
        ax=None,
        random_state=None,
    ):
        """Plot how good given probabilities are.

        Parameters
        ----------
        y_true : array-like of shape (n_samples,)
            True labels, of two classes.

        y_prob : array-like of shape (n_samples,)
            Forecast probability of the positive class.

        groups : array-like of shape (n_samples,), default=None
            Which rows belong together, for example the number of the active region that
            an image shows. Groups are resampled as a whole. None takes the rows for
            independent.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, not negative. Rows of weight 0 are left out.

        thresholds : int or array-like of shape (n_thresholds,), default=101
            Where to compute the scores: how many thresholds, evenly spaced from 0 to 1,
            or which.

        n_bootstraps : int, default=1000
            Number of resamples.

        confidence_level : float, default=0.95
            Level of the bands, between 0 and 1.

        n_bins : int, default=10
            Number of bins of the reliability diagram.

        strategy : {"uniform", "quantile"}, default="uniform"
            Whether the bins are equally wide, or hold equally many rows.

        pos_label : int, float, bool or str, default=None
            The positive class. None means 1 if the labels are 0 and 1, or -1 and 1.

        name : str, default=None
            Name of the classifier in the legend.

        ax : matplotlib Axes or array-like of two Axes, default=None
            Axes to plot on, as in :meth:`plot`.

        random_state : int, RandomState instance or None, default=None
            Decides the resamples.

        Returns
        -------
        display : SkillScoreDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If lengths differ; if `y_true` does not hold two classes, one of them
            `pos_label`; if a probability is NaN or not from 0 to 1; if a group is
            missing or there is only one; if no resample holds both classes; or if
            another parameter is out of range.

        ImportError
            If matplotlib is not installed.
        """
        thresholds = check_thresholds(thresholds)
        columns, pos_label = check_forecasts(
            y_true,
            y_prob,
            groups=groups,
            sample_weight=sample_weight,
            pos_label=pos_label,
            n_bootstraps=n_bootstraps,
            confidence_level=confidence_level,
        )
        edges = check_bins(n_bins, strategy, columns["prob"])
        forecasts = Forecasts(**columns, seed=draw_seed(random_state))
        display = cls(
            **skill_and_reliability(forecasts, thresholds, edges),
            thresholds=thresholds,
            bin_edges=edges,
            confidence_level=confidence_level,
            forecasts=forecasts,
            name=name,
            pos_label=pos_label,
        )
        return display.plot(ax=ax)
