"""The code of the user guide runs, and prints what the guide shows."""

import re
import textwrap
from pathlib import Path
from typing import NamedTuple

import pytest
from pages import assert_shows

DOCS = Path(__file__).parent.parent / "docs"

# Blocks that need what a test has not: each says so to its reader in a caption.
NOT_RUN = {
    "user_guide/activation_search.rst": ["downloads 170 MB"],
    "user_guide/distribution.rst": ["starts Ray", "needs several machines"],
    "user_guide/force_torque.rst": ["needs records of an arm", "downloads 60 kB"],
    "user_guide/knowledge_tracing.rst": ["downloads 1.6 MB"],
    "user_guide/protein_engineering.rst": ["downloads data and 2.6 GB of weights"],
    "user_guide/solar_flares.rst": ["needs tables, 13 GB of images and the weights"],
}

_DIRECTIVE = re.compile(
    r"^\.\. code-block:: (?P<language>\w+)\n"
    r"(?P<options>(?: +:.*\n)*)"
    r"(?P<body>(?:\n| .*\n)+)",
    re.M,
)


class Block(NamedTuple):
    line: int
    code: str
    not_run: str
    shown: str


def _blocks(path):
    """Return the blocks of code of a page, with the text that each shows."""
    text, blocks, end = path.read_text(), [], 0
    for match in _DIRECTIVE.finditer(text):
        body = textwrap.dedent(match["body"]).strip("\n") + "\n"
        if match["language"] == "python":
            line = text.count("\n", 0, text.index(match["body"].lstrip("\n"), end))
            caption = re.search(
                r":caption: Not run when this page is tested: (.*)", match["options"]
            )
            blocks.append(Block(line, body, caption[1] if caption else "", ""))
        elif match["language"] == "text" and match.start() == end and blocks:
            blocks[-1] = blocks[-1]._replace(shown=body)
        end = match.end()
    return blocks


def _pages():
    """Return the names of the pages that are written by hand and hold code."""
    names = [path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.rst")]
    generated = ("_build/", "auto_examples/", "api/")
    written = [name for name in sorted(names) if not name.startswith(generated)]
    return [name for name in written if _blocks(DOCS / name)]


@pytest.fixture(autouse=True)
def _one_thread():
    """Let torch use one thread: several are slow where other work runs."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(n_threads)


@pytest.mark.parametrize("name", _pages())
def test_page(name, tmp_path, monkeypatch, capsys):
    path = DOCS / name
    monkeypatch.chdir(tmp_path)
    left_out, namespace = [], {"__name__": "__main__"}
    for block in _blocks(path):
        if block.not_run:
            left_out.append(block.not_run)
            continue
        # Empty lines before it, so that a traceback has the line of the page.
        exec(compile("\n" * block.line + block.code, path, "exec"), namespace)
        assert_shows(block.shown, capsys.readouterr().out)
    assert left_out == NOT_RUN.get(name, [])
