"""Archives and plain states: what is written comes back, and nothing else does."""

import contextlib
import json
import zipfile

import numpy as np
import pytest

from skestimators.utils._archive import DamagedFileError, read_archive, write_archive
from skestimators.utils._plain_state import from_members, to_members

torch = pytest.importorskip("torch")
MEMBERS = {"one": b"1" * 100, "two": b""}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file"
    write_archive(path, MEMBERS, kind="test")
    return path


def test_archive_round_trip(path):
    assert read_archive(path, kind="test") == MEMBERS
    assert list(path.parent.iterdir()) == [path]


def test_every_flipped_byte_and_every_cut_is_noticed_or_harmless(path):
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        for damaged in (
            content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :],
            content[:place],
        ):
            path.write_bytes(damaged)
            with contextlib.suppress(DamagedFileError):
                assert read_archive(path, kind="test") == MEMBERS


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "other"}, "holds 'other', where 'test' is needed"),
        ({"format_version": 99}, "Update skestimators"),
        ({"format_version": "1"}, "no valid format version"),
        ({"format": "pickle"}, "not a file of skestimators"),
        ({"sha256": {}}, "checksums"),
    ],
)
def test_manifest_is_checked(path, change, message):
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", json.dumps(manifest | change))
        for name, data in MEMBERS.items():
            archive.writestr(name, data)
    with pytest.raises(DamagedFileError, match=message):
        read_archive(path, kind="test")


def test_compressed_parts_are_refused_before_they_grow(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(10**8))
    with pytest.raises(DamagedFileError, match="compressed"):
        read_archive(path, kind="test")


def test_failed_write_keeps_the_old_file(path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"file cannot be written \(No space left"):
        write_archive(path, {"new": b""}, kind="test")
    assert read_archive(path, kind="test") == MEMBERS
    assert list(path.parent.iterdir()) == [path]


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        write_archive(tmp_path / "absent" / "file", {}, kind="test")


def test_state_round_trip():
    state = {
        "numbers": [1, 2.5, True, None, float("inf"), "text"],
        3: (np.float64(0.1), np.int64(7)),
        "empty": [{}, [], ()],
        "arrays": [np.arange(6).reshape(2, 3).T, np.array(2.0), np.array([True])],
        "tensor": torch.tensor(0.1, requires_grad=True),
    }
    back = from_members(to_members(state))
    assert back["numbers"] == state["numbers"]
    assert back[3] == state[3]
    assert type(back[3][0]) is np.float64
    assert back["empty"] == state["empty"]
    for array, expected in zip(back["arrays"], state["arrays"], strict=True):
        assert array.dtype == expected.dtype
        np.testing.assert_array_equal(array, expected, strict=True)
        assert array.flags.writeable
    assert torch.equal(back["tensor"], state["tensor"])
    assert not back["tensor"].requires_grad


@pytest.mark.parametrize("value", [object(), {1}, np.array(["a"]), np.array([None])])
def test_other_things_are_refused(value):
    with pytest.raises(TypeError, match="cannot hold"):
        to_members({"a": [value]})


@pytest.mark.parametrize(
    "tree",
    ['{"array": "1"}', '{"object": 1}', "{", '{"a": 1, "b": 2}', "[" * 100_000, "{}"],
)
def test_states_that_nobody_wrote_are_refused(tree):
    members = to_members([np.arange(3)]) | {"state.json": tree.encode()}
    with pytest.raises(DamagedFileError, match="damaged"):
        from_members(members)
    with pytest.raises(DamagedFileError, match="damaged"):
        from_members({"state.json": b"1"})
