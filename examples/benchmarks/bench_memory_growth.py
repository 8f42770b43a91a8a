"""Memory of a process that fits and predicts with a network many times.

Run on its own, for instance::

    python examples/benchmarks/bench_memory_growth.py --only DKTClassifier --fits 1000

Each estimator has a process of its own. A new instance with a new seed is fitted,
predicts, and is thrown away; what the process holds is measured after the first fits,
which load libraries and fill caches of fixed size, and at every hundred after. What
grows up to the middle and no more is memory that the allocator keeps for the next fit;
what leaks grows in the second half as in the first.
"""

import argparse
import gc
import os
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

N_THREADS = 1
os.environ["OMP_NUM_THREADS"] = str(N_THREADS)
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import psutil

from skestimators import neural_network
from skestimators.datasets import make_student_responses

KINDS = ("Regressor", "Classifier")
EPOCHS = {"learning_rate": 0.05, "max_epochs": 3}
PARAMS = {
    "TorchMLPRegressor": {"hidden_layer_sizes": (16,), **EPOCHS},
    "DKTClassifier": {"hidden_layer_sizes": (8,), "max_epochs": 2},
    "ActivationSearchNet": {
        "hidden_layer_sizes": (8,),
        "search_epochs": 1,
        "max_epochs": 2,
        "n_candidates": 1,
    },
    "VGGFlareClassifier": {"weights": "random", "max_epochs": 3},
    **{f"KerasFFNN{kind}": {"hidden_layer_sizes": (16,), **EPOCHS} for kind in KINDS},
    **{f"KerasCNN{kind}": {"filters": (16,), **EPOCHS} for kind in KINDS},
}


def table_of(name, folder):
    """Return X and y for an estimator."""
    rng = np.random.default_rng(0)
    if name == "DKTClassifier":
        frame = make_student_responses(12, n_interactions=10, random_state=0).frame
        return frame, frame["response"]
    if name == "VGGFlareClassifier":
        return images(folder, rng), np.arange(16) % 2
    X = rng.normal(size=(60, 5, 4) if "CNN" in name else (60, 4))
    y = X.reshape(60, -1)[:, 0]
    return X, y if name.endswith("Regressor") else (y > 0).astype(int)


def images(folder, rng):
    from PIL import Image

    paths = [str(Path(folder, f"{number}.png")) for number in range(16)]
    for path in paths:
        Image.fromarray(rng.integers(256, size=(32, 32), dtype=np.uint8)).save(path)
    return np.array(paths, dtype=object)


def resident():
    """Return the memory of this process in MB, and the number of Python's objects."""
    gc.collect()
    return psutil.Process().memory_info().rss / 1e6, len(gc.get_objects())


def grow(name, n_warm_up, n_fits, every):
    """Fit and predict; return what was held at the start and every few fits."""
    warnings.simplefilter("ignore")  # of random weights and few epochs
    cls = getattr(neural_network, name)
    with tempfile.TemporaryDirectory() as folder:
        X, y = table_of(name, folder)
        params = dict(PARAMS[name])
        if name == "VGGFlareClassifier":
            # The frozen network, which the seed makes, is run by the first fit alone.
            params["cache"] = str(Path(folder, "features.db"))
        held = []
        for number in range(n_warm_up + n_fits):
            if number == n_warm_up:
                held, start = [resident()], time.perf_counter()
            seed = 0 if "cache" in params else number
            cls(**params, random_state=seed).fit(X, y).predict(X)
            done = number + 1 - n_warm_up
            if done > 0 and (done % every == 0 or done == n_fits):
                held.append(resident())
        seconds = time.perf_counter() - start
    return np.array(held), seconds / n_fits


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", choices=PARAMS, default=list(PARAMS))
    parser.add_argument("--warm-up", type=int, default=50)
    parser.add_argument("--fits", type=int, default=1000)
    parser.add_argument("--every", type=int, default=100)
    args = parser.parse_args()
    print(
        f"{args.fits} fits and predictions after {args.warm_up}; {N_THREADS} thread, "
        f"load {os.getloadavg()[0]:.2f}\n"
        f"{'':>20} {'ms a fit':>8} {'MB':>6} {'growth':>7} {'2nd half':>8} "
        f"{'kB a fit':>8} {'objects':>8}  growth in MB on the way",
        flush=True,
    )
    for name in args.only:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            job = process.submit(grow, name, args.warm_up, args.fits, args.every)
            held, seconds = job.result()
        memory, objects = (held - held[0]).T
        way = " ".join(f"{value:.1f}" for value in memory[1:])
        print(
            f"{name:>20} {1000 * seconds:8.1f} {held[0, 0]:6.0f} {memory[-1]:7.1f} "
            f"{memory[-1] - memory[len(memory) // 2]:8.1f} "
            f"{1000 * memory[-1] / args.fits:8.2f} {objects[-1]:8.0f}  {way}",
            flush=True,
        )


if __name__ == "__main__":
    main()
