"""Files of VGG16's weights, in the formats that keras wrote over the years."""

import h5py
import numpy as np

from skestimators.feature_extraction._vgg_weights import Weights


def draw_layers(stop, seed=0):
    """Return (name, kernel, bias) of the first layers, laid out as keras does."""
    tensors = dict(Weights(0, stop, seed=seed).read())
    rng = np.random.default_rng(seed)
    layers = []
    for name in [key.removesuffix(".weight") for key in tensors if "weight" in key]:
        weight = tensors[f"{name}.weight"].numpy()
        kernel = weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T
        bias = rng.normal(size=len(weight)).astype(np.float32)
        layers.append((name, kernel, bias))
    return layers


def write_legacy(path, layers):
    """Write a file as those that keras downloads."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [name.encode() for name, *_ in layers]
        for name, kernel, bias in layers:
            group = file.create_group(name)
            group.create_dataset(f"{name}_W_1:0", data=kernel)
            group.create_dataset(f"{name}_b_1:0", data=bias)
    return path


def write_keras_3(path, layers):
    """Write a `.weights.h5` file."""
    counts = {}
    with h5py.File(path, "w") as file:
        for _, kernel, bias in layers:
            kind = "conv2d" if kernel.ndim == 4 else "dense"
            number = counts.setdefault(kind, 0)
            counts[kind] += 1
            suffix = f"_{number}" if number else ""
            group = file.create_group(f"layers/{kind}{suffix}/vars")
            group.create_dataset("0", data=kernel)
            group.create_dataset("1", data=bias)
        file.create_group("layers/flatten/vars")
    return path


def write_saved_model(path, layers):
    """Write an `.h5` file of a whole model."""
    with h5py.File(path, "w") as file:
        for name, kernel, bias in layers:
            group = file.create_group(f"model_weights/{name}/{name}")
            group.create_dataset("kernel", data=kernel)
            group.create_dataset("bias", data=bias)
    return path
