"""The straightforward way to flares, which our classifier is timed and judged against.

keras.applications' VGG16 with a softmax over two classes for its last layer, all others
not trainable, and `model.fit`: the frozen network runs again in every epoch. Beside it,
what the scripts share.
"""

import importlib
import os
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

N_THREADS = 2
os.environ["OMP_NUM_THREADS"] = str(N_THREADS)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from skestimators.datasets import make_magnetograms
from skestimators.metrics import true_skill_statistic
from skestimators.neural_network import VGGFlareClassifier

EPOCHS, BATCH_SIZE, LEARNING_RATE = 5, 64, 1e-3
VALIDATION_FRACTION = 0.25


def print_title(text):
    load = os.getloadavg()[0]
    print(f"\n{text}; {N_THREADS} threads, load {load:.2f}", flush=True)


def apart(function, *args):
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        return worker.submit(function, *args).result()


def seconds_of(work):
    """Return seconds, and those that processors were busy, other work left out."""
    start = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start[0], time.process_time() - start[1]


def class_weights(labels):
    return {0: 1.0, 1: float(np.mean(labels == 0) / np.mean(labels == 1))}


def simulate(folder, n_regions, n_frames, seed=0):
    images = make_magnetograms(
        folder, n_regions=n_regions, n_frames=n_frames, random_state=seed
    )
    return images.paths, images.labels, images.groups


def flare_classifier(weights, seed=0, **params):
    return VGGFlareClassifier(
        weights,
        max_epochs=EPOCHS,
        batch_size=BATCH_SIZE,
        learning_rate=LEARNING_RATE,
        device="cpu",
        random_state=seed,
        validation_fraction=VALIDATION_FRACTION,
    ).set_params(**params)


def import_all():
    import torch

    for module in (
        "h5py",
        "torch._dynamo",
        "skestimators.feature_extraction._vgg_engine",
        "skestimators.neural_network._vgg_flare_network",
        "skestimators.utils._skorch_engine",
    ):
        importlib.import_module(module)
    torch.set_num_threads(N_THREADS)


def write_weights(path):
    """Draw weights, as for rectifiers, and let keras write them."""
    import keras

    network = keras.applications.VGG16(weights=None)
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if layer.weights:
            kernel = rng.standard_normal(layer.kernel.shape, dtype=np.float32)
            kernel *= np.float32(np.sqrt(2 / np.prod(kernel.shape[:-1])))
            layer.set_weights([kernel, np.zeros(kernel.shape[-1])])
    network.save_weights(path)


def keras_network(weights, dtype):
    """Return VGG16 with a new last layer, which alone is trained."""
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(N_THREADS)
    tf.config.threading.set_inter_op_parallelism_threads(N_THREADS)
    if dtype == "bfloat16":
        keras.config.set_dtype_policy("mixed_bfloat16")
    network = keras.applications.VGG16(weights=None)
    network.load_weights(weights)
    head = keras.layers.Dense(2, activation="softmax", dtype="float32")
    features = network.layers[-2].output
    network = keras.Model(network.input, head(features))
    for layer in network.layers[:-1]:
        layer.trainable = False
    return network


def compiled(network):
    import keras

    network.compile(
        optimizer=keras.optimizers.Adam(LEARNING_RATE),
        loss="sparse_categorical_crossentropy",
    )
    return network


def pipeline(paths, labels=None, shuffle=False):
    """Return batches of preprocessed images, read ahead."""
    import keras
    import tensorflow as tf

    def read(path, *label):
        pixels = tf.io.decode_png(tf.io.read_file(path), channels=3)
        pixels = tf.ensure_shape(pixels, (224, 224, 3))
        image = keras.applications.vgg16.preprocess_input(tf.cast(pixels, tf.float32))
        return image, *label

    columns = (paths.astype(str),) if labels is None else (paths.astype(str), labels)
    files = tf.data.Dataset.from_tensor_slices(columns)
    if shuffle:
        files = files.shuffle(len(paths))
    files = files.map(read, num_parallel_calls=N_THREADS)
    return files.batch(BATCH_SIZE).prefetch(2)


def fit_keras(network, train, y_train, validation=None, y_validation=None):
    """Fit, and return the skill of each epoch; that of the best is kept.

    Images are a pipeline, or an array of features if only the head is left.
    """
    import keras

    skills, best = [], []

    def look(epoch, logs):
        y_pred = network.predict(validation, verbose=0).argmax(axis=1)
        skills.append(true_skill_statistic(y_validation, y_pred))
        if skills[-1] > max(skills[:-1], default=-np.inf):
            best[:] = network.layers[-1].get_weights()

    callbacks = [keras.callbacks.LambdaCallback(on_epoch_end=look)]
    # Files come with labels, in batches and shuffled.
    array = {"y": y_train, "batch_size": BATCH_SIZE}
    network.fit(
        train,
        **(array if isinstance(train, np.ndarray) else {"shuffle": False}),
        epochs=EPOCHS,
        class_weight=class_weights(y_train),
        callbacks=callbacks if validation is not None else None,
        verbose=0,
    )
    if best:
        network.layers[-1].set_weights(best)
    return skills


def held_out(labels, groups, seed=0):
    """Return the rows that our classifier trains on, and those it holds out."""
    classifier = flare_classifier(None, seed)
    classifier._set_up()
    return classifier._split(labels, groups)
