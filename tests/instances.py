"""Instances of every estimator, small enough to be fitted many times.

An estimator that is not named here is tested with its defaults. What a suite cannot
guess (a required parameter, what the strings mean) is an error that says so.
"""

import atexit
import shutil
import struct
import tempfile
import zlib
from pathlib import Path

from sklearn.base import is_classifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.utils import get_tags

from skestimators import MagnetogramReader, UnaryEdge
from skestimators.utils import all_estimators

KERAS = {"learning_rate": 0.05, "max_epochs": 20}
KINDS = ("Classifier", "Regressor")
# Of image files, and of what was computed of them.
FOLDER = Path(tempfile.mkdtemp(prefix="skestimators-tests-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)

INIT_PARAMS = {
    "ActivationSearchNet": {
        "search_space": UnaryEdge(operations=("relu", "tanh")),
        "hidden_layer_sizes": (16,),
        "search_epochs": 2,
        "max_epochs": 30,
        "batch_size": 16,
        "learning_rate": 0.05,
    },
    "BootstrapStackedLGBM": {"n_estimators": 5, "max_iter": 20, "min_child_samples": 5},
    "BootstrapStackedRegressor": {"estimator": Ridge(), "n_estimators": 5},
    "DKTClassifier": {
        "hidden_layer_sizes": (8,),
        "max_epochs": 2,
        "validation_fraction": 0.4,
    },
    "ESMEmbedder": {"weights": "random", "random_state": 0},
    **{f"KerasFFNN{kind}": {"hidden_layer_sizes": (16,), **KERAS} for kind in KINDS},
    **{f"KerasCNN{kind}": {"filters": (16,), **KERAS} for kind in KINDS},
    "MagnetogramReader": {"size": (8, 6)},
    "MutantSequenceBuilder": {"wild_type": "MKTAYIAKQR"},
    "OptunaSearchCV": {
        # One of scikit-learn's that supports callbacks.
        "estimator": LogisticRegression(),
        "param_distributions": {"C": [0.1, 1.0, 10.0]},
        "n_iter": 2,
        "cv": 2,
        "error_score": "raise",
    },
    # The checks of integers hold a point at the origin, which no sector has.
    "SectorLabeler": {"origin": 0},
    "TorchMLPRegressor": {
        "hidden_layer_sizes": (16,),
        "learning_rate": 0.05,
        "max_epochs": 20,
    },
    "VGGEmbedder": {
        "weights": "random",
        "layer": "avg_pool",
        "reader": MagnetogramReader(size=(32, 32)),
    },
    "VGGFlareClassifier": {
        "weights": "random",
        "validation_fraction": 0.4,
        # The battery fits and predicts often; the network is run once.
        "cache": FOLDER / "features.db",
    },
}

SEQUENCES = ["MKTAYIAKQR", "MKTAYIAK", "MKTAWIAKQR", "MKVAYIAKQRQISFVK", "GGGGSGGGGS"]


def _make_images(n_images=5):
    """Write small PNG files of grey noise; no optional package is needed for it."""
    import numpy as np

    paths = [FOLDER / f"image_{number}.png" for number in range(n_images)]
    for number, path in enumerate(paths):
        pixels = np.random.default_rng(number).integers(256, size=(40, 50), dtype="u1")
        rows = b"".join(b"\0" + row.tobytes() for row in pixels)
        path.write_bytes(
            b"\x89PNG\r\n\x1a\n"
            + _chunk(b"IHDR", struct.pack(">IIBBBBB", 50, 40, 8, 0, 0, 0, 0))
            + _chunk(b"IDAT", zlib.compress(rows))
            + _chunk(b"IEND", b"")
        )
    return [str(path) for path in paths]


def _chunk(kind, data):
    size, checksum = len(data), zlib.crc32(kind + data)
    return struct.pack(">I", size) + kind + data + struct.pack(">I", checksum)


IMAGES = _make_images()

# What each estimator of strings takes; the first entries stand for the rest.
STRINGS = {
    "ESMEmbedder": SEQUENCES,
    "MutantSequenceBuilder": ["M1A", "WT", "K2G:T3S", "R10W", "I6V"],
    **dict.fromkeys(["MagnetogramReader", "VGGEmbedder", "VGGFlareClassifier"], IMAGES),
}


def make_instance(cls):
    """Build a fast instance of an estimator class."""
    params = INIT_PARAMS.get(cls.__name__, {})
    if "random_state" in cls._parameter_constraints:
        params = {"random_state": 0, **params}
    return cls(**params)


def all_instances():
    """Build a fast instance of every public estimator."""
    return [make_instance(cls) for _, cls in all_estimators()]


def takes_strings(estimator):
    """Tell whether an estimator takes a column of strings, by its tags."""
    tags = get_tags(estimator).input_tags
    return tags.string and not tags.categorical


def takes_interactions(estimator):
    """Tell whether an estimator takes students, skills and responses, by its tags."""
    tags = get_tags(estimator).input_tags
    return tags.string and tags.categorical


def make_interactions(n_students=6, n_interactions=8):
    """Return a frame of interleaved interactions, with text for students and skills."""
    import numpy as np
    import pandas as pd

    rng = np.random.default_rng(0)
    n = n_students * n_interactions
    return pd.DataFrame(
        {
            "student": [f"s{number}" for number in rng.permutation(n) % n_students],
            "skill": rng.choice(["add", "subtract", "add~subtract"], n),
            "response": rng.integers(0, 2, n),
        }
    )


def example_data(estimator):
    """Return (X, y) that the estimator can be fitted on."""
    import numpy as np

    if takes_strings(estimator):
        name = type(estimator).__name__
        assert name in STRINGS, f"{name} takes strings: say which in tests/instances.py"
        y = np.arange(len(STRINGS[name]))
        return np.array(STRINGS[name], dtype=object), (
            y % 2 if is_classifier(estimator) else y
        )
    if takes_interactions(estimator):
        frame = make_interactions()
        return frame.to_numpy(dtype=object), frame["response"].to_numpy()
    rng = np.random.default_rng(0)
    X = rng.normal(size=(60, 4))
    y = X[:, 0] + 0.1 * rng.normal(size=60)
    return X, (y > 0).astype(int) if is_classifier(estimator) else y
