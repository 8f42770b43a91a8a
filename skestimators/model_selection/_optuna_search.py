"""Hyper-parameter search with Optuna."""

import numbers
import os
import time
import warnings
from copy import deepcopy

import numpy as np
from sklearn.base import _fit_context, clone, is_classifier
from sklearn.model_selection._search import BaseSearchCV
from sklearn.utils import get_tags, indexable
from sklearn.utils._param_validation import HasMethods, Interval, StrOptions
from sklearn.utils.parallel import Parallel
from sklearn.utils.validation import _check_method_params

from skestimators.model_selection._fingerprint import fingerprint_of
from skestimators.model_selection._folds import (
    FoldScorer,
    check_not_all_pruned,
    join_results,
    make_splits,
    only_skipped_are_nan,
)
from skestimators.utils._base import EstimatorMixin
from skestimators.utils._optional import import_optional
from skestimators.utils._parallel import sent_once
from skestimators.utils._validation import check_finite_target


class OptunaSearchCV(EstimatorMixin, BaseSearchCV):
    """Search of hyper-parameters with Optuna, scored by cross-validation.

    It is used as :class:`sklearn.model_selection.RandomizedSearchCV` is, and has the
    same `cv_results_`. It differs in that each candidate is drawn with regard to the
    scores of those before it, that a space may be a function, and that a search which
    was killed goes on where it stopped.

    Parameters
    ----------
    estimator : estimator object
        What is fitted for each candidate. It must have a `score` method, or `scoring`
        must be given.

    param_distributions : dict or callable
        The search space. A dict has names of parameters as keys and, as values, Optuna
        distributions (:mod:`optuna.distributions`) or lists of any objects. A callable
        takes a :class:`optuna.trial.Trial` and returns the dict of parameters, so that
        one may depend on another; :func:`search_space` gives such callables. A
        parameter that a candidate does not have is masked in `cv_results_`.

    n_iter : int, default=50
        Number of candidates, including those restored from `storage`. `"tpe"` and
        `"gp"` draw the first 10 at random. `"grid"` ends when no point is left.

    sampler : {"tpe", "gp", "random", "grid", "qmc"}, callable or \
            optuna.samplers.BaseSampler, default="tpe"
        How candidates are drawn:

        - `"tpe"`: tree-structured Parzen estimator [2]_, also for conditional spaces;
        - `"gp"`: Bayesian optimisation with a Gaussian process and expected
          improvement, for small budgets; needs torch;
        - `"random"`: independently of each other;
        - `"grid"`: the points of the grid in random order, each once. The space must
          be a dict of lists and distributions with a step;
        - `"qmc"`: a scrambled Sobol sequence, which covers the space more evenly than
          `"random"`;
        - a callable is given a seed and returns an Optuna sampler, as in
          `lambda seed: TPESampler(seed=seed, n_startup_trials=5)`.

        These are made anew for each candidate. An instance is copied and used for the
        whole search; as no storage keeps what it has in memory, a search that is
        resumed with it does not draw what an uninterrupted one would. The others do;
        a sampler that a callable makes does if it depends on nothing but its seed, the
        trials and the attributes of the study, as those of Optuna do.

    pruner : "median", optuna.pruners.BasePruner or None, default=None
        If given, folds are fitted one after another, and after each the mean score so
        far is shown to it. When it says so, the other folds of the candidate are
        skipped: their scores are nan, as is the mean, and the rank is the last. So are
        those after a fold whose score is nan. If no candidate is left, it is an error.
        `"median"` skips candidates that are worse than the median of those before
        them, from the sixth on.

    storage : str, path, optuna.storages.BaseStorage or None, default=None
        Where finished candidates are kept: a file whose name ends in `.db`,
        `.sqlite` or `.sqlite3` (SQLite) or in `.journal` or `.log` (an append-only
        file, for network drives), an URL such as `"postgresql://..."`, or an Optuna
        storage. One storage may hold many searches. `None` keeps them in memory.

    study_name : str or None, default=None
        Name of the search in `storage`. By default it is derived from all that the
        search depends on (see Notes), so that searches on other data, as in outer
        cross-validation, never meet.

    scoring : str, callable, list, tuple, dict or None, default=None
        As in :class:`sklearn.model_selection.GridSearchCV`. With several metrics,
        `refit` must name the one that is optimised.

    n_jobs : int or None, default=None
        Number of folds fitted at the same time. Candidates are drawn one by one, so
        that results do not depend on it. It has no effect with a `pruner`.

    refit : bool, str or callable, default=True
        Whether to fit the estimator with the best parameters on all data, and, with
        several metrics, the name of the one that is optimised. A callable chooses the
        best candidate from `cv_results_`; it needs a single metric.

    cv : int, cross-validation generator, iterable or None, default=None
        The folds, as in :class:`sklearn.model_selection.GridSearchCV`. They are made
        once, and all candidates see the same. With `storage` they must be the same in
        each run: give a splitter that shuffles an int as `random_state`.

    verbose : int, default=0
        As in :class:`sklearn.model_selection.GridSearchCV`. For progress bars set the
        callback :class:`sklearn.callback.ProgressBar`.

    pre_dispatch : int or str, default="2*n_jobs"
        Number of folds handed to workers in advance.

    random_state : int, RandomState instance or None, default=None
        Seeds the candidates. Two searches with the same int are equal. With `storage`,
        anything but an int is drawn once and kept there.

    error_score : "raise" or float, default=np.nan
        Score of a fold whose fit failed. A candidate whose mean score is not finite
        is told to Optuna as failed.

    return_train_score : bool, default=False
        Whether `cv_results_` has the scores of the training rows.

    Attributes
    ----------
    cv_results_ : dict of numpy (masked) ndarrays
        Parameters, scores, ranks and times of all candidates, as in
        :class:`sklearn.model_selection.GridSearchCV`.

    best_estimator_ : estimator
        The estimator fitted with the best parameters on all data, unless
        `refit=False`.

    best_score_ : float
        Mean cross-validated score of the best candidate, unless `refit` is callable.

    best_params_ : dict
        Parameters of the best candidate; :func:`save_params` writes them to a file.

    best_index_ : int
        Index of the best candidate in `cv_results_`.

    scorer_ : function or dict
        The scorer, or a dict of them.

    n_splits_ : int
        Number of folds.

    refit_time_ : float
        Seconds it took to fit the best estimator on all data, unless `refit=False`.

    multimetric_ : bool
        Whether there are several metrics.

    study_ : optuna.study.Study
        The candidates as trials, for the plots of :mod:`optuna.visualization`. It is a
        copy in memory: the storage is not needed to use, copy or pickle it.

    classes_ : ndarray of shape (n_classes,)
        Class labels, if `best_estimator_` is a classifier.

    n_features_in_ : int
        Number of features seen in `fit`, if `best_estimator_` knows it.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen in `fit`, if `best_estimator_` knows them.

    See Also
    --------
    search_space : Spaces for the estimators of this library.
    save_params : Write the best parameters to a JSON file.
    sklearn.model_selection.RandomizedSearchCV : The same with independent candidates.

    Notes
    -----
    With `storage`, each candidate is written when it is finished, in one transaction.
    A run that is killed loses the candidate it is at; the next one restores the others
    with all their scores and times, and goes on as if it had never stopped. A finished
    search is only refitted, or, with a larger `n_iter`, extended. Never run one search
    in two processes at a time: both would do all the work. A run that is killed at the
    very moment it opens or writes a file may leave another whose name ends in `.lock`;
    the next one waits for half a minute, then removes it.

    Every candidate is stored with a checksum. One that is damaged is warned of and
    computed again, as are those after it, which were drawn with regard to it; a file
    that cannot be read is an error that names it.

    A search is known by its data (X, y, groups and other arguments of `fit`), its
    folds, the estimator with its parameters (but `n_jobs` and `verbose`), scoring,
    search space, sampler, pruner and `random_state`. If any of these differs from what
    is stored under an explicit `study_name`, `fit` raises an error that says which.

    Frozen estimators are compared by what they have learned; functions by their code,
    the variables of enclosing functions, and the numbers, strings, containers of these,
    estimators and functions that they read from their module, of an installed package
    the name only. Not compared are classes, but for their names; what a function
    reads from modules and other objects (`module.LIMIT`); global variables that it
    assigns; and the versions of Python and of packages. After a change of such, take
    another storage or `study_name`.

    References
    ----------
    .. [1] Akiba, Sano, Yanase, Ohta and Koyama (2019). "Optuna: a next-generation
           hyperparameter optimization framework." KDD.
    .. [2] Bergstra, Bardenet, Bengio and Kegl (2011). "Algorithms for hyper-parameter
           optimization." NeurIPS.
    .. [3] Bergstra and Bengio (2012). "Random search for hyper-parameter
           optimization." Journal of Machine Learning Research 13, 281-305.

    Examples
    --------
    >>> from optuna.distributions import FloatDistribution
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.svm import SVC
    >>> from skestimators.model_selection import OptunaSearchCV
    >>> X, y = load_iris(return_X_y=True)
    >>> space = {"C": FloatDistribution(0.01, 100, log=True), "gamma": [0.1, "scale"]}
    >>> search = OptunaSearchCV(SVC(), space, n_iter=15, random_state=0).fit(X, y)
    >>> search.best_params_["gamma"]
    'scale'

    A space in which one parameter depends on another:

    >>> def space(trial):
    ...     params = {"kernel": trial.suggest_categorical("kernel", ["linear", "rbf"])}
    ...     if params["kernel"] == "rbf":
    ...         params["gamma"] = trial.suggest_float("gamma", 0.001, 1, log=True)
    ...     return params
    >>> search = OptunaSearchCV(SVC(), space, n_iter=15, random_state=0).fit(X, y)
    >>> search.cv_results_["param_gamma"].mask.any()
    np.True_
    """

    _parameter_constraints: dict = {
        **BaseSearchCV._parameter_constraints,
        "param_distributions": [dict, callable],
        "n_iter": [Interval(numbers.Integral, 1, None, closed="left")],
        "sampler": [
            StrOptions({"tpe", "gp", "random", "grid", "qmc"}),
            HasMethods(["sample_relative", "sample_independent"]),
            callable,
        ],
        "pruner": [StrOptions({"median"}), HasMethods(["prune"]), None],
        "storage": [str, os.PathLike, HasMethods(["create_new_study"]), None],
        "study_name": [str, None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        estimator,
        param_distributions,
        *,
        n_iter=50,
        sampler="tpe",
        pruner=None,
        storage=None,
        study_name=None,
        scoring=None,
        n_jobs=None,
        refit=True,
        cv=None,
        verbose=0,
        pre_dispatch="2*n_jobs",
        random_state=None,
        error_score=np.nan,
        return_train_score=False,
    ):
        self.param_distributions = param_distributions
        self.n_iter = n_iter
        self.sampler = sampler
        self.pruner = pruner
        self.storage = storage
        self.study_name = study_name
        self.random_state = random_state
        super().__init__(
            estimator=estimator,
            scoring=scoring,
            n_jobs=n_jobs,
            refit=refit,
            cv=cv,
            verbose=verbose,
            pre_dispatch=pre_dispatch,
            error_score=error_score,
            return_train_score=return_train_score,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Several outputs, a single one, positive values: as the estimator has it.
        tags.target_tags = deepcopy(get_tags(self.estimator).target_tags)
        return tags

    @_fit_context(
        # estimator is not validated yet
        prefer_skip_nested_validation=False
    )
    def fit(self, X, y=None, **params):
        """Search, and fit the best estimator on all data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training data, of any kind that the estimator takes.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
            Target.

        **params : dict of str -> object
            Arguments for the `fit` of the estimator, the scorer and the splitter, such
            as `sample_weight` and `groups`. Those with one value a row are split as X
            is.

        Returns
        -------
        self : object
            The fitted search.
        """
        import_optional("optuna", extra="tuning", caller=self)
        from skestimators.model_selection._optuna_study import run_search

        if y is None and get_tags(self).target_tags.required:
            raise ValueError(
                f"{type(self).__name__} of {type(self.estimator).__name__} requires y "
                "to be passed, but the target y is None."
            )
        if is_classifier(self.estimator):
            # Folds are stratified before any estimator sees the classes.
            check_finite_target(y)
        scorers, _ = self._get_scorers()
        X, y = indexable(X, y)
        params = _check_method_params(X, params=params)
        routed = self._get_routed_params_for_fit(params)
        data = {"X": X, "y": y, "metadata": None}
        if params.get("sample_weight") is not None:
            data["metadata"] = {"sample_weight": params["sample_weight"]}
        context = self._init_callback_context(max_subtasks=1 + bool(self.refit))
        context.call_on_fit_task_begin(estimator=self, **data)
        splits = make_splits(self, X, y, routed.splitter.split)
        self.n_splits_ = len(splits)
        fingerprint = None
        if self.storage is not None:
            fingerprint = fingerprint_of(self, X=X, y=y, params=params, splits=splits)
        with (
            Parallel(n_jobs=self.n_jobs, pre_dispatch=self.pre_dispatch) as parallel,
            sent_once(parallel, X, y),
        ):
            score = FoldScorer(self, X, y, splits, scorers, routed, parallel)
            asked = run_search(self, score, fingerprint, context)
        self._set_results(asked)
        if self.refit:
            self._refit(context, data, routed.estimator.fit)
        # As elsewhere in scikit-learn, one metric is not kept in a dict.
        self.scorer_ = getattr(scorers, "_scorers", scorers)
        context.call_on_fit_task_end(estimator=self, **data)
        return self

    def _check_refit_for_multimetric(self, scores):
        """Check that `refit` names the metric to optimise."""
        if not (isinstance(self.refit, str) and self.refit in scores):
            raise ValueError(
                "With several metrics, refit must be the name of the one to optimise, "
                f"one of {sorted(scores)}; got refit={self.refit!r}."
            )

    def _metric_of(self, results):
        """Return the name of the metric to optimise."""
        for result in results:
            # Only its scores tell whether a callable gives several metrics.
            if isinstance(result["test_scores"], dict):
                self._check_refit_for_multimetric(result["test_scores"])
                return self.refit
        return "score"

    def _set_results(self, asked):
        """Set the attributes that describe the candidates."""
        out = join_results(
            asked.results,
            self.n_splits_,
            error_score=self.error_score,
            callable_scoring=callable(self.scoring),
        )
        self.multimetric_ = isinstance(out[0]["test_scores"], dict)
        check_not_all_pruned(asked.study)
        with warnings.catch_warnings():
            if only_skipped_are_nan(asked.results, self.n_splits_):
                warnings.filterwarnings("ignore", "One or more of the .* non-finite")
            results = self._format_results(asked.params, self.n_splits_, out)
        self.cv_results_, self.study_ = results, asked.study
        metric = self._metric_of(out)
        self.best_index_ = self._select_best_index(self.refit, metric, results)
        if not callable(self.refit):
            self.best_score_ = results[f"mean_test_{metric}"][self.best_index_]
        self.best_params_ = results["params"][self.best_index_]

    def _refit(self, context, data, fit_params):
        """Fit the best estimator on all data."""
        self.best_estimator_ = clone(self.estimator).set_params(
            **clone(self.best_params_, safe=False)
        )
        task = context.subcontext(task_name="refit-with-best-params")
        with task.propagate_callback_context(self.best_estimator_):
            task.call_on_fit_task_begin(estimator=self, **data)
            start = time.time()
            args = (data["X"],) if data["y"] is None else (data["X"], data["y"])
            self.best_estimator_.fit(*args, **fit_params)
            self.refit_time_ = time.time() - start
        if hasattr(self.best_estimator_, "feature_names_in_"):
            self.feature_names_in_ = self.best_estimator_.feature_names_in_
        task.call_on_fit_task_end(estimator=self, **data)

    def __getstate__(self):
        state = super().__getstate__()
        if "study_" in state:
            from skestimators.model_selection._optuna_state import pack_study

            state = {**state, "study_": pack_study(state["study_"])}
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "study_" in state:
            from skestimators.model_selection._optuna_state import unpack_study

            self.study_ = unpack_study(state["study_"])
