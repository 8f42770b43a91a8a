"""Damaged and malicious files are refused, and nothing in them is executed.

The canary is a module that leaves a file when it is imported, a function that does when
it is called, and a command that does when it is run.
"""

import contextlib
import importlib
import io
import json
import pickle
import sys
import zipfile

import joblib
import numpy as np
import pytest
from sklearn.linear_model import Ridge
from sklearn.preprocessing import FunctionTransformer

from skestimators import (
    ActivationSearchNet,
    BootstrapStackedLGBM,
    KerasFFNNRegressor,
    TorchMLPRegressor,
    UnaryEdge,
    load,
    save,
)
from skestimators.persistence._files import pack_estimator
from skestimators.persistence._trusted import trusted_types
from skestimators.utils._archive import DamagedFileError, read_archive, write_archive
from skestimators.utils._plain_state import to_members as write_state

pytest.importorskip("skops")

CANARY = "skestimators_canary"
# Of the flags of a type, that which classes written in Python have.
HEAP_TYPE = 1 << 9


@pytest.fixture
def sings(tmp_path, monkeypatch):
    """Tell whether the canary was imported, called or run."""
    trace = tmp_path / "trace"
    folder = tmp_path / "importable"
    folder.mkdir()
    touch = f"open({str(trace)!r}, 'w').close()\n"
    lines = [touch, "class Canary:\n    def __init__(self, *args):\n        " + touch]
    (folder / f"{CANARY}.py").write_text("".join(lines))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("TRACE", str(trace))
    yield trace.exists
    sys.modules.pop(CANARY, None)


class Bomb:
    """Runs a command when it is unpickled."""

    def __reduce__(self):
        import os

        return os.system, ('touch "$TRACE"',)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.skestimators"
    save(FunctionTransformer(kw_args={"a": 1}), path)
    return path


def node(loader, name, **content):
    module, _, name = name.rpartition(".")
    return {"__loader__": loader, "__module__": module, "__class__": name, **content}


def text(value):
    return node("JsonNode", "builtins.str", content=json.dumps(value), is_json=True)


def sequence(*items):
    return node("TupleNode", "builtins.tuple", content=list(items))


COMMAND = text('touch "$TRACE"')
SYSTEM = node("FunctionNode", "posix.system")
ARGUMENTS = {"func": SYSTEM, "args": sequence(COMMAND)}
NOTHING = {"kwds": text(None), "namespace": text(None)}

# In the place of a parameter: what a tree of objects can be made to say.
NODES = {
    "function": SYSTEM,
    "type": node("TypeNode", "subprocess.Popen"),
    "type of a module that sings": node("TypeNode", f"{CANARY}.Canary"),
    "function of a module that sings": node("FunctionNode", f"{CANARY}.Canary"),
    "instance": node("ObjectNode", f"{CANARY}.Canary", content=text({"a": 1})),
    "constructor": node(
        "ConstructorFromReduceNode", f"{CANARY}.Canary", content=sequence()
    ),
    "builtin": node(
        "ConstructorFromReduceNode", "builtins.eval", content=sequence(COMMAND)
    ),
    "call of a command": node(
        "ConstructorFromReduceNode", "posix.system", content=sequence(COMMAND)
    ),
    "partial": node("PartialNode", "functools.partial", content=ARGUMENTS | NOTHING),
    "methodcaller": node(
        "OperatorFuncNode", "operator.methodcaller", attrs=sequence(text("system"))
    ),
    "any of operator": node(
        "OperatorFuncNode", "operator.call", attrs=sequence(SYSTEM, COMMAND)
    ),
    "method": node(
        "MethodNode",
        "sklearn.linear_model._ridge.Ridge",
        content={
            "obj": node("ObjectNode", "sklearn.linear_model._ridge.Ridge"),
            "func": "fit",
        },
    ),
    "text that scipy runs": node(
        "ObjectNode",
        "scipy.stats._continuous_distns.norm_gen",
        content=text({"_parse_arg_template": "import skestimators_canary"}),
    ),
    "default of a dict": node(
        "DefaultDictNode",
        "collections.defaultdict",
        content={"main": text({}), "default_factory": SYSTEM},
    ),
    "loader that is not known": node("EvilNode", "builtins.str"),
    "shared object that is not there": node("CachedNode", "builtins.str", __id__=1),
    "list of a type of its own": node("ListNode", f"{CANARY}.Canary", content=[]),
    "callback": node("ObjectNode", "sklearn.callback._progressbar.ProgressBar"),
    # Of the list, but made in another way than `save` does.
    "compiled class": node(
        "ObjectNode",
        "sklearn.metrics._dist_metrics.SEuclideanDistance64",
        content=sequence(),
    ),
    "dtype from a state": node("ObjectNode", "numpy.dtype", content=sequence()),
    "call of a known type": node(
        "ConstructorFromReduceNode",
        "skestimators.ensemble._forest.BoostedForest",
        content=sequence(text([[]]), text(10**9)),
    ),
    "known type as a list": node(
        "ListNode", "skestimators.ensemble._forest.BoostedForest", content=[]
    ),
    "known function as a key": node(
        "DictNode",
        "builtins.dict",
        content={"a": text(1)},
        key_types={
            **node("ListNode", "builtins.list"),
            "content": [node("TypeNode", "sklearn.utils._bunch.Bunch")],
        },
    ),
    "known function as a default": node(
        "DefaultDictNode",
        "collections.defaultdict",
        content={
            "main": text({}),
            "default_factory": node("TypeNode", "sklearn.pipeline.Pipeline"),
        },
    ),
    "loss of an object": node(
        "LossNode",
        "sklearn._loss._loss.CyPinballLoss",
        content=node("DictNode", "builtins.dict", content={}),
        __reduce__={"args": sequence(SYSTEM)},
    ),
    "random numbers from an array": node(
        "RandomStateNode",
        "numpy.random.mtrand.RandomState",
        content=node(
            "DictNode",
            "builtins.dict",
            content={
                "state": node(
                    "DictNode",
                    "builtins.dict",
                    content={"pos": node("NdArrayNode", "numpy.int64", content="0")},
                )
            },
        ),
    ),
    "random numbers from elsewhere": node(
        "RandomStateNode",
        "numpy.random.mtrand.RandomState",
        content={"content": {"state": {"content": {"pos": text(10**8)}}}},
    ),
    "two objects of one number": sequence(
        node("TupleNode", "builtins.tuple", content=[text(1)], __id__=7),
        node("TupleNode", "builtins.tuple", content=[], __id__=7),
    ),
}


def rewrite_tree(members, edit):
    """Edit the tree of objects; checksums are made anew."""
    old = zipfile.ZipFile(io.BytesIO(members["estimator.skops"]))
    parts = {name: old.read(name) for name in old.namelist()}
    schema = json.loads(parts["schema.json"])
    edit(schema["content"]["content"], parts)
    parts["schema.json"] = json.dumps(schema).encode()
    new = io.BytesIO()
    with zipfile.ZipFile(new, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return {**members, "estimator.skops": new.getvalue()}


@pytest.mark.parametrize("what", NODES)
@pytest.mark.parametrize("place", ["func", "kw_args"])
def test_objects_that_are_not_known(what, place, path, sings):
    def edit(attributes, parts):
        attributes[place] = NODES[what]

    members = read_archive(path, kind="estimator")
    write_archive(path, rewrite_tree(members, edit), kind="estimator")
    with pytest.raises((TypeError, DamagedFileError), match=r"model\.skestimators"):
        load(path)
    assert not sings()


def test_the_canary_can_sing(path, sings):
    write_bomb(path, pickle.dump)
    assert not sings()
    with open(path, "rb") as file:
        pickle.load(file)
    assert sings()


def test_the_canary_sings_when_it_is_imported(path, sings):
    save(FunctionTransformer(), path)
    assert not sings()
    __import__(CANARY)
    assert sings()


def write_bomb(path, dump):
    with open(path, "wb") as file:
        dump(Bomb(), file)


@pytest.mark.parametrize(
    "dump",
    [
        *(lambda o, f, n=n: pickle.dump(o, f, protocol=n) for n in range(6)),
        joblib.dump,
        lambda o, f: joblib.dump(o, f, compress=3),
        lambda o, f: np.save(f, np.array([o]), allow_pickle=True),
        lambda o, f: np.savez(f, a=np.array([o])),
    ],
)
def test_pickles_are_refused(dump, path, sings):
    write_bomb(path, dump)
    with pytest.raises(DamagedFileError, match=r"pickle|not a file of skestimators"):
        load(path)
    assert not sings()


def test_a_pickle_among_the_arrays_is_not_opened(path, sings):
    save(Ridge().fit([[0.0], [1.0]], [0.0, 1.0]), path)

    def edit(attributes, parts):
        bomb = io.BytesIO()
        np.save(bomb, np.array([Bomb()]), allow_pickle=True)
        for name in [name for name in parts if name.endswith(".npy")]:
            parts[name] = bomb.getvalue()

    members = read_archive(path, kind="estimator")
    write_archive(path, rewrite_tree(members, edit), kind="estimator")
    with pytest.raises(DamagedFileError, match="allow_pickle"):
        load(path)
    assert not sings()


def test_every_cut_and_many_flips_are_refused(path):
    content = path.read_bytes()
    rng = np.random.default_rng(0)
    for place in [*range(0, len(content), 97), len(content) - 1]:
        path.write_bytes(content[:place])
        with pytest.raises(DamagedFileError):
            load(path)
    for place in rng.integers(len(content), size=100):
        damaged = bytearray(content)
        damaged[place] ^= 1 << rng.integers(8)
        path.write_bytes(damaged)
        try:
            assert repr(load(path)) == "FunctionTransformer(kw_args={'a': 1})"
        except DamagedFileError:
            continue


@pytest.mark.parametrize("content", [b"", b"no estimator", b"PK\3\4", b"\x80", b"{}"])
def test_other_files_are_refused(content, path):
    path.write_bytes(content)
    with pytest.raises(DamagedFileError, match=r"model\.skestimators"):
        load(path)


def test_archives_of_another_kind_are_refused(path):
    write_archive(path, pack_estimator(FunctionTransformer()), kind="checkpoint")
    with pytest.raises(DamagedFileError, match="holds 'checkpoint'"):
        load(path)


def test_no_trusted_type_is_compiled():
    for name in trusted_types():
        module, _, attribute = name.rpartition(".")
        try:
            found = getattr(importlib.import_module(module), attribute)
        except (ImportError, AttributeError):
            continue  # of a package, system or version that is not here
        # NumPy's and dicts are made in other ways than from any state whatever.
        if not name.startswith(("numpy.", "collections.")):
            assert not isinstance(found, type) or found.__flags__ & HEAP_TYPE, name


def test_missing_parts_and_other_objects_are_refused(path):
    members = pack_estimator(FunctionTransformer())
    for name in members:
        rest = {n: data for n, data in members.items() if n != name}
        write_archive(path, rest, kind="estimator")
        with pytest.raises(DamagedFileError, match="damaged"):
            load(path)


def test_what_is_no_estimator_is_refused(path):
    members = pack_estimator(FunctionTransformer())
    new = io.BytesIO()
    with zipfile.ZipFile(new, "w") as archive:
        schema = {**text({"a": 1}), "protocol": 2, "_skops_version": "0.16.0"}
        archive.writestr("schema.json", json.dumps(schema))
    write_archive(
        path, {**members, "estimator.skops": new.getvalue()}, kind="estimator"
    )
    with pytest.raises(DamagedFileError, match="no estimator"):
        load(path)


@pytest.mark.parametrize(
    "about", [[], {}, {"versions": [[1, 2], ["a", 3]]}, {"versions": {"numpy": []}}]
)
def test_versions_that_are_none(about, path):
    members = pack_estimator(FunctionTransformer())
    members["about.json"] = json.dumps(about).encode()
    write_archive(path, members, kind="estimator")
    with contextlib.suppress(DamagedFileError):
        assert isinstance(load(path), FunctionTransformer)


def test_inner_bombs_and_deep_trees_are_refused(path):
    members = pack_estimator(FunctionTransformer())
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b" " * 10**8)
    for tree, message in [(bomb.getvalue(), "compressed"), (b"zip", "zip")]:
        write_archive(path, {**members, "estimator.skops": tree}, kind="estimator")
        with pytest.raises(DamagedFileError, match=message):
            load(path)

    def edit(attributes, parts):
        nested = text(1)
        for _ in range(400):
            nested = sequence(nested)
        attributes["func"] = nested

    write_archive(path, rewrite_tree(members, edit), kind="estimator")
    with pytest.raises(DamagedFileError, match="Recursion"):
        load(path)


X = np.random.default_rng(0).normal(size=(40, 2))


def alter(estimator, **changed):
    """Save an estimator with other attributes, as a crafted file would have them."""
    state = {**estimator.__getstate__(), **changed}
    cls = type(estimator)
    forged = type(cls.__name__, (cls,), {"__getstate__": lambda self: state})
    forged.__module__ = cls.__module__
    forged.__qualname__ = cls.__qualname__
    fake = forged.__new__(forged)
    return fake


def refuse(forged, path, match):
    save(forged, path)
    with pytest.raises(DamagedFileError, match=match):
        load(path)


def test_networks_that_nobody_trained(path):
    mlp = TorchMLPRegressor((4,), max_epochs=1, random_state=0).fit(X, X[:, 0])
    layers = {**mlp._layers, "hidden_layer_sizes": (10**9, 10**9)}
    refuse(alter(mlp, _layers=layers), path, "not of its layers")
    layers = {**mlp._layers, "activation": np.exp}
    refuse(alter(mlp, _layers=layers), path, "damaged")
    weights = write_state({"0.weight": np.zeros(3)})
    refuse(alter(mlp, network_=weights), path, "not of its layers")
    refuse(alter(mlp, network_={"state.json": b"[]"}), path, "damaged")
    header = {**mlp.__getstate__()["network_"], "arrays.safetensors": b"\xff" * 99}
    refuse(alter(mlp, network_=header), path, "damaged")
    layers = {**mlp._layers, "hidden_layer_sizes": (10**9, 10**9)}
    refuse(alter(mlp, _layers=layers, module=1), path, "not of its layers")
    refuse(alter(mlp, _new_network=np.exp), path, "is a method")


def test_keras_is_given_names_only(path, sings):
    pytest.importorskip("scikeras")
    ffnn = KerasFFNNRegressor((2,), max_epochs=1, random_state=0).fit(X, X[:, 0])
    evil = {"module": CANARY, "class_name": "Canary", "config": {}}
    refuse(
        alter(ffnn, _built_with={**ffnn._built_with, "activation": evil}),
        path,
        "must be a name",
    )
    assert not sings()
    large = {**ffnn._built_with, "hidden_layer_sizes": (10**6, 10**6)}
    refuse(alter(ffnn, _built_with=large), path, "not of its layers")


def test_activations_that_do_not_exist(path):
    net = ActivationSearchNet(
        UnaryEdge(operations=["relu", "tanh"]),
        hidden_layer_sizes=(2,),
        search_epochs=1,
        max_epochs=1,
        random_state=0,
    ).fit(X, X[:, 0] > 0)
    refuse(alter(net, chosen_={"unary1": "__import__"}), path, "damaged")


def test_trees_without_end(path):
    ensemble = BootstrapStackedLGBM(
        n_estimators=2, max_iter=2, min_child_samples=2, random_state=0
    ).fit(X, X[:, 0])
    forest = ensemble.forest_
    for changed in [
        {"children_": np.zeros_like(forest.children_)},
        {"children_": np.full_like(forest.children_, 10**6)},
        {"children_": np.full_like(forest.children_, -(10**6))},
        {"feature_": np.full_like(forest.feature_, -1)},
        {"feature_": forest.feature_[:1]},
    ]:
        endless = alter(forest, **{**vars(forest), **changed})
        refuse(alter(ensemble, forest_=endless), path, "do not fit together")
