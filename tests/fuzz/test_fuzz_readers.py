import subprocess
import sys
from pathlib import Path

import pytest
from fuzz import fuzz_readers
from fuzz.all_targets import TARGETS, readers_without_target
from fuzz.target import try_input


def test_every_public_reader_is_fuzzed():
    assert readers_without_target() == []


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_valid_files(name, tmp_path):
    target = TARGETS[name]
    for number, seed in enumerate(target.seeds()):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert len(seed) <= target.max_len
        assert try_input(target, seed, folder) is None


def test_fuzzer_reads_the_seeds(tmp_path):
    pytest.importorskip("atheris", reason="atheris fuzzes; it is in the extra 'fuzz'")
    command = [sys.executable, fuzz_readers.__file__, "read_robot_failures"]
    command += ["--seconds", "0", "--folder", str(tmp_path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.startswith("read_robot_failures ")
    assert ended.stdout.rstrip().endswith(" 0 findings")
    assert len(list(Path(tmp_path).glob("read_robot_failures/corpus/*"))) >= 2
