"""Bootstrap ensemble of any regressor, stacked, with uncertainty."""

import sys

import numpy as np
from sklearn.base import BaseEstimator, clone
from sklearn.utils import get_tags
from sklearn.utils._metadata_requests import _routing_enabled
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    get_routing_for_object,
    process_routing,
)
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from skestimators.ensemble._base import BaseBootstrapStacked
from skestimators.persistence._files import pack_estimator, unpack_estimator
from skestimators.persistence._trusted import UNCHECKED, qualified
from skestimators.utils._parallel import SentOnce, parallel_of


class BootstrapStackedRegressor(BaseBootstrapStacked):
    """Bootstrap ensemble of any regressor, stacked, with uncertainty and suggestions.

    Each member is a clone of `estimator` fitted on a bootstrap resample of the rows.
    Their predictions are combined linearly; their spread tells how uncertain the
    prediction is, and from the two :meth:`suggest` chooses what to measure next.

    For LightGBM use :class:`BootstrapStackedLGBM`, which is several times faster.

    Parameters
    ----------
    estimator : estimator object
        The regressor to clone, such as :class:`xgboost.XGBRegressor`. It is seen by
        the members with the rows of the resample, repeated as often as drawn.

    n_estimators : int, default=100
        Number of members.

    stacking : {"oob", "in_sample"} or None, default="oob"
        How members are combined.

        - `"oob"` learns weights from out-of-bag predictions only, pulled towards the
          plain mean: they sum to one, and deviate from `1 / n_estimators` as far as
          the deviations of the members from their mean explain what the mean gets
          wrong on rows the members have not seen. Members differ by chance only, so
          that with the default `alpha` the result is seldom far from the mean.
        - `"in_sample"` fits :class:`~sklearn.linear_model.Ridge` on the members'
          predictions of their own training rows. These are too good, and so is any
          score computed from them; the value is here to reproduce results so obtained.
        - None takes the plain mean.

    alpha : float, default=1.0
        Regularisation of the stacking. For `"oob"`, 1 stands for the prior belief that
        a weight lies between 0 and `2 / n_estimators` (three standard deviations), and
        a very large value gives the plain mean; for `"in_sample"` it is Ridge's
        `alpha`.

    beta : float, default=1.5
        Weight of the uncertainty in :meth:`predict_ucb` and :meth:`suggest`.

    max_samples : int, float or None, default=None
        Number of rows (of groups, if `fit` is given them) drawn with replacement for
        each member. A float is a share of them; None draws as many as there are.

    checkpoint : str, path-like or None, default=None
        Folder where `fit` puts down each member when it is finished. When it was
        killed, the same call fits those that are missing and ends as if nothing had
        happened; when it has ended, the same call returns what there is. Callbacks hear
        of the members that are really fitted. Each fit, such as those of a search,
        finds a sub-folder of its own by its parameters and data; delete it when you
        have no more use for it. The files are those of
        :func:`skestimators.save`: no code, but trees of other libraries are read from
        them unchecked, so let nobody else write there. `random_state` must be an int.

    n_jobs : int or None, default=None
        Number of members fitted at the same time. Results do not depend on it.

    random_state : int, RandomState instance or None, default=None
        Seeds the resamples and the members. Two fits with the same int are bit-equal,
        if those of `estimator` are.

    verbose : int, default=0
        Verbosity of :class:`joblib.Parallel`. For progress bars set the callback
        :class:`sklearn.callback.ProgressBar`.

    Attributes
    ----------
    estimators_ : list of estimator
        The fitted members.

    estimators_samples_ : list of ndarray of int
        For each member, the indices of the rows it was fitted on.

    coef_ : ndarray of shape (n_estimators,)
        Weights of the members in the prediction.

    intercept_ : float
        Constant of the combination; 0 unless `stacking="in_sample"`.

    oob_prediction_ : ndarray of shape (n_samples,)
        Mean, for each training row, of the members that did not see it. It is nan for
        rows that every member has seen, which happens with few members, and for rows
        of weight zero; they take no part in `oob_score_`, stacking and intervals.

    oob_score_ : float
        Coefficient of determination of `oob_prediction_`; nan if fewer than two rows
        have one.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen in `fit`, if all are strings.

    See Also
    --------
    BootstrapStackedLGBM : The same with LightGBM, faster.
    sklearn.ensemble.BaggingRegressor : Bagging without uncertainty.

    Notes
    -----
    With callbacks set, each member is a step of `fit`. Members that support callbacks
    report their own steps below it. A :class:`sklearn.callback.ScoringMonitor` scores
    each member as an ensemble of one, and at the end the whole.

    References
    ----------
    .. [1] Breiman (1996). "Bagging predictors." Machine Learning 24, 123-140.
    .. [2] Breiman (1996). "Stacked regressions." Machine Learning 24, 49-64.
    .. [3] Kim, Xu and Barber (2020). "Predictive inference is free with the
           jackknife+-after-bootstrap." NeurIPS.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.tree import DecisionTreeRegressor
    >>> from skestimators.ensemble import BootstrapStackedRegressor
    >>> X, y = make_regression(150, 4, noise=5.0, random_state=0)
    >>> ensemble = BootstrapStackedRegressor(
    ...     DecisionTreeRegressor(), n_estimators=20, random_state=0
    ... ).fit(X[:100], y[:100])
    >>> ensemble.predict_interval(X[100:]).shape
    (50, 2)
    >>> ensemble.suggest(X[100:], n_suggestions=3).shape
    (3,)
    """

    _parameter_constraints: dict = {
        **BaseBootstrapStacked._parameter_constraints,
        "estimator": [HasMethods(["fit", "predict"])],
    }

    def __init__(
        self,
        estimator,
        n_estimators=100,
        *,
        stacking="oob",
        alpha=1.0,
        beta=1.5,
        max_samples=None,
        checkpoint=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.n_estimators = n_estimators
        self.stacking = stacking
        self.alpha = alpha
        self.beta = beta
        self.max_samples = max_samples
        self.checkpoint = checkpoint
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    def _input_checks(self):
        allow_nan = get_tags(self.estimator).input_tags.allow_nan
        return {"ensure_all_finite": "allow-nan" if allow_nan else True}

    def _packages(self):
        roots = {name.partition(".")[0] for name in self._types()}
        return sorted(
            name for name in roots if hasattr(sys.modules[name], "__version__")
        )

    def _types(self):
        """Return the names of the types that the members are made of, as far as known.

        They are code of the caller's, so that a file may ask for them.
        """
        parts = [self.estimator, *self.estimator.get_params().values()]
        return {qualified(type(p)) for p in parts if isinstance(p, BaseEstimator)}

    def _to_state(self, member):
        try:
            members = pack_estimator(member, trusted=self._types())
        except TypeError as error:
            raise TypeError(f"checkpoint cannot keep a member: {error}") from error
        return {name: np.frombuffer(part, np.uint8) for name, part in members.items()}

    def _from_state(self, state, name):
        members = {name: part.tobytes() for name, part in state.items()}
        return unpack_estimator(members, trusted=self._types() | UNCHECKED, name=name)

    def _fit_members(self, X, y, beside, counts, seeds, task, checkpoint):
        if checkpoint is not None:
            # Before the long work, not after.
            self._to_state(clone(self.estimator))
        params = self._member_fit_params(**beside, n_samples=len(y))
        # Without the members of an earlier fit, which would travel to every worker.
        self.__dict__.pop("estimators_", None)
        common = SentOnce(
            ensemble=self,
            X=X,
            y=y,
            params=params,
            counts=counts,
            seeds=seeds,
            task=task,
        )
        parallel = parallel_of(self.n_jobs, verbose=self.verbose)
        members, predictions = self._run_members(
            parallel, _fit_member, common, checkpoint
        )
        self.estimators_ = list(members)
        return np.column_stack(predictions)

    def _member_fit_params(self, sample_weight, groups, n_samples):
        """Return what the members' fit is given beside X and y, for all rows."""
        params = {"sample_weight": sample_weight, "groups": groups}
        params = {name: value for name, value in params.items() if value is not None}
        if _routing_enabled():
            routing = get_routing_for_object(self.estimator)
            if groups is None and routing.consumes("fit", ["groups"]):
                params["groups"] = np.arange(n_samples)
            return process_routing(self, "fit", **params).estimator.fit
        if "sample_weight" in params and not has_fit_parameter(
            self.estimator, "sample_weight"
        ):
            raise ValueError(
                "sample_weight is given, but the fit method of estimator="
                f"{self.estimator!r} does not take it."
            )
        params.pop("groups", None)
        if has_fit_parameter(self.estimator, "groups"):
            params["groups"] = np.arange(n_samples) if groups is None else groups
        return params

    def get_metadata_routing(self):
        """Get metadata routing of this object.

        Returns
        -------
        routing : MetadataRouter
            The ensemble takes sample weight and groups itself, and passes on to the
            members' `fit` what they request.
        """
        router = MetadataRouter(owner=self).add_self_request(self)
        mapping = MethodMapping().add(caller="fit", callee="fit")
        return router.add(estimator=self.estimator, method_mapping=mapping)

    def _predict_members(self, X):
        predictions = Parallel(n_jobs=self.n_jobs, require="sharedmem")(
            delayed(member.predict)(X) for member in self.estimators_
        )
        return np.column_stack(predictions).astype(np.float64, copy=False)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = get_tags(self.estimator).input_tags.allow_nan
        return tags


def _fit_member(common, index):
    """Fit one member; return its number, it, and its predictions on all rows."""
    # It takes longer to import than all of this library.
    from sklearn.ensemble._base import _set_random_states

    ensemble, task, X, y = common.ensemble, common.task, common.X, common.y
    member = clone(ensemble.estimator)
    _set_random_states(member, int(common.seeds[index]))
    rows = np.repeat(np.arange(len(y)), common.counts[index])
    params = {name: values[rows] for name, values in common.params.items()}
    step = task.begin_step("member", index)
    if hasattr(member, "set_callbacks"):
        with step.propagate_callback_context(member):
            member.fit(X[rows], y[rows], **params)
    else:
        member.fit(X[rows], y[rows], **params)
    task.end(
        step,
        lambda: {**ensemble._single_member_attributes(), "estimators_": [member]},
    )
    return index, member, member.predict(X)
