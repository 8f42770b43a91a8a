"""The solar line as its users run it, from image files to forecasts of flares."""

import os
import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedGroupKFold,
    TunedThresholdClassifierCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators import (
    MagnetogramReader,
    VGGEmbedder,
    VGGFlareClassifier,
    active_region_groups,
    make_magnetograms,
    read_flare_table,
    tss_scorer,
)

pytest.importorskip("torch")

from skestimators.neural_network import _vgg_flare_base
from skestimators.neural_network._vgg_flare_network import NAMES

BY_REGION = StratifiedGroupKFold(3)
SMALL = MagnetogramReader((32, 32))


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """Eight regions of two frames; some of them flare at times."""
    return make_magnetograms(
        tmp_path_factory.mktemp("sun") / "images",
        n_regions=8,
        n_frames=2,
        image_shape=(40, 60),
        flare_share=0.4,
        random_state=0,
    )


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return tmp_path_factory.mktemp("features") / "store.db"


@pytest.fixture(scope="module")
def forecaster(store):
    """Return a function that makes classifiers, which share one store."""

    def make(**params):
        defaults = {"weights": "random", "cache": store, "random_state": 0}
        # With fewer regions all that are held out would be quiet.
        short = {"max_epochs": 3, "validation_fraction": 0.4}
        return VGGFlareClassifier(**{**defaults, **short, **params})

    return make


@pytest.fixture(scope="module")
def fitted(forecaster, images):
    return forecaster().fit(images.paths, images.labels)


@pytest.fixture
def parts(monkeypatch):
    """The rows on both sides of each split for validation."""
    splits, split = [], _vgg_flare_base.split_validation

    def note(*args, **params):
        splits.append(split(*args, **params))
        return splits[-1]

    monkeypatch.setattr(_vgg_flare_base, "split_validation", note)
    return splits


def weights_of(classifier):
    return {k: v.numpy() for k, v in classifier.network_.state_dict().items()}


def assert_same_network(one, other):
    for name, weight in weights_of(one).items():
        assert_array_equal(weight, weights_of(other)[name], err_msg=name)


# Scores and searches


def test_scores_of_regions_not_seen(forecaster, images, tmp_path, runs):
    flaring = np.unique(images.groups[images.labels == 1])
    quiet = np.setdiff1d(images.groups, flaring)
    rows = np.isin(images.groups, [*flaring[:2], *quiet[:2]])
    X, y, regions = images.paths[rows], images.labels[rows], images.groups[rows]
    assert_array_equal(active_region_groups(X), regions)
    # A store of its own, to see that each image goes through the network once.
    params = {"max_epochs": 20, "early_stopping": False}
    classifier = forecaster(cache=tmp_path / "store.db", **params)
    params = {"cv": StratifiedGroupKFold(2), "groups": regions, "scoring": tss_scorer}
    scores = cross_val_score(classifier, X, y, **params)
    assert sum(runs) == 8
    assert scores.shape == (2,)
    assert (np.abs(scores) <= 1).all()
    assert_array_equal(cross_val_score(classifier, X, y, **params), scores)
    assert sum(runs) == 8


def test_threshold_is_tuned_on_regions_held_out(fitted, images, runs):
    X, y = images.paths, images.labels
    with sklearn.config_context(enable_metadata_routing=True):
        classifier = clone(fitted).set_fit_request(groups=True)
        tuned = TunedThresholdClassifierCV(
            classifier, scoring=tss_scorer, cv=BY_REGION
        ).fit(X, y, groups=images.groups)
    flares = tuned.predict_proba(X)[:, 1] >= tuned.best_threshold_
    assert_array_equal(tuned.predict(X), flares.astype(int))
    assert not runs


def test_grid_over_the_head_never_runs_the_network(fitted, images, runs):
    grid = {"learning_rate": [1e-4, 1e-3], "class_weight": [None, "balanced"]}
    search = GridSearchCV(fitted, grid, cv=BY_REGION, scoring=tss_scorer)
    search.fit(images.paths, images.labels, groups=images.groups)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.predict(images.paths).shape == (16,)
    assert not runs


def test_pipeline_from_files_to_any_classifier(images):
    embedder = VGGEmbedder("random", layer="avg_pool", random_state=0)
    pipeline = make_pipeline(SMALL, embedder, LogisticRegression(C=1e-3))
    proba = pipeline.fit(images.paths, images.labels).predict_proba(images.paths)
    inside = make_pipeline(clone(embedder).set_params(reader=SMALL), pipeline[-1])
    inside.fit(images.paths, images.labels)
    assert_allclose(inside.predict_proba(images.paths), proba, atol=1e-6)
    frame = embedder.set_output(transform="pandas").transform(
        SMALL.fit_transform(images.paths[:2])
    )
    assert frame.shape == (2, 512)
    assert frame.columns[0] == "vggembedder0"


# Regions, weights of samples and classes


def test_no_region_is_on_both_sides(forecaster, images, parts):
    X, y = images.paths, images.labels
    pairs = np.arange(16) % 8
    classifier = forecaster(validation_fraction=0.3)
    classifier.fit(X, y).fit(X, y, groups=pairs)
    for (train, held_out), groups in zip(parts, [images.groups, pairs], strict=True):
        assert not set(groups[train]) & set(groups[held_out])
        assert len(train) + len(held_out) == 16
    assert len(np.unique(images.groups[parts[1][1]])) > len(
        np.unique(images.groups[parts[0][1]])
    )


def test_weights_of_one_are_none_and_zero_is_not_read(forecaster, images, runs):
    X, y = images.paths, images.labels
    plain = forecaster().fit(X, y)
    assert_same_network(forecaster().fit(X, y, sample_weight=np.ones(16)), plain)
    missing = np.append(X, X[0].replace("0000", "9999"))
    weighted = forecaster().fit(missing, [*y, 1], sample_weight=[1] * 16 + [0])
    assert_same_network(weighted, plain)
    assert len(weighted.unreadable_) == 0
    assert not runs


@pytest.mark.parametrize("class_weight", [None, "balanced"])
def test_whole_weights_are_repetitions(class_weight, forecaster, images):
    X, y = images.paths, images.labels
    counts = np.random.default_rng(0).integers(0, 4, size=16)
    # One step an epoch, as otherwise the batches differ.
    classifier = forecaster(
        batch_size=100, early_stopping=False, max_epochs=10, class_weight=class_weight
    )
    weighted = clone(classifier).fit(X, y, sample_weight=counts)
    repeated = clone(classifier).fit(np.repeat(X, counts), np.repeat(y, counts))
    assert_allclose(weighted.class_prior_, repeated.class_prior_)
    assert_allclose(weighted.predict_proba(X), repeated.predict_proba(X), atol=1e-4)


def test_balanced_weights_equal_the_same_as_a_dictionary(forecaster, images):
    X, y = images.paths, images.labels
    params = {"early_stopping": False}
    balanced = forecaster(class_weight="balanced", **params).fit(X, y)
    share = dict(enumerate(16 / (2 * np.bincount(y))))
    assert_same_network(forecaster(class_weight=share, **params).fit(X, y), balanced)
    assert (
        weights_of(balanced)["head.bias"]
        != weights_of(forecaster(**params).fit(X, y))["head.bias"]
    ).any()


# What fit takes and leaves


def test_table_reader_and_folder(fitted, images):
    folder = os.path.dirname(os.path.dirname(images.paths[0]))
    table = read_flare_table(os.path.join(folder, "labels.csv"))
    assert_array_equal(table.labels, images.labels)
    reader = MagnetogramReader(root=folder)
    classifier = clone(fitted).set_params(reader=reader).fit(table.paths, table.labels)
    assert_same_network(classifier, fitted)
    with_root = read_flare_table(os.path.join(folder, "labels.csv"), root=folder)
    assert_array_equal(fitted.predict(with_root.paths), classifier.predict(table.paths))


def test_forms_of_the_same_input(fitted, images, monkeypatch):
    X, y = images.paths, images.labels
    expected = fitted.predict_proba(X)
    names = pd.DataFrame({"file": X}, index=np.arange(16) + 7)
    for form in (X.tolist(), X.astype(str), X[:, None], names["file"], names):
        again = clone(fitted).fit(form, y)
        assert_array_equal(again.predict_proba(form), expected)
    assert_array_equal(again.feature_names_in_, ["file"])
    monkeypatch.chdir(os.path.dirname(X[0]))
    proba = fitted.predict_proba([os.path.basename(X[0])])
    assert_allclose(proba, expected[:1], rtol=1e-3, atol=1e-9)


def test_arrays_are_as_good_as_files(fitted, images):
    rows = [0, 5, 11]
    pixels = MagnetogramReader().fit_transform(images.paths[rows])
    proba = fitted.predict_proba(images.paths[rows])
    assert_allclose(fitted.predict_proba(pixels), proba, rtol=1e-3, atol=1e-6)
    pixels[1, 0, 0] = np.nan
    with pytest.warns(UserWarning, match="1 of 3 images .*row 1: it holds NaN"):
        assert_array_equal(fitted.predict_proba(pixels)[1], fitted.class_prior_)


def test_same_seed_same_network_and_a_small_pickle(fitted, images):
    again = clone(fitted)
    with pytest.raises(NotFittedError):
        again.predict(images.paths)
    assert_same_network(again.fit(images.paths, images.labels), fitted)
    pickled = pickle.dumps(fitted)
    assert len(pickled) < 100_000
    proba = pickle.loads(pickled).predict_proba(images.paths)
    assert_array_equal(proba, fitted.predict_proba(images.paths))


def test_several_classes_with_names(forecaster, images, runs):
    y = np.array(["quiet", "C", "M"])[np.arange(16) % 3]
    classifier = forecaster(max_epochs=300, early_stopping=False).fit(images.paths, y)
    assert_array_equal(classifier.classes_, ["C", "M", "quiet"])
    proba = classifier.predict_proba(images.paths)
    assert_allclose(proba.sum(axis=1), 1)
    assert classifier.score(images.paths, y) > 0.8
    best = classifier.classes_[proba.argmax(axis=1)]
    assert_array_equal(classifier.predict(images.paths), best)
    assert not runs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (X, np.where(np.arange(16) == 3, np.nan, y)), "NaN.* row 3"),
        (lambda X, y: (X, y[:-1]), "inconsistent numbers of samples"),
        (lambda X, y: (X, np.zeros(16)), "needs two classes or more"),
        (lambda X, y: (X, np.linspace(0, 1, 16)), "continuous"),
        (lambda X, y: (X[:2], [0, 1]), "all images are of region 11001"),
        (lambda X, y: (np.c_[X, X], y), r"one column of strings.*\(16, 2\)"),
        (lambda X, y: (np.zeros((16, 224, 224)), y), r"shape \(16, 224, 224\)"),
        (lambda X, y: (np.zeros((16, 99, 224, 3)), y), "not of 99 x 224"),
        (lambda X, y: (X[0], y), "Put a single string in a list"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing_fitted(change, message, fitted, images):
    classifier = pickle.loads(pickle.dumps(fitted))
    with pytest.raises(ValueError, match=message):
        classifier.fit(*change(images.paths, images.labels))
    with pytest.raises(NotFittedError):
        classifier.predict(images.paths)


def test_callbacks_hear_of_epochs(fitted, images, capsys):
    X, y = images.paths, images.labels
    monitor = ScoringMonitor(scoring=tss_scorer)
    classifier = clone(fitted).set_callbacks(monitor)
    bar = ProgressBar(max_propagation_depth=None)
    search = GridSearchCV(classifier, {}, cv=BY_REGION, refit=False)
    search.set_callbacks(bar).fit(X, y, groups=images.groups)
    assert "VGGFlareClassifier" in capsys.readouterr().out
    log = monitor.get_logs().data_as_pandas.query("task_name == 'epoch'")
    assert log.groupby("parent_task_id_path").size().tolist() == [3, 3, 3]


# Fine-tuning


@pytest.mark.parametrize(
    "n_layers", [2, *(pytest.param(n, marks=pytest.mark.slow) for n in (4, 8, 16))]
)
def test_the_last_layers_alone_are_trained(n_layers, images, tmp_path):
    rows = [0, 1, 9, 10]
    X, y = images.paths[rows], [0, 1, 1, 0]
    # The random weights of the layers are those of the network that is not trained.
    params = {"weights": "random", "random_state": 0, "early_stopping": False}
    params |= {"max_epochs": 1, "batch_size": 2, "cache": tmp_path / "store.db"}
    still, moved = (
        VGGFlareClassifier(trainable_layers=n_layers, learning_rate=rate, **params)
        for rate in (1e-30, 1e-4)
    )
    frozen = VGGFlareClassifier(learning_rate=1e-30, **params).fit(X, y)
    proba = still.fit(X, y).predict_proba(X)
    assert_allclose(proba, frozen.predict_proba(X), rtol=1e-3, atol=1e-6)
    before, after = weights_of(still), weights_of(moved.fit(X, y))
    changed = {key.split(".")[-2] for key in after if (before[key] != after[key]).any()}
    assert changed == {"head", *NAMES[len(NAMES) + 1 - n_layers :]}


@pytest.mark.slow
def test_it_sees_more_than_the_flux(tmp_path):
    sun = make_magnetograms(
        tmp_path / "images", n_regions=60, n_frames=4, random_state=0
    )
    by_region = {
        "groups": sun.groups,
        "cv": StratifiedGroupKFold(5),
        "scoring": tss_scorer,
    }
    classifier = VGGFlareClassifier(
        "random",
        class_weight="balanced",
        max_epochs=20,
        cache=tmp_path / "features.db",
        random_state=0,
    )
    skill = cross_val_score(classifier, sun.paths, sun.labels, **by_region)
    regression = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced")
    )
    flux = np.log(sun.unsigned_flux)[:, np.newaxis]
    baseline = cross_val_score(regression, flux, sun.labels, **by_region)
    assert skill.mean() > baseline.mean() + 0.1
