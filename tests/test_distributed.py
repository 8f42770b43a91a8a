"""What takes n_jobs runs on the workers of Dask and Ray, with the results of here."""

import os
import warnings
from unittest import mock

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.callback import ScoringMonitor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeRegressor

from skestimators import (
    BootstrapStackedLGBM,
    BootstrapStackedRegressor,
    ESMEmbedder,
    MagnetogramReader,
    OptunaSearchCV,
    VGGEmbedder,
    VGGFlareClassifier,
)
from skestimators.utils._parallel import SentOnce

distributed = pytest.importorskip("distributed")

N_WORKERS = 2
RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 30))
Y = X[:, 0] + RNG.normal(size=150)
ENSEMBLES = {
    "any": BootstrapStackedRegressor(DecisionTreeRegressor(), 6, random_state=0),
    "LightGBM": BootstrapStackedLGBM(6, max_iter=5, random_state=0),
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    import dask

    with (
        warnings.catch_warnings(),
        mock.patch.dict(os.environ),
        dask.config.set(temporary_directory=str(tmp_path_factory.mktemp("dask"))),
    ):
        warnings.simplefilter("ignore")
        # Workers are to find out themselves how many threads are theirs.
        os.environ.pop("OMP_NUM_THREADS", None)
        with (
            distributed.LocalCluster(
                N_WORKERS, threads_per_worker=1, dashboard_address=":0"
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


@pytest.fixture
def dask_tasks(cluster):
    """Names of the tasks that the workers of Dask did, filled when asked for."""
    with joblib.parallel_config(backend="dask"):
        seen = []
        cluster.get_task_stream()

        def names():
            seen.extend(task["key"] for task in cluster.get_task_stream(start=start))
            return seen

        start = distributed.metrics.time()
        yield names


@pytest.fixture
def sequences():
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    return ["".join(RNG.choice(letters, 20)) for _ in range(30)]


@pytest.fixture
def images(tmp_path, monkeypatch):
    """Relative paths of images, of which one is missing."""
    image = pytest.importorskip("PIL.Image")
    for number in range(6):
        pixels = RNG.integers(256, size=(32, 32)).astype(np.uint8)
        image.fromarray(pixels).save(tmp_path / f"{number}.png")
    monkeypatch.chdir(tmp_path)
    return [f"{number}.png" for number in range(6)] + ["none.png"]


def local(function, *args):
    with joblib.parallel_config(backend="sequential"):
        return function(*args)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_members_are_fitted_on_the_workers(name, dask_tasks):
    weight, groups = RNG.integers(3, size=150), RNG.integers(40, size=150)
    here = local(clone(ENSEMBLES[name]).fit, X, Y, weight, groups)
    there = clone(ENSEMBLES[name]).fit(X, Y, weight, groups)
    assert any("fit_member" in key for key in dask_tasks())
    np.testing.assert_array_equal(there.predict_all(X), here.predict_all(X))
    np.testing.assert_array_equal(there.coef_, here.coef_)


@pytest.mark.parametrize("name", ENSEMBLES)
def test_what_members_have_in_common_is_sent_once(name, dask_tasks, monkeypatch):
    sent = []

    def reduce(common, protocol):
        sent.append(type(common))
        return object.__reduce_ex__(common, protocol)

    monkeypatch.setattr(SentOnce, "__reduce_ex__", reduce)
    clone(ENSEMBLES[name]).fit(X, Y)
    assert len(sent) == 1


@pytest.mark.parametrize("name", ENSEMBLES)
def test_callbacks_hear_from_the_workers(name, dask_tasks):
    monitor = ScoringMonitor(scoring="r2")
    clone(ENSEMBLES[name]).set_callbacks(monitor).fit(X, Y)
    logs = monitor.get_logs().data
    members = [log["task_id"] for log in logs if log["task_name"] == "member"]
    assert sorted(members) == list(range(6))


def test_an_error_on_a_worker_is_raised_here(dask_tasks):
    ensemble = BootstrapStackedRegressor(DecisionTreeRegressor(max_depth=-1), 6)
    with pytest.raises(ValueError, match="'max_depth' parameter"):
        ensemble.fit(X, Y)


def test_ensembles_within_a_search(dask_tasks):
    search = GridSearchCV(ENSEMBLES["LightGBM"], {"min_child_samples": [5, 20]}, cv=2)
    here = local(clone(search).fit, X, Y).cv_results_["mean_test_score"]
    there = search.fit(X, Y).cv_results_["mean_test_score"]
    assert any("fit_and_score" in key for key in dask_tasks())
    np.testing.assert_array_equal(there, here)


def test_a_search_sends_its_data_once(dask_tasks, monkeypatch):
    optuna = pytest.importorskip("optuna")
    space = {"alpha": optuna.distributions.FloatDistribution(0.1, 10)}
    search = OptunaSearchCV(Ridge(), space, n_iter=4, cv=2, random_state=0)
    here = local(clone(search).fit, X, Y).cv_results_["mean_test_score"]
    scatter, sent = distributed.Client.scatter, []

    def spy(client, data, **kwargs):
        sent.extend(data if isinstance(data, list) else [data])
        return scatter(client, data, **kwargs)

    monkeypatch.setattr(distributed.Client, "scatter", spy)
    there = search.fit(X, Y).cv_results_["mean_test_score"]
    np.testing.assert_allclose(there, here)
    assert sum(part is X for part in sent) == 1
    # Another array may get the number that Python knew the first by.
    other = search.set_params(refit=False).fit(X + 1, Y[::-1].copy())
    assert not np.allclose(other.cv_results_["mean_test_score"], here)


def test_sequences_are_embedded_by_the_workers(sequences, dask_tasks, tmp_path):
    embedder = ESMEmbedder(weights="random", tokens_per_batch=100, random_state=0)
    here = local(embedder.fit_transform, sequences)
    np.testing.assert_array_equal(embedder.transform(sequences), here)
    n_tasks = len([key for key in dask_tasks() if "embed_there" in key])
    assert n_tasks > 0
    embedder.set_params(cache=tmp_path / "store.db")
    np.testing.assert_array_equal(embedder.transform(sequences[:20]), here[:20])
    search = GridSearchCV(make_pipeline(embedder, Ridge()), {"ridge__alpha": [1]}, cv=2)
    scores = search.fit(sequences, Y[:30]).cv_results_["mean_test_score"]
    alone = local(clone(search).fit, sequences, Y[:30]).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(scores, alone)


def test_images_are_read_and_embedded_by_the_workers(images, dask_tasks):
    reader = MagnetogramReader((32, 32))
    embedder = VGGEmbedder(
        "random", layer="avg_pool", reader=reader, batch_size=2, random_state=0
    )
    warn = pytest.warns(UserWarning, match=r"none\.png")
    for estimator in (reader, embedder, clone(embedder).set_params(cache="store.db")):
        with warn:
            there = estimator.fit_transform(images)
        with warn:
            here = local(
                clone(estimator).set_params(**_no_cache(estimator)).fit, images
            )
            here = local(here.transform, images)
        np.testing.assert_array_equal(there, here)
    keys = dask_tasks()
    assert any("read_each" in key for key in keys)
    assert any("features_there" in key for key in keys)
    pixels = RNG.integers(256, size=(5, 32, 32, 3))
    embedder.fit(pixels)
    np.testing.assert_array_equal(
        embedder.transform(pixels), local(embedder.transform, pixels)
    )


def _no_cache(estimator):
    return {"cache": None} if "cache" in estimator.get_params() else {}


def test_an_unreadable_image_is_named_as_it_is_here(images, dask_tasks):
    reader = MagnetogramReader((32, 32), on_unreadable="error")
    embedder = VGGEmbedder(
        "random", layer="avg_pool", reader=reader, batch_size=2, random_state=0
    ).fit(images)
    named = pytest.raises(ValueError, match=r"row 6 \('none\.png'\)")
    with named as here:
        local(embedder.transform, images)
    with named as there:
        embedder.transform(images)
    assert str(there.value) == str(here.value)


def test_reading_within_a_search_does_not_wait_for_itself(images, dask_tasks):
    """All workers are at folds; none is free to read for them."""
    embedder = VGGEmbedder("random", layer="avg_pool", random_state=0)
    # Workers have a working directory of their own.
    reader = MagnetogramReader((32, 32), root=os.getcwd(), n_jobs=2)
    line = make_pipeline(reader, embedder, Ridge())
    search = GridSearchCV(line, {"ridge__alpha": [1, 2]}, cv=2)
    here = local(clone(search).fit, images[:6], Y[:6]).cv_results_["mean_test_score"]
    there = search.fit(images[:6], Y[:6]).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(there, here)
    assert any("fit_and_score" in key for key in dask_tasks())


@pytest.mark.slow
def test_a_classifier_of_images_takes_features_of_the_workers(dask_tasks):
    pixels = RNG.integers(256, size=(8, 224, 224, 3)).astype(np.uint8)
    labels = np.arange(8) % 2
    classifier = VGGFlareClassifier(
        "random", max_epochs=1, early_stopping=False, random_state=0
    )
    here = local(clone(classifier).fit, pixels, labels)
    there = classifier.fit(pixels, labels)
    assert any("features_there" in key for key in dask_tasks())
    np.testing.assert_array_equal(
        local(there.predict_proba, pixels), local(here.predict_proba, pixels)
    )


def _watcher():
    """Return a regressor that predicts how many threads libraries use where it is."""

    # A class that no worker can import is sent as a whole.
    class Watcher(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            return self

        def predict(self, X):
            import threadpoolctl
            import torch

            from skestimators.utils._torch_threads import torch_threads

            with torch_threads(-1):
                used = [torch.get_num_threads()]
            with torch_threads(7):
                used.append(torch.get_num_threads())
            used += [pool["num_threads"] for pool in threadpoolctl.threadpool_info()]
            return np.full(len(X), float(max(used)))

    return Watcher()


def test_workers_share_the_cores(dask_tasks):
    ensemble = BootstrapStackedRegressor(_watcher(), 6, stacking=None).fit(X, Y)
    # Out-of-bag predictions are those that members made on the workers.
    n_threads = np.nanmax(ensemble.oob_prediction_)
    assert N_WORKERS * n_threads <= max(os.cpu_count(), N_WORKERS)


@pytest.fixture(scope="module")
def ray_workers():
    ray = pytest.importorskip("ray")
    from ray.util.joblib import register_ray

    with warnings.catch_warnings(), mock.patch.dict(os.environ):
        warnings.simplefilter("ignore")
        os.environ.pop("OMP_NUM_THREADS", None)
        ray.init(num_cpus=N_WORKERS, include_dashboard=False, log_to_driver=False)
        register_ray()
        with joblib.parallel_config(backend="ray", n_jobs=N_WORKERS):
            yield
        ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ray(ray_workers, sequences, images):
    for ensemble in ENSEMBLES.values():
        here, there = local(clone(ensemble).fit, X, Y), clone(ensemble).fit(X, Y)
        np.testing.assert_array_equal(there.predict_all(X), here.predict_all(X))
    watching = BootstrapStackedRegressor(_watcher(), 6, stacking=None).fit(X, Y)
    n_threads = np.nanmax(watching.oob_prediction_)
    assert N_WORKERS * n_threads <= max(os.cpu_count(), N_WORKERS)
    reader = MagnetogramReader((32, 32))
    for estimator, data in [
        (
            ESMEmbedder(weights="random", tokens_per_batch=100, random_state=0),
            sequences,
        ),
        (reader, images),
        (
            VGGEmbedder("random", layer="avg_pool", reader=reader, random_state=0),
            images,
        ),
    ]:
        here = local(estimator.fit_transform, data)
        np.testing.assert_array_equal(estimator.transform(data), here)
    search = GridSearchCV(ENSEMBLES["LightGBM"], {"min_child_samples": [5, 20]}, cv=2)
    here = local(clone(search).fit, X, Y).cv_results_["mean_test_score"]
    there = search.fit(X, Y).cv_results_["mean_test_score"]
    np.testing.assert_array_equal(there, here)
