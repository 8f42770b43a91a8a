"""What skorch calls while it trains: short hooks, each for one thing."""

import copy

import numpy as np
import torch
from skorch.callbacks import Callback
from torch.optim.swa_utils import AveragedModel

from skestimators.utils._skorch_progress import set_weights, trained_weights


class DivergenceError(ValueError):
    """Training has led to a loss or to weights that are not finite."""


class ValidationScore(Callback):
    """Score all that the network says of the validation batches.

    Parameters
    ----------
    name : str
        What the history calls the score.

    score : callable
        Takes outputs and targets, each a list of one for each batch.
    """

    def __init__(self, name, score):
        self.name = name
        self.score = score

    def on_epoch_begin(self, net, **kwargs):
        """Begin anew."""
        self.outputs, self.targets = [], []

    def on_batch_end(self, net, batch, training, y_pred, **kwargs):
        """Keep what there is to be scored."""
        if not training:
            self.outputs.append(y_pred)
            self.targets.append(batch[1])

    def on_epoch_end(self, net, **kwargs):
        """Record the score."""
        net.history.record(self.name, float(self.score(self.outputs, self.targets)))


class EarlyStopping(Callback):
    """Notice when validation no longer gets better; restore the best epoch.

    Parameters
    ----------
    patience : int
        Number of epochs without improvement.

    tol : float
        Smallest improvement that counts.

    start : tuple of (float, dict) or None, default=None
        What has to be beaten: loss and weights of the network there was.

    score : str or None, default=None
        Name of a score that counts before the loss: of epochs with the same score, one
        with a smaller loss is better.
    """

    def __init__(self, patience, tol, start=None, score=None):
        self.patience = patience
        self.tol = tol
        self.score = score
        start_loss, self.best_weights = start or (np.inf, None)
        self.best = (start_loss if score is None else np.inf, start_loss)
        self.is_best = False
        self.without_improvement = 0

    def on_epoch_end(self, net, **kwargs):
        """Compare the epoch with those before it."""
        losses = np.array(net.history[:, "valid_loss"])
        losses[np.isnan(losses)] = np.inf
        costs = losses
        if self.score is not None:
            scores = np.array(net.history[:, self.score])
            # Where a score is not defined, the loss decides.
            costs = losses if np.isnan(scores).any() else -scores
        now = (costs[-1], losses[-1])
        # Where one class is rare, the score may stay at zero while the loss falls.
        is_closer = now[0] == self.best[0] and now[1] < self.best[1] - self.tol
        if is_closer or not _without_improvement(costs, self.tol)[-1]:
            self.without_improvement = 0
        else:
            self.without_improvement += 1
        self.is_best = bool(now <= self.best and losses[-1] < np.inf)
        if self.is_best:
            self.best = now
            self.best_weights = copy.deepcopy(net.network.state_dict())

    @property
    def is_over(self):
        """Whether there is no hope of a better epoch."""
        return self.without_improvement >= self.patience

    def get_progress(self, net):
        """Return what later epochs are compared with, and what may be restored."""
        best_weights = None
        if self.best_weights is not None and not self.is_best:
            # The best epoch, if it is the last, is written as the network itself.
            best_weights = {
                n: self.best_weights[n] for n in trained_weights(net.network)
            }
        return {
            "best": [float(cost) for cost in self.best],
            "is_best": self.is_best,
            "best_weights": best_weights,
            "without_improvement": self.without_improvement,
        }

    def set_progress(self, net, progress):
        """Put it back."""
        self.best = tuple(progress["best"])
        self.is_best = progress["is_best"]
        self.without_improvement = progress["without_improvement"]
        if self.is_best or progress["best_weights"] is not None:
            self.best_weights = copy.deepcopy(net.network.state_dict())
            self.best_weights.update(progress["best_weights"] or {})

    def on_train_end(self, net, **kwargs):
        """Restore the weights of the best epoch."""
        if self.best_weights is None:
            raise DivergenceError(
                "The validation loss was never finite. Lower learning_rate; "
                "look for large numbers in X or y."
            )
        net.network.load_state_dict(self.best_weights)


def _without_improvement(losses, tol):
    """Tell which epochs were no better, by more than `tol`, than the best before."""
    best = np.minimum.accumulate([np.inf, *losses])[:-1]
    return np.asarray(losses) >= best - tol


class Averaging(Callback):
    """Follow the weights with a moving average that forgets the first steps soon."""

    def __init__(self, module, decay, n_averaged):
        def follow(averages, weights, n_averaged):
            n = float(n_averaged)
            for average, weight in zip(averages, weights, strict=True):
                average.lerp_(weight, 1 - min(decay, (1 + n) / (10 + n)))

        self.average = AveragedModel(module, multi_avg_fn=follow)
        self.average.n_averaged.fill_(n_averaged)

    def on_train_begin(self, net, **kwargs):
        """Let the average validate."""
        net.averaging = self

    def on_batch_end(self, net, training, **kwargs):
        """Take in the new weights."""
        if training:
            self.average.update_parameters(net.module_)

    def get_progress(self, net):
        """Return the average and the number of steps in it."""
        return {
            "weights": trained_weights(self.average.module),
            "n_averaged": int(self.average.n_averaged),
        }

    def set_progress(self, net, progress):
        """Put it back."""
        set_weights(self.average.module, progress["weights"])
        self.average.n_averaged.fill_(progress["n_averaged"])


class Schedule(Callback):
    """Set the learning rate and the random numbers of each epoch.

    The random numbers depend on the number of the epoch alone, so it does not matter to
    an epoch whether those before it were run in the same call.
    """

    def __init__(self, learning_rate, decay, tol, seed, first_epoch, past_losses):
        self.learning_rate = learning_rate
        self.decay = decay
        self.tol = tol
        self.seed = seed
        self.first_epoch = first_epoch
        self.past_losses = past_losses

    def on_epoch_begin(self, net, **kwargs):
        """Set both."""
        losses = [*self.past_losses]
        losses += [e["valid_loss"] for e in net.history[:-1] if "valid_loss" in e]
        n_decays = np.count_nonzero(_without_improvement(losses, self.tol))
        for group in net.optimizer_.param_groups:
            group["lr"] = self.learning_rate * self.decay**n_decays
        epoch = self.first_epoch + len(net.history) - 1
        seed = np.random.SeedSequence([self.seed, epoch]).generate_state(1)
        torch.manual_seed(int(seed[0]))


class SafeSteps(Callback):
    """Scale down large gradients, and count what a step may not be taken with.

    Parameters
    ----------
    max_norm : float or None
        Larger gradients, all together, are scaled down to this norm.

    roll_back : bool
        Whether to leave the network as it was, buffers included, where the loss or a
        gradient is not finite. The epoch's loss is that of the other steps.
    """

    def __init__(self, max_norm, roll_back):
        self.max_norm = max_norm
        self.roll_back = roll_back

    def on_batch_begin(self, net, training, **kwargs):
        """Remember the buffers, which the forward pass may change."""
        self.is_finite = True
        if training and self.roll_back:
            self.buffers = [buffer.clone() for buffer in net.module_.buffers()]

    def on_grad_computed(self, net, named_parameters, **kwargs):
        """Scale or drop the gradients; the optimizer passes over what has none."""
        if self.max_norm is None and not self.roll_back:
            return
        parameters = [p for _, p in named_parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm([p.grad for p in parameters])
        self.is_finite = bool(net.latest_loss.isfinite() and norm.isfinite())
        if self.roll_back and not self.is_finite:
            for parameter in parameters:
                parameter.grad = None
            for buffer, before in zip(net.module_.buffers(), self.buffers, strict=True):
                buffer.copy_(before)
        elif self.max_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.max_norm, norm)

    def on_batch_end(self, net, training, **kwargs):
        """Mark a step that was not taken."""
        if training and self.roll_back:
            net.history.record_batch("rolled_back", not self.is_finite)

    def on_epoch_end(self, net, **kwargs):
        """Average the losses of the steps that were taken, and count the others."""
        batches = net.history[-1]["batches"]
        batches = [batch for batch in batches if "train_loss" in batch]
        taken = [batch for batch in batches if not batch.get("rolled_back")]
        losses = [batch["train_loss"] for batch in taken]
        sizes = [batch["train_batch_size"] for batch in taken]
        loss = np.average(losses, weights=sizes) if taken else np.nan
        net.history.record("train_loss", float(loss))
        if self.roll_back:
            net.history.record("n_rolled_back", len(batches) - len(taken))


class EpochSteps(Callback):
    """Report every epoch as a step of the fit task, and note when to stop."""

    def __init__(self, name, early_stopping, task, fitted_attributes):
        self.name = name
        self.early_stopping = early_stopping
        self.task = task
        self.fitted_attributes = fitted_attributes
        self.is_over = False

    def on_epoch_begin(self, net, **kwargs):
        """Begin a step."""
        self.context = self.task.begin_step(self.name)

    def on_epoch_end(self, net, **kwargs):
        """End the step, unless the loss says that training has failed."""
        epoch = net.history[-1]
        # The loss is that before the last step.
        norm = torch.nn.utils.get_total_norm(net.network.parameters())
        if not np.isfinite(epoch["train_loss"]) or not norm.isfinite():
            raise DivergenceError(
                f"The training loss became {epoch['train_loss']} in epoch "
                f"{epoch['epoch']}, and the norm of the weights {norm}. Lower "
                f"learning_rate; if X or y hold large numbers, scale them "
                f"(StandardScaler, TransformedTargetRegressor)."
            )
        asked = self.task.end(self.context, lambda: self.fitted_attributes(net.network))
        stalls = self.early_stopping is not None and self.early_stopping.is_over
        self.is_over = bool(asked or stalls)

    def get_progress(self, net):
        """Return whether training is over, also because a callback has asked for it."""
        return {"is_over": self.is_over}

    def set_progress(self, net, progress):
        """Put it back."""
        self.is_over = progress["is_over"]
