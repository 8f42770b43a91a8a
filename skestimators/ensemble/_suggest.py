"""Suggestion of the candidates to measure next, by any ensemble with a spread."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import _safe_indexing, check_random_state
from sklearn.utils._param_validation import (
    Interval,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import _num_samples, check_is_fitted

from skestimators.ensemble._acquisition import (
    expected_improvement,
    probability_of_improvement,
    upper_confidence_bound,
)
from skestimators.ensemble._suggestion import (
    ThompsonSampler,
    allowed_candidates,
    best_first,
    choose_diverse,
    digest_rows,
)

_CONSTRAINTS = {
    "n_suggestions": [Interval(Integral, 1, None, closed="left")],
    "strategy": [StrOptions({"ucb", "ei", "pi", "thompson", "std", "mean"})],
    "beta": [Interval(Real, 0, None, closed="left"), None],
    "best": [Interval(Real, None, None, closed="neither"), None],
    "diversity": [Interval(Real, 0, 1, closed="both")],
}


class SuggestMixin:
    """Add `suggest` to an ensemble that predicts a pool slice by slice."""

    def suggest(
        self,
        X_pool,
        n_suggestions,
        strategy="ucb",
        *,
        beta=None,
        best=None,
        exclude=None,
        exclude_training=False,
        diversity=0.0,
        random_state=None,
    ):
        """Choose the candidates to measure next. Larger targets are better.

        Parameters
        ----------
        X_pool : array-like of shape (n_candidates, n_features)
            The candidates. They are read slice by slice: an :class:`numpy.memmap` of
            millions of rows is neither copied nor loaded as a whole.

        n_suggestions : int
            How many to choose.

        strategy : {"ucb", "ei", "pi", "thompson", "std", "mean"}, default="ucb"
            What makes a candidate good: `"ucb"` the upper confidence bound, `"ei"` the
            expected improvement and `"pi"` the probability of improvement on `best`,
            `"std"` the uncertainty alone, `"mean"` the prediction alone. With
            `"thompson"` each suggestion is the favourite of a member drawn at random.

        beta : float, default=None
            Weight of the uncertainty in `"ucb"`. None takes the estimator's `beta`.

        best : float, default=None
            The value to improve on in `"ei"` and `"pi"`. None takes the largest
            training target.

        exclude : array-like of int or bool, default=None
            Candidates that are not to be chosen: indices of rows of `X_pool`, or a
            mask of shape (n_candidates,).

        exclude_training : bool, default=False
            Do not choose candidates equal, in every feature, to a training row. Pass
            the pool in the number type of the training rows: rounded to float32, a row
            is another one.

        diversity : float, default=0.0
            0 takes the best. Up to 1, each next suggestion is chosen among the
            `max(1000, 10 * n_suggestions)` best for score and distance to those
            already chosen together, by maximal marginal relevance [1]_: score scaled
            to [0, 1], times `1 - diversity`, plus the Euclidean distance to the
            nearest chosen one, scaled likewise, times `diversity`. Not used with
            `"thompson"`, which is diverse by itself.

        random_state : int, RandomState instance or None, default=None
            Orders candidates of equal score, and draws members in `"thompson"`. None
            takes the estimator's `random_state`.

        Returns
        -------
        indices : ndarray of int of shape (n_suggestions,)
            Rows of `X_pool`, best first (for `"thompson"`, in the order drawn; with
            `diversity`, in the order chosen).

        Raises
        ------
        ValueError
            If a parameter is out of its range, or fewer than `n_suggestions`
            candidates are left after exclusion.

        References
        ----------
        .. [1] Carbonell and Goldstein (1998). "The use of MMR, diversity-based
               reranking for reordering documents and producing summaries." SIGIR.
        """
        check_is_fitted(self)
        _check_suggest_parameters(
            n_suggestions=n_suggestions,
            strategy=strategy,
            beta=beta,
            best=best,
            diversity=diversity,
        )
        n_candidates = _num_samples(X_pool)
        allowed = allowed_candidates(exclude, n_candidates)
        rng = check_random_state(
            self.random_state if random_state is None else random_state
        )
        ties = rng.uniform(size=n_candidates)
        sampler, scores = None, np.full(n_candidates, -np.inf)
        if strategy == "thompson":
            sampler = ThompsonSampler(len(self.coef_), n_suggestions, ties, rng)
        for rows, chunk, predictions in self._iter_predictions(X_pool):
            if exclude_training:
                digests = digest_rows(chunk)
                allowed[rows] &= [row not in self._row_digests for row in digests]
            inside = np.flatnonzero(allowed[rows])
            candidates, predictions = rows.start + inside, predictions[inside]
            if sampler:
                sampler.update(candidates, predictions)
            else:
                scores[candidates] = self._score(predictions, strategy, beta, best)
        n_allowed = int(allowed.sum())
        if n_allowed < n_suggestions:
            raise ValueError(
                f"n_suggestions={n_suggestions}, but only {n_allowed} of the "
                f"{n_candidates} candidates may be chosen."
            )
        if sampler:
            return sampler.choose()
        if diversity == 0:
            return best_first(scores, ties, n_suggestions)
        n_kept = min(max(1000, 10 * n_suggestions), n_allowed)
        kept = best_first(scores, ties, n_kept)
        rows = np.asarray(_safe_indexing(X_pool, kept), dtype=np.float64)
        return kept[choose_diverse(rows, scores[kept], n_suggestions, diversity)]

    def _score(self, predictions, strategy, beta, best):
        """Return the acquisition function of some candidates."""
        mean, std = self._combine(predictions), predictions.std(axis=1)
        best = self._best_target if best is None else best
        if strategy == "ucb":
            beta = self.beta if beta is None else beta
            return upper_confidence_bound(mean, std, beta)
        if strategy == "ei":
            return expected_improvement(mean, std, best)
        if strategy == "pi":
            return probability_of_improvement(mean, std, best)
        return mean if strategy == "mean" else std


def _check_suggest_parameters(**params):
    """Raise ValueError if a parameter of `suggest` is out of its range."""
    validate_parameter_constraints(_CONSTRAINTS, params, caller_name="suggest")
    if params["diversity"] > 0 and params["strategy"] == "thompson":
        raise ValueError("diversity must be 0 with strategy='thompson'.")
