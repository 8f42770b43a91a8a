"""The layers of VGG16 that are trained, with a new last one."""

import numpy as np
import torch
from torch import nn

from skestimators.feature_extraction._vgg_network import (
    NAMES,
    SIZE,
    VGGPart,
    output_shape,
)
from skestimators.metrics import true_skill_statistic
from skestimators.utils._skorch_engine import WeightedLoss

N_LAYERS = len(NAMES) + 1


def n_stored_layers(trainable_layers):
    """Return how many layers come before what is stored of an image.

    Parameters
    ----------
    trainable_layers : int
        Number of layers that are trained, the last one among them.

    Returns
    -------
    n_layers : int
        All frozen layers, or none if what they make of an image is larger than the
        image: they are then run in every epoch.
    """
    n_frozen = N_LAYERS - trainable_layers
    is_small = np.prod(output_shape(n_frozen, SIZE)) <= np.prod(output_shape(0, SIZE))
    return n_frozen if is_small else 0


def empty_network(n_classes, trainable_layers):
    """Return a network whose weights are for the caller to fill in.

    Parameters
    ----------
    n_classes, trainable_layers : int
        As for `FlareNetwork`.

    Returns
    -------
    network : FlareNetwork
        Laid out in memory as one that was read from a file.
    """
    part = VGGPart(n_stored_layers(trainable_layers), N_LAYERS - 1)
    part = part.to_empty(device="cpu").to(memory_format=torch.channels_last)
    return FlareNetwork(part, n_classes, trainable_layers)


class FlareNetwork(nn.Module):
    """The last layers of VGG16.

    Parameters
    ----------
    part : VGGPart
        The layers before the last one.

    n_classes : int
        Number of outputs.

    trainable_layers : int
        How many of the last layers are trained.
    """

    def __init__(self, part, n_classes, trainable_layers):
        super().__init__()
        self.part = part
        self.head = nn.Linear(4096, n_classes)
        # As keras draws it, which the learning rate was chosen for.
        nn.init.xavier_uniform_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        for name, layer in part.layers.items():
            layer.requires_grad_(NAMES.index(name) >= N_LAYERS - trainable_layers)

    def forward(self, x):
        """Return the logits, of shape (n_images, n_classes)."""
        return self.head(self.part(x))


class RowTensor:
    """Some rows of a file, read as tensors when they are asked for by number.

    Parameters
    ----------
    file : RowFile
        All rows.

    rows : ndarray of int
        The ones that number 0, 1 and so on stand for.

    device : str
        Where the tensors go.
    """

    def __init__(self, file, rows, device):
        self.file = file
        self.rows = rows
        self.device = device

    def __len__(self):
        return len(self.rows)

    @property
    def shape(self):
        """Shape of all of them."""
        return len(self.rows), *self.file.row_shape

    def __getitem__(self, numbers):
        values = self.file[self.rows[numbers.cpu().numpy()]]
        return torch.from_numpy(values).to(self.device)


class FlareLoss(WeightedLoss):
    """Cross-entropy times a weight; targets are class, weight and sample weight."""

    def __init__(self):
        super().__init__(nn.CrossEntropyLoss(reduction="none"))

    def forward(self, output, targets):
        """Return the scalar loss."""
        return super().forward(output, targets[:2])


def skill(outputs, targets):
    """Return the true skill statistic of the most probable classes.

    Parameters
    ----------
    outputs : list of tensor of shape (n_images, n_classes)
        Logits of each batch.

    targets : list of tuple of tensor
        What `FlareLoss` takes, of each batch.

    Returns
    -------
    score : float
        NaN if there is one class only.
    """
    y_pred = torch.cat(outputs).argmax(1).cpu().numpy()
    y_true, _, weight = (torch.cat(t).cpu().numpy() for t in zip(*targets, strict=True))
    if len(np.unique(y_true)) < 2:
        return np.nan
    return true_skill_statistic(y_true, y_pred, sample_weight=weight)


@torch.inference_mode()
def predict_proba(network, features):
    """Return the probabilities of the classes.

    Parameters
    ----------
    network : FlareNetwork
        The network, in evaluation mode.

    features : ndarray of float32 of shape (n_images, ...)
        What its first layer takes.

    Returns
    -------
    proba : ndarray of float64 of shape (n_images, n_classes)
        They sum to one.
    """
    device = network.head.weight.device
    logits = network(torch.from_numpy(features).to(device))
    return logits.double().softmax(1).cpu().numpy()
