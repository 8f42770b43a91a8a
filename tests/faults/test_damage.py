"""Files that are damaged between a kill and the next run."""

import os

import pytest
from faults.damage import try_damages
from faults.jobs import JOBS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="waits for pipes")


def test_damaged_checkpoints_are_begun_anew(tmp_path):
    outcomes, wrong = try_damages("TorchMLPRegressor", tmp_path, n_each=3)
    assert not wrong, "\n\n".join(wrong)
    # Every byte is checked; what is damaged while it works may be replaced unread.
    assert outcomes["warning"] >= 4
    assert outcomes.total() == 6


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_damaged_files_give_the_same_result_or_a_clear_error(name, table, tmp_path):
    outcomes, wrong = try_damages(name, tmp_path, n_each=20)
    table.append(f"{name} damaged: {dict(outcomes)}, wrong: {len(wrong)}")
    assert not wrong, "\n\n".join(wrong)
    assert outcomes.total() == 40
