"""What Keras estimators learn: targets or classes."""

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin, RegressorMixin, _fit_context
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets

from skestimators.neural_network._keras_base import KerasNetwork
from skestimators.utils._classes import find_classes, weigh_classes
from skestimators.utils._validation import validate_training_data


class KerasRegressor(RegressorMixin, KerasNetwork):
    """Least squares for one or several targets."""

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, sample_weight=None):
        """Train for exactly one epoch, on all rows.

        The first call builds the network. Nothing is held out, whatever
        `early_stopping` is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, window, n_channels)
            As in `fit`.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.

        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The estimator, trained one epoch further.
        """
        return self._partial_fit(X, y, sample_weight)

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, window, n_channels)
            Rows, or windows for the convolutional network.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets, computed in float32 and returned as float64. A row's
            prediction does not depend on the other rows.
        """
        y_pred = self._outputs(X)
        return y_pred[:, 0] if self._y_ndim == 1 else y_pred

    def _validate(self, *data, reset):
        return validate_training_data(
            self, *data, reset=reset, y_numeric=True, multi_output=True, allow_nd=True
        )

    def _encode_target(self, y, *, classes, reset):
        n_outputs = 1 if y.ndim == 1 else y.shape[1]
        if not reset and n_outputs != self.n_outputs_:
            raise ValueError(
                f"y has {n_outputs} target(s), but the network was built for "
                f"{self.n_outputs_}."
            )
        if reset:
            self._y_ndim = y.ndim
            self.n_outputs_ = n_outputs
        return y.reshape(len(y), -1).astype(np.float32)

    def _weigh(self, target, weight):
        return weight

    def _n_network_outputs(self):
        return self.n_outputs_

    def _loss(self):
        from keras.losses import MeanSquaredError

        return MeanSquaredError()

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


class KerasClassifier(ClassifierMixin, KerasNetwork):
    """Cross-entropy between one label a row and a softmax over the classes."""

    _parameter_constraints: dict = {
        **KerasNetwork._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
    }

    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X, y, classes=None, sample_weight=None):
        """Train for exactly one epoch, on all rows.

        The first call builds the network. Nothing is held out, whatever
        `early_stopping` is.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, window, n_channels)
            As in `fit`.

        y : array-like of shape (n_samples,)
            Class labels.

        classes : array-like of shape (n_classes,), default=None
            All classes there are; needed in the first call, may be left out in later
            ones.

        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        self : object
            The estimator, trained one epoch further.

        Raises
        ------
        ValueError
            If `classes` is missing in the first call, or others than then; if `y` has
            labels that are not among them; or with `class_weight="balanced"`.
        """
        if classes is None and not self.__sklearn_is_fitted__():
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if self.class_weight == "balanced":
            raise ValueError(
                "class_weight='balanced' needs all rows, which partial_fit never has: "
                "give the weights as a dict."
            )
        return self._partial_fit(X, y, sample_weight, classes)

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, window, n_channels)
            Rows, or windows for the convolutional network.

        Returns
        -------
        probabilities : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, float64. A row's probabilities do not depend on
            the other rows.
        """
        return softmax(self._outputs(X), axis=1)

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, window, n_channels)
            Rows, or windows for the convolutional network.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Class labels.
        """
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(axis=1)]

    def _validate(self, *data, reset):
        return validate_training_data(self, *data, reset=reset, allow_nd=True)

    def _encode_target(self, y, *, classes, reset):
        check_classification_targets(y)
        if reset:
            self.classes_ = find_classes(self, y if classes is None else classes)
        elif classes is not None and set(self.classes_) != set(classes):
            raise ValueError(
                f"classes={list(classes)} are not those of the network, "
                f"{self.classes_.tolist()}."
            )
        if len(unknown := np.setdiff1d(y, self.classes_)):
            raise ValueError(
                f"y holds {unknown.tolist()}, not among the classes "
                f"{self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y).astype(np.int32)

    def _weigh(self, target, weight):
        # A class all of whose rows are weightless has no weight to compute.
        counts = weight > 0
        weight = weight.copy()
        if counts.any():
            weight[counts] = weigh_classes(
                self.class_weight, weight[counts], self.classes_, target[counts]
            )
        return weight

    def _n_network_outputs(self):
        return len(self.classes_)

    def _loss(self):
        from keras.losses import SparseCategoricalCrossentropy

        return SparseCategoricalCrossentropy(from_logits=True)
