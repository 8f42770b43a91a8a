"""VGG16 as torch modules, each from one of its layers to another."""

import torch
from torch import nn
from torch.nn import functional as F

_BLOCKS = {1: (64, 2), 2: (128, 2), 3: (256, 3), 4: (512, 3), 5: (512, 3)}
# Those of the photographs of ImageNet, in the order of `RGB`.
_MEAN_PIXEL = (123.68, 116.779, 103.939)

# Height and width of the images that the dense layers are made for.
SIZE = (224, 224)


def _layers():
    """Return inputs, outputs and whether the block ends, by the names keras has."""
    layers, width = {}, 3
    for block, (n_filters, n_layers) in _BLOCKS.items():
        for number in range(1, n_layers + 1):
            name = f"block{block}_conv{number}"
            layers[name] = (width, n_filters, number == n_layers)
            width = n_filters
    layers["fc1"] = (7 * 7 * width, 4096, False)
    layers["fc2"] = (4096, 4096, False)
    return layers


# Name: (inputs, outputs, whether a pooling follows).
LAYERS = _layers()
NAMES = tuple(LAYERS)
N_CONVOLUTIONS = NAMES.index("fc1")


def weight_shape(name):
    """Return the shape of a layer's weight, as torch lays it out."""
    n_inputs, n_outputs, _ = LAYERS[name]
    is_convolution = NAMES.index(name) < N_CONVOLUTIONS
    return (n_outputs, n_inputs, 3, 3) if is_convolution else (n_outputs, n_inputs)


def output_shape(depth, size):
    """Return what an image is after the first layers.

    Parameters
    ----------
    depth : int
        Number of layers.

    size : tuple of int
        Height and width of the image.

    Returns
    -------
    shape : tuple of int
        Height, width and channels, or the number of features.
    """
    if depth == 0:
        return (*size, 3)
    _, n_outputs, _ = LAYERS[NAMES[depth - 1]]
    if depth > N_CONVOLUTIONS:
        return (n_outputs,)
    n_pools = sum(LAYERS[name][2] for name in NAMES[:depth])
    return (*(length >> n_pools for length in size), n_outputs)


class VGGPart(nn.Module):
    """The layers of VGG16 from one to another.

    Channels come last, as they do in the images: what follows the convolutions is then
    flattened in the order that keras's weights have.

    Parameters
    ----------
    start, stop : int
        The layers, counted from 0; those with weights count, 13 convolutions and two
        dense ones.
    """

    def __init__(self, start, stop):
        super().__init__()
        self.start = start
        self.stop = stop
        with torch.device("meta"):
            self.layers = nn.ModuleDict(
                {name: _module(name) for name in NAMES[start:stop]}
            )

    def forward(self, x):
        """Compute.

        Parameters
        ----------
        x : tensor of shape (n, height, width, channels) or (n, n_features)
            Pixels from 0 to 255 in the order red, green, blue, or what an earlier part
            made of them.

        Returns
        -------
        x : tensor of shape (n, height, width, channels) or (n, n_features)
            In the type of the weights.
        """
        if self.start == 0:
            # The first network with these weights was fed by a library that had blue
            # come first.
            x = (x - x.new_tensor(_MEAN_PIXEL)).flip(-1)
        if self.layers:
            x = x.to(next(self.parameters()).dtype)
        if x.ndim == 4:
            x = x.permute(0, 3, 1, 2)
        for name, layer in self.layers.items():
            if name == "fc1":
                x = x.permute(0, 2, 3, 1).flatten(1)
            x = F.relu(layer(x), inplace=not self.training)
            if LAYERS[name][2]:
                x = F.max_pool2d(x, 2)
        return x.permute(0, 2, 3, 1) if x.ndim == 4 else x

    def take(self, tensors, dtype, device):
        """Take over weights, letting go of each.

        Parameters
        ----------
        tensors : iterable of (str, tensor)
            Names as in `state_dict`, without "layers.".

        dtype : torch.dtype
            What they are converted to.

        device : str
            Where they go.

        Returns
        -------
        self : VGGPart
            The network, in evaluation mode.
        """
        for name, tensor in tensors:
            layer, kind = name.split(".")
            tensor = tensor.to(device, dtype)
            # One layout whatever the file has, as sums are rounded by it.
            tensor = tensor.contiguous(
                memory_format=torch.channels_last
                if tensor.ndim == 4
                else torch.contiguous_format
            )
            setattr(self.layers[layer], kind, nn.Parameter(tensor))
        return self.eval()


def _module(name):
    n_inputs, n_outputs, _ = LAYERS[name]
    if NAMES.index(name) < N_CONVOLUTIONS:
        return nn.Conv2d(n_inputs, n_outputs, 3, padding=1)
    return nn.Linear(n_inputs, n_outputs)
