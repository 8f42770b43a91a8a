"""The demo of all lines: what it is asked, what it prints, how it ends."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

DEMO = Path(__file__).resolve().parents[1] / "examples" / "demo"
LINES = ["protein", "force_torque", "knowledge", "activation", "flares"]


@pytest.fixture
def demo(monkeypatch):
    """The module that runs the lines."""
    monkeypatch.syspath_prepend(DEMO)
    # The last two it would set itself, for good.
    variables = {"COLUMNS": 80, "OMP_NUM_THREADS": 1, "TF_CPP_MIN_LOG_LEVEL": 3}
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    spec = importlib.util.spec_from_file_location("demo", DEMO / "__main__.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    del sys.modules["table"]


@pytest.fixture
def stand_in(demo, monkeypatch):
    """Return a function that puts something else in the place of all lines."""

    def replace(**runs):
        called = {}

        def run(name, output, **own):
            called[name] = own
            if name in runs:
                raise runs[name]
            return make_result(demo, output / f"{name}.png")

        for name in LINES:
            line = SimpleNamespace(run=lambda *a, name=name, **kw: run(name, *a, **kw))
            monkeypatch.setitem(sys.modules, name, line)
        return called

    return replace


def make_result(demo, figure, **changed):
    """Make a result of two folds."""
    described = {
        "pipeline": "a network",
        "left_out": "students",
        "metric": "AUC",
        "scores": np.array([0.8, 0.9]),
        "baseline": "a regression",
        "baseline_scores": np.array([0.7, 0.95]),
    }
    return sys.modules["table"].Result(**{**described, "figure": figure, **changed})


def test_all_lines_run_and_stand_in_one_table(demo, stand_in, tmp_path, capsys):
    called = stand_in()
    assert demo.main(["--output", str(tmp_path / "new" / "folder")]) == 0
    assert called == {name: {} for name in LINES}
    printed = capsys.readouterr()
    assert printed.err == ""
    table = printed.out[printed.out.index("pipeline") :]
    for name in LINES:
        (row,) = [row for row in table.splitlines() if row.split()[:1] == [name]]
        assert "0.850 ± 0.050" in row
        assert "0.825 ± 0.125" in row
        assert row.split()[-4:] == ["1", "of", "2", "0"]  # folds won, and seconds
        assert f"{name}.png" in table
    assert max(map(len, printed.out.split("Figure")[0].splitlines())) <= 80


def test_of_errors_less_is_better(demo, tmp_path):
    scores = {"scores": np.array([9.0, 11.0]), "baseline_scores": np.array([12.0, 13])}
    assert make_result(demo, tmp_path, **scores, higher_is_better=False).n_won == 2
    assert make_result(demo, tmp_path, **scores).n_won == 0


@pytest.mark.parametrize("typed", ["force_torque", "force-torque", "Force_Torque"])
def test_one_line_runs_alone(demo, stand_in, tmp_path, typed):
    called = stand_in()
    assert demo.main(["--line", typed, "--output", str(tmp_path)]) == 0
    assert list(called) == ["force_torque"]


def test_an_unknown_line_is_refused_with_the_known_ones(demo, capsys):
    with pytest.raises(SystemExit) as stopped:
        demo.main(["--line", "proteins"])
    assert stopped.value.code == 2
    message = capsys.readouterr().err
    assert "no line 'proteins'" in message
    assert all(name in message for name in LINES)


def test_own_data_ask_for_the_protein_line(demo, stand_in, tmp_path):
    called = stand_in()
    own = ["--data", "mine.fasta", "--weights", "mine.pt", "--model", "large"]
    assert demo.main([*own, "--output", str(tmp_path)]) == 0
    given = {"data": "mine.fasta", "weights": "mine.pt", "model": "large"}
    assert called == {"protein": given}


def test_own_data_are_refused_by_other_lines(demo, capsys):
    with pytest.raises(SystemExit):
        demo.main(["--line", "flares", "--weights", "mine.pt"])
    assert "weights: only the protein line takes this" in capsys.readouterr().err


def test_a_line_that_fails_leaves_the_others_alone(demo, stand_in, tmp_path, capsys):
    missing = ImportError("DKTClassifier needs 'torch'. Install it with: pip [torch]")
    called = stand_in(knowledge=missing)
    assert demo.main(["--output", str(tmp_path)]) == 1
    assert list(called) == LINES
    printed = capsys.readouterr()
    assert "Failed: ImportError: DKTClassifier needs 'torch'" in printed.out
    assert "failed" in printed.out.split("tested on")[1]
    assert printed.err == "Failed: knowledge\n"
    assert "Traceback" in (tmp_path / "knowledge_error.txt").read_text()


def test_what_was_done_before_an_interrupt_is_shown(demo, stand_in, tmp_path, capsys):
    called = stand_in(knowledge=KeyboardInterrupt())
    assert demo.main(["--output", str(tmp_path)]) == 130
    assert list(called) == LINES[:3]
    printed = capsys.readouterr()
    assert "force_torque.png" in printed.out
    assert printed.err == (
        "Interrupted; without result: knowledge, activation, flares\n"
    )


def run_demo(output, *options):
    """Run the demo as a person does."""
    command = [sys.executable, DEMO, "--output", output, *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


def test_a_line_runs_for_real_and_warns_of_nothing(tmp_path):
    done = run_demo(tmp_path, "--line", "force_torque")
    assert "Warning" not in done.stderr
    assert done.returncode == 0
    assert "KerasFFNNRegressor" in done.stdout
    assert (tmp_path / "force_torque.png").stat().st_size > 20_000


@pytest.mark.slow
def test_the_whole_demo_runs_and_reads_its_stores_the_second_time(tmp_path):
    done = run_demo(tmp_path)
    assert done.returncode == 0
    assert "Warning" not in done.stderr
    assert all((tmp_path / f"{name}.png").exists() for name in LINES)
    assert len((tmp_path / "query.txt").read_text().split()) == 100
    assert "earlier run" not in done.stdout
    again = run_demo(tmp_path, "--line", "protein")
    assert "0 sequences described, 1500 read from an earlier run" in again.stdout
