"""Where TensorFlow computes: the device, and how many threads.

Imported before anything runs on TensorFlow, as its threads are started but once.
"""

import os
from contextlib import suppress

import keras
import tensorflow as tf


def resolve_device(device):
    """Return the name of the TensorFlow device to compute on.

    Parameters
    ----------
    device : str
        `"auto"`, `"cpu"`, `"gpu"` (`"cuda"` is the same) or one of several, `"gpu:1"`.

    Returns
    -------
    device : str
        As `tf.device` takes it; with `"auto"` a GPU if TensorFlow sees one.

    Raises
    ------
    ValueError
        If the device is not there.
    """
    present = _devices()
    wanted = device.upper().replace("CUDA", "GPU")
    if wanted == "AUTO":
        return next((name for name in present if name.startswith("GPU")), "CPU:0")
    wanted = wanted if ":" in wanted else f"{wanted}:0"
    if wanted not in present:
        raise ValueError(
            f"device={device!r} is not available; TensorFlow sees {present}. Pass one "
            "of these or 'auto'."
        )
    return wanted


def present_device(device):
    """Return a device of another machine if this one has it, else the best here."""
    return device if device in _devices() else resolve_device("auto")


def _devices():
    return [d.name.split(":", 1)[1] for d in tf.config.list_logical_devices()]


def _check_backend():
    backend = keras.backend.backend()
    if backend != "tensorflow":
        raise ImportError(
            f"keras runs on {backend!r}, but these estimators need TensorFlow: set "
            "KERAS_BACKEND to 'tensorflow' before keras is imported."
        )


def _limit_threads():
    # joblib gives each of its processes a share of the cores by these variables, of
    # which TensorFlow reads none.
    limit = os.environ.get("OMP_NUM_THREADS", "")
    if limit.isdigit() and "TF_NUM_INTRAOP_THREADS" not in os.environ:
        # Once TensorFlow has run something, its threads are there.
        with suppress(RuntimeError):
            tf.config.threading.set_intra_op_parallelism_threads(int(limit))
            tf.config.threading.set_inter_op_parallelism_threads(int(limit))


_check_backend()
_limit_threads()
