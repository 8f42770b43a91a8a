"""Networks as plain data: to be pickled, put back, and forgotten."""

import gc
import itertools
from contextlib import contextmanager

import keras
import tensorflow as tf
from tensorflow.python.eager import context

from skestimators.utils._keras_program import ADAM

_NETWORKS_BETWEEN_CLEANING = 50
_networks = itertools.count(1)


def pack(network):
    """Return all numbers of a network.

    keras' own files forget how far the generators of dropout have come. They also say
    how to build the network, and could have anything built; here that is left to the
    estimator.

    Parameters
    ----------
    network : keras.Sequential
        A network that `train` has compiled.

    Returns
    -------
    packed : dict
        Weights, and the state of the optimizer.
    """
    return {
        "variables": _values(network.variables),
        "optimizer": _values(network.optimizer.variables),
    }


def unpack(build, packed, *, loss, device):
    """Build a network and give it the numbers that `pack` has packed.

    Parameters
    ----------
    build : callable
        Returns a network of the same architecture.

    packed : dict
        As `pack` returned it.

    loss : keras.losses.Loss
        The loss it was trained with.

    device : str
        As `tf.device` takes it.

    Returns
    -------
    network : keras.Sequential
        The network, compiled.
    """
    forget_old_networks()
    with tf.device(device):
        network = build()
        network.compile(optimizer=keras.optimizers.Adam(name="adam", **ADAM), loss=loss)
        network.optimizer.build(network.trainable_variables)
        assign(network, packed)
    return network


def _values(variables):
    # Copies: what TensorFlow hands out may be the memory it will write to.
    return [variable.value.numpy().copy() for variable in variables]


def assign(network, packed):
    """Give a network of the same architecture the numbers that `pack` has packed."""
    variables = [*network.variables, *network.optimizer.variables]
    values = [*packed["variables"], *packed["optimizer"]]
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


@contextmanager
def unchanged_by_failure(network):
    """Put a network that was trained before back if going on with it fails."""
    before = pack(network) if network.compiled else None
    try:
        yield
    except BaseException:
        if before is not None:
            assign(network, before)
        raise


def forget_old_networks():
    # TensorFlow keeps a kernel for every graph and every name of a variable it has
    # seen, which adds up in a long search. Making new ones takes a moment: not often.
    if next(_networks) % _NETWORKS_BETWEEN_CLEANING == 0:
        gc.collect()
        context.context().clear_kernel_cache()
