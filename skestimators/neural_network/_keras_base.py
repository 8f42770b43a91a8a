"""What the Keras estimators share: fitting, going on, and predicting."""

from abc import ABC, abstractmethod
from numbers import Integral, Real

import numpy as np
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, _fit_context
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from skestimators.utils._callbacks import fit_task
from skestimators.utils._optional import import_optional
from skestimators.utils._seeding import draw_seed
from skestimators.utils._validation import validate_training_data
from skestimators.utils._validation_split import split_validation


class KerasNetwork(CallbackSupportMixin, BaseEstimator, ABC):
    """Fit a Keras network; what goes in and comes out is for subclasses to say."""

    _parameter_constraints: dict = {
        "activation": [
            StrOptions({"relu", "gelu", "silu", "tanh", "logistic", "identity"})
        ],
        "dropout": [Interval(Real, 0, 1, closed="left")],
        "learning_rate": [Interval(Real, 0, None, closed="neither")],
        "batch_size": [Interval(Integral, 1, None, closed="left"), None],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left")],
        "tol": [Interval(Real, 0, None, closed="left")],
        "warm_start": ["boolean"],
        "keras_callbacks": ["array-like", None],
        "device": [str],
        "random_state": ["random_state"],
    }

    @abstractmethod
    def _builder(self):
        """Return the function that builds the network, and its keyword arguments."""

    @abstractmethod
    def _check_input(self, X, *, reset):
        """Return rows of the network's input shape from the validated X."""

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, window, n_channels)
            Rows, or windows for the convolutional network; converted to float32.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets of a regressor, converted to float32; or the class labels, of any
            type, of shape (n_samples,).

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each row in the loss; scaled to a mean of one. Rows of weight
            zero are left out.

        groups : array-like of shape (n_samples,), default=None
            Rows of a group are never split by `early_stopping`.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ImportError
            If keras, scikeras or TensorFlow is missing.

        ValueError
            If the input holds NaN or infinity, a layer size is not a positive
            integer, the device is not there, there are too few rows to hold some
            out, the loss diverges, or a warm start finds other parameters, features
            or classes than the network was built for.
        """
        return self._fit(
            X,
            y,
            sample_weight,
            groups,
            go_on=self.warm_start and self.__sklearn_is_fitted__(),
            max_epochs=self.max_epochs,
            early_stopping=self.early_stopping,
        )

    def _partial_fit(self, X, y, sample_weight=None, classes=None):
        return self._fit(
            X,
            y,
            sample_weight,
            go_on=self.__sklearn_is_fitted__(),
            max_epochs=1,
            early_stopping=False,
            classes=classes,
        )

    def _fit(
        self, X, y, sample_weight, groups=None, *, go_on, classes=None, **training
    ):
        for module in ("tensorflow", "keras", "scikeras"):
            import_optional(module, extra="keras", caller=self)
        X, y, weight, groups = self._validate(
            X, y, sample_weight, groups, reset=not go_on
        )
        rows = self._check_input(X, reset=not go_on)
        target = self._encode_target(y, classes=classes, reset=not go_on)
        metadata = {"sample_weight": None if sample_weight is None else weight}
        with fit_task(
            self, max_steps=training["max_epochs"], X=X, y=y, metadata=metadata
        ) as task:
            data = rows, target, self._weigh(y, weight)
            self._train(data, groups, task, go_on=go_on, **training)
        return self

    def _train(self, data, groups, task, *, go_on, max_epochs, early_stopping):
        from skestimators.utils import _scikeras_engine as engine

        random_state = check_random_state(self.random_state)
        split_seed, seed = draw_seed(random_state), draw_seed(random_state)
        self.device_ = engine.resolve_device(self.device)
        network = self._network(data[0].shape[1:], seed, go_on=go_on)
        X, y, weight = data
        data, held_out = (X, y, weight / weight.mean()), None
        if early_stopping:
            sides = split_validation(
                len(X),
                validation_fraction=self.validation_fraction,
                groups=groups,
                classes=y if y.ndim == 1 else None,
                random_state=split_seed,
            )
            data, held_out = ([array[side] for array in data] for side in sides)
        history = engine.train(
            network,
            data,
            held_out,
            loss=self._loss(),
            max_epochs=max_epochs,
            first_epoch=self.n_iter_ if go_on else 0,
            batch_size=self.batch_size or len(data[0]),
            learning_rate=self.learning_rate,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            seed=self._seed,
            callbacks=self.keras_callbacks or (),
            device=self.device_,
            task=task,
            fitted_attributes=lambda network: {"network_": network},
        )
        self._record(network, history, go_on=go_on)

    def _network(self, input_shape, seed, *, go_on):
        """Return the network to train: a new one, or the one there is."""
        build, params = self._builder()
        if go_on:
            if params != self._built_with:
                raise ValueError(
                    f"The network was built with {self._built_with}, but the "
                    f"parameters are now {params}. Only a new fit with "
                    "warm_start=False can build another."
                )
            return self.network_
        self._seed, self._built_with = seed, params
        return build(input_shape, self._n_network_outputs(), seed=seed, **params)

    def _record(self, network, history, *, go_on):
        before = self.history_ if go_on else {}
        n_before = self.n_iter_ if go_on else 0
        for name, values in history.items():
            history[name] = before.get(name, [np.nan] * n_before) + values
        if np.isnan(history["valid_loss"]).all():
            del history["valid_loss"]
        self.network_ = network
        self.history_ = history
        self.n_iter_ = len(history["train_loss"])

    def _outputs(self, X):
        check_is_fitted(self)
        from skestimators.utils._scikeras_engine import predict

        X = validate_data(self, X, dtype=np.float32, reset=False, allow_nd=True)
        rows = self._check_input(X, reset=False)
        return predict(self.network_, rows, device=self.device_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __getstate__(self):
        state = super().__getstate__()
        if "network_" in state:
            from skestimators.utils._scikeras_engine import pack

            state = {**state, "network_": pack(state["network_"])}
        return state

    def __setstate__(self, state):
        if "network_" in state:
            from skestimators.utils._scikeras_engine import unpack

            state = {**state, "network_": unpack(state["network_"])}
        super().__setstate__(state)


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
        self._y_ndim = y.ndim
        self.n_outputs_ = n_outputs
        return y.reshape(len(y), -1).astype(np.float32)

    def _weigh(self, y, weight):
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
        """
        if classes is None and not self.__sklearn_is_fitted__():
            raise ValueError("classes must be passed on the first call to partial_fit.")
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
            self.classes_ = np.unique(y if classes is None else classes)
        elif classes is not None and set(self.classes_) != set(classes):
            raise ValueError(
                f"classes={list(classes)} are not those of the network, "
                f"{self.classes_.tolist()}."
            )
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs two classes or more, but y holds one "
                f"class: {self.classes_[0]!r}."
            )
        if len(unknown := np.setdiff1d(y, self.classes_)):
            raise ValueError(
                f"y holds {unknown.tolist()}, not among the classes "
                f"{self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y).astype(np.int32)

    def _weigh(self, y, weight):
        # With "balanced", a class without rows has no weight to compute.
        classes = self.classes_
        if self.class_weight == "balanced":
            classes = np.unique(y)
        of_class = compute_class_weight(
            self.class_weight, classes=classes, y=y, sample_weight=weight
        )
        return weight * of_class[np.searchsorted(classes, y)]

    def _n_network_outputs(self):
        return len(self.classes_)

    def _loss(self):
        from keras.losses import SparseCategoricalCrossentropy

        return SparseCategoricalCrossentropy(from_logits=True)
