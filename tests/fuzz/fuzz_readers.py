"""Fuzz the readers of files, each for a bounded time.

    python tests/fuzz/fuzz_readers.py [NAME ...] [--seconds 60]

Without a name, all are fuzzed, one after the other. Each runs in a process of its own,
which a crash ends and the next one replaces. What was found lies in `--folder`, the
input and the traceback of each finding, and so does the corpus, with which the next run
begins. The exit status is 1 if there are findings.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from fuzz.all_targets import TARGETS, readers_without_target
from fuzz.json_trees import CANARY
from fuzz.target import Finding, try_input

_SECONDS_PER_INPUT = 5
_MEGABYTES = 2048
# Where there is one, a folder in memory: each input is written to a file.
_SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None


def _parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="what to fuzz")
    parser.add_argument(
        "--seconds", type=int, default=60, help="time for each; 0 reads the seeds only"
    )
    parser.add_argument("--folder", type=Path, default=Path(".cache/fuzz"))
    parser.add_argument(
        "--in-this-process", action="store_true", help=argparse.SUPPRESS
    )
    arguments = parser.parse_args()
    for name in arguments.names:
        if name not in TARGETS:
            parser.error(f"no reader {name!r}; they are: {', '.join(TARGETS)}")
    return arguments


def _folder_of(name, folder):
    return folder / re.sub(r"\W+", "_", name)


def _limit_memory():
    """Let what asks for gigabytes fail, beyond what the libraries took."""
    try:
        import resource
    except ImportError:
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + _MEGABYTES * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _listen():
    """Return a list that fills with what the interpreter does with the canary."""
    sung = []

    def hook(event, arguments):
        if any(type(word) is str and CANARY in word for word in arguments):
            sung.append(f"{event} {arguments}")

    sys.addaudithook(hook)
    return sung


def _place(error):
    """Return the kind of an error and where in the package it arose."""
    cause = error.__cause__ if isinstance(error, Finding) else None
    frames = traceback.extract_tb((cause or error).__traceback__)
    frames = [f for f in frames if "skestimators" in Path(f.filename).parts] or frames
    return f"{type(error).__name__} in {frames[-1].name}, {frames[-1].filename}"


def _prepare(target, folder):
    """Import what is fuzzed, and write the corpus and the dictionary of libFuzzer."""
    import atheris

    for kind in ("corpus", "findings"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=_SCRATCH) as scratch,
        # Of others only what reads the trees of `load`, which lead it everywhere.
        atheris.instrument_imports(include=["skestimators", "skops"]),
    ):
        for seed in target.seeds():
            name = hashlib.sha1(seed).hexdigest()
            (folder / "corpus" / name).write_bytes(seed)
            # Imports what is imported late, before memory is limited.
            try_input(target, seed, Path(scratch))
    words = ["".join(f"\\x{byte:02x}" for byte in word) for word in target.dictionary]
    (folder / "dictionary").write_text("".join(f'"{word}"\n' for word in words))


def fuzz_here(target, seconds, folder):
    """Fuzz one reader; libFuzzer ends the process."""
    import atheris

    _prepare(target, folder)
    scratch = tempfile.TemporaryDirectory(dir=_SCRATCH)
    places, sung = set(), _listen()

    def one_input(data):
        try:
            try_input(target, data, Path(scratch.name))
            if sung:
                raise Finding(f"the canary was reached: {sung.pop()}")
        except Exception as error:
            if (place := _place(error)) in places:
                return
            places.add(place)
            file = folder / "findings" / hashlib.sha1(place.encode()).hexdigest()[:10]
            file.with_suffix(".bin").write_bytes(data)
            text = "".join(traceback.format_exception(error))
            file.with_suffix(".txt").write_text(f"{place}\n{text}")

    options = [
        f"-max_total_time={seconds}" if seconds else "-runs=0",
        f"-max_len={target.max_len}",
        f"-timeout={_SECONDS_PER_INPUT}",
        f"-rss_limit_mb={2 * _MEGABYTES}",
        *([f"-dict={folder / 'dictionary'}"] if target.dictionary else []),
        f"-artifact_prefix={folder / 'findings'}/",
        str(folder / "corpus"),
    ]
    changes = {"custom_mutator": target.mutate} if target.mutate else {}
    _limit_memory()
    atheris.Setup([sys.argv[0], *options], one_input, **changes)
    atheris.Fuzz()


def fuzz(name, seconds, folder):
    """Fuzz one reader in processes of their own.

    Returns
    -------
    n_runs : int
        Number of inputs that were read.

    findings : list of str
        What was found, in a line each.
    """
    place = _folder_of(name, folder)
    findings = place / "findings"
    for old in findings.glob("*"):
        old.unlink()
    n_runs, end = 0, time.monotonic() + seconds
    while True:
        left = max(0, round(end - time.monotonic()))
        command = [sys.executable, __file__, name, "--in-this-process"]
        command += ["--folder", str(folder), "--seconds", str(left)]
        ended = subprocess.run(
            command, capture_output=True, text=True, errors="replace"
        )
        counts = re.findall(r"^(?:#|Done )(\d+)", ended.stderr, re.MULTILINE)
        n_runs += max(map(int, counts), default=0)
        if ended.returncode == 0:
            break
        # A crash, a hang, or memory that ran out; libFuzzer leaves the input beside it.
        log = findings / f"exit_{ended.returncode}_after_{n_runs}.log"
        log.write_text(ended.stderr)
        if not counts or left <= 0:
            break
    lines = [file.read_text().split("\n")[0] for file in findings.glob("*.txt")]
    return n_runs, sorted(lines + [file.name for file in findings.glob("*.log")])


def main():
    """Fuzz what the command line names, and print a line for each."""
    arguments = _parse_arguments()
    names = arguments.names or list(TARGETS)
    if arguments.in_this_process:
        place = _folder_of(names[0], arguments.folder)
        fuzz_here(TARGETS[names[0]], arguments.seconds, place)
    without = [] if arguments.names else readers_without_target()
    if without:
        sys.exit(f"Nothing fuzzes {', '.join(without)}; add targets.")
    total = 0
    for name in names:
        start = time.monotonic()
        n_runs, findings = fuzz(name, arguments.seconds, arguments.folder)
        passed = time.monotonic() - start
        print(
            f"{name:42}{n_runs:9,} runs{passed:6.0f} s{len(findings):4} findings",
            *findings,
            sep="\n    ",
            flush=True,
        )
        total += len(findings)
    sys.exit(total > 0)


if __name__ == "__main__":
    main()
