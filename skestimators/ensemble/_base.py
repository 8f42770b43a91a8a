"""What the bootstrap ensembles share once their members are fitted."""

import os
from abc import ABCMeta, abstractmethod
from numbers import Integral, Real

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.utils import _safe_indexing, check_random_state, gen_batches
from sklearn.utils._chunking import get_chunk_n_rows
from sklearn.utils._param_validation import (
    Interval,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import (
    _check_sample_weight,
    _num_samples,
    check_is_fitted,
    validate_data,
)

from skestimators.ensemble._acquisition import upper_confidence_bound
from skestimators.ensemble._out_of_bag import (
    jackknife_after_bootstrap,
    out_of_bag_mean,
    stack_out_of_bag,
)
from skestimators.ensemble._resampling import draw_bootstrap_counts
from skestimators.ensemble._suggest import SuggestMixin
from skestimators.ensemble._suggestion import digest_rows
from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task
from skestimators.utils._checkpoint import open_checkpoint
from skestimators.utils._parallel import run
from skestimators.utils._validation import check_finite_target, check_groups

# More rows at a time are not faster, and this many keep memory low.
_MAX_CHUNK_ROWS = 65_536


class BaseBootstrapStacked(
    SuggestMixin,
    RegressorMixin,
    Estimator,
    metaclass=ABCMeta,
):
    """Bootstrap ensemble; subclasses say how members are fitted and predicted."""

    _parameter_constraints: dict = {
        "n_estimators": [Interval(Integral, 1, None, closed="left")],
        "stacking": [StrOptions({"oob", "in_sample"}), None],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "beta": [Interval(Real, 0, None, closed="left")],
        "max_samples": [
            None,
            Interval(Integral, 1, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="right"),
        ],
        "checkpoint": [str, os.PathLike, None],
        "n_jobs": [None, Integral],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    @abstractmethod
    def _fit_members(self, X, y, beside, counts, seeds, task, checkpoint):
        """Fit the members and return their predictions on X, one column each."""

    @abstractmethod
    def _packages(self):
        """Return the names of the packages that a member depends on."""

    @abstractmethod
    def _to_state(self, member):
        """Return a fitted member as a checkpoint keeps it."""

    @abstractmethod
    def _from_state(self, state, name):
        """Undo `_to_state`; errors say where the state is from."""

    @abstractmethod
    def _predict_members(self, X):
        """Return the members' predictions on validated rows, one column each."""

    def _run_members(self, parallel, fit_member, common, checkpoint):
        """Fit the members that there are not yet, wherever that is.

        Returns all members and their predictions, in their order.
        """
        fitted = {} if checkpoint is None else self._read_members(checkpoint)
        missing = [index for index in range(self.n_estimators) if index not in fitted]
        calls = (delayed(fit_member)(common, index) for index in missing)
        for index, member, predictions in run(parallel, calls) if missing else ():
            fitted[index] = member, predictions
            if checkpoint is not None:
                state = {"member": self._to_state(member), "predictions": predictions}
                checkpoint.write(f"member-{index}", state)
        return zip(*(fitted[index] for index in range(self.n_estimators)), strict=True)

    def _read_members(self, checkpoint):
        """Return the members that an earlier call has fitted, by their numbers."""
        members = {}
        for index in range(self.n_estimators):
            name = f"member-{index}"
            state = checkpoint.read(name)
            if state is not None:
                member = self._from_state(state["member"], name)
                members[index] = member, state["predictions"]
        return members

    def _input_checks(self):
        """Return what `validate_data` is to check of X."""
        return {"dtype": [np.float64, np.float32]}

    # The member estimator, if it is a parameter, is validated when it is fitted.
    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Fit the members on bootstrap resamples, and learn their combination.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Training rows.

        y : array-like of shape (n_samples,)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, passed on to the members and used in stacking and in
            `oob_score_`. Resampling does not depend on it, but for rows of weight
            zero, which are left out altogether.

        groups : array-like of shape (n_samples,), default=None
            Group of each row. Whole groups are resampled, so that the rows of a group
            are all in the bag or all out of it. Members whose `fit` takes groups, to
            hold out some for early stopping for example, get those of their rows; and
            if none are given, the numbers of the rows, lest copies of a row are parted.
            A member that passes groups on, such as a pipeline, gets them if metadata
            routing is enabled and one of its steps requests them.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError
            If there are fewer than two rows, or groups, of positive weight; if `y`
            has more than one column, nan or infinity; or if there is a `checkpoint` and
            `random_state` is no int.

        TypeError
            If there is a `checkpoint`, and the members are nothing that it can keep.

        OSError
            If `checkpoint` is no folder that can be written to, or the disk is full.

        Warns
        -----
        UserWarning
            If a file of `checkpoint` is damaged, and its member is fitted anew.
        """
        check_finite_target(y)
        X, y = validate_data(
            self, X, y, y_numeric=True, ensure_min_samples=2, **self._input_checks()
        )
        if sample_weight is not None:
            sample_weight = _check_sample_weight(
                sample_weight, X, dtype=np.float64, ensure_non_negative=True
            )
        if groups is not None:
            groups = check_groups(groups, len(y))
        beside = {"sample_weight": sample_weight, "groups": groups}
        checkpoint = open_checkpoint(
            self, {"X": X, "y": y, **beside}, packages=self._packages()
        )
        usable = np.ones(len(y), bool) if sample_weight is None else sample_weight > 0
        random_state = check_random_state(self.random_state)
        counts = draw_bootstrap_counts(
            self.n_estimators,
            usable,
            max_samples=self.max_samples,
            groups=groups,
            random_state=random_state,
        )
        seeds = random_state.randint(np.iinfo(np.int32).max, size=self.n_estimators)
        with fit_task(
            self,
            max_steps=self.n_estimators,
            X=X,
            y=y,
            metadata={"sample_weight": sample_weight},
            sequential=False,
        ) as task:
            predictions = self._fit_members(
                X, y, beside, counts, seeds, task, checkpoint
            )
            self._counts = counts
            self._left_out = (counts == 0).T & usable[:, None]
            self._row_digests = set(digest_rows(X))
            self._best_target = y[usable].max()
            self._set_out_of_bag(predictions, y, sample_weight)
            self._set_stacking(predictions, y, sample_weight)
        return self

    def _set_out_of_bag(self, predictions, y, sample_weight):
        """Set the out-of-bag predictions and their score."""
        self.oob_prediction_ = out_of_bag_mean(predictions, self._left_out)
        self._oob_residuals = np.abs(y - self.oob_prediction_)
        rows = np.isfinite(self.oob_prediction_)
        if sample_weight is not None:
            sample_weight = sample_weight[rows]
        self.oob_score_ = np.nan
        if rows.sum() > 1:
            self.oob_score_ = r2_score(
                y[rows], self.oob_prediction_[rows], sample_weight=sample_weight
            )

    def _set_stacking(self, predictions, y, sample_weight):
        """Set the linear combination of the members."""
        self.intercept_ = 0.0
        if self.stacking == "oob":
            self.coef_ = stack_out_of_bag(
                predictions, self._left_out, y, sample_weight, self.alpha
            )
        elif self.stacking == "in_sample":
            ridge = Ridge(self.alpha).fit(predictions, y, sample_weight)
            self.coef_, self.intercept_ = ridge.coef_, float(ridge.intercept_)
        else:
            self.coef_ = np.full(self.n_estimators, 1.0 / self.n_estimators)

    def _single_member_attributes(self):
        """Return the attributes of an ensemble that is one member, for callbacks."""
        return {"coef_": np.ones(1), "intercept_": 0.0}

    @property
    def estimators_samples_(self):
        """Indices of the rows each member was fitted on, a row as often as drawn."""
        check_is_fitted(self)
        rows = np.arange(self._counts.shape[1])
        return [np.repeat(rows, count) for count in self._counts]

    def _iter_predictions(self, X, extra_row_bytes=0):
        """Yield slices of the rows of X, with the validated rows and predictions.

        Rows are read slice by slice, so that a memory-mapped pool is never in memory
        as a whole. scikit-learn's `working_memory` setting bounds a slice.
        """
        check_is_fitted(self)
        if not hasattr(X, "shape") or not hasattr(X, "__len__"):
            X = validate_data(self, X, reset=False, **self._input_checks())
        row_bytes = 24 * (self.n_features_in_ + len(self.coef_)) + extra_row_bytes
        size = get_chunk_n_rows(row_bytes, max_n_rows=_MAX_CHUNK_ROWS)
        # At least one slice, so that an empty X is refused by the validation.
        for rows in gen_batches(max(1, _num_samples(X)), size):
            chunk = validate_data(
                self, _safe_indexing(X, rows), reset=False, **self._input_checks()
            )
            yield rows, chunk, self._predict_members(chunk)

    def _combine(self, predictions):
        """Return the stacked mean."""
        # Not a matrix product: that may round a row differently when other rows are
        # beside it, and equal candidates must stay equal.
        return (predictions * self.coef_).sum(axis=1) + self.intercept_

    def _collect(self, X, function, extra_row_bytes=0):
        """Return a function of the members' predictions, computed slice by slice."""
        parts = [
            function(predictions)
            for _, _, predictions in self._iter_predictions(X, extra_row_bytes)
        ]
        return np.concatenate(parts)

    def predict(self, X, return_std=False):
        """Predict with the stacked combination of the members.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        return_std : bool, default=False
            Also return the standard deviation of the members' predictions.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Predicted values.

        y_std : ndarray of shape (n_samples,)
            Standard deviation over the members; only if `return_std` is True. It is
            the spread of the members, not of a new measurement: for that see
            :meth:`predict_interval`.
        """
        if not return_std:
            return self._collect(X, self._combine)
        both = self._collect(
            X, lambda p: np.column_stack([self._combine(p), p.std(axis=1)])
        )
        return both[:, 0].copy(), both[:, 1].copy()

    def predict_all(self, X):
        """Predict with every member.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        y_pred : ndarray of shape (n_samples, n_estimators)
            One column a member.
        """
        return self._collect(X, lambda predictions: predictions)

    def predict_ucb(self, X, beta=None):
        """Predict the upper confidence bound, stacked mean + beta * std.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        beta : float, default=None
            Weight of the standard deviation over the members. None takes the
            estimator's parameter `beta`.

        Returns
        -------
        y_ucb : ndarray of shape (n_samples,)
            The bound, in the unit of the target.
        """
        constraints = {"beta": [Interval(Real, 0, None, closed="left"), None]}
        validate_parameter_constraints(constraints, {"beta": beta}, "predict_ucb")
        mean, std = self.predict(X, return_std=True)
        return upper_confidence_bound(mean, std, self.beta if beta is None else beta)

    def predict_interval(self, X, confidence_level=0.9):
        """Predict intervals that hold a new measurement, jackknife+-after-bootstrap.

        The members that did not see a training row stand in for a model refitted
        without it [1]_, so nothing is fitted again. The intervals are about the plain
        mean of the members, not about the stacked prediction: weights learned from all
        rows would void the guarantee, which is a coverage of at least
        `1 - 2 * (1 - confidence_level)`, and about `confidence_level` in practice, if
        training rows and new rows are exchangeable. `sample_weight` plays no part, but
        that rows of weight zero do not count.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows.

        confidence_level : float, default=0.9
            Nominal coverage, in (0, 1).

        Returns
        -------
        interval : ndarray of shape (n_samples, 2)
            Lower and upper ends. They are infinite if there are fewer than
            `1 / (1 - confidence_level) - 1` training rows out of some bag.

        Raises
        ------
        ValueError
            If `confidence_level` is not in (0, 1), or no training row is out of any
            bag.

        References
        ----------
        .. [1] Kim, Xu and Barber (2020). "Predictive inference is free with the
               jackknife+-after-bootstrap." NeurIPS.
        """
        check_is_fitted(self)
        validate_parameter_constraints(
            {"confidence_level": [Interval(Real, 0, 1, closed="neither")]},
            {"confidence_level": confidence_level},
            "predict_interval",
        )
        rows = np.isfinite(self._oob_residuals)
        if not rows.any():
            raise ValueError(
                "No training row is out of the bag of any member; use more members "
                f"than n_estimators={self.n_estimators} or a smaller max_samples."
            )
        left_out, residuals = self._left_out[rows], self._oob_residuals[rows]
        return self._collect(
            X,
            lambda predictions: jackknife_after_bootstrap(
                predictions, left_out, residuals, confidence_level
            ),
            extra_row_bytes=24 * len(residuals),
        )
