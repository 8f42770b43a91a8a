"""What is fuzzed of the readers of weights, and of the store of embeddings."""

import io
import zipfile
from argparse import Namespace
from functools import lru_cache

import numpy as np
from fuzz.target import Target, run_on_file

_MODEL = (1, 4)


def _use_esm(path):
    """Read weights, and do with them what the fingerprint and the network do."""
    from skestimators.feature_extraction._esm_weights import (
        expected_shapes,
        read_checkpoint,
    )
    from skestimators.feature_extraction._weights import fingerprint

    class Tensors:
        def __init__(self):
            self.path = path

        def read(self):
            return read_checkpoint(path, expected_shapes(*_MODEL), "tiny").items()

    fingerprint.__wrapped__(Tensors())


def _use_vgg(path):
    from skestimators.feature_extraction._vgg_weights import Weights

    for _, tensor in Weights(0, 1, path=path).read():
        assert tensor.isfinite().all()


def _use_pickle(data, folder):
    """Read a checkpoint whose pickle is any bytes, in a zip that is whole."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in _members().items():
            is_pickle = name.endswith("data.pkl")
            archive.writestr(name, data if is_pickle else content)
    _read_pt(file.getvalue(), folder)


@lru_cache
def _members():
    with zipfile.ZipFile(io.BytesIO(_checkpoints()[0])) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _use_store(path):
    from skestimators.feature_extraction._store import VectorStore

    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    keys = [bytes([i]) * 32 for i in range(4)]
    with VectorStore(path) as store:
        for vector in store.get(keys, 3).values():
            assert vector.shape == (3,)
        store.claim(keys)
        store.put(keys[:2], np.zeros((2, 3)))
        store.release(keys)
        assert set(store.get(keys, 3)) >= set(keys[:2])


_read_pt = run_on_file("tiny.pt", _use_esm)


def _tensors():
    import torch

    from skestimators.feature_extraction._esm_weights import expected_shapes

    shapes = expected_shapes(*_MODEL)
    return {name: torch.ones(shape) for name, shape in shapes.items()}


def _checkpoints():
    import torch

    files = []
    for new in (True, False):
        file = io.BytesIO()
        payload = {"cfg": {"model": Namespace(layers=1)}, "model": _tensors()}
        torch.save(payload, file, _use_new_zipfile_serialization=new)
        files.append(file.getvalue())
    return files


def _pickles():
    return [content for name, content in _members().items() if name.endswith(".pkl")]


def _safetensors():
    from safetensors.torch import save

    tensors = {f"esm.encoder.{name}": value for name, value in _tensors().items()}
    return [save(_tensors()), save(tensors)]


def _hdf5_files():
    import h5py

    rng = np.random.default_rng(0)
    kernel, bias = rng.normal(size=(3, 3, 3, 64)), np.zeros(64)
    names = ["block1_conv1/W", "layers/conv2d/vars", "model_weights/block1_conv1/a"]
    files = []
    for name in names:
        file = io.BytesIO()
        with h5py.File(file, "w") as opened:
            opened[f"{name}/0"] = kernel.astype("f2")
            opened[f"{name}/1"] = bias.astype("f2")
        files.append(file.getvalue())
    return files


def _stores():
    import sqlite3
    import tempfile
    from pathlib import Path

    from skestimators.feature_extraction._store import VectorStore

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "store.db")
        with VectorStore(path) as store:
            keys = [bytes([i]) * 32 for i in range(3)]
            store.put(keys, np.arange(9.0).reshape(3, 3))
            store.claim([bytes([3]) * 32])
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.close()
        return [path.read_bytes()]


TARGETS = {
    "ESMEmbedder: pt": Target(
        _read_pt,
        _checkpoints,
        (b"argparse\nNamespace\n", b"PK\x03\x04"),
        max_len=16_384,
    ),
    "ESMEmbedder: pt, by pickle": Target(
        _use_pickle,
        _pickles,
        (
            b"ctorch._utils\n_rebuild_tensor_v2\n",
            b"ctorch._utils\n_rebuild_parameter\n",
            b"ctorch._utils\n_rebuild_sparse_tensor\n",
            b"ctorch\nFloatStorage\n",
            b"cargparse\nNamespace\n",
            b"ccollections\nOrderedDict\n",
            b"X\x07\x00\x00\x00storage",
        ),
        max_len=8192,
    ),
    "ESMEmbedder: safetensors": Target(
        run_on_file("tiny.safetensors", _use_esm),
        _safetensors,
        (b'"dtype":"F32"', b'"shape":[33,4]', b'"data_offsets":[0,528]', b'"BF16"'),
        max_len=8192,
    ),
    "VGGEmbedder: h5": Target(
        run_on_file("vgg.weights.h5", _use_vgg),
        _hdf5_files,
        (b"OHDR", b"TREE", b"SNOD", b"HEAP", b"\x89HDF"),
        max_len=16_384,
    ),
    "VectorStore": Target(run_on_file("store.db", _use_store), _stores, max_len=40_000),
}
