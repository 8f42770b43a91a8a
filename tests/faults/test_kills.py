"""Jobs that are killed at random moments, and go on."""

import os

import pytest
from faults.checks import CHECKS
from faults.harness import kill_many
from faults.jobs import JOBS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")


def test_a_job_that_forgets_is_found_out(tmp_path):
    row = kill_many("forgetful", tmp_path, n_kills=2)
    reasons = "\n".join(row.wrong)
    assert "ended with other numbers" in reasons
    assert "units again after" in reasons


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_twenty_kills(name, table, tmp_path):
    row = kill_many(name, tmp_path, n_kills=20, check=CHECKS[JOBS[name].kind])
    table.append(row)
    assert not row.wrong, "\n".join(row.wrong)
