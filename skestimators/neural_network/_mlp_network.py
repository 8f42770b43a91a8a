"""The multilayer perceptron as a torch module."""

import copy
from functools import partial
from itertools import pairwise

from torch import nn

ACTIVATIONS = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "identity": nn.Identity,
}


def build_mlp(n_features, hidden_layer_sizes, n_outputs, *, activation, dropout):
    """Stack linear layers with activation and dropout between them.

    Parameters
    ----------
    n_features : int
        Number of inputs.

    hidden_layer_sizes : sequence of int
        Width of each hidden layer.

    n_outputs : int
        Number of outputs; the last layer is linear.

    activation : str, torch.nn.Module or callable
        A key of `ACTIVATIONS`, a module that each layer gets a copy of, or a callable
        that returns a new module.

    dropout : float
        Share of the hidden units dropped during training.

    Returns
    -------
    network : torch.nn.Sequential
        Maps (n_samples, n_features) to (n_samples, n_outputs).
    """
    make_activation = ACTIVATIONS.get(activation, activation)
    if isinstance(activation, nn.Module):
        make_activation = partial(copy.deepcopy, activation)
    widths = [n_features, *hidden_layer_sizes]
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), make_activation()]
        if dropout:
            layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers, nn.Linear(widths[-1], n_outputs))
