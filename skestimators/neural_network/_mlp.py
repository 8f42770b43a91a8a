"""Multilayer perceptron regression on torch."""

from numbers import Real

import numpy as np
from sklearn.base import RegressorMixin, _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task
from skestimators.utils._checkpoint import open_checkpoint
from skestimators.utils._constraints import TRAINING_CONSTRAINTS
from skestimators.utils._optional import import_optional
from skestimators.utils._packed_network import PackedNetworkMixin
from skestimators.utils._seeding import draw_seed, torch_seed
from skestimators.utils._validation import (
    check_layer_sizes,
    drop_weightless,
    validate_training_data,
)
from skestimators.utils._validation_split import split_validation


class TorchMLPRegressor(RegressorMixin, PackedNetworkMixin, Estimator):
    """Multilayer perceptron regressor trained by torch with Adam on squared error.

    It differs from :class:`sklearn.neural_network.MLPRegressor` in that it computes in
    float32 on CPU or GPU, knows dropout, sample weights and groups, restores the best
    epoch, and reports every epoch to callbacks.

    Neither `X` nor `y` is scaled here: put a
    :class:`~sklearn.preprocessing.StandardScaler` before it, and
    :class:`~sklearn.compose.TransformedTargetRegressor` around it, where the units
    are far from one.

    Parameters
    ----------
    hidden_layer_sizes : sequence of int, default=(512, 512, 256, 64)
        Number of units in each hidden layer.

    activation : {"relu", "gelu", "silu", "tanh", "logistic", "identity"}, \
            torch.nn.Module or callable, default="relu"
        Activation after each hidden layer. Of a module, such as the `activation_` of
        :class:`ActivationSearchNet`, each layer trains a copy; any other callable takes
        nothing and returns a new module.

    dropout : float, default=0.0
        Share of the hidden units dropped in training, in [0, 1).

    learning_rate : float, default=1e-3
        Adam's step size.

    weight_decay : float, default=0.0
        Strength of the L2 penalty, as Adam's `weight_decay`.

    batch_size : int or None, default=64
        Number of rows a gradient step sees; None takes all of them.

    max_epochs : int, default=200
        Number of passes over the data at the most.

    early_stopping : bool, default=True
        Hold out a part of the training data, stop when the loss there no longer
        improves, and keep the best epoch. With False the network is trained for
        `max_epochs` on all rows: `batch_size=None, max_epochs=2000,
        early_stopping=False` is the usual recipe of full-batch notebooks.

    validation_fraction : float, default=0.1
        Share of the rows, or of the groups if `fit` is given `groups`, held out by
        `early_stopping`.

    n_iter_no_change : int, default=20
        Number of epochs without improvement after which `early_stopping` stops.

    tol : float, default=0.0
        Smallest decrease of the validation loss that counts as an improvement.

    checkpoint : str, path-like or None, default=None
        Folder where `fit` writes down after every epoch what it has come to. When it
        was killed, the same call goes on after the last epoch there and ends as if
        nothing had happened, to the last bit on a CPU; when it has ended, the same call
        returns what there is. Callbacks hear of the epochs that are really run; a fit
        that one of them ended has ended. Each fit, such as those of a search, finds a
        sub-folder of its own by its parameters and data; delete it when you have no
        more use for it. The files hold four numbers for each weight of the network, and
        no code. `random_state` must be an int.

    device : str, default="auto"
        Where to compute: `"auto"` takes the first of cuda, mps and cpu that is there;
        or the name of a torch device.

    random_state : int, RandomState instance or None, default=None
        Seeds initial weights, dropout, the order of rows and the validation split.
        Two fits with the same int are bit-equal on a CPU. torch's own global random
        state is left as it was.

    Attributes
    ----------
    network_ : torch.nn.Sequential
        The trained network, in float32.

    history_ : dict of list of float
        `"train_loss"` and, with `early_stopping`, `"valid_loss"`: mean squared error,
        one value an epoch.

    n_iter_ : int
        Number of epochs run.

    device_ : str
        Name of the device used.

    n_outputs_ : int
        Number of targets.

    n_features_in_ : int
        Number of features seen in `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen in `fit`, if all are strings.

    See Also
    --------
    skestimators.ensemble.BootstrapStackedLGBM : Trees, with uncertainty.

    References
    ----------
    .. [1] Kingma and Ba (2015). "Adam: A method for stochastic optimization." ICLR.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sklearn.preprocessing import scale
    >>> from skestimators.neural_network import TorchMLPRegressor
    >>> X, y = make_regression(200, 5, random_state=0)
    >>> mlp = TorchMLPRegressor((32,), learning_rate=0.01, random_state=0)
    >>> mlp.fit(X, scale(y)).score(X, scale(y)) > 0.95
    True
    """

    _parameter_constraints: dict = {
        **TRAINING_CONSTRAINTS,
        "hidden_layer_sizes": ["array-like"],
        "activation": [
            StrOptions({"relu", "gelu", "silu", "tanh", "logistic", "identity"}),
            callable,
        ],
        "weight_decay": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        hidden_layer_sizes=(512, 512, 256, 64),
        *,
        activation="relu",
        dropout=0.0,
        learning_rate=1e-3,
        weight_decay=0.0,
        batch_size=64,
        max_epochs=200,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=20,
        tol=0.0,
        checkpoint=None,
        device="auto",
        random_state=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.batch_size = batch_size
        self.max_epochs = max_epochs
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.checkpoint = checkpoint
        self.device = device
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Train the network.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features; converted to float32.

        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets; converted to float32.

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
            If torch or skorch is missing.

        ValueError
            If the input holds NaN or infinity, a layer size is not a positive
            integer, the device is not there, there are too few rows to hold some
            out, the loss diverges, or there is a `checkpoint` and `random_state` is no
            int.

        TypeError
            If there is a `checkpoint` and `activation` is nothing that another process
            could recognise.

        OSError
            If `checkpoint` is no folder that can be written to, or the disk is full.

        Warns
        -----
        UserWarning
            If a file of `checkpoint` is damaged, and training begins anew.
        """
        import_optional("torch", extra="torch", caller=self)
        import_optional("skorch", extra="torch", caller=self)
        from skestimators.utils._device import resolve_device

        X, y, weight, groups = validate_training_data(
            self, X, y, sample_weight, groups, y_numeric=True, multi_output=True
        )
        weight, X, y, groups = drop_weightless(weight, X, y, groups)
        check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        self._y_ndim = y.ndim
        self.n_outputs_ = 1 if y.ndim == 1 else y.shape[1]
        self.device_ = resolve_device(self.device)
        checkpoint = open_checkpoint(
            self,
            {"X": X, "y": y, "sample_weight": weight, "groups": groups},
            packages=("torch", "skorch"),
        )
        random_state = check_random_state(self.random_state)
        seed = draw_seed(random_state)
        train = validation = None
        if self.early_stopping:
            train, validation = split_validation(
                len(X),
                validation_fraction=self.validation_fraction,
                groups=groups,
                random_state=random_state,
            )
        with (
            fit_task(
                self,
                max_steps=self.max_epochs,
                X=X,
                y=y,
                metadata={"sample_weight": None if sample_weight is None else weight},
            ) as task,
            torch_seed(seed),
        ):
            data = X, y.reshape(len(y), -1), weight / weight.mean()
            self._train(data, train, validation, seed, checkpoint, task)
        return self

    def _train(self, data, train, validation, seed, checkpoint, task):
        import torch

        from skestimators.utils import _skorch_engine as engine

        def batches(rows, shuffle):
            X, y, weight = (
                torch.tensor(
                    a if rows is None else a[rows],
                    dtype=torch.float32,
                    device=self.device_,
                )
                for a in data
            )
            size = self.batch_size or len(X)
            # One batch of all rows has the same gradient in any order.
            shuffle = shuffle and size < len(X)
            return engine.TensorBatches(
                X, (y, weight), batch_size=size, shuffle=shuffle
            )

        self._layers = {
            "n_features": self.n_features_in_,
            "hidden_layer_sizes": tuple(self.hidden_layer_sizes),
            "n_outputs": self.n_outputs_,
            "activation": self.activation,
            "dropout": self.dropout,
        }
        network, self.history_, _ = engine.train(
            self._new_network(),
            batches(train, shuffle=True),
            None if validation is None else batches(validation, shuffle=False),
            criterion=engine.WeightedLoss(torch.nn.MSELoss(reduction="none")),
            max_epochs=self.max_epochs,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            device=self.device_,
            seed=seed,
            checkpoint=checkpoint,
            task=task,
            fitted_attributes=lambda module: {"network_": module},
        )
        self.network_ = network.eval()
        self.n_iter_ = len(self.history_["train_loss"])

    def _new_network(self):
        from skestimators.neural_network._mlp_network import build_mlp

        return build_mlp(**self._layers)

    def predict(self, X):
        """Predict targets.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Features.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets, computed in float32 and returned as float64. A row's
            prediction does not depend on the other rows.
        """
        check_is_fitted(self)
        from skestimators.utils._skorch_engine import predict

        X = validate_data(self, X, dtype=np.float32, reset=False)
        y_pred = predict(self.network_, X)
        return y_pred[:, 0] if self._y_ndim == 1 else y_pred

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
