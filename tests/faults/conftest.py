"""The fault table, and a slow server for downloads."""

import time

import pytest
from faults.harness import HEADER, Row
from faults.jobs import BODIES, CHUNK
from file_server import FileServer

_ROWS = pytest.StashKey()


class SlowServer(FileServer):
    """Takes a few milliseconds for each part of a file."""

    def __init__(self):
        super().__init__()
        handler = self.RequestHandlerClass

        class SlowHandler(handler):
            def _send(self, body, entry):
                for start in range(0, len(body), CHUNK):
                    if len(body) > 2 * len(BODIES["short"]):
                        time.sleep(0.02)
                    self.wfile.write(body[start : start + CHUNK])

        self.RequestHandlerClass = SlowHandler


@pytest.fixture(autouse=True, scope="session")
def server():
    """Serve the files of the downloads, at an address that workers are told."""
    server = SlowServer()
    server.files |= {f"{scale}.bin": body for scale, body in BODIES.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAULTS_SERVER", server.url(""))
        for name in ("no_proxy", "NO_PROXY"):
            patch.setenv(name, "127.0.0.1")
        yield server
    server.close()


@pytest.fixture
def table(request):
    """Return the list of rows and of other lines that are printed at the end."""
    return request.config.stash.setdefault(_ROWS, [])


def pytest_terminal_summary(terminalreporter, config):
    """Print what the jobs that were killed have come to."""
    lines = config.stash.get(_ROWS, [])
    rows = [line for line in lines if isinstance(line, Row)]
    if lines:
        terminalreporter.section("faults")
    for line in [*([HEADER] if rows else []), *rows]:
        terminalreporter.line(str(line))
    for line in lines:
        if line not in rows:
            terminalreporter.line(line)
