"""The networks that an activation is searched in."""

from itertools import pairwise

import torch
from torch import nn

# The smallest image whose side the two unpadded convolutions of LeNet leave something
# of.
_LENET_SIDE = 16
_SMALLEST_SIDE = 4


class ImageInput(nn.Module):
    """Scale images (n, height, width, channels) to [-1, 1], channels first."""

    def forward(self, x):
        """Take integers for 0 to 255, and floats for 0 to 1."""
        if not x.is_floating_point():
            x = x.float() / 255
        # Left in the order of the images, gradients of small convolutions are slow.
        return (2 * x - 1).permute(0, 3, 1, 2).contiguous()


def lenet(input_shape, n_outputs, activation):
    """Two convolutions, each with max pooling, the activation, and a linear layer.

    Parameters
    ----------
    input_shape : tuple of int
        Channels, height and width. Sides under 16 get padded convolutions with smaller
        kernels.

    n_outputs : int
        Number of classes.

    activation : callable
        Takes the number of channels, returns a module.

    Returns
    -------
    network : torch.nn.Sequential
        Maps images, channels first, to logits.

    Raises
    ------
    ValueError
        If a side is under 4.
    """
    n_channels, height, width = input_shape
    if min(height, width) < _SMALLEST_SIDE:
        raise ValueError(
            f"Images of {height} x {width} are too small for two rounds of pooling: "
            f"they need {_SMALLEST_SIDE} x {_SMALLEST_SIDE}. Channels come last; for "
            "smaller images pass a module of your own."
        )
    small = min(height, width) < _LENET_SIDE
    kernel = {"kernel_size": 3, "padding": 1} if small else {"kernel_size": 5}
    features = nn.Sequential(
        nn.Conv2d(n_channels, 6, **kernel),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 16, **kernel),
        nn.MaxPool2d(2),
        nn.Flatten(),
    )
    with torch.no_grad():
        n_features = features(torch.zeros(1, *input_shape)).shape[1]
    return nn.Sequential(
        *features, activation(n_features), nn.Linear(n_features, n_outputs)
    )


def mlp(input_shape, n_outputs, activation, *, hidden_layer_sizes):
    """Linear layers with the activation between them.

    Parameters
    ----------
    input_shape : tuple of int
        Number of features.

    n_outputs : int
        Number of classes.

    activation : callable
        Takes the number of channels, returns a module.

    hidden_layer_sizes : sequence of int
        Width of each hidden layer.

    Returns
    -------
    network : torch.nn.Sequential
        Maps rows to logits.
    """
    layers = []
    for n_in, n_out in pairwise([*input_shape, *hidden_layer_sizes]):
        layers += [nn.Linear(n_in, n_out), activation(n_out)]
    return nn.Sequential(*layers, nn.Linear(hidden_layer_sizes[-1], n_outputs))


def build(
    input_shape, n_outputs, make_activation, *, module, hidden_layer_sizes, device
):
    """Build the network for images or tables, or the user's own.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of a row: (n_features,) or (height, width, channels).

    n_outputs : int
        Number of classes.

    make_activation : callable
        Takes the number of channels, returns a module.

    module : callable or None
        What makes the user's own network.

    hidden_layer_sizes : sequence of int
        Widths of the hidden layers for tables.

    device : str
        Name of a torch device.

    Returns
    -------
    network : torch.nn.Module
        Maps rows to logits.

    Raises
    ------
    TypeError
        If the user's network is no module.

    ValueError
        If it has no activation or does not return logits, or images are too small.
    """
    made = []

    def activation(n_channels):
        made.append(make_activation(n_channels))
        return made[-1]

    is_image = len(input_shape) == 3
    if is_image:
        input_shape = (input_shape[2], *input_shape[:2])
    if isinstance(module, nn.Module):
        raise TypeError(
            "module must be a function that makes a network, not a network."
        )
    if module is not None:
        body = module(input_shape, n_outputs, activation)
        _check_body(body, made, input_shape, n_outputs, device)
    elif is_image:
        body = lenet(input_shape, n_outputs, activation)
    else:
        body = mlp(
            input_shape, n_outputs, activation, hidden_layer_sizes=hidden_layer_sizes
        )
    return nn.Sequential(ImageInput(), body) if is_image else body


def _check_body(body, places, input_shape, n_outputs, device):
    """Check the user's network, by running it on two rows."""
    if not isinstance(body, nn.Module):
        raise TypeError(f"module must return a torch.nn.Module, got {body!r}.")
    training = body.training
    called = []
    hooks = [
        place.register_forward_hook(lambda *_: called.append(True)) for place in places
    ]
    with torch.no_grad():
        rows = torch.zeros(2, *input_shape, device=device)
        shape = tuple(body.to(device).eval()(rows).shape)
    for hook in hooks:
        hook.remove()
    body.train(training)
    if not called or not set(places) & set(body.modules()):
        raise ValueError(
            "module must call its argument `activation` with a number of channels, and "
            "put what it returns into the network, which must call it."
        )
    if shape != (2, n_outputs):
        raise ValueError(
            f"module must map an input of shape {(2, *input_shape)} to logits of shape "
            f"{(2, n_outputs)}, got {shape}."
        )
