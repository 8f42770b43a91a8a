"""Damages files, and tells whether a job made the best of it."""

import contextlib
import shutil
import time
from collections import Counter
from pathlib import Path

import numpy as np
from faults.harness import Worker, n_units, prepare, run_whole


def truncate(content, rng):
    return content[: rng.integers(len(content))]


def flip(content, rng):
    """Change up to 20 bytes, of which those in a row may lie in one header."""
    content = bytearray(content)
    for place in rng.integers(len(content), size=rng.integers(1, 20)):
        content[place] ^= rng.integers(1, 256)
    return bytes(content)


DAMAGES = {"truncated": truncate, "flipped": flip}


def files_of(folder):
    """Return the files that there is something to damage in."""
    found = []
    for path in sorted(folder.rglob("*")):
        # A file may go while a job is at work.
        with contextlib.suppress(FileNotFoundError):
            if path.is_file() and path.stat().st_size:
                found.append(path)
    return found


def damage(folder, change, rng):
    """Damage one file of a folder and return its name, or None if there is none."""
    # What processes have in common is in memory, and the file stands for that. What is
    # being written has not got its name yet.
    passing = ("-shm", ".part")
    files = [path for path in files_of(folder) if not path.name.endswith(passing)]
    if not files:
        return None
    path = files[rng.integers(len(files))]
    path.write_bytes(change(path.read_bytes(), rng))
    return path.name


def try_damages(name, folder, *, n_each, seed=0):
    """Damage files of a job that is stopped, of one that is done, and of one at work.

    Parameters
    ----------
    name : str
        Name of the job.

    folder : Path
        Where its folders are made.

    n_each : int
        Number of times for each kind of damage.

    seed : int, default=0
        Seed of what is damaged, and where.

    Returns
    -------
    outcomes : Counter
        How often it ended in the same result, with or without a warning, and how often
        in an error that names a file.

    wrong : list of str
        What came of the others.
    """
    rng, outcomes, wrong = np.random.default_rng(seed), Counter(), []
    with Worker(name, "short") as worker:
        place, middle, end = folder / "job", folder / "middle", folder / "end"
        whole = run_whole(worker, place)
        n_half = whole.n_units / 2
        run_whole(worker, place, snapshot={"after": n_half, "to": str(middle)})
        shutil.copytree(place, end)
        for kind, change in DAMAGES.items():
            for number in range(n_each):
                prepare(place)
                source = (middle, end, None)[number % 3]
                if source is None:
                    after = rng.uniform(0, 0.9 * whole.n_units)
                    outcome = _damage_at_work(worker, place, change, rng, after, whole)
                else:
                    shutil.copytree(source, place, dirs_exist_ok=True)
                    damage(place, change, rng)
                    outcome = judge(worker.do(place), whole.digest, place)
                if outcome in ("same", "warning", "error"):
                    outcomes[outcome] += 1
                else:
                    source = "one at work" if source is None else source.name
                    wrong.append(f"{kind} file of {source}: {outcome}")
    return outcomes, wrong


def _damage_at_work(worker, place, change, rng, after, whole):
    """Damage a file while a job is at work; then do the job again."""
    worker.ask(place)
    log = Path(f"{place}.units")
    reply, damaged = None, None
    while reply is None and damaged is None:
        time.sleep(0.001)
        if log.exists() and n_units(place) > after:
            damaged = damage(place, change, rng)
        reply = worker.reply(0)
    reply = reply or worker.reply()
    outcomes = [judge(reply, whole.digest, place)]
    outcomes.append(judge(worker.do(place), whole.digest, place))
    # The worst of both.
    order = ["same", "warning", "error"]
    return max(outcomes, key=lambda o: order.index(o) if o in order else len(order))


def judge(reply, expected, folder):
    """Return "same", "warning" or "error", or what is wrong with an answer."""
    if "digest" in reply:
        if reply["digest"] != expected:
            return f"another result, warnings: {reply['warnings']}"
        named = any(str(folder) in warning for warning in reply["warnings"])
        return "warning" if named else "same"
    if not {"ValueError", "OSError"} & {*reply["kinds"]}:
        return reply["traceback"]
    if str(folder) not in reply["message"]:
        return f"an error that names no file: {reply['traceback']}"
    return "error"
