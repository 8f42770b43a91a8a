"""Files of what a fit has come to: whose they are, and what may happen to them."""

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from skestimators.utils._checkpoint import open_checkpoint

DATA = {"X": np.arange(6.0).reshape(3, 2), "groups": None}


class Fitted(BaseEstimator):
    """Stands for an estimator that is fitted in steps."""

    def __init__(
        self,
        size=3,
        function=None,
        checkpoint=None,
        cache=None,
        device="auto",
        n_jobs=None,
        random_state=0,
        verbose=0,
    ):
        self.size = size
        self.function = function
        self.checkpoint = checkpoint
        self.cache = cache
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose


class Other(Fitted):
    """Another class of the same parameters."""


def _open(folder, cls=Fitted, data=DATA, packages=(), **params):
    estimator = cls(checkpoint=folder, **params)
    return open_checkpoint(estimator, data, packages=packages)


def test_what_was_written_is_read_by_the_next_one(tmp_path):
    state = {"epoch": 3, 4: (1.5, float("inf"), None), "w": np.arange(3, dtype="f4")}
    assert _open(None) is None
    assert _open(tmp_path).read("training") is None
    _open(tmp_path).write("training", {"epoch": 2})
    _open(tmp_path).write("training", state)
    _open(tmp_path).write("other", [1])
    read = _open(tmp_path).read("training")
    np.testing.assert_array_equal(read.pop("w"), state.pop("w"))
    assert read == state


def test_a_path_may_start_at_home_and_lead_where_there_is_nothing_yet(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    _open("~/a/b").write("training", 1)
    assert len(list((tmp_path / "a" / "b").glob("Fitted-*/training.zip"))) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"n_jobs": 2},
        {"verbose": 1},
        {"device": "cpu"},
        {"cache": "store.db"},
        {"data": {**DATA, "X": np.asfortranarray(DATA["X"])}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_how_and_where_a_fit_is_computed_does_not_matter(change, tmp_path):
    assert _open(tmp_path).folder == _open(tmp_path, **change).folder


@pytest.mark.parametrize(
    "change",
    [
        {"size": 4},
        {"random_state": 1},
        {"function": np.tanh},
        {"cls": Other},
        {"packages": ("scipy",)},
        {"data": {**DATA, "X": DATA["X"] + [0, 1e-12]}},
        {"data": {**DATA, "groups": np.arange(3)}},
        {"data": {**DATA, "X": pd.DataFrame(DATA["X"])}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_decides_the_result_has_a_folder_of_its_own(change, tmp_path):
    folder = _open(tmp_path).folder
    changed = _open(tmp_path, **change).folder
    assert folder.parent == changed.parent == tmp_path
    assert folder != changed


def test_another_version_begins_anew(tmp_path, monkeypatch):
    import skestimators

    folder = _open(tmp_path).folder
    monkeypatch.setattr(skestimators, "__version__", "9.9.9")
    assert _open(tmp_path).folder != folder


FUNCTIONS = """
    import sys, torch

    sys.path.insert(0, sys.argv[2])
    from utils.test_checkpoint import DATA, Fitted, open_checkpoint

    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.PReLU(3), torch.nn.Dropout(0.5))
    for function in (network, lambda: network[0], torch.nn.Tanh):
        fitted = Fitted(function=function, checkpoint=sys.argv[1])
        print(open_checkpoint(fitted, DATA).folder.name)
"""


TESTS = Path(__file__).parents[1]


def _run(code, *args):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, args)],
        capture_output=True,
        text=True,
    )


def test_networks_and_functions_are_known_again_in_another_process(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(sys, "argv", ["", tmp_path, str(TESTS)])
    monkeypatch.setattr(sys, "path", sys.path.copy())
    exec(textwrap.dedent(FUNCTIONS), {})
    here, there = capsys.readouterr().out, _run(FUNCTIONS, tmp_path, TESTS)
    assert len(set(here.split())) == 3
    assert here == there.stdout, there.stderr


def test_a_parameter_that_cannot_be_known_again_is_refused(tmp_path):
    with pytest.raises(TypeError, match="checkpoint cannot be used here: <generator"):
        _open(tmp_path, function=(i for i in range(3)))


@pytest.mark.parametrize("random_state", [None, np.random.RandomState(0)])
def test_random_state_must_be_an_int(random_state, tmp_path):
    with pytest.raises(ValueError, match="checkpoint needs an int for random_state"):
        _open(tmp_path, random_state=random_state)


def test_a_file_is_no_folder(tmp_path):
    path = tmp_path / "file"
    path.write_text("mine")
    for folder in (path, path / "below"):
        with pytest.raises(OSError, match=r"checkpoint='.*file.*' must be a folder"):
            _open(folder)
    assert path.read_text() == "mine"


def test_a_full_disk_leaves_what_was_written(tmp_path, monkeypatch):
    checkpoint = _open(tmp_path)
    checkpoint.write("training", {"epoch": 1})

    def full(number):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as context:
        context.setattr(os, "fsync", full)
        with pytest.raises(OSError, match=f"{tmp_path}.*No space left") as raised:
            checkpoint.write("training", {"epoch": 2})
    assert raised.value.errno == errno.ENOSPC
    assert [path.name for path in checkpoint.folder.iterdir()] == ["training.zip"]
    assert checkpoint.read("training") == {"epoch": 1}


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content.replace(b"epoch", b"Epoch"),
        lambda content: bytes(len(content)),
    ],
    ids=["empty", "truncated", "changed", "zeros"],
)
def test_a_damaged_file_is_named_and_as_good_as_none(damage, tmp_path):
    checkpoint = _open(tmp_path)
    checkpoint.write("training", {"epoch": 1})
    path = checkpoint.folder / "training.zip"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.warns(UserWarning, match=r"training.zip is damaged.*begins anew"):
        assert checkpoint.read("training") is None
    # Said once.
    assert checkpoint.read("training") is None


KILLED = """
    import os, signal, sys
    from pathlib import Path
    from skestimators.utils._checkpoint import Checkpoint

    def kill(*args):
        os.kill(os.getpid(), signal.SIGKILL)

    checkpoint = Checkpoint(Path(sys.argv[1]))
    checkpoint.write("training", {"epoch": 1})
    setattr(os, sys.argv[2], kill)
    checkpoint.write("training", {"epoch": 2})
"""


@pytest.mark.parametrize("moment", ["fsync", "replace"])
def test_killed_while_it_writes_the_old_file_is_there(moment, tmp_path):
    checkpoint = _open(tmp_path)
    assert _run(KILLED, checkpoint.folder, moment).returncode == -signal.SIGKILL
    assert checkpoint.read("training") == {"epoch": 1}
    # What the dead one left is deleted, but not before it is known to be dead.
    [part] = checkpoint.folder.glob(".*.part")
    checkpoint.write("training", {"epoch": 2})
    assert part.exists()
    os.utime(part, (0, 0))
    checkpoint.write("training", {"epoch": 3})
    assert list(checkpoint.folder.glob(".*.part")) == []
