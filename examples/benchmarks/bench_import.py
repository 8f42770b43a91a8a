"""Time of `import skestimators` against that of scikit-learn's base and pandas.

Each import runs in a process of its own, ours and theirs in turn.
"""

import argparse
import statistics
import subprocess
import sys
import time

OURS = "import skestimators"
THEIRS = "import sklearn.base, pandas"


def seconds(code):
    """Return how long a new process takes to run a line of code."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - start


def main():
    """Print medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    repeats = parser.parse_args().repeats
    for code in (OURS, THEIRS):
        seconds(code)  # fills the caches of bytecode and files
    pairs = [(seconds(OURS), seconds(THEIRS)) for _ in range(repeats)]
    ours, theirs = zip(*pairs, strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"{OURS:30} {statistics.median(ours):.2f} s")
    print(f"{THEIRS:30} {statistics.median(theirs):.2f} s")
    print(f"ratio, median of {repeats} pairs      {ratio:.2f}")


if __name__ == "__main__":
    main()
