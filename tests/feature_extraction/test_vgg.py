"""VGGEmbedder on files and arrays, with and without a store."""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from skestimators import MagnetogramReader, VGGEmbedder
from skestimators.feature_extraction import _vgg_engine
from skestimators.feature_extraction._image_source import ImageFiles
from skestimators.feature_extraction._store import VectorStore
from skestimators.feature_extraction._vgg_engine import Engine

SMALL = MagnetogramReader(size=(32, 32))


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """Ten images, of which two have the same content."""
    folder = tmp_path_factory.mktemp("images")
    for number in range(10):
        pixels = np.random.default_rng(max(number, 1)).integers(256, size=(32, 32))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return [str(folder / f"{number}.png") for number in range(10)]


def make_embedder(**params):
    defaults = {"weights": "random", "layer": "avg_pool", "reader": SMALL}
    return VGGEmbedder(**{**defaults, "random_state": 0, "batch_size": 3, **params})


def assert_close(actual, expected):
    """Kernels add up in another order for batches of another size."""
    assert np.abs(actual - expected).max() <= 1e-5 * np.abs(expected).max()


def test_files_and_their_pixels_have_the_same_features(paths):
    from_files = make_embedder().fit_transform(paths)
    images = SMALL.fit(paths).transform(paths)
    assert from_files.shape == (10, 512)
    assert from_files.dtype == np.float32
    np.testing.assert_array_equal(make_embedder().fit_transform(images), from_files)
    as_integers = images.astype(np.uint8)
    np.testing.assert_array_equal(
        make_embedder().fit_transform(as_integers), from_files
    )


def test_features_do_not_depend_on_the_batch(paths):
    expected = make_embedder().fit_transform(paths)
    for batch_size in (1, 16):
        features = make_embedder(batch_size=batch_size).fit_transform(paths)
        assert_close(features, expected)


def test_store_saves_the_network_and_changes_nothing(paths, tmp_path, runs):
    expected = make_embedder().fit_transform(paths)
    runs.clear()
    cache = tmp_path / "features.db"
    assert_close(make_embedder(cache=cache).fit_transform(paths), expected)
    assert sum(runs) == 9
    first = make_embedder(cache=cache).fit_transform(paths)
    backwards = make_embedder(cache=cache).fit_transform(paths[::-1])
    assert sum(runs) == 9
    np.testing.assert_array_equal(backwards[::-1], first)


@pytest.mark.parametrize(
    "change",
    [
        {"random_state": 1},
        {"layer": "flatten"},
        {"dtype": "bfloat16"},
        {"reader": MagnetogramReader(size=(40, 32))},
        {"reader": MagnetogramReader(size=(32, 32), field_limit=1000)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_store_keeps_apart_what_differs(change, paths, tmp_path, runs):
    cache = tmp_path / "features.db"
    make_embedder(cache=cache).fit_transform(paths)
    changed = make_embedder(cache=cache, **change).fit_transform(paths)
    assert sum(runs) == 18
    expected = make_embedder(**change).fit_transform(paths)
    assert_close(changed, expected)


def test_store_keeps_apart_arrays_of_the_same_bytes(tmp_path):
    cache = tmp_path / "features.db"
    images = np.random.default_rng(0).integers(256, size=(2, 32, 64, 3))
    for shape in [(2, 32, 64, 3), (2, 64, 32, 3)]:
        features = make_embedder(cache=cache).fit_transform(images.reshape(shape))
        expected = make_embedder().fit_transform(images.reshape(shape))
        np.testing.assert_array_equal(features, expected)


def test_changed_file_is_read_again(paths, tmp_path):
    path = tmp_path / "image.png"
    features = []
    for number in (1, 2):
        path.write_bytes(Path(paths[number]).read_bytes())
        embedder = make_embedder(cache=tmp_path / "features.db")
        features.append(embedder.fit_transform([str(path)]))
    assert np.abs(features[0] - features[1]).max() > 0.01


def test_file_that_changes_meanwhile_is_not_stored(paths, tmp_path, monkeypatch):
    path, cache = tmp_path / "image.png", tmp_path / "features.db"
    before, after = (Path(p).read_bytes() for p in paths[1:3])
    path.write_bytes(before)
    digests = ImageFiles.digests

    def digests_then_change(source):
        found = digests(source)
        path.write_bytes(after)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(ImageFiles, "digests", digests_then_change)
        with pytest.warns(UserWarning, match="it changed while images were being read"):
            features = make_embedder(cache=cache).fit_transform([str(path)])
    assert np.isnan(features).all()
    path.write_bytes(before)
    features = make_embedder(cache=cache).fit_transform([str(path)])
    assert_close(features, make_embedder().fit_transform(paths[1:2]))


def test_more_files_than_are_looked_through_at_a_time(paths, tmp_path, monkeypatch):
    monkeypatch.setattr(_vgg_engine, "_DIGESTED", 4)
    mixed = [*paths[:3], "none.png", *paths[3:]]
    embedder = make_embedder(cache=tmp_path / "features.db").fit(mixed)
    with pytest.warns(UserWarning, match=r"1 of 11 .* row 3 \('none.png'\)"):
        features = embedder.transform(mixed)
    assert np.isnan(features[3]).all()
    assert_close(np.delete(features, 3, axis=0), make_embedder().fit_transform(paths))


def test_unreadable_files_are_rows_of_nan_and_not_kept(paths, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(paths[3]).read_bytes()[:-40])
    mixed = [*paths[:3], str(broken), "none.png", *paths[3:]]
    expected = make_embedder().fit_transform(paths)
    for cache in (None, tmp_path / "features.db", tmp_path / "features.db"):
        embedder = make_embedder(cache=cache).fit(mixed)
        with pytest.warns(UserWarning, match="2 of 12 image files cannot be read"):
            features = embedder.transform(mixed)
        assert np.isnan(features[3:5]).all()
        good = np.delete(features, [3, 4], axis=0)
        assert_close(good, expected)


def test_unreadable_file_is_an_error_if_asked_for(paths):
    reader = MagnetogramReader(size=(32, 32), on_unreadable="error")
    with pytest.raises(ValueError, match=r"row 1 \('none.png'\)"):
        make_embedder(reader=reader).fit_transform([paths[0], "none.png"])


def test_image_with_nan_is_a_row_of_nan(paths):
    images = SMALL.fit(paths).transform(paths[:3])
    images[1, 0, 0, 0] = np.nan
    with pytest.warns(
        UserWarning, match="1 of 3 images cannot be read: row 1: it holds NaN"
    ):
        features = make_embedder().fit_transform(images)
    assert np.isnan(features).all(axis=1).tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("X", "params", "message"),
    [
        (np.zeros((2, 32, 32, 1)), {}, r"shape \(n_samples, height, width, 3\)"),
        (np.zeros((2, 32, 32)), {}, r"shape \(n_samples, height, width, 3\)"),
        (np.full((2, 32, 32, 3), 0.5), {}, "none above 1: multiply it by 255"),
        (np.zeros((2, 3)), {}, "column of strings"),
        (np.full((1, 32, 32, 3), np.inf), {}, "row 0 holds infinite"),
        (np.zeros((1, 31, 64, 3)), {}, "at least 32 x 32 pixels, not of 31 x 64"),
        (np.zeros((1, 32, 32, 3)), {"layer": "fc2"}, "224 x 224 pixels, not of 32 x"),
        (["a.png"], {"layer": "fc1"}, "224 x 224 pixels, not of 32 x"),
        (["a.png"], {"layer": "fc3"}, "layer"),
        (["a.png"], {"reader": MagnetogramReader(size=(8, 8))}, "at least 32 x 32"),
        (["a.png"], {"reader": MagnetogramReader(nan="skip")}, "nan"),
    ],
)
def test_bad_input_is_named(X, params, message):
    with pytest.raises(ValueError, match=message):
        make_embedder(**params).fit(X)


def test_other_size_than_in_fit_is_an_error():
    embedder = make_embedder(layer="flatten").fit(np.zeros((1, 64, 64, 3)))
    with pytest.raises(ValueError, match="features"):
        embedder.transform(np.zeros((1, 96, 64, 3)))


def test_untrained_network_says_so(paths):
    with pytest.warns(UserWarning, match="untrained network"):
        make_embedder().fit(paths)


def test_pickle_holds_no_network(paths):
    embedder = make_embedder().fit(paths)
    expected = embedder.transform(paths)
    pickled = pickle.dumps(embedder)
    assert len(pickled) < 5000
    np.testing.assert_array_equal(pickle.loads(pickled).transform(paths), expected)


def test_progress_bar(paths, capsys):
    make_embedder(verbose=1).fit_transform(paths)
    assert "Embedding" in capsys.readouterr().out


def test_interruption_loses_one_batch(paths, tmp_path, monkeypatch, runs):
    cache = tmp_path / "features.db"
    run = Engine._run

    def interrupted(engine, images):
        if len(runs) == 2:
            raise KeyboardInterrupt
        return run(engine, images)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "_run", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_embedder(cache=cache).fit_transform(paths)
    assert sum(runs) == 6
    make_embedder(cache=cache).fit_transform(paths)
    assert sum(runs) == 9


KILLED = """
import os, signal, sys, warnings
warnings.simplefilter("ignore")
from skestimators import MagnetogramReader, VGGEmbedder
from skestimators.feature_extraction._vgg_engine import Engine

run, n_runs = Engine._run, 0

def killed(engine, images):
    global n_runs
    n_runs += 1
    if n_runs == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(engine, images)

Engine._run = killed
VGGEmbedder(weights="random", layer="avg_pool", random_state=0, batch_size=3,
            reader=MagnetogramReader(size=(32, 32)), cache=sys.argv[1],
            ).fit_transform(sys.argv[2:])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is of POSIX")
def test_killed_run_is_resumed(paths, tmp_path, runs):
    cache = str(tmp_path / "features.db")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), cache, *paths]
    )
    assert done.returncode == -signal.SIGKILL
    features = make_embedder(cache=cache).fit_transform(paths)
    assert sum(runs) == 3
    assert_close(features, make_embedder().fit_transform(paths))


def test_full_disk_is_a_clear_error_and_the_store_stays_usable(
    paths, tmp_path, monkeypatch, runs
):
    cache = tmp_path / "features.db"
    opened = VectorStore._open

    def open_small(store):
        opened(store)
        (n_pages,) = store._connection.execute("PRAGMA page_count").fetchone()
        # As much room as for the claims and two batches.
        store._connection.execute(f"PRAGMA max_page_count={n_pages + 6}")

    with monkeypatch.context() as patch:
        patch.setattr(VectorStore, "_open", open_small)
        with pytest.raises(OSError, match=r"disk of the store .* is full"):
            make_embedder(cache=cache).fit_transform(paths)
    n_lost = len(runs)
    assert n_lost > 1
    make_embedder(cache=cache).fit_transform(paths)
    # The batch that found no room is computed again, and those after it.
    assert sum(runs) == 9 + 3


def test_store_in_a_folder_that_cannot_be_made(paths, tmp_path):
    (tmp_path / "file").touch()
    embedder = make_embedder(cache=tmp_path / "file" / "features.db").fit(paths)
    with pytest.raises(OSError, match=r"store .*features\.db .*parameter `cache`"):
        embedder.transform(paths)
