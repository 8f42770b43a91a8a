"""Feed-forward networks on Keras."""

from skestimators.neural_network._keras_base import KerasNetwork
from skestimators.neural_network._keras_targets import KerasClassifier, KerasRegressor
from skestimators.utils._validation import check_layer_sizes


class _FFNN(KerasNetwork):
    """Dense layers on rows."""

    _parameter_constraints: dict = {
        **KerasNetwork._parameter_constraints,
        "hidden_layer_sizes": ["array-like"],
    }

    def _layers(self):
        check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        return {
            "hidden_layer_sizes": tuple(map(int, self.hidden_layer_sizes)),
            "activation": self.activation,
            "dropout": float(self.dropout),
        }

    def _build(self, *args, **layers):
        from skestimators.neural_network._keras_networks import build_ffnn

        return build_ffnn(*args, **layers)

    def _n_weights(self, *args, **layers):
        from skestimators.neural_network._keras_networks import n_ffnn_weights

        return n_ffnn_weights(*args, **layers)

    def _check_input(self, X, *, reset):
        if X.ndim != 2:
            raise ValueError(
                f"Found array with dim {X.ndim}, while dim 2 is required by "
                f"{type(self).__name__}: use KerasCNN* for windows, or "
                "SlidingWindow(flatten=True)."
            )
        return X


class KerasFFNNRegressor(_FFNN, KerasRegressor):
    """Feed-forward network trained by Keras on squared error.

    Dense layers in float32 on CPU or GPU. Training runs in a graph that is compiled
    once for all networks of the same layers, so that the folds and most candidates of a
    search share it. Row weights, early stopping by groups, and going on with
    a trained network are as scikit-learn's users know them.

    Neither `X` nor `y` is scaled here: put a
    :class:`~sklearn.preprocessing.StandardScaler` before it, and
    :class:`~sklearn.compose.TransformedTargetRegressor` around it, where the units
    are far from one.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(20, 224, 192, 96)
        Number of units in each hidden layer.

    activation : {"relu", "gelu", "silu", "tanh", "logistic", "identity"}, \
            default="relu"
        Activation after each hidden layer.

    dropout : float, default=0.0
        Share of the hidden units dropped in training, in [0, 1).

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

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen in `fit`, if all are strings.

    See Also
    --------
    KerasFFNNClassifier : The same for classes.
    KerasCNNRegressor : Convolutions over windows of rows.

    References
    ----------
    .. [1] Kingma and Ba (2015). "Adam: A method for stochastic optimization." ICLR.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.preprocessing import scale
    >>> from skestimators.neural_network import KerasFFNNRegressor
    >>> X, Y = make_regression(200, 5, n_targets=2, random_state=0)
    >>> ffnn = KerasFFNNRegressor((32,), learning_rate=0.01, random_state=0)
    >>> ffnn.fit(X, scale(Y)).score(X, scale(Y)) > 0.95
    True
    """

    def __init__(
        self,
        hidden_layer_sizes=(20, 224, 192, 96),
        *,
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
        self.hidden_layer_sizes = hidden_layer_sizes
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


class KerasFFNNClassifier(_FFNN, KerasClassifier):
    """Feed-forward network trained by Keras on cross-entropy.

    Dense layers in float32 on CPU or GPU. Training runs in a graph that is compiled
    once for all networks of the same layers, so that the folds and most candidates of a
    search share it. Row and class weights, early stopping by groups, and going on with
    a trained network are as scikit-learn's users know them.

    `X` is not scaled here: put a :class:`~sklearn.preprocessing.StandardScaler` before
    it where the units are far from one.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(20, 224, 192, 96)
        Number of units in each hidden layer.

    activation : {"relu", "gelu", "silu", "tanh", "logistic", "identity"}, \
            default="relu"
        Activation after each hidden layer.

    dropout : float, default=0.0
        Share of the hidden units dropped in training, in [0, 1).

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

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen in `fit`, if all are strings.

    See Also
    --------
    KerasFFNNRegressor : The same for targets.
    KerasCNNClassifier : Convolutions over windows of rows.

    References
    ----------
    .. [1] Kingma and Ba (2015). "Adam: A method for stochastic optimization." ICLR.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from skestimators.neural_network import KerasFFNNClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> ffnn = KerasFFNNClassifier((32,), learning_rate=0.01, random_state=0)
    >>> ffnn.fit(X, y).score(X, y) > 0.9
    True
    """

    _parameter_constraints: dict = {
        **KerasClassifier._parameter_constraints,
        **_FFNN._parameter_constraints,
    }

    def __init__(
        self,
        hidden_layer_sizes=(20, 224, 192, 96),
        *,
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
        self.hidden_layer_sizes = hidden_layer_sizes
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
