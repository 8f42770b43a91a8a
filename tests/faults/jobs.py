"""The long jobs of the library, each as a function that makes it ready to be done.

`make(scale, log)` imports, makes data, sees to it that `log` is called for each unit of
work that is really done, and returns the job: a function of a folder, which gives a
dict of arrays.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from faults import ensemble_jobs, network_jobs
from faults.worker import logged


def make_esm(scale, log):
    from skestimators import ESMEmbedder
    from skestimators.feature_extraction._esm_engine import Engine

    logged(Engine, "embed", log)
    rng = np.random.default_rng(0)
    lengths = rng.integers(60, 140, 120 if scale == "long" else 24)
    sequences = ["".join(rng.choice(list("ACDEFGHIKL"), n)) for n in lengths]
    embedder = ESMEmbedder(
        weights="random", random_state=0, tokens_per_batch=500, n_jobs=1
    )
    # The network is in memory from now on.
    embedder.fit_transform(sequences[:1])

    def job(folder):
        embedder.set_params(cache=Path(folder, "store.db"))
        return {"vectors": embedder.fit_transform(sequences)}

    return job


def make_vgg(scale, log):
    from skestimators import VGGEmbedder
    from skestimators.feature_extraction._vgg_engine import Engine

    logged(Engine, "_run", log)
    # A damaged row is computed alone; with others its last bits may be different.
    params = {"batch_size": 1, "random_state": 0}
    n_images = 24 if scale == "long" else 12
    images = np.random.default_rng(0).uniform(0, 255, (n_images, 32, 32, 3))
    embedder = VGGEmbedder("random", layer="avg_pool", **params)
    embedder.fit_transform(images[:2])

    def job(folder):
        embedder.set_params(cache=Path(folder, "store.db"))
        return {"features": embedder.fit_transform(images)}

    return job


def make_search(file_name, sampler):
    """Return what makes a search that keeps its candidates in such a file."""

    def make(scale, log):
        from optuna.distributions import FloatDistribution, IntDistribution
        from sklearn.datasets import make_regression
        from sklearn.ensemble import RandomForestRegressor

        from skestimators import OptunaSearchCV

        logged(RandomForestRegressor, "fit", log)
        X, y = make_regression(120, 4, noise=30.0, random_state=0)
        space = {
            "max_features": FloatDistribution(0.1, 1.0),
            "min_samples_leaf": IntDistribution(1, 30, log=True),
        }
        n_iter = 50 if scale == "long" else 14
        search = OptunaSearchCV(
            RandomForestRegressor(15, random_state=0),
            space,
            sampler=sampler,
            # One fold: a candidate is one fit, and one unit.
            cv=[(np.arange(80), np.arange(80, 120))],
            random_state=0,
        )

        def job(folder, n_iter=n_iter):
            search.set_params(storage=Path(folder, file_name), n_iter=n_iter)
            search.fit(X, y)
            scores = search.cv_results_["mean_test_score"]
            drawn = [list(params.values()) for params in search.cv_results_["params"]]
            return {"drawn": drawn, "scores": scores, "predicted": search.predict(X)}

        # What opens databases is imported when it is first needed.
        with TemporaryDirectory() as folder:
            job(folder, n_iter=1)
        return job

    return make


# Of half a unit, as what a file object holds back is lost besides.
CHUNK = 2**14
BODIES = {
    scale: np.random.default_rng(n_chunks).bytes(n_chunks * CHUNK)
    for scale, n_chunks in [("long", 100), ("short", 12)]
}


def make_fetch(scale, log):
    import hashlib

    import requests

    from skestimators.datasets._fetch_files import RemoteFile, fetch_files

    iterate = requests.Response.iter_content

    def iterate_logged(response, *args, **kwargs):
        for chunk in iterate(response, *args, **kwargs):
            log(len(chunk) / (2 * CHUNK))
            yield chunk

    requests.Response.iter_content = iterate_logged
    sha256 = hashlib.sha256(BODIES[scale]).hexdigest()
    url = f"{os.environ['FAULTS_SERVER']}{scale}.bin"

    def job(folder):
        remote = RemoteFile("room/body.bin", url, sha256)
        [path] = fetch_files(
            [remote], folder, caller="fetch_body", n_retries=1, delay=0
        )
        return {"body": np.fromfile(path, dtype=np.uint8)}

    return job


def make_forgetful(scale, log):
    """Return a job that keeps nothing, and ends in a number of its own each time."""

    def job(folder):
        for _ in range(20):
            log()
            time.sleep(0.02)
        return {"time": [time.time()]}

    return job


@dataclass
class Job:
    """A long job; `kind` says which checks its files can stand."""

    make: object
    kind: str


JOBS = {
    "ESMEmbedder": Job(make_esm, "store"),
    "VGGEmbedder": Job(make_vgg, "store"),
    "OptunaSearchCV-sqlite": Job(make_search("search.db", "tpe"), "search"),
    "OptunaSearchCV-journal": Job(make_search("search.journal", "tpe"), "search"),
    "fetch": Job(make_fetch, "fetch"),
    "save": Job(network_jobs.make_saves, "archives"),
    "TorchMLPRegressor": Job(network_jobs.make_mlp, "archives"),
    "DKTClassifier": Job(network_jobs.make_dkt, "archives"),
    "ActivationSearchNet": Job(network_jobs.make_activation, "archives"),
    "VGGFlareClassifier": Job(network_jobs.make_flares, "archives"),
    "KerasFFNNRegressor": Job(network_jobs.make_keras_ffnn, "archives"),
    "KerasCNNClassifier": Job(network_jobs.make_keras_cnn, "archives"),
    "BootstrapStackedRegressor": Job(ensemble_jobs.make_trees, "archives"),
    "BootstrapStackedLGBM": Job(ensemble_jobs.make_boosters, "archives"),
}

# What the harness must find fault with.
BAD_JOBS = {"forgetful": Job(make_forgetful, "store")}
