"""Weights of VGG16 in files: read as keras reads them, refused where damaged."""

import h5py
import numpy as np
import pytest
from feature_extraction.vgg_files import (
    draw_layers,
    write_keras_3,
    write_legacy,
    write_saved_model,
)

from skestimators import VGGEmbedder

IMAGES = np.random.default_rng(0).integers(256, size=(3, 40, 48, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def layers():
    return draw_layers(13)


def _embed(path, images=IMAGES, **params):
    params = {"layer": "avg_pool", "weights": path, **params}
    return VGGEmbedder(**params).fit_transform(images)


@pytest.mark.parametrize("write", [write_legacy, write_keras_3, write_saved_model])
def test_all_formats_hold_the_same_weights(write, layers, tmp_path):
    path = write(tmp_path / "vgg.h5", layers)
    expected = _embed(write_legacy(tmp_path / "other.h5", layers))
    np.testing.assert_array_equal(_embed(path), expected)
    assert np.abs(expected - _embed("random", random_state=0)).max() > 0.1


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:keras")
def test_features_equal_those_of_keras(tmp_path):
    from keras import Model
    from keras.applications.vgg16 import VGG16, preprocess_input
    from keras.utils import set_random_seed

    set_random_seed(0)
    model = VGG16(weights=None)
    model.save_weights(tmp_path / "vgg.weights.h5")
    images = np.random.default_rng(0).uniform(0, 255, size=(3, 224, 224, 3))
    layers = ["flatten", "fc1", "fc2"]
    outputs = Model(model.input, [model.get_layer(name).output for name in layers])
    expected = outputs.predict(preprocess_input(np.float32(images)), verbose=0)
    for layer, features in zip(layers, expected, strict=True):
        params = {"weights": tmp_path / "vgg.weights.h5", "layer": layer}
        ours = VGGEmbedder(**params).fit_transform(images)
        assert np.abs(ours - features).max() <= 1e-5 * np.abs(features).max()
        ours = VGGEmbedder(**params, dtype="bfloat16").fit_transform(images)
        lengths = np.linalg.norm(ours, axis=1) * np.linalg.norm(features, axis=1)
        assert ((ours * features).sum(axis=1) / lengths).min() >= 0.999
    pooled = Model(model.input, model.get_layer("block5_pool").output)
    expected = pooled.predict(preprocess_input(np.float32(images)), verbose=0)
    ours = _embed(tmp_path / "vgg.weights.h5", images)
    np.testing.assert_allclose(ours, expected.mean((1, 2)), rtol=1e-4, atol=1e-6)


def test_imagenet_weights_come_from_the_folder_of_keras(layers, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    name = "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5"
    path = write_legacy(tmp_path / "models" / name, layers)
    np.testing.assert_array_equal(_embed("imagenet"), _embed(path))


@pytest.fixture
def no_network(tmp_path, monkeypatch):
    def fail(url, *args, **kwargs):
        raise OSError("no network")

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.setattr("torch.hub.download_url_to_file", fail)


def test_missing_imagenet_weights_say_which_file_goes_where(tmp_path, no_network):
    folder = str(tmp_path / "keras" / "models")
    with pytest.raises(OSError, match="no network") as error:
        _embed("imagenet")
    assert "kernels_notop.h5" in str(error.value)
    assert folder in str(error.value)
    with pytest.raises(OSError, match=r"tf_kernels\.h5"):
        VGGEmbedder().fit(np.zeros((1, 224, 224, 3)))


def test_damaged_download_is_thrown_away(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def download(url, path, progress):
        with open(path, "wb") as file:
            file.write(b"half a file")

    monkeypatch.setattr("torch.hub.download_url_to_file", download)
    with pytest.raises(OSError, match="MD5"):
        _embed("imagenet")
    assert list((tmp_path / "models").iterdir()) == []


def _edit(path, name, change):
    with h5py.File(path, "r+") as file:
        kernel = file[name][()]
        del file[name]
        change(file, name, kernel)


def _wrong_shape(file, name, kernel):
    file[name] = kernel[..., :-1]


def _integers(file, name, kernel):
    file[name] = np.zeros(kernel.shape, dtype=int)


def _not_finite(file, name, kernel):
    kernel[0, 0, 0, 0] = np.nan
    file[name] = kernel


def _link(file, name, kernel):
    # An HDF5 file can point to any other file that the reader may open.
    file[name] = h5py.ExternalLink("other.h5", name)


def _left_out(file, name, kernel):
    pass


@pytest.mark.parametrize(
    "change", [_wrong_shape, _integers, _not_finite, _link, _left_out]
)
def test_wrong_weights_are_refused_by_name(change, layers, tmp_path):
    write_legacy(tmp_path / "other.h5", layers)
    path = write_legacy(tmp_path / "vgg.h5", layers)
    _edit(path, "block3_conv2/block3_conv2_W_1:0", change)
    with pytest.raises(ValueError, match="block3_conv2") as error:
        _embed(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    "item",
    [
        h5py.ExternalLink("other.h5", "/block1_conv1"),
        h5py.SoftLink("/nowhere"),
        h5py.SoftLink("/block1_conv1"),
        np.zeros(4),
    ],
    ids=["external", "dangling", "circle", "array"],
)
def test_links_to_layers_are_not_followed(item, layers, tmp_path):
    write_legacy(tmp_path / "other.h5", layers)
    path = write_legacy(tmp_path / "vgg.h5", layers)
    with h5py.File(path, "r+") as file:
        del file["block1_conv1"]
        file["block1_conv1"] = item
    with pytest.raises(ValueError, match="does not hold the weights of VGG16"):
        _embed(path)
    for name in ("layers", "model_weights"):
        with h5py.File(path, "w") as file:
            file[name] = item
        with pytest.raises(ValueError, match="no layer block1_conv1"):
            _embed(path)


def test_file_without_a_layer_is_refused(layers, tmp_path):
    path = write_keras_3(tmp_path / "vgg.weights.h5", layers[:-1])
    with pytest.raises(ValueError, match="no layer block5_conv3"):
        _embed(path)
    path = write_keras_3(tmp_path / "whole.weights.h5", layers)
    with pytest.raises(ValueError, match="no layer fc1"):
        _embed(path, np.zeros((1, 224, 224, 3)), layer="fc2")


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
def test_truncated_file_is_an_error_that_names_it(share, layers, tmp_path):
    path = write_legacy(tmp_path / "vgg.h5", layers[:2])
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ValueError, match=r"vgg\.h5"):
        _embed(path)


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"weights='.*none\.h5' is no file"):
        _embed(str(tmp_path / "none.h5"))
