"""Scorers: what a search or a cross-validation takes as `scoring`."""

from sklearn.metrics._scorer import _Scorer

from skestimators.metrics._ranking import spearman_score
from skestimators.metrics._skill import heidke_skill_score, true_skill_statistic


class _MetricScorer(_Scorer):
    """Score the predictions of an estimator by a metric.

    For the `scoring` parameter of searches and cross-validation. It is what
    :func:`sklearn.metrics.make_scorer` makes of the metric, but equals its copies,
    pickled ones included.

    Parameters
    ----------
    estimator : estimator instance
        The fitted estimator, a search or a pipeline included.

    X : array-like of shape (n_samples, n_features)
        The test data.

    y_true : array-like of shape (n_samples,)
        The targets.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples.

    **kwargs : dict
        Other metadata that the scorer asks for, if metadata routing is enabled.

    Returns
    -------
    score : float
        The score, of which more is better.

    See Also
    --------
    spearman_score : The metric of `spearman_scorer`.
    true_skill_statistic : The metric of `tss_scorer`.
    heidke_skill_score : The metric of `hss_scorer`.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.model_selection import cross_val_score
    >>> from skestimators.metrics import spearman_scorer
    >>> X, y = [[0], [1], [2], [3], [4], [5]], [0, 1, 4, 9, 16, 25]
    >>> cross_val_score(Ridge(), X, y, scoring=spearman_scorer, cv=3)
    array([1., 1., 1.])
    """

    def _key(self):
        request = self._get_metadata_request()._serialize()
        return self._score_func, self._response_method, self._kwargs, request

    def __eq__(self, other):
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self):
        return hash((type(self), self._score_func, self._response_method))


class _UCBScorer(_MetricScorer):
    """Score the upper confidence bounds of an estimator by a metric.

    For the `scoring` parameter of searches and cross-validation. It scores what
    `predict_ucb` returns, the values by which an active search ranks its candidates.
    The estimator with that method may stand alone, end a pipeline or be what a search
    found, nested as one likes.

    Parameters
    ----------
    estimator : estimator instance
        The fitted estimator, with a `predict_ucb` method somewhere.

    X : array-like of shape (n_samples, n_features)
        The test data.

    y_true : array-like of shape (n_samples,)
        The targets.

    sample_weight : array-like of shape (n_samples,), default=None
        Weights of the samples.

    **kwargs : dict
        Other metadata that the scorer asks for, if metadata routing is enabled.

    Returns
    -------
    score : float
        The score, of which more is better.

    Raises
    ------
    AttributeError
        If no part of the estimator has `predict_ucb`.

    See Also
    --------
    spearman_score : The metric of `ucb_spearman_scorer`.
    spearman_scorer : The same for `predict`.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.linear_model import Ridge
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from skestimators.metrics import ucb_spearman_scorer
    >>> class Hopeful(Ridge):
    ...     def predict_ucb(self, X):
    ...         return self.predict(X) + 1
    >>> X, y = make_regression(random_state=0)
    >>> model = make_pipeline(StandardScaler(), Hopeful()).fit(X, y)
    >>> ucb_spearman_scorer(model, X, y) > 0.99
    True
    """

    def _score(self, method_caller, estimator, X, y_true, **kwargs):
        owner, X = _reach_predict_ucb(estimator, X)
        return super()._score(method_caller, owner, X, y_true, **kwargs)

    def __repr__(self):
        return (
            f"make_scorer({self._score_func.__name__}, response_method='predict_ucb')"
        )


def _reach_predict_ucb(estimator, X):
    """Return the part of an estimator that has `predict_ucb`, and `X` as it gets it.

    scikit-learn's pipelines and searches pass on only the methods that it knows.
    """
    part = estimator
    while not hasattr(part, "predict_ucb"):
        if hasattr(part, "best_estimator_"):
            part = part.best_estimator_
        elif hasattr(part, "named_steps"):
            if len(part) > 1:
                X = part[:-1].transform(X)
            part = part[-1]
        else:
            name = type(part).__name__
            inside = "" if part is estimator else f", in {type(estimator).__name__},"
            raise AttributeError(
                f"ucb_spearman_scorer needs an estimator with a predict_ucb method, "
                f"which {name}{inside} has not. Use BootstrapStackedRegressor or "
                f"BootstrapStackedLGBM, or spearman_scorer for {name}."
            )
    return part, X


spearman_scorer = _MetricScorer(spearman_score, 1, {})
tss_scorer = _MetricScorer(true_skill_statistic, 1, {})
hss_scorer = _MetricScorer(heidke_skill_score, 1, {})
# When several scorers are given, scikit-learn looks the response method up on the
# estimator as a whole, which need not have predict_ucb but has predict.
ucb_spearman_scorer = _UCBScorer(spearman_score, 1, {}, ("predict_ucb", "predict"))
