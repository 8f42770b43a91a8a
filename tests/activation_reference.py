"""The mixture of a search as one would write it down first, to compare with."""

import torch
from torch import nn

from skestimators.neural_network._activation.operations import BINARY, UNARY, Affine

OPERATIONS = UNARY | BINARY


def evaluate(name, *arguments):
    """Apply an operation to tensors, and beta where it has one."""
    operation = OPERATIONS[name]
    is_affine = isinstance(operation, Affine)
    return (operation.value if is_affine else operation.evaluate)(*arguments)


class StraightforwardMixture(nn.Module):
    """Each operation of each choice on its own, stacked and weighted.

    Parameters
    ----------
    mixed : MixedActivation
        Alphas and betas are those of this one.
    """

    def __init__(self, mixed):
        super().__init__()
        self.architecture = mixed.architecture
        self.betas = mixed.betas

    def forward(self, x):
        """Return the mixture, of the shape of `x`."""
        values = {"x": x}
        for choice in self.architecture.choices:
            left = [
                i
                for i, name in enumerate(choice.operations)
                if name in self.architecture.left[choice.name]
            ]
            outcomes = []
            for i in left:
                arguments = [values[name] for name in choice.inputs]
                key = f"{choice.name}_{choice.operations[i]}"
                if key in self.betas:
                    beta = self.betas[key].reshape(1, -1, *[1] * (x.dim() - 2))
                    arguments.append(beta)
                outcomes.append(evaluate(choice.operations[i], *arguments))
            weights = self.architecture.alphas[choice.name][left].softmax(0)
            values[choice.name] = torch.tensordot(weights, torch.stack(outcomes), 1)
        return values[choice.name]


def straightforward(network):
    """Replace the mixtures in a network by straightforward ones; weights are shared."""
    for name, child in network.named_children():
        if type(child).__name__ == "MixedActivation":
            setattr(network, name, StraightforwardMixture(child))
        else:
            straightforward(child)
    return network
