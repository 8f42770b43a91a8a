"""What is fuzzed of `skestimators.load`, and of the states of networks."""

import io
import json
import warnings
import zipfile
from functools import cache

import numpy as np
from fuzz.json_trees import CANARY, make_mutator
from fuzz.target import Target, run_on_file

_LOADERS = (
    "Object Type Function Partial Method Dict DefaultDict List Tuple Set Json Slice"
)
_LOADERS += (
    " NdArray MaskedArray SparseMatrix RandomState RandomGenerator Bytes Bytearray"
)
_LOADERS += " DatetimeTimedelta OperatorFunc Reduce Loss Tree Cached NumPyDtype"
_NAMES = (
    "os.system",
    "posix.mkdir",
    "builtins.eval",
    "builtins.open",
    "builtins.getattr",
    "subprocess.Popen",
    "importlib.import_module",
    "operator.methodcaller",
    "sklearn.datasets.load_files",
    "sklearn.metrics.r2_score",
    "skestimators.datasets.read_fasta",
    "skestimators.datasets._fasta.read_fasta",
    "skestimators.persistence._files.save",
    "skestimators.feature_extraction._store.VectorStore",
    "skestimators.ensemble._forest.BoostedForest",
    "pathlib.PosixPath",
    f"{CANARY}.run",
)


def _node(loader, name, **content):
    module, _, name = name.rpartition(".")
    return {"__loader__": loader, "__module__": module, "__class__": name, **content}


def _words():
    text = _node("JsonNode", "builtins.str", content=f'"{CANARY}"', is_json=True)
    arguments = _node("TupleNode", "builtins.tuple", content=[text])
    words = [f"{loader}Node" for loader in _LOADERS.split()]
    for name in _NAMES:
        words += [*name.rpartition(".")[::2], _node("FunctionNode", name, content=name)]
        words += [_node("TypeNode", name), _node("ObjectNode", name, content=arguments)]
        reduce = _node("ReduceNode", name, args=arguments, constructor=words[-2])
        words += [reduce, _node("OperatorFuncNode", name, attrs=arguments)]
    return [*words, text, arguments]


@cache
def _templates():
    """Return, for estimators, what is said about them and the files of their tree."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from skestimators import BootstrapStackedLGBM, SlidingWindow, TorchMLPRegressor
    from skestimators.persistence import _files

    # Takes longer than all the rest, and is the same each time.
    _files.installed_versions = cache(_files.installed_versions)
    X, y = np.random.default_rng(0).normal(size=(30, 2)), np.arange(30.0)
    estimators = [
        make_pipeline(StandardScaler(), SlidingWindow()).fit(X),
        TorchMLPRegressor((2,), max_epochs=1, random_state=0).fit(X, y),
        BootstrapStackedLGBM(2, max_iter=1, min_child_samples=3, random_state=0).fit(
            X, y
        ),
    ]
    templates = []
    for estimator in estimators:
        members = _files.pack_estimator(estimator)
        with zipfile.ZipFile(io.BytesIO(members["estimator.skops"])) as archive:
            files = {name: archive.read(name) for name in archive.namelist()}
        templates.append((members["about.json"], _renamed(files)))
    return templates


def _renamed(files):
    """Number the files of a tree, whose names are others in each process."""
    schema, renamed = files.pop("schema.json"), {}
    for number, (name, content) in enumerate(files.items()):
        schema = schema.replace(name.encode(), f"file_{number}".encode())
        renamed[f"file_{number}"] = content
    return {**renamed, "schema.json": schema}


def _load(path):
    from skestimators import load

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".* was saved with ", UserWarning)
        load(path)


def _load_tree(data, folder):
    """Load a file whose checksums are right, whatever it says."""
    from skestimators.utils._archive import write_archive

    try:
        number, about, schema = json.loads(data)
        _, files = _templates()[number]
    except (ValueError, TypeError, IndexError):
        return
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            is_schema = name == "schema.json"
            archive.writestr(name, json.dumps(schema) if is_schema else content)
    members = {
        "about.json": json.dumps(about).encode(),
        "estimator.skops": file.getvalue(),
    }
    write_archive(folder / "model", members, kind="estimator")
    _read_archive((folder / "model").read_bytes(), folder)


def _read_state(data, folder):
    from skestimators.utils._plain_state import from_members

    from_members({**_state(), "state.json": data})


@cache
def _state():
    from skestimators.utils._plain_state import to_members

    array = np.arange(6.0).reshape(2, 3)
    return to_members({"a": [array, (1, None)], 2: {"b": np.float32(1.5), "c": "d"}})


def _trees():
    return [
        json.dumps(
            [number, json.loads(about), json.loads(files["schema.json"])]
        ).encode()
        for number, (about, files) in enumerate(_templates())
    ]


def _archives():
    import tempfile
    from pathlib import Path

    from skestimators.persistence._files import pack_estimator
    from skestimators.preprocessing import SlidingWindow
    from skestimators.utils._archive import write_archive

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model")
        write_archive(path, pack_estimator(SlidingWindow()), kind="estimator")
        return [path.read_bytes()]


_read_archive = run_on_file("model.skestimators", _load)

TARGETS = {
    "load": Target(
        _read_archive,
        _archives,
        (b"PK\x01\x02", b"PK\x03\x04", b"manifest.json", b"about.json"),
        errors=(ValueError, TypeError),
        max_len=16_384,
    ),
    "load: by tree": Target(
        _load_tree,
        _trees,
        errors=(ValueError, TypeError),
        max_len=65_536,
        mutate=make_mutator(_words()),
    ),
    "states of networks": Target(
        _read_state,
        lambda: [_state()["state.json"]],
        mutate=make_mutator(
            [{kind: "0"} for kind in ("array", "scalar", "tensor")]
            + [{"tuple": [1]}, {"dict": [[1, 2]]}, {"dict": [[[], 2]]}, "0", "1"]
        ),
    ),
}
