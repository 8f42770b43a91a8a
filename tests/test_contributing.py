"""The worked example of the contributing page works as the page says."""

import ast
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "contributing.rst").read_text()
EXAMPLE = PAGE.partition("\nA worked example\n")[2].partition("\nOther kinds")[0]

_FILE = re.compile(
    r"^\.\. code-block:: (?P<kind>py|diff)\n +:caption: (?P<path>\S+)\n"
    r"(?P<body>(?:\n| .*\n)+)",
    re.M,
)
_CONSOLE = re.compile(r"^\.\. code-block:: console\n(?P<body>(?:\n| .*\n)+)", re.M)


def _files():
    """Return kind, path and text of each file that the example adds or changes."""
    for match in _FILE.finditer(EXAMPLE):
        # Of the lines of a diff, the first letter counts: a blank is one of them.
        text = re.sub(r"^   ", "", match["body"], flags=re.M).strip("\n") + "\n"
        yield match["kind"], match["path"], text


def _commands():
    """Return what follows `python` in the commands of the example."""
    consoles = "".join(match["body"] for match in _CONSOLE.finditer(EXAMPLE))
    joined = re.sub(r"\\\n +", "", consoles)
    return re.findall(r"^ +\$ \.venv/bin/python (.*)$", joined, re.M)


def _apply(diff, text, path):
    """Make the changes of a diff whose lines may end in dots, for any rest."""
    lines = [(line[0], line[1:]) for line in diff.splitlines()]
    old = [re.escape(line) for sign, line in lines if sign != "+"]
    pattern = "\n".join(re.sub(r"(\\\.){3}$", ".*", line) for line in old)
    found = list(re.finditer(f"^{pattern}$", text, re.M))
    assert len(found) == 1, (
        f"{path} has these lines {len(found)} times, not once: {old}"
    )
    kept = iter(found[0].group().split("\n"))
    new = []
    for sign, line in lines:
        present = line if sign == "+" else next(kept)
        if sign != "-":
            new.append(present)
    start, end = found[0].span()
    return text[:start] + "\n".join(new) + text[end:]


def _copy_library(folder):
    shutil.copytree(
        ROOT / "skestimators",
        folder / "skestimators",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    for path in ROOT.glob("tests/*.py"):
        (folder / "tests").mkdir(exist_ok=True)
        shutil.copy(path, folder / "tests")
    for name in ("pyproject.toml", "README.md", "docs/api.rst", "docs/changelog.rst"):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)


def _follow(folder, *, leaving_out=()):
    """Write the files of the example, but for those left out."""
    for kind, name, text in _files():
        path = folder / name
        if name in leaving_out:
            continue
        if kind == "diff":
            text = _apply(text, path.read_text(), name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _run(folder, command):
    return subprocess.run(
        [sys.executable, *shlex.split(command)],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder)},
        timeout=600,
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """A copy of the library with the example in it."""
    folder = tmp_path_factory.mktemp("library")
    _copy_library(folder)
    _follow(folder)
    return folder


@pytest.mark.parametrize("command", _commands()[1:])
def test_a_command_of_the_last_step_is_green(command, library):
    if command.startswith("-m ruff format"):
        command = command.replace("format", "format --check")
    done = _run(library, command)
    assert done.returncode == 0, done.stdout + done.stderr


def _section(title):
    return PAGE.partition(f"\n{title}\n")[2].partition("\n---")[0]


def test_a_forgotten_registration_is_told(tmp_path):
    """The first run of the suites on the page is red, for the reasons it gives."""
    _copy_library(tmp_path)
    _follow(tmp_path, leaving_out=("tests/instances.py", "docs/api.rst"))
    done = _run(tmp_path, _commands()[0])
    assert done.returncode == 1
    assert "OneHotSequenceEncoder takes strings: say which" in done.stdout
    failed = set(re.findall(r"^FAILED tests/test_(\w+)\.py", done.stdout, re.M))
    assert {"string_estimators", "docs"} <= failed


def test_every_test_that_the_page_names_is_there():
    chosen = re.findall(r"``(test_\w+\.py)(?: -k (\w+|\"[\w ]+\"))?``", PAGE)
    assert chosen
    for name, words in chosen:
        tests = re.findall(r"def (test_\w+)", (ROOT / "tests" / name).read_text())
        for word in words.strip('"').split(" or "):
            assert any(word in test for test in tests), (name, word)
    suites = "".join(path.read_text() for path in ROOT.glob("tests/test_*.py"))
    for test in re.findall(r"``(test_\w+)``", PAGE):
        assert f"def {test}(" in suites, test


def test_every_file_that_the_page_names_is_there():
    package = ROOT / "skestimators"
    rooms = "|".join(path.name for path in package.iterdir() if path.is_dir())
    files = re.findall(rf"``(?:skestimators/)?((?:{rooms})/[\w/]+\.py)``", PAGE)
    assert files
    for name in files:
        assert (package / name).exists(), name


def _imports(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def test_imports_point_up_the_house():
    """The order of the rooms is that of the page."""
    package = ROOT / "skestimators"
    rooms = re.findall(r"^\d+\. ``(\w+)``", _section("The house"), re.M)
    assert sorted(rooms) == sorted(
        path.parent.name for path in package.glob("*/__init__.py")
    )
    down = []
    for path in package.glob("*/**/*.py"):
        room = path.relative_to(package).parts[0]
        for module in _imports(path):
            top, _, rest = module.partition(".")
            other = rest.partition(".")[0]
            if top == "skestimators" and other in rooms[rooms.index(room) + 1 :]:
                down.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not down
