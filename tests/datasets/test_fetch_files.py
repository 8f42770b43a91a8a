import hashlib
import io
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import zipfile

import pytest
from datasets.file_server import FileServer

from skestimators.datasets._fetch_files import RemoteFile, fetch_files
from skestimators.datasets._fetch_part import Part

BODY = bytes(range(256)) * 400
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = FileServer()
    server.files["body.bin"] = BODY
    yield server
    if server.hold:
        server.hold.set()
    server.close()


@pytest.fixture
def remote(server):
    return RemoteFile("room/body.bin", server.url("body.bin"), SHA256)


def fetch(remote, folder, **params):
    params = {"n_retries": 0, "delay": 0, "caller": "fetch_body"} | params
    [path] = fetch_files([remote], folder, **params)
    return path


def leftovers(folder):
    return {path.name for path in folder.rglob("*") if path.is_file()}


def fetch_cut(server, remote, folder, cut=60_000):
    """Fetch with a connection that is cut, and return the size of the part."""
    server.cut = [cut]
    with pytest.raises(OSError, match="could not download"):
        fetch(remote, folder)
    size = (folder / "room" / "body.bin.part").stat().st_size
    assert 0 < size <= cut
    assert not (folder / "room" / "body.bin").exists()
    return size


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


def test_cut_download_goes_on_where_it_was_cut(server, remote, tmp_path):
    size = fetch_cut(server, remote, tmp_path)
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.requests[1] == {
        "path": "body.bin",
        "range": f"bytes={size}-",
        "status": 206,
        "sent": len(BODY) - size,
    }
    assert leftovers(tmp_path) == {"body.bin", "downloads.lock"}


def test_retries_within_one_call(server, remote, tmp_path):
    server.cut, server.statuses = [30_000, 30_000], [503, 200, 429, 200]
    with pytest.warns(UserWarning, match="Trying to download http.*again") as warned:
        path = fetch(remote, tmp_path, n_retries=4)
    assert path.read_bytes() == BODY
    assert len(warned) == 4
    assert [r["status"] for r in server.requests] == [503, 200, 429, 206, 206]


def test_server_that_sends_no_ranges(server, remote, tmp_path):
    fetch_cut(server, remote, tmp_path)
    server.ranges = False
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.requests[1]["status"] == 200


def test_server_that_sends_other_ranges(server, remote, tmp_path):
    fetch_cut(server, remote, tmp_path)
    server.ranges = "wrong"
    with pytest.warns(UserWarning, match="but sent others"):
        path = fetch(remote, tmp_path, n_retries=1)
    assert path.read_bytes() == BODY
    assert [r["status"] for r in server.requests] == [200, 206, 200]


@pytest.mark.parametrize("sha256", [None, "new"])
def test_file_that_changes_between_two_parts(server, tmp_path, sha256):
    new = BODY[::-1]
    if sha256:
        sha256 = hashlib.sha256(new).hexdigest()
    remote = RemoteFile("room/body.bin", server.url("body.bin"), sha256)
    fetch_cut(server, remote, tmp_path)
    server.files["body.bin"], server.etag = new, '"second"'
    assert fetch(remote, tmp_path).read_bytes() == new
    assert server.requests[1]["range"]
    assert server.requests[1]["status"] == 200


def test_wrong_file_after_a_part_of_the_right_one(server, remote, tmp_path):
    fetch_cut(server, remote, tmp_path)
    server.files["body.bin"], server.etag = BODY[::-1], '"second"'
    with pytest.raises(OSError, match="not what it should be"):
        fetch(remote, tmp_path, n_retries=3)
    assert len(server.requests) == 2


@pytest.mark.parametrize("etag", [None, 'W/"weak"'])
def test_date_stands_in_for_a_tag(server, remote, tmp_path, etag):
    server.etag = etag
    fetch_cut(server, remote, tmp_path)
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.requests[1]["status"] == 206


def test_two_halves_that_do_not_fit_are_downloaded_again(server, remote, tmp_path):
    fetch_cut(server, remote, tmp_path)
    part = tmp_path / "room" / "body.bin.part"
    part.write_bytes(bytes(part.stat().st_size))
    with pytest.warns(UserWarning, match="SHA-256"):
        path = fetch(remote, tmp_path, n_retries=1)
    assert path.read_bytes() == BODY


@pytest.mark.parametrize("size", [len(BODY), len(BODY) + 1])
def test_part_that_is_whole_or_too_long(server, remote, tmp_path, size):
    fetch_cut(server, remote, tmp_path)
    part = tmp_path / "room" / "body.bin.part"
    part.write_bytes((BODY + b"!")[:size])
    if size == len(BODY):
        assert fetch(remote, tmp_path).read_bytes() == BODY
        assert len(server.requests) == 1
    else:
        server.statuses = [416]
        with pytest.warns(UserWarning, match="416"):
            path = fetch(remote, tmp_path, n_retries=1)
        assert path.read_bytes() == BODY


@pytest.mark.parametrize("note", ["", "{", "another url"])
def test_part_of_something_unknown_is_not_continued(server, remote, tmp_path, note):
    fetch_cut(server, remote, tmp_path)
    path = tmp_path / "room" / "body.bin.part.json"
    if note == "another url":
        note = path.read_text().replace(server.url(""), "http://elsewhere/")
    path.write_text(note)
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.requests[1]["range"] is None


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
    with pytest.raises(OSError, match="Delete it") as raised:
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
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"folder/{name}", content)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (make_zip(a="other"), "SHA-256 of a in it is"),
        (make_zip(b="right"), "0 files named a"),
        (b"no zip", "no sound zip archive"),
        (make_zip(a="right")[:-9], "no sound zip archive"),
    ],
    ids=["member", "names", "no zip", "cut"],
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


def start(remote, folder):
    """Start another process that fetches a file."""
    code = f"""
        from skestimators.datasets._fetch_files import RemoteFile, fetch_files
        print("ready", flush=True)
        [path] = fetch_files([{remote!r}], {str(folder)!r}, caller="fetch_body")
        print(len(path.read_bytes()))
    """
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE, text=True
    )


def wait_for(condition, *processes):
    while not condition():
        assert all(process.poll() is None for process in processes)
        time.sleep(0.01)


def test_killed_process_is_succeeded_by_another(server, remote, tmp_path):
    server.cut, server.hold = [60_000], threading.Event()
    part = tmp_path / "room" / "body.bin.part"
    with start(remote, tmp_path) as process:
        wait_for(lambda: part.exists() and part.stat().st_size, process)
        process.send_signal(signal.SIGKILL)
    server.hold.set()
    server.hold = None
    size = part.stat().st_size
    assert fetch(remote, tmp_path).read_bytes() == BODY
    assert server.requests[1]["range"] == f"bytes={size}-"
    assert server.requests[1]["status"] == 206


def test_two_processes_download_once(server, remote, tmp_path):
    server.cut, server.hold = [60_000], threading.Event()
    with start(remote, tmp_path) as first, start(remote, tmp_path) as second:
        assert first.stdout.readline() == second.stdout.readline() == "ready\n"
        wait_for(lambda: server.requests, first, second)
        # Time for the other one to do wrong.
        time.sleep(0.5)
        server.hold.set()
        assert first.stdout.read() == second.stdout.read() == f"{len(BODY)}\n"
    assert len(server.requests) == 1
    assert (tmp_path / "room" / "body.bin").read_bytes() == BODY
