"""Fixtures that every room's tests may use."""

import os
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
