"""The solar line where things go wrong: files, weights, disks and processes."""

import os
import signal
import subprocess
import sys
import textwrap
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from skestimators import (
    MagnetogramReader,
    VGGEmbedder,
    VGGFlareClassifier,
    make_magnetograms,
)

pytest.importorskip("torch")

from skestimators.feature_extraction._vgg_engine import Engine
from skestimators.neural_network import _vgg_flare_base
from skestimators.neural_network._vgg_flare_network import NAMES

SMALL = MagnetogramReader((32, 32))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with twelve images of four regions."""
    folder = tmp_path_factory.mktemp("sun") / "images"
    make_magnetograms(
        folder, n_regions=4, n_frames=3, image_shape=(40, 60), random_state=0
    )
    return folder


@pytest.fixture(scope="module")
def paths(folder):
    return [str(path) for path in sorted(folder.glob("*/*.png"))]


LABELS = [0, 1, 0] * 4


@pytest.fixture(scope="module")
def fitted(paths, tmp_path_factory):
    """Return a classifier with a store that holds all that it needs."""
    cache = tmp_path_factory.mktemp("features") / "store.db"
    classifier = VGGFlareClassifier(
        "random", cache=cache, random_state=0, max_epochs=3, early_stopping=False
    )
    return classifier.fit(paths, LABELS)


def assert_same_network(one, other):
    weights = other.network_.state_dict()
    for name, weight in one.network_.state_dict().items():
        assert_array_equal(weight, weights[name], err_msg=name)


# Bad files


def write_bad_files(folder, good):
    """Write a file of each kind that cannot be read; return paths and reasons."""
    from astropy.io import fits
    from PIL import Image

    fits.writeto(folder / "whole.fits", np.ones((50, 50)))
    (folder / "cut.fits").write_bytes((folder / "whole.fits").read_bytes()[:6000])
    fits.writeto(folder / "line.fits", np.ones(50))
    fits.writeto(folder / "blank.fits", np.full((5, 5), np.nan))
    fits.writeto(folder / "filled.fits", np.full((5, 5), 1e30))
    (folder / "zero.png").touch()
    (folder / "named.fits").write_bytes(good)
    pixels = np.random.default_rng(0).integers(256, size=(5, 5, 4), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "clear.png")
    Image.fromarray(pixels[..., 0].astype(np.uint16)).save(folder / "deep.png")
    bomb = bytearray(good)
    bomb[16:24] = 2 * (60_000).to_bytes(4, "big")
    # Nobody would believe a header with a wrong checksum.
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    (folder / "bomb.png").write_bytes(bomb)
    (folder.parent.parent / "elsewhere.png").write_bytes(good)
    (folder / "link.png").symlink_to(folder.parent.parent / "elsewhere.png")
    return {
        "cut.fits": "truncated",
        "line.fits": "no 2-D image",
        "blank.fits": "NaN",
        "filled.fits": "gauss",
        "zero.png": "empty",
        "named.fits": "holds PNG",
        "clear.png": "RGBA",
        "deep.png": "16 bits",
        "bomb.png": "60000 x 60000",
        "link.png": "out of root",
        "none.png": "no such file",
        "\udcff.png": "no such file",
        "../../elsewhere.png": "out of root",
        str(folder.parent.parent / "elsewhere.png"): "out of root",
    }


def test_no_bad_file_ends_a_run_unless_asked(fitted, folder, paths, tmp_path, runs):
    good = [os.path.relpath(path, folder) for path in paths]
    for name in good:
        copy = tmp_path / "images" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes((folder / name).read_bytes())
    bad = tmp_path / "images" / "12000"
    bad.mkdir()
    reasons = write_bad_files(bad, Path(paths[0]).read_bytes())
    names = [os.path.join("12000", name) for name in reasons]
    n_bad = len(names)
    X, y = [good[0], *names, *good[1:]], [LABELS[0], *[1] * n_bad, *LABELS[1:]]
    reader = MagnetogramReader(root=bad.parent)
    classifier = clone(fitted).set_params(reader=reader)
    with pytest.warns(UserWarning, match=f"{n_bad} of {len(X)} image files cannot"):
        classifier.fit(X, y, groups=range(len(X)))
    report = classifier.unreadable_
    assert report["row"].tolist() == list(range(1, n_bad + 1))
    assert report["path"].tolist() == names
    for reason, words in zip(report["reason"], reasons.values(), strict=True):
        assert words in reason
    # The others alone decide the training, and what is thought of these.
    assert_same_network(classifier, fitted)
    with pytest.warns(UserWarning, match=f"{n_bad} of {len(X)} image files cannot"):
        proba = classifier.predict_proba(X)
    assert_allclose(classifier.class_prior_, [2 / 3, 1 / 3])
    assert_array_equal(proba[1 : n_bad + 1], [classifier.class_prior_] * n_bad)
    kept = np.delete(proba, range(1, n_bad + 1), axis=0)
    assert_array_equal(kept, fitted.predict_proba(paths))
    reader.set_params(on_unreadable="error")
    message = (
        r"image files cannot be read: .*row \d+ \('12000/zero\.png'\): the file is"
    )
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, y, groups=range(len(X)))
    assert not runs


# Interruptions, other processes, full disks


def test_interrupted_fit_loses_one_batch(fitted, paths, tmp_path, monkeypatch):
    sizes, run = [], Engine._run

    def interrupt(engine, batch):
        sizes.append(len(batch))
        if len(sizes) == 2:
            raise KeyboardInterrupt
        return run(engine, batch)

    monkeypatch.setattr(Engine, "_run", interrupt)
    monkeypatch.setattr(_vgg_flare_base, "_BATCH_SIZE", 2)
    classifier = clone(fitted).set_params(cache=tmp_path / "store.db")
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(paths[:6], LABELS[:6])
    with pytest.raises(NotFittedError):
        classifier.predict(paths[:6])
    classifier.fit(paths[:6], LABELS[:6])
    assert sizes == [2, 2, 2, 2]


_CHILD = """
    import sys, time, warnings
    warnings.simplefilter("ignore")
    from pathlib import Path
    from skestimators import MagnetogramReader, VGGEmbedder
    from skestimators.feature_extraction._vgg_engine import Engine

    run, sizes = Engine._run, []

    def slow(engine, images):
        sizes.append(len(images))
        print(sum(sizes), flush=True)
        time.sleep({pause} if len(sizes) > 2 else 0)
        return run(engine, images)

    Engine._run = slow
    VGGEmbedder(
        "random", layer="avg_pool", reader=MagnetogramReader((32, 32)), batch_size=2,
        cache=sys.argv[1], random_state=0,
    ).fit_transform(sys.argv[2:])
"""


def embedder(cache):
    params = {"layer": "avg_pool", "reader": SMALL, "batch_size": 2, "random_state": 0}
    return VGGEmbedder("random", cache=cache, **params)


@contextmanager
def other_process(paths, cache, pause):
    """Embed in another process, which slows down after two batches."""
    code = textwrap.dedent(_CHILD.format(pause=pause))
    command = [sys.executable, "-c", code, str(cache), *paths]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            for _ in range(3):
                assert child.stdout.readline(), "the other process has failed"
            yield child
        finally:
            child.kill()


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_killed_run_goes_on_where_it_stopped(paths, tmp_path, runs):
    expected = embedder(None).fit_transform(paths)
    runs.clear()
    with other_process(paths, tmp_path / "store.db", 600) as child:
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL
    actual = embedder(tmp_path / "store.db").fit_transform(paths)
    # Two batches of two were put before the third began.
    assert sum(runs) == 8
    assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


def test_two_processes_share_the_work(paths, tmp_path, runs):
    expected = embedder(None).fit_transform(paths)
    runs.clear()
    with other_process(paths, tmp_path / "store.db", 0.1) as child:
        actual = embedder(tmp_path / "store.db").fit_transform(paths)
        rest = child.stdout.read().split()
        assert child.wait() == 0
    assert sum(runs) + int(rest[-1] if rest else 6) == 12
    assert sum(runs) > 0
    assert_allclose(actual, expected, rtol=1e-4, atol=1e-5)


@contextmanager
def files_no_larger_than(n_bytes):
    """Let a limit on the size of files stand in for a full disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_full_disk_of_the_store(paths, tmp_path, runs):
    path = tmp_path / "store.db"
    with (
        files_no_larger_than(150_000),
        pytest.raises(OSError, match=r"store .*store\.db"),
    ):
        embedder(path).fit_transform(paths)
    n_before = sum(runs)
    actual = embedder(path).fit_transform(paths)
    # The batch that had no room is computed again.
    assert 2 < n_before < 12
    assert sum(runs) == 14
    assert_allclose(actual, embedder(None).fit_transform(paths), rtol=1e-4)


def test_full_disk_for_features_of_a_fit(fitted, paths, runs):
    classifier = clone(fitted)
    message = "12 images need .* GB in the folder for temporary files.*TMPDIR"
    with files_no_larger_than(100_000), pytest.raises(OSError, match=message):
        classifier.fit(paths, LABELS)
    with pytest.raises(NotFittedError):
        classifier.predict(paths)
    assert_same_network(classifier.fit(paths, LABELS), fitted)
    assert not runs


# Weights


def write_network(path, seed):
    """Write VGG16 as keras does, its dense layers, which are large, all alike."""
    h5py = pytest.importorskip("h5py")
    from skestimators.feature_extraction._vgg_network import weight_shape

    rng = np.random.default_rng(seed)
    with h5py.File(path, "w") as file:
        for name in NAMES:
            shape = weight_shape(name)
            kernel = (*shape[2:], shape[1], shape[0])
            group = file.create_group(name)
            if len(kernel) == 2:
                group.create_dataset("W", kernel, np.float32, fillvalue=1e-3)
            else:
                scale = np.float32(np.sqrt(2 / np.prod(kernel[:-1])))
                group["W"] = scale * rng.standard_normal(kernel, dtype=np.float32)
            group["b"] = rng.standard_normal(shape[0], dtype=np.float32)
    return path


@pytest.mark.slow
def test_weights_replaced_after_fit_are_an_error(paths, tmp_path):
    path = write_network(tmp_path / "vgg16.h5", seed=0)
    classifier = VGGFlareClassifier(path, early_stopping=False)
    classifier.fit(paths[:2], [0, 1])
    write_network(path, seed=1)
    with pytest.raises(
        ValueError, match=r"vgg16\.h5.* not the frozen layers that fit used"
    ):
        classifier.predict(paths)


def test_weights_that_are_nowhere(paths, tmp_path, monkeypatch):
    import torch

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    place = tmp_path / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels.h5"
    with pytest.raises(OSError, match="no network") as caught:
        VGGFlareClassifier().fit(paths, LABELS)
    assert f"put it at {place}" in str(caught.value)
    place.write_bytes(b"<html>not found</html>")
    with pytest.raises(ValueError, match=f"{place.name} cannot be read as an HDF5"):
        VGGFlareClassifier().fit(paths, LABELS)


@pytest.mark.parametrize("kind", ["external", "missing", "circular", "array"])
def test_weights_that_point_elsewhere_are_refused(kind, paths, tmp_path):
    h5py = pytest.importorskip("h5py")
    path = write_network(tmp_path / "vgg16.h5", seed=0)
    (tmp_path / "other.h5").write_bytes(path.read_bytes())
    with h5py.File(path, "a") as file:
        del file["block1_conv1"]
        file["block1_conv1"] = {
            "external": h5py.ExternalLink(tmp_path / "other.h5", "/block1_conv1"),
            "missing": h5py.SoftLink("/nowhere"),
            "circular": h5py.SoftLink("/block1_conv1"),
            "array": np.zeros(3),
        }[kind]
    embedder = VGGEmbedder(path, layer="avg_pool", reader=SMALL)
    with pytest.raises(ValueError, match=r"vgg16\.h5 .*block1_conv1"):
        embedder.fit(paths).transform(paths)
