"""Jobs that run out of room, say so, and go on when there is some."""

import os

import pytest
from faults.disk import try_full_disks
from faults.jobs import JOBS

pytestmark = pytest.mark.skipif(os.name != "posix", reason="needs limits or mounts")


@pytest.mark.slow
@pytest.mark.parametrize("name", JOBS)
def test_full_disk_is_named_and_the_same_call_goes_on(name, table, tmp_path):
    n_full, wrong = try_full_disks(name, tmp_path)
    table.append(f"{name} without room: {n_full} times, wrong: {len(wrong)}")
    assert not wrong, "\n\n".join(wrong)
    assert n_full > 0
