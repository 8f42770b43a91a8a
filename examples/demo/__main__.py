"""Run the five lines of skestimators on simulated data, and print how well they do.

Without options all lines run, one after the other; each leaves a figure in the output
folder. Own variants and weights are for the protein line, which also writes the 100
mutants to measure next to `query.txt`.
"""

import argparse
import importlib
import os
import sys
import time
import traceback
import warnings
from pathlib import Path

# Small networks are hardly faster on several threads, and far slower if the machine has
# other work. What gains by more asks for them.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# TensorFlow's notes on the processor are no news.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import sklearn
from rich.console import Console
from table import describe, print_table

# What is typed, and the sentence above the line's output.
LINES = {
    "protein": "from measured mutants to the ones to measure next",
    "force_torque": "from the torques of a robot to where it is touched",
    "knowledge": "from a student's answers to what the student knows",
    "activation": "from a space of formulas to the activation of a network",
    "flares": "from magnetograms to whether a region of the Sun will flare",
}
INTERRUPTED = 130  # what a shell expects after Ctrl-C


def main(arguments=None):
    """Run what is asked for; return the exit code."""
    options = parse(arguments)
    outcomes, interrupted = {}, False
    try:
        for name in options.lines:
            outcomes[name] = run_line(name, options)
    except KeyboardInterrupt:
        interrupted = True
    return report(outcomes, options, interrupted)


def parse(arguments):
    """Read the options; own data, weights or model ask for the protein line."""
    parser = argparse.ArgumentParser(
        prog="examples/demo",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--line", help=f"run one line: {', '.join(LINES)}")
    parser.add_argument("--data", help="FASTA file of variants, >0|name_A42G|0.97")
    parser.add_argument("--weights", help="ESM-2 checkpoint; default: untrained")
    parser.add_argument("--model", help="ESM-2 model, such as esm2_t33_650M_UR50D")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    options = parser.parse_args(arguments)
    own = {name: getattr(options, name) for name in ("data", "weights", "model")}
    options.own = {name: value for name, value in own.items() if value}
    line = (options.line or "").strip().lower().replace("-", "_")
    if line and line not in LINES:
        parser.error(f"no line {options.line!r}; there are {', '.join(LINES)}")
    if options.own and line not in ("", "protein"):
        given = ", ".join(options.own)
        parser.error(f"{given}: only the protein line takes this, not {line!r}")
    if options.own:
        line = "protein"
    options.lines = [line] if line else list(LINES)
    try:
        options.output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        parser.error(f"--output {options.output} cannot be made: {error.strerror}")
    return options


def run_line(name, options):
    """Run a line; return its result, or why there is none, and the seconds it took."""
    Console(highlight=False).rule(f"[bold]{name}[/]: {LINES[name]}")
    start = time.perf_counter()
    own = options.own if name == "protein" else {}
    try:
        # Groups are handed on to the models. What a line silences, it says in words.
        with (
            sklearn.config_context(enable_metadata_routing=True),
            warnings.catch_warnings(),
        ):
            outcome = importlib.import_module(name).run(options.output, **own)
    except Exception as error:
        outcome = error
        details = options.output / f"{name}_error.txt"
        details.write_text(traceback.format_exc())
        print(f"Failed: {describe(error)}\nDetails: {details}", flush=True)
    return outcome, time.perf_counter() - start


def report(outcomes, options, interrupted):
    """Print the table of what has run; return the exit code."""
    if outcomes:
        print_table(outcomes)
    failed = [name for name, (o, _) in outcomes.items() if isinstance(o, Exception)]
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    if interrupted:
        missing = [name for name in options.lines if name not in outcomes]
        print(f"Interrupted; without result: {', '.join(missing)}", file=sys.stderr)
        return INTERRUPTED
    return int(bool(failed))


if __name__ == "__main__":
    raise SystemExit(main())
