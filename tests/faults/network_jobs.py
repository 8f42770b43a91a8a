"""The long jobs that are fits of networks, with a checkpoint."""

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np


class EpochLog:
    """A callback that logs the epochs that are begun."""

    def __init__(self, log):
        self.log = log

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        if "epoch" in context.task_name:
            self.log()

    def on_fit_task_end(self, estimator, context):
        return False


def _fit_job(network, X, y, log):
    """Return the job that fits a network with its checkpoint in a folder."""
    from sklearn.base import clone

    def job(folder, n_rows=None, **params):
        fitted = clone(network).set_params(checkpoint=folder, **params)
        if "cache" in fitted.get_params():
            fitted.set_params(cache=Path(folder, "features.db"))
        fitted.set_callbacks(EpochLog(log)).fit(X[:n_rows], y[:n_rows])
        return _result(fitted, X[:10])

    # Much of the frameworks is imported when it is first needed.
    with TemporaryDirectory() as folder:
        job(folder, n_rows=len(X) // 2, max_epochs=1)
    return job


def _result(fitted, X):
    """Return the weights, the history and what is predicted."""
    network = fitted.network_
    weights = getattr(network, "variables", None) or [*network.state_dict().values()]
    method = "predict_proba" if hasattr(fitted, "predict_proba") else "predict"
    return {
        **{f"weights {i}": values.numpy() for i, values in enumerate(weights)},
        **{f"history {name}": values for name, values in fitted.history_.items()},
        "predicted": getattr(fitted, method)(X),
    }


def _rows(n_samples):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 8))
    return X, np.tanh(X[:, 0]) + X[:, 1] * X[:, 2]


def make_mlp(scale, log):
    from skestimators import TorchMLPRegressor

    long = scale == "long"
    X, y = _rows(4000 if long else 200)
    network = TorchMLPRegressor(
        (128, 64),
        batch_size=64,
        max_epochs=25 if long else 6,
        dropout=0.1,
        early_stopping=True,
        n_iter_no_change=100,
        random_state=0,
    )
    return _fit_job(network, X, y, log)


def make_dkt(scale, log):
    from skestimators import DKTClassifier
    from skestimators.datasets import make_student_responses

    long = scale == "long"
    X = make_student_responses(
        150 if long else 25, n_interactions=30 if long else 10, random_state=0
    ).frame
    network = DKTClassifier(
        hidden_layer_sizes=(40,), max_epochs=20 if long else 4, random_state=0
    )
    return _fit_job(network, X, X["response"].to_numpy(), log)


def make_activation(scale, log):
    from skestimators import ActivationSearchNet, UnaryEdge

    long = scale == "long"
    X, y = _rows(1500 if long else 100)
    edge = UnaryEdge(UnaryEdge(operations=["tanh", "sin"]), ["relu", "gaussian"])
    network = ActivationSearchNet(
        edge,
        hidden_layer_sizes=(16,),
        search_epochs=10 if long else 2,
        max_epochs=10 if long else 3,
        random_state=0,
    )
    return _fit_job(network, X, (y > 0).astype(int), log)


def make_flares(scale, log):
    from skestimators import VGGFlareClassifier
    from skestimators.feature_extraction._vgg_engine import Engine

    long = scale == "long"

    def run(engine, images):
        """Stand in for the frozen layers, which VGGEmbedder is killed in."""
        log()
        time.sleep(0.05 if long else 0)
        features = np.zeros((len(images), *engine.output_shape((224, 224))), np.float32)
        features[:] = images.mean((1, 2)).sum(1)[:, np.newaxis] / 100
        return features

    Engine._run = run
    n_images = 300 if long else 12
    rng = np.random.default_rng(0)
    images = np.repeat(rng.uniform(0, 255, (n_images, 1, 1, 3)), 224, axis=1)
    images = np.broadcast_to(images, (n_images, 224, 224, 3)).astype(np.uint8)
    network = VGGFlareClassifier(
        "random", max_epochs=20 if long else 4, batch_size=16, random_state=0
    )
    return _fit_job(network, images, np.arange(n_images) % 2, log)


def make_keras_ffnn(scale, log):
    from skestimators import KerasFFNNRegressor

    long = scale == "long"
    X, y = _rows(4000 if long else 200)
    network = KerasFFNNRegressor(
        (64, 64), dropout=0.2, max_epochs=25 if long else 4, random_state=0
    )
    return _fit_job(network, X, y, log)


def make_keras_cnn(scale, log):
    from skestimators import KerasCNNClassifier

    long = scale == "long"
    rng = np.random.default_rng(0)
    X = rng.normal(size=(1500 if long else 150, 10, 6)).astype(np.float32)
    y = X.mean(1)[:, :3].argmax(1)
    network = KerasCNNClassifier(
        filters=(16, 16), max_epochs=15 if long else 4, random_state=0
    )
    return _fit_job(network, X, y, log)


def make_saves(scale, log):
    """Return the job that saves one estimator after another to the same file."""
    from skestimators import TorchMLPRegressor, load, save

    X, y = _rows(100)
    n_saves = 60 if scale == "long" else 4
    network = TorchMLPRegressor((700, 700), max_epochs=1, random_state=0).fit(X, y)

    def job(folder):
        path = Path(folder, "network.skestimators")
        # The number of the last one that was saved.
        n_before = load(path).n_iter_no_change if path.exists() else 0
        for number in range(n_before + 1, n_saves + 1):
            log()
            save(network.set_params(n_iter_no_change=number), path)
        return {"predicted": load(path).predict(X)}

    return job
