"""Downloads from a server of files that can do wrong on purpose."""

import gzip
import hashlib
import threading
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from skestimators.datasets._fetch_files import fetch_files

BODY = bytes(range(256)) * 400
SHA256 = hashlib.sha256(BODY).hexdigest()


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


class FileServer(ThreadingHTTPServer):
    """Serve bytes by their path, and note what is asked for and sent.

    Attributes
    ----------
    files : dict from str to bytes
        What there is.
    requests : list of dict
        Path, header `Range`, status and number of bytes sent of each request.
    cut : list of int
        After how many bytes to cut the connection, for the next requests in turn.
    statuses : list of int
        What to answer the next requests with, in turn, instead of the file.
    ranges : bool, "wrong" or "always"
        Whether ranges are sent that are asked for, or others, or even of other files.
    etag : str or None
        Tag of all files.
    kind : str
        Type of all files.
    hold : threading.Event or None
        What to wait for where the connection would be cut, to go on then.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.requests, self.cut, self.statuses = {}, [], [], []
        self.ranges, self.etag, self.kind = True, '"first"', "text/plain"
        self.hold = None
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def url(self, name):
        return f"http://127.0.0.1:{self.server_port}/{name}"

    def handle_error(self, *args):
        """Say nothing of clients that went away."""

    def close(self):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_GET(self):
        server = self.server
        entry = {"path": self.path[1:], "range": self.headers["Range"], "sent": 0}
        server.requests.append(entry)
        body = server.files.get(entry["path"])
        status = server.statuses.pop(0) if server.statuses else 200 if body else 404
        if status != 200:
            entry["status"] = status
            return self.send_error(status)
        packed = body and "gzip" in self.headers["Accept-Encoding"]
        body = gzip.compress(body, mtime=0) if packed else body
        start = self._start()
        entry["status"] = 206 if start else 200
        self.send_response(entry["status"])
        if start:
            shown = start + (server.ranges == "wrong")
            self.send_header(
                "Content-Range", f"bytes {shown}-{len(body) - 1}/{len(body)}"
            )
        self.send_header("Content-Length", str(len(body) - start))
        self.send_header("Content-Type", server.kind)
        self.send_header("Last-Modified", formatdate(0, usegmt=True))
        if packed:
            self.send_header("Content-Encoding", "gzip")
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        self._send(body[start:], entry)

    def _start(self):
        """Return the first byte to send."""
        wanted, server = self.headers["Range"], self.server
        known = (server.etag, formatdate(0, usegmt=True))
        same = server.ranges == "always" or self.headers["If-Range"] in known
        if not (wanted and server.ranges and same):
            return 0
        return int(wanted.removeprefix("bytes=").removesuffix("-"))

    def _send(self, body, entry):
        cut = self.server.cut.pop(0) if self.server.cut else len(body)
        entry["sent"] = len(body[:cut])
        self.wfile.write(body[:cut])
        if self.server.hold:
            self.server.hold.wait()
            self.wfile.write(body[cut:])
