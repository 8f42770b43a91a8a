import hashlib
import io
import os
import re
import sqlite3
import sys
import threading
import zipfile

import pytest
from file_server import BODY, SHA256, fetch, leftovers

from skestimators.datasets._fetch_files import RemoteFile, fetch_files, trust
from skestimators.datasets._fetch_part import Part


def test_the_second_call_asks_for_nothing(server, remote, tmp_path):
    folder = tmp_path / "new" / "data"
    path = fetch(remote, folder)
    assert path == folder / "room" / "body.bin"
    assert path.read_bytes() == BODY
    assert fetch(remote, folder) == path
    assert len(server.requests) == 1
    assert leftovers(folder) == {"body.bin", "downloads.lock"}


def test_folder_is_an_argument_a_variable_or_at_home(remote, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.delenv("SKESTIMATORS_DATA", raising=False)
    here = tmp_path / "home" / "skestimators_data"
    assert fetch(remote, None).parents[1] == here
    assert fetch(remote, "~/mine").parents[1] == tmp_path / "home" / "mine"
    monkeypatch.setenv("SKESTIMATORS_DATA", str(tmp_path / "variable"))
    assert fetch(remote, None).parents[1] == tmp_path / "variable"


def test_wrong_checksum(server, remote, tmp_path):
    wrong = BODY[:-1] + b"!"
    server.files["body.bin"] = wrong
    with pytest.raises(OSError, match="fetch_body") as raised:
        fetch(remote, tmp_path, n_retries=3)
    assert SHA256 in str(raised.value)
    assert hashlib.sha256(wrong).hexdigest() in str(raised.value)
    assert len(server.requests) == 1
    assert leftovers(tmp_path) == {"downloads.lock"}
    server.files["body.bin"] = BODY
    assert fetch(remote, tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("fault", ["404", "web page", "down"])
def test_message_says_how_to_get_the_file_by_hand(server, remote, tmp_path, fault):
    if fault == "404":
        server.files.clear()
    elif fault == "web page":
        server.kind = "text/html; charset=utf-8"
    else:
        server.close()
    with pytest.raises(OSError, match=r"^fetch_body could not download http") as raised:
        fetch(remote, tmp_path)
    message = str(raised.value)
    assert {"404": "404", "web page": "login", "down": ": [Errno"}[fault] in message
    assert f"  {remote.url}\n    to {tmp_path}/room/body.bin\n" in message
    assert SHA256 in message
    assert not (tmp_path / "room" / "body.bin").exists()


def test_what_will_not_pass_is_not_tried_again(server, remote, tmp_path):
    server.files.clear()
    with pytest.raises(OSError, match="404"):
        fetch(remote, tmp_path, n_retries=3)
    assert len(server.requests) == 1


def test_message_names_every_file_that_is_missing(server, tmp_path):
    names = ["body.bin", "second.bin", "third.bin"]
    files = [RemoteFile(name, server.url(name)) for name in names]
    with pytest.raises(OSError, match="could not download") as raised:
        fetch_files(files, tmp_path, caller="fetch_all", n_retries=0)
    named = re.findall(r"to .*/(\w+\.bin)$", str(raised.value), re.M)
    assert named == ["second.bin", "third.bin"]


def test_reason_is_not_what_the_caller_is_handling(server, remote, tmp_path):
    server.close()
    try:
        raise KeyError("of the caller")
    except KeyError:
        with pytest.raises(OSError, match="could not download") as caught:
            fetch(remote, tmp_path)
    assert "of the caller" not in str(caught.value)


def test_not_to_download(server, remote, tmp_path):
    with pytest.raises(FileNotFoundError, match="the data are not in") as raised:
        fetch(remote, tmp_path, download_if_missing=False)
    assert remote.url in str(raised.value)
    assert not server.requests
    fetch(remote, tmp_path)
    assert fetch(remote, tmp_path, download_if_missing=False).read_bytes() == BODY


@pytest.mark.parametrize("place", ["", "deeper"])
def test_folder_that_cannot_be_written(server, remote, tmp_path, place):
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / place
    with pytest.raises(OSError, match="SKESTIMATORS_DATA") as raised:
        fetch(remote, folder)
    assert f"data_home={str(folder)!r}" in str(raised.value)
    assert not server.requests


@pytest.mark.skipif(not hasattr(os, "seteuid"), reason="other users only on Unix")
def test_folder_of_others(remote, tmp_path):
    pytest.importorskip("pooch")
    tmp_path.chmod(0o500)
    user = os.geteuid()
    try:
        if user == 0:
            # Root may write anywhere.
            os.seteuid(65534)
        with pytest.raises(PermissionError, match="SKESTIMATORS_DATA"):
            fetch(remote, tmp_path)
    finally:
        os.seteuid(user)


def test_lock_that_is_no_file(remote, tmp_path):
    (tmp_path / "downloads.lock").mkdir()
    with pytest.raises(OSError, match=r"cannot write to data_home=.*no lock"):
        fetch(remote, tmp_path)


def test_lock_that_is_damaged(remote, tmp_path):
    (tmp_path / "downloads.lock").write_bytes(b"junk" * 500)
    with pytest.raises(OSError, match=r"no lock.*delete .*downloads\.lock"):
        fetch(remote, tmp_path)


def test_waits_for_another_process(server, remote, tmp_path):
    lock = sqlite3.connect(tmp_path / "downloads.lock", check_same_thread=False)
    lock.execute("BEGIN EXCLUSIVE")
    release = threading.Timer(2, lock.close)
    release.start()
    with pytest.warns(UserWarning, match="Waiting for another process"):
        assert fetch(remote, tmp_path).exists()
    release.join()


def test_full_disk(remote, tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Part, "_write_note", refuse)
    with pytest.raises(OSError, match=r"No space left.*SKESTIMATORS_DATA"):
        fetch(remote, tmp_path)


def test_file_put_by_hand(server, remote, tmp_path):
    path = tmp_path / "room" / "body.bin"
    path.parent.mkdir()
    path.write_bytes(BODY)
    assert fetch(remote, tmp_path) == path
    upper = RemoteFile(remote.name, remote.url, SHA256.upper())
    assert fetch(upper, tmp_path) == path
    path.write_bytes(BODY[1:])
    with pytest.raises(OSError, match="delete it first") as raised:
        fetch(remote, tmp_path)
    for part in (str(path), SHA256, hashlib.sha256(BODY[1:]).hexdigest(), remote.url):
        assert part in str(raised.value)
    assert not server.requests


def test_file_put_by_hand_from_windows(tmp_path):
    text = b"first\nsecond\n"
    remote = RemoteFile("a.txt", "http://x/a.txt", hashlib.sha256(text).hexdigest())
    (tmp_path / "a.txt").write_bytes(text.replace(b"\n", b"\r\n"))
    with pytest.raises(OSError, match="line ends are wrong: CRLF"):
        fetch(remote, tmp_path)


def test_files_by_hand_need_no_pooch(remote, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"fetch_body needs 'pooch'.*\[data\]"):
        fetch(remote, tmp_path)
    path = tmp_path / "room" / "body.bin"
    path.parent.mkdir()
    path.write_bytes(BODY)
    assert fetch(remote, tmp_path) == path


@pytest.mark.parametrize("by_hand", [False, True])
def test_unknown_checksum_is_that_of_the_first_use(server, tmp_path, by_hand):
    remote = RemoteFile("body.bin", server.url("body.bin"))
    path, record = tmp_path / "body.bin", tmp_path / "body.bin.sha256"
    if by_hand:
        path.write_bytes(BODY)
    assert fetch(remote, tmp_path) == path
    assert not record.exists()
    trust(remote, path)
    assert record.read_text() == f"{SHA256}  body.bin\n"
    assert fetch(remote, tmp_path) == path
    path.write_bytes(BODY[1:])
    with pytest.raises(OSError, match=re.escape(f"delete {record}")) as raised:
        fetch(remote, tmp_path)
    assert SHA256 in str(raised.value)
    record.unlink()
    assert fetch(remote, tmp_path) == path


def make_zip(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"folder/{name}", content)
    return packed.getvalue()


def damaged(archive):
    """Return an archive whose first file cannot be unpacked."""
    return archive[:40] + b"\xff\xff\xff" + archive[43:]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (make_zip(a="other"), "SHA-256 of a in it is"),
        (make_zip(b="right"), "0 files named a"),
        (b"no zip", "no sound zip archive"),
        (make_zip(a="right")[:-9], "no sound zip archive"),
        (damaged(make_zip(a="right")), "no sound zip archive"),
    ],
    ids=["member", "names", "no zip", "cut", "damaged"],
)
def test_archive_is_checked_by_its_members(server, tmp_path, body, message):
    members = {"a": hashlib.sha256(b"right").hexdigest()}
    remote = RemoteFile("a.zip", server.url("a.zip"), members=members)
    server.files["a.zip"] = body
    with pytest.raises(OSError, match=message):
        fetch(remote, tmp_path)
    assert leftovers(tmp_path) == {"downloads.lock"}
    server.files["a.zip"] = make_zip(a="right")
    assert fetch(remote, tmp_path).exists()
