"""Convolutional networks over time windows on Keras."""

from numbers import Integral

from sklearn.utils._param_validation import Interval

from skestimators.neural_network._keras_base import KerasNetwork
from skestimators.neural_network._keras_targets import KerasClassifier, KerasRegressor
from skestimators.utils._validation import check_layer_sizes


class _CNN(KerasNetwork):
    """Convolutions on windows."""

    _parameter_constraints: dict = {
        **KerasNetwork._parameter_constraints,
        "filters": ["array-like"],
        "kernel_size": [Interval(Integral, 1, None, closed="left")],
        "window_shape": [tuple, list, None],
    }

    def _layers(self):
        check_layer_sizes("filters", self.filters)
        return {
            "filters": tuple(map(int, self.filters)),
            "kernel_size": int(self.kernel_size),
            "activation": self.activation,
            "dropout": float(self.dropout),
        }

    def _build(self, *args, **layers):
        from skestimators.neural_network._keras_networks import build_cnn

        return build_cnn(*args, **layers)

    def _n_weights(self, *args, **layers):
        from skestimators.neural_network._keras_networks import n_cnn_weights

        return n_cnn_weights(*args, **layers)

    def _check_input(self, X, *, reset):
        windows = self._as_windows(X)
        shape = windows.shape[1:]
        if 0 in shape:
            raise ValueError(f"X has empty windows, of shape {shape}.")
        if reset:
            self.window_shape_ = shape
        elif shape != self.window_shape_:
            self._refuse(shape)
        return windows

    def _check_before_predict(self, X):
        # The check of n_features_in_ would call the length of a window features.
        shape = getattr(X, "shape", ())
        if len(shape) == 3 and shape[1:] != self.window_shape_:
            self._refuse(shape[1:])

    def _refuse(self, shape):
        raise ValueError(
            f"X has windows of shape {shape}, but {type(self).__name__} was fitted on "
            f"windows of shape {self.window_shape_} (window, n_channels)."
        )

    def _as_windows(self, X):
        """Return X as (n_samples, window, n_channels)."""
        if X.ndim > 3:
            raise ValueError(
                f"Found array with dim {X.ndim}, while {type(self).__name__} takes "
                "(n_samples, window, n_channels), or 2 dimensions with window_shape."
            )
        shape = self.window_shape
        if shape is None:
            return X if X.ndim == 3 else X[:, None, :]
        named = [size for size in shape if size != -1]
        if (
            len(shape) != 2
            or not named
            or not all(isinstance(size, Integral) and size > 0 for size in named)
        ):
            raise ValueError(
                "window_shape must be (window, n_channels), positive integers of which "
                f"one may be -1, got {shape!r}."
            )
        if X.ndim == 2:
            try:
                return X.reshape(len(X), *shape)
            except ValueError:
                raise ValueError(
                    f"Rows of {X.shape[1]} features cannot be windows of "
                    f"window_shape={tuple(shape)}."
                ) from None
        if any(size not in (-1, n) for size, n in zip(shape, X.shape[1:], strict=True)):
            raise ValueError(
                f"X has windows of shape {X.shape[1:]}, but window_shape="
                f"{tuple(shape)}."
            )
        return X

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class KerasCNNRegressor(_CNN, KerasRegressor):
    """Convolutional network over time windows, trained by Keras on squared error.

    Convolutions over time, an average over time, and a linear layer, in float32 on CPU
    or GPU. The windows come from :class:`~skestimators.preprocessing.SlidingWindow` or
    :func:`~skestimators.preprocessing.make_windows`.

    Neither `X` nor `y` is scaled here: put a
    :class:`~sklearn.preprocessing.StandardScaler` before it, and
    :class:`~sklearn.compose.TransformedTargetRegressor` around it, where the units
    are far from one.

    Parameters
    ----------
    filters : sequence of int, default=(64, 64)
        Number of filters of each convolution over time.

    kernel_size : int, default=3
        Number of time steps a filter sees. Windows are padded with zeros, so that
        convolutions keep their length.

    window_shape : tuple (window, n_channels), default=None
        How to read rows of two dimensions: `window` times `n_channels` numbers, time
        step by time step. One of the two may be -1, to be found out: `(-1, 20)` goes
        with windows of any length. None takes a row for a single time step. For `X` of
        three dimensions it must be None, or the shape of its windows.

    activation : {"relu", "gelu", "silu", "tanh", "logistic", "identity"}, \
            default="relu"
        Activation after each convolution.

    dropout : float, default=0.0
        Share of the last convolution's outputs dropped in training, in [0, 1).

    learning_rate : float, default=1e-3
        Adam's step size.

    batch_size : int or None, default=64
        Number of rows a gradient step sees; None takes all of them.

    max_epochs : int, default=100
        Number of passes over the data at the most.

    early_stopping : bool, default=True
        Hold out a part of the training data, stop when the loss there no longer
        improves, and keep the best epoch. With False the network is trained for
        `max_epochs` on all rows.

    validation_fraction : float, default=0.1
        Share of the rows, or of the groups if `fit` is given `groups`, held out by
        `early_stopping`.

    n_iter_no_change : int, default=10
        Number of epochs without improvement after which `early_stopping` stops.

    tol : float, default=0.0
        Smallest decrease of the validation loss that counts as an improvement.

    warm_start : bool, default=False
        Let `fit` go on with the network there is, the state of Adam included, where it
        would build a new one.

    keras_callbacks : list of keras.callbacks.Callback, default=None
        Keras' own callbacks, such as `TensorBoard` or `ReduceLROnPlateau`. They see the
        network at the end of every epoch, with the logs `"loss"` and, with
        `early_stopping`, `"val_loss"`. An epoch is one batch to them. Every fit works
        on copies, so that folds of a search do not share their state.

    checkpoint : str, path-like or None, default=None
        Folder where `fit` writes down after every epoch what it has come to. When it
        was killed, the same call goes on after the last epoch there and ends as if
        nothing had happened, to the last bit on a CPU; when it has ended, the same call
        returns what there is. Callbacks hear of the epochs that are really run; a fit
        that one of them ended has ended. Those in `keras_callbacks` begin anew when a
        fit goes on: what they remember is not written. Each fit, such as those of a
        search, finds a sub-folder of its own by its parameters and data; delete it when
        you have no more use for it. The files hold four numbers for each weight of the
        network, and no code. `random_state` must be an int, and `warm_start` False.
        `partial_fit` writes nothing.

    device : str, default="auto"
        Where to compute: `"auto"` takes a GPU if TensorFlow sees one; or `"cpu"`,
        `"gpu"`, `"gpu:1"`.

    random_state : int, RandomState instance or None, default=None
        Seeds initial weights, dropout, the order of rows and the validation split.
        Two fits with the same int are bit-equal on a CPU. No global random state is
        touched.

    Attributes
    ----------
    network_ : keras.Sequential
        The trained network, in float32.

    history_ : dict of list of float
        `"train_loss"` and, if rows were held out, `"valid_loss"`: mean squared error,
        one value for each epoch since the network was built.

    n_iter_ : int
        Number of epochs since the network was built.

    n_outputs_ : int
        Number of targets.

    device_ : str
        Name of the TensorFlow device used.

    window_shape_ : tuple of int
        `(window, n_channels)` of the windows seen in `fit`.

    n_features_in_ : int
        Number of features seen in `fit`; of windows in three dimensions, their length.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen in `fit`, if all are strings.

    See Also
    --------
    KerasCNNClassifier : The same for classes.
    KerasFFNNRegressor : Dense layers on single rows.

    References
    ----------
    .. [1] Kingma and Ba (2015). "Adam: A method for stochastic optimization." ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from skestimators.neural_network import KerasCNNRegressor
    >>> X = np.random.default_rng(0).normal(size=(300, 10, 3))
    >>> y = X.mean(axis=1) @ [1, 2, -1]
    >>> cnn = KerasCNNRegressor((16,), learning_rate=0.01, random_state=0)
    >>> cnn.fit(X, y).score(X, y) > 0.9
    True
    """

    def __init__(
        self,
        filters=(64, 64),
        *,
        kernel_size=3,
        window_shape=None,
        activation="relu",
        dropout=0.0,
        learning_rate=1e-3,
        batch_size=64,
        max_epochs=100,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=0.0,
        warm_start=False,
        keras_callbacks=None,
        checkpoint=None,
        device="auto",
        random_state=None,
    ):
        self.filters = filters
        self.kernel_size = kernel_size
        self.window_shape = window_shape
        self.activation = activation
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.warm_start = warm_start
        self.keras_callbacks = keras_callbacks
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state


class KerasCNNClassifier(_CNN, KerasClassifier):
    """Convolutional network over time windows, trained by Keras on cross-entropy.

    Convolutions over time, an average over time, and a linear layer with a softmax, in
    float32 on CPU or GPU. The windows come from
    :class:`~skestimators.preprocessing.SlidingWindow` or
    :func:`~skestimators.preprocessing.make_windows`.

    `X` is not scaled here: put a :class:`~sklearn.preprocessing.StandardScaler` before
    it where the units are far from one.

    Parameters
    ----------
    filters : sequence of int, default=(64, 64)
        Number of filters of each convolution over time.

    kernel_size : int, default=3
        Number of time steps a filter sees. Windows are padded with zeros, so that
        convolutions keep their length.

    window_shape : tuple (window, n_channels), default=None
        How to read rows of two dimensions: `window` times `n_channels` numbers, time
        step by time step. One of the two may be -1, to be found out: `(-1, 20)` goes
        with windows of any length. None takes a row for a single time step. For `X` of
        three dimensions it must be None, or the shape of its windows.

    activation : {"relu", "gelu", "silu", "tanh", "logistic", "identity"}, \
            default="relu"
        Activation after each convolution.

    dropout : float, default=0.0
        Share of the last convolution's outputs dropped in training, in [0, 1).

    learning_rate : float, default=1e-3
        Adam's step size.

    batch_size : int or None, default=64
        Number of rows a gradient step sees; None takes all of them.

    max_epochs : int, default=100
        Number of passes over the data at the most.

    early_stopping : bool, default=True
        Hold out a part of the training data, stop when the loss there no longer
        improves, and keep the best epoch. With False the network is trained for
        `max_epochs` on all rows.

    validation_fraction : float, default=0.1
        Share of the rows, or of the groups if `fit` is given `groups`, held out by
        `early_stopping`. Classes keep their shares on
        both sides where there are rows enough and no groups.

    n_iter_no_change : int, default=10
        Number of epochs without improvement after which `early_stopping` stops.

    tol : float, default=0.0
        Smallest decrease of the validation loss that counts as an improvement.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss, multiplied by `sample_weight`:
        `{label: weight}`, or inversely proportional to their frequency, which
        `partial_fit` cannot know.

    warm_start : bool, default=False
        Let `fit` go on with the network there is, the state of Adam included, where it
        would build a new one.

    keras_callbacks : list of keras.callbacks.Callback, default=None
        Keras' own callbacks, such as `TensorBoard` or `ReduceLROnPlateau`. They see the
        network at the end of every epoch, with the logs `"loss"` and, with
        `early_stopping`, `"val_loss"`. An epoch is one batch to them. Every fit works
        on copies, so that folds of a search do not share their state.

    checkpoint : str, path-like or None, default=None
        Folder where `fit` writes down after every epoch what it has come to. When it
        was killed, the same call goes on after the last epoch there and ends as if
        nothing had happened, to the last bit on a CPU; when it has ended, the same call
        returns what there is. Callbacks hear of the epochs that are really run; a fit
        that one of them ended has ended. Those in `keras_callbacks` begin anew when a
        fit goes on: what they remember is not written. Each fit, such as those of a
        search, finds a sub-folder of its own by its parameters and data; delete it when
        you have no more use for it. The files hold four numbers for each weight of the
        network, and no code. `random_state` must be an int, and `warm_start` False.
        `partial_fit` writes nothing.

    device : str, default="auto"
        Where to compute: `"auto"` takes a GPU if TensorFlow sees one; or `"cpu"`,
        `"gpu"`, `"gpu:1"`.

    random_state : int, RandomState instance or None, default=None
        Seeds initial weights, dropout, the order of rows and the validation split.
        Two fits with the same int are bit-equal on a CPU. No global random state is
        touched.

    Attributes
    ----------
    network_ : keras.Sequential
        The trained network, in float32; its outputs are logits.

    history_ : dict of list of float
        `"train_loss"` and, if rows were held out, `"valid_loss"`: mean cross-entropy,
        one value for each epoch since the network was built.

    n_iter_ : int
        Number of epochs since the network was built.

    classes_ : ndarray of shape (n_classes,)
        Class labels, sorted.

    device_ : str
        Name of the TensorFlow device used.

    window_shape_ : tuple of int
        `(window, n_channels)` of the windows seen in `fit`.

    n_features_in_ : int
        Number of features seen in `fit`; of windows in three dimensions, their length.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen in `fit`, if all are strings.

    See Also
    --------
    KerasCNNRegressor : The same for targets.
    KerasFFNNClassifier : Dense layers on single rows.

    References
    ----------
    .. [1] Kingma and Ba (2015). "Adam: A method for stochastic optimization." ICLR.

    Examples
    --------
    >>> import numpy as np
    >>> from skestimators.neural_network import KerasCNNClassifier
    >>> X = np.random.default_rng(0).normal(size=(300, 10, 3))
    >>> y = np.where(X[:, :, 0].mean(axis=1) > 0, "push", "pull")
    >>> cnn = KerasCNNClassifier((16,), learning_rate=0.01, random_state=0)
    >>> cnn.fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **KerasClassifier._parameter_constraints,
        **_CNN._parameter_constraints,
    }

    def __init__(
        self,
        filters=(64, 64),
        *,
        kernel_size=3,
        window_shape=None,
        activation="relu",
        dropout=0.0,
        learning_rate=1e-3,
        batch_size=64,
        max_epochs=100,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=0.0,
        class_weight=None,
        warm_start=False,
        keras_callbacks=None,
        checkpoint=None,
        device="auto",
        random_state=None,
    ):
        self.filters = filters
        self.kernel_size = kernel_size
        self.window_shape = window_shape
        self.activation = activation
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.class_weight = class_weight
        self.warm_start = warm_start
        self.keras_callbacks = keras_callbacks
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state
