"""The activation of the search, a mixture of all that the space holds."""

import numpy as np
import torch
from torch import nn
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from skestimators.neural_network._activation.operations import (
    BINARY,
    UNARY,
    Affine,
)

OPERATIONS = UNARY | BINARY


class Group:
    """Choices among unary operations of one input, or one among binary operations.

    An operation on the same input is called once, however many choices it is in.

    Parameters
    ----------
    choices : list of Choice
        The choices.

    left : dict of list of str
        For each choice, the operations that were not dropped.

    device : str
        Name of a torch device.
    """

    def __init__(self, choices, left, device):
        self.choices = choices
        self.inputs = choices[0].inputs
        left = [left[choice.name] for choice in choices]
        names = dict.fromkeys(name for names in left for name in names)
        affine = [n for n in names if isinstance(OPERATIONS[n], Affine)]
        self.curved = [n for n in names if n not in affine]
        self.operations = self.curved + affine
        self.calls = tuple(_calls(self.curved, len(self.inputs)))
        # Where the alpha of each operation is found; behind the last, if nowhere.
        self.columns = [
            torch.tensor(
                [
                    choice.operations.index(n) if n in mine else len(choice.operations)
                    for n in self.operations
                ],
                device=device,
            )
            for choice, mine in zip(choices, left, strict=True)
        ]
        self.affine = affine
        operations = [OPERATIONS[n] for n in affine]
        self.fixed = torch.tensor(
            [(o.slope or 0.0, o.offset or 0.0) for o in operations], device=device
        ).reshape(-1, 2)


class Architecture:
    """What the search decides: an alpha for each operation of each choice.

    There is one object for all places where the activation stands. It is no module, as
    alphas are no weights of the network.

    Parameters
    ----------
    choices : tuple of Choice
        The choices of the space.

    device : str
        Name of a torch device.

    std : float, default=1e-3
        Standard deviation of the alphas at the start.
    """

    def __init__(self, choices, device, std=1e-3):
        self.choices = choices
        self.device = device
        self.alphas = {
            choice.name: (std * torch.randn(len(choice.operations)))
            .to(device)
            .requires_grad_()
            for choice in choices
        }
        self.keep({choice.name: choice.operations for choice in choices})

    def keep(self, left):
        """Drop all operations but those named, for each choice."""
        self.left = left
        groups = {}
        for choice in self.choices:
            # Binary operations may have a beta, of which each choice has its own.
            alone = choice.name if len(choice.inputs) == 2 else None
            groups.setdefault((choice.inputs, alone), []).append(choice)
        self.groups = [Group(group, left, self.device) for group in groups.values()]

    def weights(self, group):
        """Return the weights of operations, an array of (n_choices, n_operations)."""
        alphas = [self.alphas[choice.name] for choice in group.choices]
        nowhere = alphas[0].new_full((1,), -torch.inf)
        rows = [
            torch.cat([alpha, nowhere])[columns]
            for alpha, columns in zip(alphas, group.columns, strict=True)
        ]
        return torch.stack(rows).softmax(1)

    def shrink(self, power):
        """Leave the operations of the largest alphas, n ** power out of n."""
        values = self.values()
        left = {}
        for choice in self.choices:
            n_left = max(1, round(len(choice.operations) ** power))
            order = np.argsort(-values[choice.name], kind="stable")[:n_left]
            left[choice.name] = [choice.operations[i] for i in sorted(order)]
        self.keep(left)

    def values(self):
        """Return the alphas of each choice as an array, -inf for what was dropped."""
        values = {}
        for choice in self.choices:
            alphas = self.alphas[choice.name].detach().double().cpu().numpy().copy()
            dropped = [n not in self.left[choice.name] for n in choice.operations]
            alphas[dropped] = -np.inf
            values[choice.name] = alphas
        return values


class MixedActivation(nn.Module):
    """Weighted sums of operations in place of chosen ones.

    Parameters
    ----------
    architecture : Architecture
        The weights, shared by all places.

    n_channels : int
        Size of the second dimension of the input; betas have a value for each.
    """

    def __init__(self, architecture, n_channels):
        super().__init__()
        self.architecture = architecture
        self.betas = nn.ParameterDict(
            {
                f"{choice.name}_{name}": torch.full((n_channels,), beta)
                for choice in architecture.choices
                for name in choice.operations
                if (beta := OPERATIONS[name].beta) is not None
            }
        )

    def forward(self, x):
        """Return the mixture, of the shape of `x`."""
        values = {"x": x}
        for group in self.architecture.groups:
            weights = self.architecture.weights(group)
            inputs = [values[name] for name in group.inputs]
            mixed = self._mix(group, weights, inputs)
            for choice, value in zip(group.choices, mixed, strict=True):
                values[choice.name] = value
        return value

    def _mix(self, group, weights, inputs):
        """Return the sums of a group, in the first dimension."""
        n_curved = len(group.curved)
        total = 0
        if group.curved:
            betas = [
                self._beta(group, name, inputs[0])[0]
                for name in group.curved
                if OPERATIONS[name].beta is not None
            ]
            total = _WeightedSums.apply(
                group.calls, weights[:, :n_curved], *inputs, *betas
            )
        if group.affine:
            total = total + self._affine(group, weights[:, n_curved:], *inputs)
        return total

    def _affine(self, group, weights, x):
        """Return the sums of affine operations, which are affine functions."""
        slope, offset = (weights @ group.fixed).T.reshape(2, -1, *[1] * x.dim())
        for i, name in enumerate(group.affine):
            operation = OPERATIONS[name]
            if operation.beta is not None:
                weight = weights[:, i].reshape(-1, *[1] * x.dim())
                term = weight * self._beta(group, name, x)
                if operation.slope is None:
                    slope = slope + term
                else:
                    offset = offset + term
        return slope * x + offset

    def _beta(self, group, name, x):
        """Return beta of an operation for each choice, to be multiplied with x."""
        keys = [f"{choice.name}_{name}" for choice in group.choices]
        # A choice without the operation has no beta; its weight is zero.
        betas = [
            self.betas[key] if key in self.betas else x.new_zeros(x.shape[1])
            for key in keys
        ]
        return torch.stack(betas).reshape(len(keys), 1, -1, *[1] * (x.dim() - 2))


class _WeightedSums(Function):
    """Weighted sums of the values of operations that have the same arguments."""

    @staticmethod
    def forward(ctx, calls, weights, *tensors):
        values = [
            OPERATIONS[name].evaluate(*(tensors[i] for i in where))
            for name, where in calls
        ]
        values = torch.stack(values)
        ctx.calls = calls
        ctx.save_for_backward(weights, values, *tensors)
        return (weights @ values.flatten(1)).view(-1, *tensors[0].shape)

    @staticmethod
    @once_differentiable
    def backward(ctx, gradient):
        weights, values, *tensors = ctx.saved_tensors
        _, by_weights, *needed = ctx.needs_input_grad
        gradient = gradient.flatten(1)
        gradients = [
            torch.zeros_like(tensor) if need else None
            for tensor, need in zip(tensors, needed, strict=True)
        ]
        if any(needed):
            upstream = (weights.T @ gradient).view_as(values)
            for i, (name, where) in enumerate(ctx.calls):
                arguments = (tensors[j] for j in where)
                partials = OPERATIONS[name].partials(*arguments, values[i])
                for j, partial in zip(where, partials, strict=True):
                    if needed[j]:
                        term = upstream[i] * partial
                        gradients[j] += term.sum_to_size(tensors[j].shape)
        by_weights = gradient @ values.flatten(1).T if by_weights else None
        return None, by_weights, *gradients


def _calls(names, n_inputs):
    """Tell where in (*inputs, *betas) each operation finds its arguments."""
    inputs = tuple(range(n_inputs))
    beta = n_inputs
    for name in names:
        if OPERATIONS[name].beta is None:
            yield name, inputs
        else:
            yield name, (*inputs, beta)
            beta += 1
