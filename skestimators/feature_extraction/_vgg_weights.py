"""Find and read the weights of VGG16."""

import hashlib
import os
import re
import threading
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from skestimators.feature_extraction._vgg_network import (
    N_CONVOLUTIONS,
    NAMES,
    VGGPart,
    weight_shape,
)
from skestimators.feature_extraction._weights import WeightsSource
from skestimators.utils._optional import import_optional

_LOADING = threading.Lock()

_URL = "https://storage.googleapis.com/tensorflow/keras-applications/vgg16/{name}"
# The files that keras downloads, with and without the dense layers, and their MD5.
_WITH_TOP = (
    "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
    "64373286793e3c8b2b4e3219cbf3544b",
)
_WITHOUT_TOP = (
    "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
    "6d6bbae143d832006294945121d1f1fc",
)


def find_imagenet(stop):
    """Return the file of the ImageNet weights, downloading it if keras has not.

    Parameters
    ----------
    stop : int
        Number of layers that are needed.

    Returns
    -------
    path : Path
        An existing file in the folder where keras keeps its downloads.

    Raises
    ------
    OSError
        If it is not there and cannot be downloaded, or arrives damaged.
    """
    home = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser()
    folder = home / "models"
    enough = [_WITH_TOP] if stop > N_CONVOLUTIONS else [_WITHOUT_TOP, _WITH_TOP]
    for name, _ in enough:
        if (folder / name).is_file():
            return folder / name
    _download(folder, *enough[0])
    return folder / enough[0][0]


def _download(folder, name, md5):
    url, path = _URL.format(name=name), folder / name
    # Only what is whole and right gets the name that others look for.
    partial = path.with_name(f"{name}.{os.getpid()}.partial")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(partial), progress=False)
        with partial.open("rb") as file:
            found = hashlib.file_digest(file, "md5").hexdigest()
        if found != md5:
            raise OSError(f"its MD5 is {found} instead of {md5}")
        partial.replace(path)
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"The weights {name} are not in {folder} and cannot be downloaded "
            f"({error}). Download {url} on a machine that can, put it at {path}, or "
            "anywhere else and name it as weights=<path>."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _find_file(weights):
    path = Path(weights).expanduser()
    if not path.is_file():
        raise FileNotFoundError(
            f"weights={str(weights)!r} is no file. Name a .weights.h5 or .h5 file of "
            "keras's VGG16, or use weights='imagenet' or weights='random'."
        )
    return path


def _read_file(path, names):
    """Yield (name, tensor) of some layers; nothing in the file is run."""
    h5py = import_optional("h5py", extra="solar", caller="VGGEmbedder")
    try:
        with h5py.File(path, "r") as file:
            pairs = _find_layers(file, h5py)
            for name in names:
                if name not in pairs:
                    raise _RefusedError(path, f"it has no layer {name}")
                yield from _read_layer(path, name, pairs[name])
    except _RefusedError:
        raise
    # h5py has an exception of another type for each kind of damage.
    except Exception as error:
        raise ValueError(
            f"{path} cannot be read as an HDF5 file ({error}); it may be damaged or "
            "incomplete."
        ) from error


class _RefusedError(ValueError):
    def __init__(self, path, reason):
        super().__init__(f"{path} does not hold the weights of VGG16: {reason}.")


def _find_layers(file, h5py):
    """Return the two data sets of each layer, by its name."""
    children = _children(file, h5py)
    if "layers" in children:
        # Files of keras 3 number the layers of a kind in their order.
        groups = {}
        for key, group in _children(children["layers"], h5py).items():
            kind = re.fullmatch(r"(conv2d|dense)(?:_(\d{1,3}))?", key)
            first = N_CONVOLUTIONS if kind and kind[1] == "dense" else 0
            number = first + int(kind[2] or 0) if kind else len(NAMES)
            if number < len(NAMES):
                groups[NAMES[number]] = group
    else:
        groups = _children(children.get("model_weights", file), h5py)
    return {name: list(_datasets(group, h5py)) for name, group in groups.items()}


def _children(group, h5py):
    """Return what lies in a group by its name, without what it only points to."""
    if not isinstance(group, h5py.Group):
        return {}
    return {
        name: group[name]
        for name in group
        if isinstance(group.get(name, getlink=True), h5py.HardLink)
    }


def _datasets(item, h5py, depth=3):
    """Yield the data sets in a group and in groups in it, which may hold themselves."""
    if isinstance(item, h5py.Dataset):
        if not (item.external or item.is_virtual):
            yield item
    elif depth:
        for child in _children(item, h5py).values():
            yield from _datasets(child, h5py, depth - 1)


def _read_layer(path, name, datasets):
    """Yield the weight and the bias, laid out as torch does."""
    weight = weight_shape(name)
    # Keras has the outputs last: (3, 3, inputs, outputs) or (inputs, outputs).
    transposed = (*weight[2:], weight[1], weight[0])
    expected = {"weight": transposed, "bias": weight[:1]}
    for kind, shape in expected.items():
        fitting = [d for d in datasets if d.shape == shape and d.dtype.kind == "f"]
        if len(fitting) != 1 or len(datasets) != 2:
            shapes = [f"{d.shape} {d.dtype}" for d in datasets]
            reason = f"layer {name} has arrays {shapes}, expected {kind} {shape}"
            raise _RefusedError(path, reason)
        tensor = torch.from_numpy(fitting[0][()].astype(np.float32, copy=False))
        if not tensor.isfinite().all():
            raise _RefusedError(path, f"the {kind} of {name} is not finite")
        if tensor.ndim == 4:
            tensor = tensor.permute(3, 2, 0, 1)
        yield f"{name}.{kind}", tensor.T if tensor.ndim == 2 else tensor


def _random_tensors(seed, names):
    """Draw the weights of an untrained network, each layer from its own generator.

    Drawn as for rectifiers (He et al., 2015), so that layer upon layer keeps the size
    of the differences between images. Pixels differ by tens; the first layer makes
    that numbers near one, which a classifier starts well from.
    """
    for name in names:
        sequence = np.random.SeedSequence([seed, NAMES.index(name)])
        generator = torch.Generator().manual_seed(int(sequence.generate_state(1)[0]))
        weight = torch.empty(weight_shape(name))
        torch.nn.init.kaiming_normal_(weight, nonlinearity="relu", generator=generator)
        if name == NAMES[0]:
            weight /= 32
        yield f"{name}.weight", weight
        yield f"{name}.bias", torch.zeros(len(weight))


class Weights(WeightsSource):
    """Where the weights of some layers of VGG16 come from.

    Parameters
    ----------
    start, stop : int
        The layers, as in `VGGPart`.

    path : Path or None
        The file; None for an untrained network.

    seed : int or None
        Seed of the untrained network.
    """

    def __init__(self, start, stop, *, path=None, seed=None):
        drawn_by = ("He, first layer / 32", torch.__version__)
        part = ("VGG16", start, stop)
        super().__init__(part, path=path, seed=seed, drawn_by=drawn_by)
        self.start = start
        self.stop = stop

    def read(self):
        """Yield names and tensors, of a layer at a time."""
        names = NAMES[self.start : self.stop]
        if self.path is None:
            return _random_tensors(self.seed, names)
        return _read_file(self.path, names)

    def build(self, dtype=torch.float32, device="cpu"):
        """Return the part of the network."""
        return VGGPart(self.start, self.stop).take(self.read(), dtype, device)


def load_part(weights, dtype, device):
    """Build a part of the network, or return the one built last if it is the same.

    One is kept because a search clones its estimator for every fold.

    Parameters
    ----------
    weights : Weights
        The weights.

    dtype : {"float32", "bfloat16"}
        Type of all layers.

    device : str
        Where the network computes.

    Returns
    -------
    network : VGGPart
        The network.
    """
    # Threads that need the same network wait for the first to build it.
    with _LOADING:
        return _load_part(weights, dtype, device)


@lru_cache(maxsize=1)
def _load_part(weights, dtype, device):
    return weights.build(getattr(torch, dtype), device)


def find_weights(weights, seed, start, stop, n_needed=None):
    """Turn the `weights` parameter into the weights of some layers.

    Parameters
    ----------
    weights : str or path-like
        `"imagenet"`, `"random"` or a file.

    seed : int or None
        Seed of the untrained network.

    start, stop : int
        The layers.

    n_needed : int or None, default=None
        How many layers the file must have, if others are wanted of it as well.

    Returns
    -------
    weights : Weights
        They are not read yet.

    Raises
    ------
    FileNotFoundError
        If there is no such file.

    OSError
        If the ImageNet weights are missing and cannot be downloaded.
    """
    if weights == "random":
        return Weights(start, stop, seed=seed)
    if weights == "imagenet":
        return Weights(start, stop, path=find_imagenet(n_needed or stop))
    return Weights(start, stop, path=_find_file(weights))
