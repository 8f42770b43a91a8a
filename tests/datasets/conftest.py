import pytest
from file_server import BODY, SHA256, FileServer

from skestimators.datasets._fetch_files import RemoteFile


@pytest.fixture
def server(monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    server = FileServer()
    server.files["body.bin"] = BODY
    yield server
    if server.hold:
        server.hold.set()
    server.close()


@pytest.fixture
def remote(server):
    return RemoteFile("room/body.bin", server.url("body.bin"), SHA256)
