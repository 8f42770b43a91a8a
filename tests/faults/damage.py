"""Damages files, and tells whether a job made the best of it."""

import shutil
from collections import Counter

import numpy as np
from faults.harness import Worker, prepare, run_whole


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
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return [path for path in files if path.stat().st_size]


def try_damages(name, folder, *, n_each, seed=0):
    """Damage the files of a job that was stopped, and of one that was finished.

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
                source = middle if number % 2 else end
                shutil.copytree(source, place, dirs_exist_ok=True)
                path = rng.choice(files_of(place))
                path.write_bytes(change(path.read_bytes(), rng))
                outcome = judge(worker.do(place), whole.digest, place)
                if outcome in ("same", "warning", "error"):
                    outcomes[outcome] += 1
                else:
                    wrong.append(f"{kind} {path.name} of the {source.name}: {outcome}")
    return outcomes, wrong


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
