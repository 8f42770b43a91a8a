"""Fixtures that every room's tests may use."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def real_data():
    """Return a function from the name of a real data file to its path.

    The folder is SKESTIMATORS_TEST_DATA, or `../shared/data` seen from the repository.
    """
    folder = Path(
        os.environ.get("SKESTIMATORS_TEST_DATA")
        or REPOSITORY.parent / "shared" / "data"
    )

    def locate(name):
        path = folder / name
        if not path.exists():
            pytest.skip(
                f"real data file {name} not found in {folder}; "
                "set SKESTIMATORS_TEST_DATA to its folder"
            )
        return path

    return locate


@pytest.fixture
def runs(monkeypatch):
    """The number of images of each run of VGG16."""
    from skestimators.feature_extraction._vgg_engine import Engine

    sizes, run = [], Engine._run

    def count(engine, images):
        sizes.append(len(images))
        return run(engine, images)

    monkeypatch.setattr(Engine, "_run", count)
    return sizes


def pytest_terminal_summary(terminalreporter):
    """Print how many of scikit-learn's checks each estimator passes."""
    outcomes = {}
    for outcome in ("passed", "failed", "xfailed", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            match = re.search(r"test_scikit_learn_checks\[(\w+)", report.nodeid)
            if match:
                outcomes.setdefault(match[1], Counter())[outcome] += 1
    if outcomes:
        terminalreporter.section("scikit-learn's checks")
    for name, counts in sorted(outcomes.items()):
        numbers = ", ".join(f"{n} {outcome}" for outcome, n in counts.items())
        terminalreporter.line(f"{name}: {numbers}")
