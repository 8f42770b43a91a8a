"""The feed-forward and the convolutional network as Keras models."""

from itertools import pairwise

import keras
import numpy as np
from keras import layers

# scikit-learn's names of what keras calls otherwise.
ACTIVATIONS = {"logistic": "sigmoid", "identity": "linear"}


def build_ffnn(
    input_shape, n_outputs, *, hidden_layer_sizes, activation, dropout, seed
):
    """Stack dense layers with dropout after each.

    Parameters
    ----------
    input_shape : tuple (n_features,)
        Shape of a row.

    n_outputs : int
        Number of outputs; the last layer is linear.

    hidden_layer_sizes : sequence of int
        Width of each hidden layer.

    activation : str
        scikit-learn's or keras' name.

    dropout : float
        Share of the hidden units dropped during training.

    seed : int
        Decides initial weights and dropout.

    Returns
    -------
    network : keras.Sequential
        Maps (n_samples, n_features) to (n_samples, n_outputs).
    """
    seeds = _seeds(seed)
    activation = _keras_name(activation)
    hidden = []
    for i, units in enumerate(hidden_layer_sizes):
        dense = layers.Dense(
            units, activation=activation, name=f"hidden_{i}", **_initial(seeds)
        )
        hidden += [dense, *_dropout(dropout, f"dropout_{i}", seeds)]
    return _sequential("ffnn", input_shape, hidden, n_outputs, seeds)


def n_ffnn_weights(input_shape, n_outputs, *, hidden_layer_sizes, **_):
    """Return how many numbers the weights of such a network are."""
    widths = [*input_shape, *hidden_layer_sizes, n_outputs]
    return sum((n_in + 1) * n_out for n_in, n_out in pairwise(widths))


def build_cnn(
    input_shape, n_outputs, *, filters, kernel_size, activation, dropout, seed
):
    """Stack convolutions over time, average over time, and end in a linear layer.

    Parameters
    ----------
    input_shape : tuple (window, n_channels)
        Shape of a window.

    n_outputs : int
        Number of outputs.

    filters : sequence of int
        Number of filters of each convolution.

    kernel_size : int
        Number of time steps a filter sees; windows are padded to keep their length.

    activation : str
        scikit-learn's or keras' name.

    dropout : float
        Share of the last convolution's outputs dropped during training.

    seed : int
        Decides initial weights and dropout.

    Returns
    -------
    network : keras.Sequential
        Maps (n_samples, window, n_channels) to (n_samples, n_outputs).
    """
    seeds = _seeds(seed)
    activation = _keras_name(activation)
    hidden = [
        layers.Conv1D(
            n,
            kernel_size,
            padding="same",
            activation=activation,
            name=f"convolution_{i}",
            **_initial(seeds),
        )
        for i, n in enumerate(filters)
    ]
    hidden += _dropout(dropout, "dropout", seeds)
    hidden.append(layers.GlobalAveragePooling1D(name="average"))
    return _sequential("cnn", input_shape, hidden, n_outputs, seeds)


def _keras_name(activation):
    # Of anything but a name, keras makes an object, whatever it says.
    if not isinstance(activation, str):
        raise TypeError(f"activation must be a name, got {activation!r}.")
    return ACTIVATIONS.get(activation, activation)


def n_cnn_weights(input_shape, n_outputs, *, filters, kernel_size, **_):
    """Return how many numbers the weights of such a network are."""
    widths = [input_shape[-1], *filters]
    convolutions = sum((kernel_size * a + 1) * b for a, b in pairwise(widths))
    return convolutions + (widths[-1] + 1) * n_outputs


def _sequential(name, input_shape, hidden, n_outputs, seeds):
    # Names of our own, as keras numbers all layers of a process.
    first = layers.Input(input_shape, name="input")
    last = layers.Dense(n_outputs, name="output", **_initial(seeds))
    return keras.Sequential([first, *hidden, last], name=name)


def _seeds(seed):
    """Yield a seed for each layer, so that no global random state is touched."""
    random = np.random.default_rng(seed)
    while True:
        yield int(random.integers(2**31))


def _initial(seeds):
    return {"kernel_initializer": keras.initializers.GlorotUniform(next(seeds))}


def _dropout(rate, name, seeds):
    return [layers.Dropout(rate, seed=next(seeds), name=name)] if rate else []
