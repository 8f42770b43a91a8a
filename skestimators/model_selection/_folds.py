"""Scoring of candidates on folds, with scikit-learn's own functions."""

import numbers

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.model_selection import check_cv
from sklearn.model_selection._split import _yields_constant_splits
from sklearn.model_selection._validation import (
    _fit_and_score,
    _insert_error_scores,
    _warn_or_raise_about_fit_failures,
)
from sklearn.utils.parallel import delayed


def make_splits(search, X, y, split_params):
    """Make the folds, once for all candidates.

    Parameters
    ----------
    search : BaseSearchCV
        The search.

    X, y : array-like
        The data.

    split_params : dict
        Routed arguments of the splitter.

    Returns
    -------
    splits : list of tuple of ndarray
        Train and test rows of each fold.

    Raises
    ------
    ValueError
        If other folds would be made in another run and there is a storage, or there
        are not as many as announced.
    """
    cv = check_cv(search.cv, y, classifier=is_classifier(search.estimator))
    if search.storage is not None and not _yields_constant_splits(cv):
        raise ValueError(
            f"cv={cv} splits differently each time, so that the scores in the "
            "storage could not be compared. Give it an int as random_state."
        )
    splits = list(cv.split(X, y, **split_params))
    announced = cv.get_n_splits(X, y, **split_params)
    if len(splits) != announced or not splits:
        raise ValueError(f"cv={cv} announced {announced} folds and gave {len(splits)}.")
    return splits


class FoldScorer:
    """Fit and score candidates on the folds of a search.

    Parameters
    ----------
    search : BaseSearchCV
        The search.

    X, y : array-like
        The data.

    splits : list of tuple of ndarray
        Train and test rows of each fold.

    scorers : callable
        As `BaseSearchCV._get_scorers` gives them.

    routed : Bunch
        Routed arguments of `fit`.

    parallel : joblib.Parallel
        What runs the folds.
    """

    def __init__(self, search, X, y, splits, scorers, routed, parallel):
        self._search, self._X, self._y = search, X, y
        self._splits, self._parallel = splits, parallel
        self._base_estimator = clone(search.estimator)
        self._kwargs = {
            "scorer": scorers,
            "fit_params": routed.estimator.fit,
            "score_params": routed.scorer.score,
            "return_train_score": search.return_train_score,
            "return_n_test_samples": True,
            "return_times": True,
            "error_score": search.error_score,
            "verbose": search.verbose,
            "caller": search,
        }

    def __call__(self, params, folds, *, candidate, n_candidates, context):
        """Score one candidate.

        Parameters
        ----------
        params : dict
            Parameters of the estimator.

        folds : sequence of int
            The folds to score it on.

        candidate, n_candidates : int
            Its number, and how many there are.

        context : CallbackContext
            The task that these folds are steps of.

        Returns
        -------
        results : list of dict
            For each fold, what can be written as JSON.
        """
        n_folds = len(self._splits)
        # Made before any of them runs: the search is pickled for the workers.
        contexts = [
            context.subcontext(
                task_name="candidate-split-evaluation",
                task_id=candidate * n_folds + fold,
            )
            for fold in folds
        ]
        results = self._parallel(
            delayed(_fit_and_score)(
                clone(self._base_estimator),
                self._X,
                self._y,
                train=self._splits[fold][0],
                test=self._splits[fold][1],
                parameters=params,
                split_progress=(fold, n_folds),
                candidate_progress=(candidate, n_candidates),
                callback_ctx=step,
                **self._kwargs,
            )
            for fold, step in zip(folds, contexts, strict=True)
        )
        return [_to_plain(result) for result in results]


def _to_plain(result):
    """Turn the numbers of a result into Python's own."""
    return {
        name: _plain_scores(value) if name.endswith("_scores") else value
        for name, value in result.items()
    }


def _plain_scores(scores):
    if isinstance(scores, dict):
        return {name: float(score) for name, score in scores.items()}
    return float(scores)


def mean_score(results, metric):
    """Return the mean over folds of one metric.

    Parameters
    ----------
    results : list of dict
        Results of the folds.

    metric : str
        Name of the metric, of no meaning where there is only one.

    Returns
    -------
    score : float
        nan or infinite if one of them is.
    """
    scores = [result["test_scores"] for result in results]
    return float(np.mean([s[metric] if isinstance(s, dict) else s for s in scores]))


def join_results(candidates, n_folds, *, error_score, callable_scoring):
    """Join the results of all candidates to what `BaseSearchCV` makes a table of.

    Parameters
    ----------
    candidates : list of list of dict
        Results of the folds that each candidate was scored on.

    n_folds : int
        Number of folds.

    error_score : "raise" or float
        The parameter of the search.

    callable_scoring : bool
        Whether only the scores tell the names of the metrics.

    Returns
    -------
    out : list of dict
        `n_folds` results a candidate, nan where a fold was not scored.

    Raises
    ------
    ValueError
        If all fits failed.
    """
    candidates = [[dict(result) for result in results] for results in candidates]
    scored = [result for results in candidates for result in results]
    _warn_or_raise_about_fit_failures(scored, error_score)
    if callable_scoring:
        _insert_error_scores(scored, error_score)
    skipped = {name: _like_nan(value) for name, value in scored[0].items()}
    skipped["fit_error"] = None
    return [
        result
        for results in candidates
        for result in [*results, *[skipped] * (n_folds - len(results))]
    ]


def check_not_all_pruned(study):
    """Refuse a search that has pruned all its candidates, but for those that failed.

    Parameters
    ----------
    study : optuna.study.Study
        The finished search.

    Raises
    ------
    ValueError
        If there is no best candidate for this reason.
    """
    states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
    if "PRUNED" in states and "COMPLETE" not in states:
        raise ValueError(
            f"No candidate was scored on all folds: {states.count('PRUNED')} of "
            f"{len(states)} were pruned, {states.count('FAIL')} failed. The pruner "
            f"{type(study.pruner).__name__} must let some pass."
        )


def only_skipped_are_nan(candidates, n_folds):
    """Tell whether folds were skipped, and all others have finite scores.

    Parameters
    ----------
    candidates : list of list of dict
        Results of the folds that each candidate was scored on.

    n_folds : int
        Number of folds.

    Returns
    -------
    skipped : bool
        True if nothing is nan but what was left out on purpose.
    """
    scores = [
        result[kind]
        for results in candidates
        for result in results
        for kind in ("test_scores", "train_scores")
        if kind in result
    ]
    values = [list(s.values()) if isinstance(s, dict) else [s] for s in scores]
    finite = all(np.isfinite(value).all() for value in values)
    return finite and any(len(results) < n_folds for results in candidates)


def _like_nan(value):
    if isinstance(value, dict):
        return dict.fromkeys(value, np.nan)
    return np.nan if isinstance(value, numbers.Number) else value
