import hashlib
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import replace

import pytest
import urllib3
from file_server import BODY, SHA256, fetch, fetch_cut, leftovers

from skestimators.datasets._fetch_files import RemoteFile


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


def test_cut_that_the_http_library_does_not_notice(
    server, remote, tmp_path, monkeypatch
):
    make = urllib3.HTTPResponse.__init__

    def make_trusting(response, *args, **kwargs):
        make(response, *args, **{**kwargs, "enforce_content_length": False})

    monkeypatch.setattr(urllib3.HTTPResponse, "__init__", make_trusting)
    server.cut = [30_000]
    with pytest.warns(UserWarning, match="the connection ended after .* bytes"):
        path = fetch(replace(remote, sha256=None), tmp_path, n_retries=1)
    assert path.read_bytes() == BODY


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


@pytest.mark.parametrize("fault", ["start", "tag", "length"])
def test_server_that_sends_other_ranges(server, remote, tmp_path, fault):
    remote = replace(remote, sha256=None)
    fetch_cut(server, remote, tmp_path)
    server.ranges = "wrong" if fault == "start" else "always"
    if fault == "tag":
        server.files["body.bin"], server.etag = BODY[::-1], '"second"'
    elif fault == "length":
        server.files["body.bin"] = BODY[::-1] + BODY
    with pytest.warns(UserWarning, match="but sent something else"):
        path = fetch(remote, tmp_path, n_retries=1)
    assert path.read_bytes() == server.files["body.bin"]
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
    last = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < last
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


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (
            "200 OK\r\nContent-Length: abc\r\n\r\nhello",
            "could not download|SHA-256 is 2cf24dba",
        ),
        (f"200 OK\r\nContent-Length: {'9' * 5000}\r\n\r\nhello", "could not download"),
        (
            "302 Found\r\nLocation: http://[::1\r\n\r\n",
            "Invalid IPv6 URL",
        ),
    ],
    ids=["no number", "huge", "no address"],
)
def test_answers_that_make_no_sense(monkeypatch, tmp_path, answer, reason):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            connection, _ = server.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(f"HTTP/1.1 {answer}".encode())

        threading.Thread(target=serve, daemon=True).start()
        url = f"http://127.0.0.1:{server.getsockname()[1]}/a"
        with pytest.raises(OSError, match=reason):
            fetch(RemoteFile("room/a", url, SHA256), tmp_path)
