"""The one place that trains Keras networks; scikeras keeps their life cycle.

scikeras compiles the network, makes the callbacks ready and counts the epochs; the loop
inside is ours, as `keras.Model.fit` traces every model anew and returns to Python for
every step.
"""

import copy

import keras
import numpy as np
import tensorflow as tf
from scikeras.wrappers import BaseWrapper

from skestimators.utils._chunks import padded_chunks
from skestimators.utils._keras_program import (
    ADAM,
    program_for,
    training_variables_of,
    weights_of,
)
from skestimators.utils._keras_state import forget_old_networks, unchanged_by_failure
from skestimators.utils._scikeras_progress import Progress


class _Net(BaseWrapper):
    """A wrapper for data that are checked, which runs compiled epochs."""

    def _validate_data(self, X, y=None, reset=False, y_numeric=False):
        return X, y

    def _check_model_compatibility(self, y):
        pass

    def _fit_keras_model(
        self,
        X,
        y,
        sample_weight,
        warm_start,
        epochs,
        initial_epoch,
        *,
        validation,
        seed,
        progress,
    ):
        network = self.model_
        network.optimizer.learning_rate = self.optimizer__learning_rate
        self.history_ = history = {"loss": [], "val_loss": []}
        if progress.is_done:
            progress.restore(history)
            return
        callbacks = keras.callbacks.CallbackList(
            self._fit_callbacks,
            model=network,
            epochs=initial_epoch + epochs,
            steps=1,
            verbose=0,
        )
        network.stop_training = False
        callbacks.on_train_begin()
        # Not before callbacks forget the training before.
        progress.restore(history)
        data = _tensors(X, y, sample_weight)
        training = _Epochs(network, data, self.batch_size, seed)
        validation = None if validation is None else _tensors(*validation)
        logs, is_over = None, progress.is_over
        while not is_over and len(history["loss"]) < epochs:
            epoch = initial_epoch + len(history["loss"])
            callbacks.on_epoch_begin(epoch)
            callbacks.on_train_batch_begin(0)
            logs = {"loss": training.run(epoch)}
            callbacks.on_train_batch_end(0, logs)
            if validation is not None:
                logs["val_loss"] = training.mean_loss(validation)
            for name, values in history.items():
                values.append(logs.get(name, np.nan))
            callbacks.on_epoch_end(epoch, logs)
            is_over = network.stop_training
            progress.write(history, "over" if is_over else "epoch")
        callbacks.on_train_end(logs)
        progress.write(history, "done")


class _Epochs:
    """Compiled passes over the rows."""

    def __init__(self, network, data, batch_size, seed):
        self.optimizer = network.optimizer
        self.program = program_for(network)
        self.variables = training_variables_of(network)
        self.data = data
        self.batch_size = batch_size
        self.seed = seed

    def run(self, number):
        """Train for the epoch of a number, and return its loss."""
        # Drawn for each epoch alone, so that training can be cut anywhere.
        rng = np.random.default_rng((self.seed, number))
        order = rng.permutation(len(self.data[0]))
        return self.program.train_epoch(
            self.variables,
            self.data,
            order.astype(np.int32),
            batch_size=self.batch_size,
            learning_rate=float(self.optimizer.learning_rate),
        )

    def mean_loss(self, data):
        """Return the loss on other rows."""
        weights = {name: self.variables[name] for name in ("weights", "states")}
        return self.program.mean_loss(weights, data)


class _EpochSteps(keras.callbacks.Callback):
    """Report every epoch as a step of the fit task, and stop when asked to."""

    def __init__(self, task, fitted_attributes):
        super().__init__()
        self.task = task
        self.fitted_attributes = fitted_attributes

    def on_epoch_begin(self, epoch, logs=None):
        """Begin a step."""
        self.context = self.task.begin_step("epoch")

    def on_epoch_end(self, epoch, logs=None):
        """End the step, unless the loss says that training has failed."""
        for name, what in {"loss": "training", "val_loss": "validation"}.items():
            if name in logs and not np.isfinite(logs[name]):
                raise ValueError(
                    f"The {what} loss became {logs[name]} in epoch {epoch + 1}. Scale "
                    "X and y (StandardScaler, TransformedTargetRegressor) or lower "
                    "learning_rate."
                )
        if self.task.end(self.context, lambda: self.fitted_attributes(self.model)):
            self.model.stop_training = True


def train(
    network,
    data,
    validation=None,
    *,
    loss,
    max_epochs,
    first_epoch=0,
    batch_size,
    learning_rate,
    n_iter_no_change=10,
    tol=0.0,
    seed,
    callbacks=(),
    device,
    checkpoint=None,
    task,
    fitted_attributes,
):
    """Train a network with Adam and return what happened.

    Parameters
    ----------
    network : keras.Sequential
        The network; trained in place. One that was trained before goes on with the
        state of its optimizer.

    data : tuple of ndarray
        Inputs, targets and row weights of the training rows.

    validation : tuple of ndarray or None, default=None
        The same of the rows held out. If given, training stops when the loss on these
        has not improved by `tol` for `n_iter_no_change` epochs, and the weights of the
        best epoch are restored.

    loss : keras.losses.Loss
        Its `call` gives the loss of each row.

    max_epochs : int
        Number of passes at the most.

    first_epoch : int, default=0
        Number of epochs the network has behind it.

    batch_size : int
        Number of rows a gradient step sees.

    learning_rate : float
        Adam's step size.

    n_iter_no_change : int, default=10
        Patience in epochs.

    tol : float, default=0.0
        Smallest improvement that counts.

    seed : int
        Decides, with its number, the order of rows in an epoch.

    callbacks : iterable of keras.callbacks.Callback, default=()
        Copied, so that a callback never carries the state of one fit into another.

    device : str
        Where to compute, as `resolve_device` returns it.

    checkpoint : Checkpoint or None, default=None
        Where to write, after each epoch, what the next one depends on, but nothing of
        `callbacks`. If the same training was written there, it goes on after the last
        epoch of that; `network` must be as it was then.

    task : FitTask
        Hears of every epoch that is run.

    fitted_attributes : callable
        Takes the network as it stands after an epoch and returns the attributes that
        make the estimator ready to predict with it.

    Returns
    -------
    history : dict of list of float
        `"train_loss"` and `"valid_loss"` (nan where nothing was held out), one value an
        epoch.

    Raises
    ------
    ValueError
        If the training loss is not finite.
    """
    if first_epoch == 0:
        forget_old_networks()
    for callback in callbacks:
        if not isinstance(callback, keras.callbacks.Callback):
            raise ValueError(
                "keras_callbacks must be a list of instances of keras.callbacks."
                f"Callback, but holds {callback!r}."
            )
    callbacks = [copy.deepcopy(callback) for callback in callbacks]
    stopping = None
    if validation is not None:
        stopping = keras.callbacks.EarlyStopping(
            monitor="val_loss",
            mode="min",
            patience=n_iter_no_change,
            min_delta=tol,
            restore_best_weights=True,
        )
        callbacks.append(stopping)
    callbacks.append(_EpochSteps(task, fitted_attributes))
    net = _Net(
        network,
        loss=loss,
        optimizer=keras.optimizers.Adam,
        optimizer__name="adam",
        optimizer__learning_rate=learning_rate,
        **{f"optimizer__{name}": value for name, value in ADAM.items()},
        batch_size=batch_size,
        callbacks=callbacks,
        epochs=max_epochs,
    )
    X, y, row_weight = data
    with tf.device(device), unchanged_by_failure(network):
        net.fit(
            X,
            y,
            row_weight,
            initial_epoch=first_epoch,
            validation=validation,
            seed=seed,
            progress=Progress(checkpoint, network, stopping),
        )
    return {
        "train_loss": net.history_["loss"],
        "valid_loss": net.history_["val_loss"],
    }


def predict(network, X, *, device, chunk_size=256):
    """Run a network over rows, so that a row's output never depends on the others.

    Parameters
    ----------
    network : keras.Sequential
        A network that `train` has compiled.

    X : ndarray of shape (n_samples, ...)
        The rows.

    device : str
        Where to compute, as `resolve_device` returns it.

    chunk_size : int, default=256
        Number of rows that go through the network at once.

    Returns
    -------
    outputs : ndarray of shape (n_samples, ...), float64
        The network's output.
    """
    program, variables = program_for(network), weights_of(network)
    outputs = []
    with tf.device(device):
        for chunk, n_rows in padded_chunks(X, chunk_size):
            output = program.predict(variables, tf.constant(chunk))
            outputs.append(output.numpy()[:n_rows].astype(np.float64))
    return np.concatenate(outputs)


def _tensors(X, y, row_weight):
    return tf.constant(X), tf.constant(y), tf.constant(row_weight, tf.float32)
