"""Training and prediction compiled once for all Keras networks of one architecture.

Tracing a graph takes longer than training a small network for several epochs, and keras
traces anew for each model, as in each fold of a search. Here variables are arguments of
the graph, so that one graph serves every network with the same layers. A graph also
runs a whole epoch, as a step called from Python costs more than the step itself.
"""

import json
import warnings
from functools import lru_cache

import keras
import numpy as np
import tensorflow as tf

# Adam's, which are constants of the graph.
ADAM = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}

# A search over architectures must not keep every graph it ever needed.
_MAX_PROGRAMS = 32


def program_for(network):
    """Return the compiled functions for the architecture of a network.

    Parameters
    ----------
    network : keras.Sequential
        A compiled network, whose loss is a `keras.losses.Loss`.

    Returns
    -------
    program : Program
        Shared by all networks that differ in nothing but weights and seeds.
    """
    architecture, loss = (
        json.dumps(_without_seeds(config), sort_keys=True)
        for config in (network.get_config(), keras.losses.serialize(network.loss))
    )
    return _program(architecture, loss)


@lru_cache(maxsize=_MAX_PROGRAMS)
def _program(architecture, loss):
    return Program(
        keras.Sequential.from_config(json.loads(architecture)),
        keras.losses.deserialize(json.loads(loss)),
    )


def _without_seeds(config):
    if isinstance(config, dict):
        return {k: _without_seeds(v) for k, v in config.items() if k != "seed"}
    if isinstance(config, list | tuple):
        return [_without_seeds(value) for value in config]
    return config


def weights_of(network):
    """Return what a program needs to predict.

    Parameters
    ----------
    network : keras.Sequential
        A network of the program's architecture.

    Returns
    -------
    variables : dict
        Lists of tf.Variable: `"weights"`, and `"states"`, those that are not trained.
    """
    return {
        "weights": [v.value for v in network.trainable_variables],
        "states": [v.value for v in network.non_trainable_variables],
    }


def training_variables_of(network):
    """Return what a program needs to train.

    Parameters
    ----------
    network : keras.Sequential
        A network compiled with `keras.optimizers.Adam`.

    Returns
    -------
    variables : dict
        Beside `weights_of`: Adam's `"moments"` and `"velocities"`, one for each weight;
        `"iterations"`, the number of steps; and `"flat"`, three vectors as room to work
        in.
    """
    network.optimizer.build(network.trainable_variables)
    adam = network.optimizer.variables
    variables = weights_of(network)
    size = sum(int(np.prod(weight.shape)) for weight in variables["weights"])
    return {
        **variables,
        "moments": [v.value for v in adam if v.name.endswith("_momentum")],
        "velocities": [v.value for v in adam if v.name.endswith("_velocity")],
        "iterations": network.optimizer.iterations.value,
        "flat": [tf.Variable(tf.zeros(size)) for _ in range(3)],
    }


class Program:
    """The compiled functions of one architecture.

    Parameters
    ----------
    template : keras.Sequential
        Says how outputs are computed; its own weights are never used.

    loss : keras.losses.Loss
        Its `call` gives the loss of each row.
    """

    def __init__(self, template, loss):
        self._template = template
        self._loss = loss
        self._graphs = {}

    def train_epoch(self, variables, data, order, *, batch_size, learning_rate):
        """Go through the rows once, with a step of Adam for each batch.

        Parameters
        ----------
        variables : dict
            As `training_variables_of` returns them; updated in place.

        data : tuple of tensors
            Inputs, targets and row weights.

        order : ndarray of int32 of shape (n_samples,)
            The rows in the order of training.

        batch_size : int
            Number of rows of a step; the last one may have fewer.

        learning_rate : float
            Adam's step size.

        Returns
        -------
        loss : float
            Mean over rows of the weighted loss, each before the step it led to.
        """
        loss = self._call(
            self._epoch,
            variables,
            data,
            tf.constant(order),
            tf.constant(min(int(batch_size), len(order)), tf.int32),
            tf.constant(learning_rate, tf.float32),
        )
        return float(loss)

    def mean_loss(self, variables, data, *, chunk_size=8192):
        """Return the weighted mean of the loss over the rows of `data`."""
        total = 0.0
        for start in range(0, len(data[0]), chunk_size):
            chunk = tuple(tensor[start : start + chunk_size] for tensor in data)
            total += float(self._call(self._loss_sum, variables, chunk))
        return total / float(tf.reduce_sum(data[2]))

    def predict(self, variables, X):
        """Return the network's output for a tensor of rows."""
        return self._call(self._forward, variables, X)

    def _call(self, function, variables, *tensors):
        # One graph for any number of rows: left alone, tf.function would trace one for
        # each number it meets.
        graph = self._graphs.get(function.__name__)
        if graph is None:
            specs = tf.nest.map_structure(_any_number_of_rows, tensors)
            with warnings.catch_warnings():
                # Of TensorFlow's syntax trees, since Python 3.13. Where warnings are
                # errors, it would leave the loop over batches as it stands.
                warnings.simplefilter("ignore", DeprecationWarning)
                graph = tf.function(function).get_concrete_function(variables, *specs)
            self._graphs[function.__name__] = graph
        return graph(variables, *tensors)

    def _epoch(self, variables, data, order, batch_size, learning_rate):
        # One long vector takes one operation of Adam where ten weights would take ten.
        scattered = [variables[name] for name in ("weights", "moments", "velocities")]
        for flat, parts in zip(variables["flat"], scattered, strict=True):
            flat.assign(tf.concat([tf.reshape(part, [-1]) for part in parts], 0))
        n_samples = tf.size(order)
        total = tf.constant(0.0)
        for start in tf.range(0, n_samples, batch_size):
            rows = order[start : start + batch_size]
            batch = [tf.gather(tensor, rows) for tensor in data]
            loss, gradient = self._gradient(variables, *batch)
            _step_of_adam(variables, gradient, learning_rate)
            total += loss * tf.cast(tf.size(rows), tf.float32)
        for flat, parts in zip(variables["flat"], scattered, strict=True):
            for part, value in zip(parts, _cut(flat, parts), strict=True):
                part.assign(value)
        return total / tf.cast(n_samples, tf.float32)

    def _gradient(self, variables, X, y, row_weight):
        weights = _cut(variables["flat"][0], variables["weights"])
        with tf.GradientTape() as tape:
            tape.watch(weights)
            output, states = self._template.stateless_call(
                weights, variables["states"], X, training=True
            )
            loss = tf.reduce_mean(self._loss.call(y, output) * row_weight)
        gradients = tape.gradient(loss, weights)
        for variable, state in zip(variables["states"], states, strict=True):
            variable.assign(state)
        return loss, tf.concat([tf.reshape(g, [-1]) for g in gradients], 0)

    def _loss_sum(self, variables, data):
        X, y, row_weight = data
        loss = self._loss.call(y, self._forward(variables, X))
        return tf.reduce_sum(loss * row_weight)

    def _forward(self, variables, X):
        output, _ = self._template.stateless_call(
            variables["weights"], variables["states"], X, training=False
        )
        return output


def _any_number_of_rows(tensor):
    shape = [None, *tensor.shape[1:]] if tensor.shape.rank else []
    return tf.TensorSpec(shape, tensor.dtype)


def _cut(flat, parts):
    """Return a long vector in pieces of the shapes of `parts`."""
    pieces = tf.split(flat, [int(np.prod(part.shape)) for part in parts])
    return [tf.reshape(v, part.shape) for v, part in zip(pieces, parts, strict=True)]


def _step_of_adam(variables, gradient, learning_rate):
    weights, moments, velocities = variables["flat"]
    step = tf.cast(variables["iterations"].assign_add(1), tf.float32)
    tf.raw_ops.ResourceApplyAdam(
        var=weights.handle,
        m=moments.handle,
        v=velocities.handle,
        beta1_power=tf.pow(ADAM["beta_1"], step),
        beta2_power=tf.pow(ADAM["beta_2"], step),
        lr=learning_rate,
        beta1=ADAM["beta_1"],
        beta2=ADAM["beta_2"],
        epsilon=ADAM["epsilon"],
        grad=gradient,
    )
