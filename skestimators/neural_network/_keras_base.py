"""What all Keras estimators share: fitting, going on, and running the network."""

from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task
from skestimators.utils._checkpoint import open_checkpoint
from skestimators.utils._constraints import TRAINING_CONSTRAINTS
from skestimators.utils._optional import import_optional
from skestimators.utils._seeding import draw_seed
from skestimators.utils._validation import drop_weightless
from skestimators.utils._validation_split import split_validation


class KerasNetwork(Estimator, ABC):
    """Fit a Keras network; what goes in and comes out is for subclasses to say."""

    _parameter_constraints: dict = {
        **TRAINING_CONSTRAINTS,
        "activation": [
            StrOptions({"relu", "gelu", "silu", "tanh", "logistic", "identity"})
        ],
        "warm_start": ["boolean"],
        "keras_callbacks": ["array-like", None],
    }

    @abstractmethod
    def _layers(self):
        """Return what the parameters say of the layers, checked."""

    @abstractmethod
    def _build(self, input_shape, n_outputs, *, seed, **layers):
        """Build a network."""

    @abstractmethod
    def _n_weights(self, input_shape, n_outputs, **layers):
        """Return how many numbers the weights of such a network are."""

    @abstractmethod
    def _check_input(self, X, *, reset):
        """Return rows of the network's input shape from the validated X."""

    def _check_before_predict(self, X):
        """Refuse X, not validated yet, with a message that scikit-learn cannot give."""

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
            out, the loss diverges, a warm start finds other parameters, features
            or classes than the network was built for, or there is a `checkpoint` and
            `random_state` is no int, or `warm_start` is True.

        TypeError
            If there is a `checkpoint` and a callback in `keras_callbacks` is nothing
            that another process could recognise.

        OSError
            If `checkpoint` is no folder that can be written to, or the disk is full.

        Warns
        -----
        UserWarning
            If a file of `checkpoint` is damaged, and training begins anew.
        """
        return self._fit(
            X,
            y,
            sample_weight,
            groups,
            go_on=self.warm_start and self.__sklearn_is_fitted__(),
            max_epochs=self.max_epochs,
            early_stopping=self.early_stopping,
            checkpointed=True,
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
        self,
        X,
        y,
        sample_weight,
        groups=None,
        *,
        go_on,
        classes=None,
        checkpointed=False,
        **training,
    ):
        for module in ("tensorflow", "keras", "scikeras"):
            import_optional(module, extra="keras", caller=self)
        if not go_on:
            # If this fit fails, the old network would no longer fit what is set here.
            vars(self).pop("network_", None)
        X, y, weight, groups = self._validate(
            X, y, sample_weight, groups, reset=not go_on
        )
        rows = self._check_input(X, reset=not go_on)
        target = self._encode_target(y, classes=classes, reset=not go_on)
        factor, X, y, weight, groups, rows, target = drop_weightless(
            self._weigh(target, weight), X, y, weight, groups, rows, target
        )
        checkpoint = None
        if checkpointed:
            data = {"X": rows, "y": y, "weight": factor, "groups": groups}
            packages = ("tensorflow", "keras")
            checkpoint = open_checkpoint(self, data, packages=packages)
        metadata = {"sample_weight": None if sample_weight is None else weight}
        with fit_task(
            self, max_steps=training["max_epochs"], X=X, y=y, metadata=metadata
        ) as task:
            self._train(
                (rows, target, factor),
                groups,
                task,
                go_on=go_on,
                checkpoint=checkpoint,
                **training,
            )
        return self

    def _train(
        self, data, groups, task, *, go_on, checkpoint, max_epochs, early_stopping
    ):
        from skestimators.utils import _scikeras_engine as engine
        from skestimators.utils._keras_device import resolve_device

        self.device_ = resolve_device(self.device)
        X, y, weight = data
        network = self._network(X.shape[1:], go_on=go_on)
        data, held_out = (X, y, weight / weight.mean()), None
        if early_stopping:
            sides = split_validation(
                len(X),
                validation_fraction=self.validation_fraction,
                groups=groups,
                classes=y if y.ndim == 1 else None,
                random_state=self._split_seed,
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
            checkpoint=checkpoint,
            task=task,
            fitted_attributes=lambda network: {"network_": network},
        )
        self._record(network, history, go_on=go_on)

    def _network(self, input_shape, *, go_on):
        """Return the network to train: a new one, or the one there is."""
        import tensorflow

        params = self._layers()
        if go_on:
            if params != self._built_with:
                raise ValueError(
                    f"The network was built with {self._built_with}, but the "
                    f"parameters are now {params}. Only a new fit with "
                    "warm_start=False can build another."
                )
            return self.network_
        random_state = check_random_state(self.random_state)
        # Kept, so that a warm start holds out the rows that were held out before.
        self._split_seed, self._seed = draw_seed(random_state), draw_seed(random_state)
        self._built_with, self._input_shape = params, tuple(input_shape)
        with tensorflow.device(self.device_):
            return self._new_network()

    def _new_network(self):
        """Build a network of the layers that `network_` has; weights do not matter."""
        return self._build(
            self._input_shape,
            self._n_network_outputs(),
            seed=self._seed,
            **self._built_with,
        )

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

        self._check_before_predict(X)
        X = validate_data(self, X, dtype=np.float32, reset=False, allow_nd=True)
        rows = self._check_input(X, reset=False)
        return predict(self.network_, rows, device=self.device_)

    def _check_size(self, packed):
        """Refuse weights of another network before that takes memory."""
        n_weights = self._n_weights(
            self._input_shape, self._n_network_outputs(), **self._built_with
        )
        # Dropout has numbers of its own there.
        if n_weights > sum(values.size for values in packed["variables"]):
            raise ValueError("The weights of a network are not of its layers.")

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __getstate__(self):
        state = super().__getstate__()
        if "network_" in state:
            from skestimators.utils._keras_state import pack
            from skestimators.utils._plain_state import to_members

            state = {**state, "network_": to_members(pack(state["network_"]))}
        return state

    def __setstate__(self, state):
        super().__setstate__(state)
        if "network_" in state:
            from skestimators.utils._keras_device import present_device
            from skestimators.utils._keras_state import unpack
            from skestimators.utils._plain_state import from_members

            self.device_ = present_device(self.device_)
            packed = from_members(state["network_"])
            self._check_size(packed)
            self.network_ = unpack(
                self._new_network,
                packed,
                loss=self._loss(),
                device=self.device_,
            )
