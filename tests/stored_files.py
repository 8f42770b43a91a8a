"""Files that versions of this library have written, which later ones have to read.

Run as a script, it writes those of this version, for its format only; the files of
earlier formats are never written again.
"""

import io
import json
import zipfile
from pathlib import Path

import instances
import numpy as np

from skestimators import save
from skestimators.utils import all_estimators
from skestimators.utils._archive import FORMAT_VERSION

METHODS = ("predict_proba", "predict", "transform")
FOLDER = Path(__file__).parent / "persistence"


def outcome(estimator, X):
    """Return what an estimator makes of data, by the best of its methods."""
    method = next(name for name in METHODS if hasattr(estimator, name))
    return getattr(estimator, method)(X)


def example(cls):
    """Return an instance that refers to no other file, and data to fit it on."""
    estimator = instances.make_instance(cls)
    X, y = instances.example_data(estimator)
    if "cache" in estimator.get_params():
        estimator.set_params(cache=None)
    return estimator, X, y


def write():
    """Write a file for each estimator, and what it predicts."""
    path = FOLDER / f"format_{FORMAT_VERSION}.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, cls in all_estimators():
            estimator, X, y = example(cls)
            expected = np.asarray(outcome(estimator.fit(X, y), X))
            part = FOLDER / "part"
            save(estimator, part)
            archive.writestr(f"{name}.skestimators", part.read_bytes())
            part.unlink()
            archive.writestr(f"{name}.json", json.dumps(expected.tolist()))
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def read(archive, name):
    """Return the bytes of a model in an archive, and what it predicted."""
    with zipfile.ZipFile(archive) as parts:
        expected = json.load(io.BytesIO(parts.read(f"{name}.json")))
        return parts.read(f"{name}.skestimators"), np.array(expected)


if __name__ == "__main__":
    write()
