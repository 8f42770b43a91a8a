"""Fixtures that every room's tests may use."""

import os
import re
from collections import Counter
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_data():
    """Return a function from the name of a real data file to its path.

    The environment variable SKESTIMATORS_TEST_DATA names its folder.
    """
    folder = os.environ.get("SKESTIMATORS_TEST_DATA")

    def locate(name):
        if not folder:
            pytest.skip("SKESTIMATORS_TEST_DATA does not name a folder of real data")
        path = Path(folder, name)
        if not path.exists():
            pytest.skip(f"there is no {name} in SKESTIMATORS_TEST_DATA={folder}")
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
