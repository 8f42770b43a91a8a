"""The search: alternating steps for the alphas and for the weights.

The bilevel problem and its approximations of first and second order are those of Liu,
Simonyan and Yang (2019), "DARTS: Differentiable architecture search", ICLR.
"""

import numpy as np
import torch
from scipy.special import softmax
from scipy.stats import entropy
from skorch.callbacks import Callback

from skestimators.utils._skorch_progress import set_optimizer_state

# Of the finite difference in a second-order step, as a share of the gradient's norm.
_STEP = 0.01


class ArchitectureSteps(Callback):
    """Before each step for the weights, take one for the alphas, on other rows.

    Parameters
    ----------
    architecture : Architecture
        Has the alphas.

    batches : TensorBatches
        The rows for the alphas.

    learning_rate, weight_decay : float
        Adam's.

    second_order : bool
        Whether to follow the effect of the alphas on the next step for the weights.

    stage_ends : dict of float
        For an epoch, counted from 1, after which to drop operations: the power of the
        number of operations that is left.
    """

    def __init__(
        self,
        architecture,
        batches,
        *,
        learning_rate,
        weight_decay,
        second_order,
        stage_ends,
    ):
        self.architecture = architecture
        self.batches = batches
        self.second_order = second_order
        self.stage_ends = stage_ends
        self.alphas = list(architecture.alphas.values())
        self.optimizer = torch.optim.Adam(
            self.alphas, learning_rate, betas=(0.5, 0.999), weight_decay=weight_decay
        )
        self.values = [architecture.values()]
        self.history = {"arch_loss": [], "entropy": [], "n_arch_rolled_back": []}

    def on_epoch_begin(self, net, **kwargs):
        """Begin a pass through the rows."""
        self.rows = iter(self.batches)
        self.losses = []
        self.n_rolled_back = 0

    def on_batch_begin(self, net, batch, training, **kwargs):
        """Take a step for the alphas."""
        try:
            rows = next(self.rows)
        except StopIteration:
            self.rows = iter(self.batches)
            rows = next(self.rows)
        net.module_.train()
        buffers = [buffer.clone() for buffer in net.module_.buffers()]
        weights = [p for p in net.module_.parameters() if p.requires_grad]
        step = self._second_order if self.second_order else self._first_order
        try:
            with torch.enable_grad():
                loss, gradients = step(net, weights, rows, batch)
        finally:
            _set_requires_grad(self.alphas, False)
            _set_requires_grad(weights, True)
        norm = torch.nn.utils.get_total_norm(gradients)
        for buffer, before in zip(net.module_.buffers(), buffers, strict=True):
            buffer.copy_(before)
        if not (loss.isfinite() and norm.isfinite()):
            self.n_rolled_back += 1
            return
        for alpha, gradient in zip(self.alphas, gradients, strict=True):
            alpha.grad = gradient
        self.optimizer.step()
        self.losses.append(loss.item())

    def on_epoch_end(self, net, **kwargs):
        """Write down what there is; drop operations at the end of a stage."""
        epoch = len(self.values)
        if epoch in self.stage_ends:
            self.architecture.shrink(self.stage_ends[epoch])
        self.values.append(self.architecture.values())
        self.history["arch_loss"].append(float(np.mean(self.losses or np.nan)))
        self.history["entropy"].append(mean_entropy(self.values[-1]))
        self.history["n_arch_rolled_back"].append(self.n_rolled_back)

    def get_progress(self, net):
        """Return what the steps have come to."""
        names = self.values[0]
        return {
            "alphas": self.architecture.alphas,
            "left": self.architecture.left,
            "optimizer": self.optimizer.state_dict()["state"],
            "values": {n: np.stack([v[n] for v in self.values]) for n in names},
            "history": self.history,
        }

    def set_progress(self, net, progress):
        """Put it back."""
        with torch.no_grad():
            for name, alpha in self.architecture.alphas.items():
                alpha.copy_(progress["alphas"][name])
        self.architecture.keep(progress["left"])
        set_optimizer_state(self.optimizer, progress["optimizer"])
        n_values = len(progress["history"]["entropy"]) + 1
        self.values = [
            {name: values[i] for name, values in progress["values"].items()}
            for i in range(n_values)
        ]
        self.history = progress["history"]

    def _first_order(self, net, weights, rows, batch):
        # Nothing of the network below its first activation needs a gradient.
        _set_requires_grad(weights, False)
        _set_requires_grad(self.alphas, True)
        loss = _loss(net, rows)
        return loss.detach(), _gradients(loss, self.alphas)

    def _second_order(self, net, weights, rows, batch):
        # The loss after the next step for the weights, momentum and all. The derivative
        # of that step by the alphas, times a vector, is a difference of two gradients.
        before = [weight.detach().clone() for weight in weights]
        rate = net.optimizer_.param_groups[0]["lr"]
        _move(weights, before, -rate, _next_step(net, weights, batch))
        _set_requires_grad(self.alphas, True)
        loss = _loss(net, rows)
        gradients = _gradients(loss, [*self.alphas, *weights])
        by_alphas = gradients[: len(self.alphas)]
        by_weights = gradients[len(self.alphas) :]
        norm = torch.nn.utils.get_total_norm(by_weights)
        size = _STEP / norm.clamp(min=torch.finfo(norm.dtype).tiny ** 0.5)
        differences = []
        for sign in (1, -1):
            _move(weights, before, sign * size, by_weights)
            differences.append(_gradients(_loss(net, batch), self.alphas))
        with torch.no_grad():
            for weight, at in zip(weights, before, strict=True):
                weight.copy_(at)
        return loss.detach(), [
            direct - rate * (ahead - behind) / (2 * size)
            for direct, ahead, behind in zip(by_alphas, *differences, strict=True)
        ]


def _loss(net, batch):
    inputs, targets = batch
    return net.criterion_(net.module_(inputs), targets)


def _gradients(loss, tensors):
    return torch.autograd.grad(loss, tensors, materialize_grads=True)


def _next_step(net, weights, batch):
    """Return the direction that the optimizer will go in, but for clipping."""
    group = net.optimizer_.param_groups[0]
    steps = []
    for weight, gradient in zip(
        weights, _gradients(_loss(net, batch), weights), strict=True
    ):
        step = gradient + group["weight_decay"] * weight.detach()
        velocity = net.optimizer_.state[weight].get("momentum_buffer")
        if velocity is not None:
            step = step + group["momentum"] * velocity
        steps.append(step)
    return steps


@torch.no_grad()
def _move(weights, start, factor, direction):
    for weight, at, step in zip(weights, start, direction, strict=True):
        weight.copy_(at + factor * step)


def _set_requires_grad(tensors, value):
    for tensor in tensors:
        tensor.requires_grad_(value)


def mean_entropy(alphas):
    """Return the entropy of the weights, in units of that of a uniform choice.

    Parameters
    ----------
    alphas : dict of ndarray of shape (n_operations,)
        The alphas of each choice, -inf for operations that were dropped.

    Returns
    -------
    entropy : float
        Mean over the choices that have several operations; 0 is certainty.
    """
    entropies = [
        entropy(softmax(values)) / np.log(len(values))
        for values in alphas.values()
        if len(values) > 1
    ]
    return float(np.mean(entropies))


def stage_ends(n_stages, n_epochs):
    """Tell after which epochs operations are dropped, and how many are left.

    Parameters
    ----------
    n_stages : int
        Number of stages. The last ends with the choice itself.

    n_epochs : int
        Number of epochs in all stages.

    Returns
    -------
    ends : dict of float
        For an epoch, counted from 1, the power of the number of operations that is left
        to a choice.
    """
    return {
        round(n_epochs * stage / n_stages): 1 - stage / n_stages
        for stage in range(1, n_stages)
    }
