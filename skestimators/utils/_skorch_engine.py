"""The one place that trains torch networks; skorch runs the loop."""

import copy
import math

import numpy as np
import torch
from skorch import NeuralNet
from skorch.callbacks import PassthroughScoring

from skestimators.utils._chunks import padded_chunks
from skestimators.utils._skorch_callbacks import (
    Averaging,
    EarlyStopping,
    EpochSteps,
    SafeSteps,
    Schedule,
    ValidationScore,
)
from skestimators.utils._skorch_progress import Progress, set_optimizer_state
from skestimators.utils._torch_threads import threads_for


class TensorBatches:
    """Mini-batches cut out of tensors that lie on the device already.

    A `DataLoader` collates row by row in Python; for tables that costs more than the
    training step, so a batch is taken with one indexing operation instead.

    Parameters
    ----------
    inputs : tensor of shape (n_samples, ...)
        What the network takes.

    targets : tuple of tensors of shape (n_samples, ...)
        What the criterion takes beside the network's output.

    batch_size : int
        Number of rows in a batch; the last batch may be smaller.

    shuffle : bool
        Whether every pass goes through the rows in a new order, drawn from torch's
        global generator.

    join_single : bool, default=False
        Whether a last row alone joins the batch before it, as batch normalisation
        cannot train on one row.
    """

    def __init__(self, inputs, targets, *, batch_size, shuffle, join_single=False):
        self.inputs = inputs
        self.targets = targets
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.join_single = join_single

    @property
    def rows_at_once(self):
        """Number of rows that a layer sees at a time."""
        return rows_at_once(self.inputs, self.batch_size)

    def __iter__(self):
        n_samples = len(self.inputs)
        order = torch.randperm(n_samples) if self.shuffle else torch.arange(n_samples)
        batches = list(order.to(self.inputs.device).split(self.batch_size))
        if self.join_single and len(batches) > 1 and len(batches[-1]) == 1:
            batches[-2:] = [torch.cat(batches[-2:])]
        for rows in batches:
            yield self.inputs[rows], tuple(target[rows] for target in self.targets)


def rows_at_once(inputs, batch_size):
    """Return how many rows a layer sees at a time, an image counting all its values."""
    _, *shape = inputs.shape
    return batch_size * (1 if len(shape) == 1 else math.prod(shape))


class WeightedLoss(torch.nn.Module):
    """Mean over rows of an elementwise loss times the weight of the row.

    Parameters
    ----------
    elementwise : callable
        Takes output and target, returns a loss for each row, or each value of it.
    """

    def __init__(self, elementwise):
        super().__init__()
        self.elementwise = elementwise

    def forward(self, output, targets):
        """Return the scalar loss; `targets` is the pair (target, row weights)."""
        target, weight = targets
        loss = self.elementwise(output, target)
        return (loss.reshape(len(loss), -1).mean(1) * weight).mean()


class _Net(NeuralNet):
    """A `NeuralNet` that takes ready batches, (training, validation or None), as X."""

    # Holds the network that validates and predicts, if that is not the trained one.
    averaging = None

    @property
    def _default_callbacks(self):
        return [("valid_loss", PassthroughScoring(name="valid_loss"))]

    def check_data(self, X, y=None):
        pass

    def get_split_datasets(self, X, y=None, **fit_params):
        return X

    def get_iterator(self, dataset, training=False):
        return dataset

    def infer(self, x, **fit_params):
        # Batches are on the device, and need not be made of tensors alone.
        return self.module_(x) if self.module_.training else self.network.eval()(x)

    def get_loss(self, y_pred, y_true, *args, **kwargs):
        self.latest_loss = super().get_loss(y_pred, y_true, *args, **kwargs)
        return self.latest_loss

    @property
    def network(self):
        """The network to predict with."""
        if self.averaging is None:
            return self.module_
        return self.averaging.average.module


def train(
    module,
    batches,
    validation_batches=None,
    *,
    criterion,
    validation_score=None,
    max_epochs,
    learning_rate,
    learning_rate_decay=1.0,
    weight_decay=0.0,
    momentum=None,
    averaging=0.0,
    max_grad_norm=None,
    roll_back=False,
    callbacks=(),
    n_iter_no_change=10,
    tol=0.0,
    device,
    seed,
    first_epoch=0,
    past_losses=(),
    state=None,
    checkpoint=None,
    checkpoint_name="training",
    task,
    step_name="epoch",
    fitted_attributes,
):
    """Train a network and return what happened.

    Parameters
    ----------
    module : torch.nn.Module
        The network; trained in place and moved to `device`. To go on with training, the
        network that was returned, or a copy.

    batches : iterable of (inputs, targets)
        The training batches on the device, one pass an epoch. `inputs` goes to the
        network and `targets` to the criterion, as they are. The loss of an epoch is the
        mean of those of its batches, weighted by `len(inputs)`. `rows_at_once` says how
        many rows a layer sees at a time.

    validation_batches : iterable of (inputs, targets) or None, default=None
        If given, training stops when the loss on these has not improved by `tol` for
        `n_iter_no_change` epochs, and the weights of the best epoch are restored: of
        the network as it was given, if `first_epoch` is not 0 and none is better.

    criterion : torch.nn.Module
        Takes the network's output and the targets, returns the scalar loss.

    validation_score : tuple of (str, callable) or None, default=None
        A name and a function of the network's outputs for the validation batches and
        of their targets, both as they are, one after the other. What it returns takes
        the place of the validation loss, the larger the better; of epochs with the same
        score, that with the smallest loss is the best.

    max_epochs : int
        Number of passes at the most.

    learning_rate, weight_decay : float
        The optimizer's.

    learning_rate_decay : float, default=1.0
        What the learning rate is multiplied by after each epoch whose validation loss
        was not better by `tol` than all before it.

    momentum : float or None, default=None
        That of stochastic gradient descent; None takes Adam instead.

    averaging : float, default=0.0
        Decay, at each step, of the moving average of the weights that makes the network
        to validate and predict with. With 0 it is the trained one itself.

    max_grad_norm : float or None, default=None
        Larger gradients, all together, are scaled down to this norm.

    roll_back : bool, default=False
        Whether to leave the network as it was where the loss of a batch, or a gradient,
        is not finite, and count such steps.

    callbacks : sequence of (str, skorch.callbacks.Callback), default=()
        Further callbacks, called after those that set the random numbers.

    n_iter_no_change : int, default=10
        Patience in epochs.

    tol : float, default=0.0
        Smallest improvement that counts.

    device : str
        Name of a torch device.

    seed : int
        With the number of the epoch, it decides dropout and the order of batches.

    first_epoch : int, default=0
        Number of epochs that the network has been through before.

    past_losses : sequence of float, default=()
        Validation losses of earlier calls, to go on with the learning rate they led to.

    state : dict or None, default=None
        What an earlier call returned.

    checkpoint : Checkpoint or None, default=None
        Where to write, after each epoch, what the next one depends on. If the same
        training was written there, it goes on after the last epoch of that; `module`
        must be as it was then.

    checkpoint_name : str, default="training"
        What the checkpoint calls it.

    task : FitTask
        Hears of every epoch that is run.

    step_name : str, default="epoch"
        What it calls an epoch.

    fitted_attributes : callable
        Takes the module as it stands after an epoch and returns the attributes that
        make the estimator ready to predict with it.

    Returns
    -------
    network : torch.nn.Module
        What to predict with: `module`, or the average of its weights.

    history : dict of list of float
        `"train_loss"` and, with validation, `"valid_loss"` and the score, with
        `roll_back` `"n_rolled_back"`, one value an epoch.

    state : dict
        To go on with, after the last epoch.

    Raises
    ------
    ValueError
        If the training loss is not finite, or no step of an epoch could be taken.
    """
    schedule = Schedule(
        learning_rate, learning_rate_decay, tol, seed, first_epoch, past_losses
    )
    safe_steps = SafeSteps(max_grad_norm, roll_back)
    callbacks = [("schedule", schedule), ("safe_steps", safe_steps), *callbacks]
    if averaging:
        n_averaged = 0 if state is None else state["n_averaged"]
        averaged = Averaging(module.to(device), averaging, n_averaged)
        callbacks.append(("averaging", averaged))
    early_stopping = None
    if validation_batches is not None:
        start = None
        if first_epoch:
            loss = _mean_loss(module.to(device).eval(), validation_batches, criterion)
            start = loss, copy.deepcopy(module.state_dict())
        if validation_score is not None:
            callbacks.append(("validation_score", ValidationScore(*validation_score)))
        early_stopping = EarlyStopping(
            n_iter_no_change, tol, start, validation_score and validation_score[0]
        )
        callbacks.append(("early_stopping", early_stopping))
    steps = EpochSteps(step_name, early_stopping, task, fitted_attributes)
    callbacks.append(("steps", steps))
    if checkpoint is not None:
        progress = Progress(checkpoint, checkpoint_name, callbacks)
        callbacks.append(("progress", progress))
    net = _Net(
        module,
        criterion=criterion,
        optimizer=torch.optim.Adam if momentum is None else torch.optim.SGD,
        optimizer__weight_decay=weight_decay,
        optimizer__fused=True,
        **({} if momentum is None else {"optimizer__momentum": momentum}),
        lr=learning_rate,
        callbacks=callbacks,
        device=device,
        verbose=0,
    ).initialize()
    if state is not None:
        set_optimizer_state(net.optimizer_, state["optimizer"]["state"])
        net.module_.load_state_dict(state["weights"])
    # Not net.fit: that swallows Ctrl-C and passes a half-trained network off as fitted.
    net.notify("on_train_begin", X=None, y=None)
    with threads_for(module, batches.rows_at_once):
        while not steps.is_over and len(net.history) < max_epochs:
            net.fit_loop((batches, validation_batches), epochs=1)
    # Of the last epoch, which the momentum belongs to, not of the best.
    state = {
        "optimizer": net.optimizer_.state_dict(),
        "weights": copy.deepcopy(net.module_.state_dict()),
        "n_averaged": int(averaged.average.n_averaged) if averaging else 0,
    }
    net.notify("on_train_end", X=None, y=None)
    names = ["train_loss", "valid_loss", "n_rolled_back"]
    names += [] if validation_score is None else [validation_score[0]]
    history = {
        name: [float(value) for value in net.history[:, name]]
        for name in names
        if name in net.history[0]
    }
    return net.network, history, state


@torch.no_grad()
def _mean_loss(module, batches, criterion):
    losses, sizes = [], []
    for inputs, targets in batches:
        losses.append(criterion(module(inputs), targets).item())
        sizes.append(len(inputs))
    return np.average(losses, weights=sizes)


def joined_history(before, n_before, history):
    """Join the histories of two calls of `train`.

    Parameters
    ----------
    before, history : dict of list of float
        The histories; one may have names that the other has not.

    n_before : int
        Number of epochs in the first.

    Returns
    -------
    joined : dict of list of float
        NaN where there is no value.
    """
    n_now = len(history["train_loss"])
    return {
        name: [
            *before.get(name, [np.nan] * n_before),
            *history.get(name, [np.nan] * n_now),
        ]
        for name in before.keys() | history.keys()
    }


@torch.inference_mode()
def predict(module, X, *, chunk_size=256):
    """Run a network over rows, so that a row's output never depends on the others.

    Parameters
    ----------
    module : torch.nn.Module
        The network; put into evaluation mode.

    X : ndarray of shape (n_samples, ...)
        The rows.

    chunk_size : int, default=256
        Number of rows that go through the network at once.

    Returns
    -------
    outputs : ndarray of shape (n_samples, ...), float64
        The network's output.
    """
    module.eval()
    device = next(module.parameters()).device
    outputs = []
    with threads_for(module, rows_at_once(X, chunk_size)):
        for chunk, n_rows in padded_chunks(X, chunk_size):
            output = module(torch.from_numpy(chunk).to(device))
            outputs.append(output[:n_rows].cpu().double().numpy())
    return np.concatenate(outputs)
