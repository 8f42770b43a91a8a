"""Scorers: what a search or a cross-validation takes as `scoring`."""

from sklearn.metrics._scorer import _Scorer

from skestimators.metrics._ranking import spearman_score
from skestimators.metrics._skill import heidke_skill_score, true_skill_statistic


class _MetricScorer(_Scorer):
    """A scorer of scikit-learn that equals its copies, pickled ones included."""

    def _key(self):
        request = self._get_metadata_request()._serialize()
        return self._score_func, self._response_method, self._kwargs, request

    def __eq__(self, other):
        return type(self) is type(other) and self._key() == other._key()

    def __hash__(self):
        return hash((type(self), self._score_func, self._response_method))


class _UCBScorer(_MetricScorer):
    """A scorer of `predict_ucb`, wherever in a composite estimator that is."""

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
