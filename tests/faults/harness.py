"""Starts long jobs in other processes, kills them, and compares what they end with."""

import contextlib
import json
import os
import select
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

TESTS = Path(__file__).parents[1]
_SECONDS = 240


class Worker:
    """A process that does one job, again and again, until it is killed.

    Parameters
    ----------
    name : str
        Name of the job.

    scale : "long" or "short"
        How much work it is.
    """

    def __init__(self, name, scale="long"):
        path = os.pathsep.join(filter(None, [str(TESTS), os.environ.get("PYTHONPATH")]))
        settings = {"PYTHONPATH": path, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.worker", name, scale],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | settings,
        )
        self._ready = False

    def ask(self, folder, **request):
        """Hand in a request, once the process is ready for it."""
        if not self._ready:
            assert self._line() == "ready"
            self._ready = True
        request = {"folder": str(folder)} | request
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()

    def reply(self, within=_SECONDS):
        """Return the answer, or None if there is none yet."""
        if not select.select([self._process.stdout], [], [], within)[0]:
            return None
        return json.loads(self._line())

    def do(self, folder, **request):
        """Do the job and return the answer."""
        self.ask(folder, **request)
        reply = self.reply()
        assert reply is not None, f"no answer in {_SECONDS} s"
        return reply

    def _line(self):
        line = self._process.stdout.readline().decode().strip()
        assert line, f"the process ended with {self._process.wait()}"
        return line

    def kill(self):
        """Send SIGKILL; return whether the process was at work until then."""
        self._process.kill()
        # An answer that came in the meantime lies in the pipe.
        return not self._process.communicate()[0]

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._process.kill()
        self._process.communicate()


@dataclass
class Whole:
    """What an uninterrupted run gave, how long it took, and its units of work."""

    digest: str
    seconds: float
    n_units: float


def run_whole(worker, folder, **request):
    """Do a job without any interruption."""
    reply = worker.do(prepare(folder), **request)
    assert "digest" in reply, reply.get("traceback")
    return Whole(reply["digest"], reply["seconds"], n_units(folder))


def prepare(folder):
    """Make an empty folder for a job."""
    shutil.rmtree(folder, ignore_errors=True)
    Path(f"{folder}.units").unlink(missing_ok=True)
    folder.mkdir(parents=True)
    return folder


def n_units(folder):
    """Return how much work has been begun in a folder."""
    return sum(map(float, Path(f"{folder}.units").read_text().split()))


@dataclass
class Row:
    """A row of the fault table."""

    job: str
    kills: int = 0
    runs: int = 0
    n_units: float = 0.0
    again: float = 0.0
    wrong: list = field(default_factory=list)

    def __str__(self):
        return (
            f"{self.job:<28} {self.kills:>5} {self.runs:>5} {self.n_units:>6.0f} "
            f"{self.again:>6.1f}   {'no' if self.wrong else 'yes'}"
        )


HEADER = f"{'job':<28} {'kills':>5} {'runs':>5} {'units':>6} {'again':>6}   bit-equal"


def kill_many(name, folder, *, n_kills, seed=0, check=None):
    """Kill a job at random moments, and let it go on, until it was killed so often.

    Parameters
    ----------
    name : str
        Name of the job.

    folder : Path
        Where its folders are made.

    n_kills : int
        Number of kills that hit the process at work.

    seed : int, default=0
        Seed of the moments.

    check : callable or None
        Takes the folder after each kill and fails if what it holds cannot be used.

    Returns
    -------
    row : Row
        Counts; `wrong` lists the runs that did not end as the uninterrupted one.
    """
    rng = np.random.default_rng(seed)
    with contextlib.ExitStack() as stack:
        worker = stack.enter_context(Worker(name))
        # It imports while the other one works.
        spare = stack.enter_context(Worker(name))
        whole = run_whole(worker, folder / "whole")
        row = Row(name, n_units=whole.n_units)
        while row.kills < n_kills:
            place, kills = prepare(folder / f"run_{row.runs}"), 0
            while True:
                worker.ask(place)
                delay = rng.uniform(0, 0.6 * whole.seconds)
                last = row.kills == n_kills
                reply = worker.reply() if last else worker.reply(delay)
                if reply is not None:
                    break
                hit = worker.kill()
                worker, spare = spare, stack.enter_context(Worker(name))
                kills, row.kills = kills + hit, row.kills + hit
                if check is not None:
                    check(place)
            _note(row, place, whole, reply, kills)
    return row


def _note(row, folder, whole, reply, kills):
    """Enter a run that has ended into the row of its job."""
    row.runs += 1
    again = n_units(folder) - whole.n_units
    row.again += again
    if reply.get("digest") != whole.digest:
        row.wrong.append(reply.get("traceback", f"{folder} ended with other numbers"))
    # A kill costs the unit that was being worked on.
    if not -1e-9 <= again <= kills + 1e-9:
        row.wrong.append(f"{folder}: {again} units again after {kills} kills")
