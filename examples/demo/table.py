"""What a line comes to, and the table of all of them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

N_COLUMNS = 80


@dataclass(frozen=True)
class Result:
    """What a line hands over to the table."""

    pipeline: str
    left_out: str
    metric: str
    scores: np.ndarray
    baseline: str
    baseline_scores: np.ndarray
    figure: Path
    higher_is_better: bool = True

    @property
    def n_won(self):
        """Number of folds in which the pipeline did better than the baseline."""
        gain = self.scores - self.baseline_scores
        return int(np.sum(gain > 0 if self.higher_is_better else gain < 0))


def mean_and_spread(scores):
    """Write the mean over the folds, and their standard deviation."""
    digits = 1 if np.abs(scores).max() > 1 else 3
    return f"{scores.mean():.{digits}f} ± {scores.std():.{digits}f}"


def describe(error):
    """Return the first line of an error, with its kind."""
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}"


def print_table(outcomes):
    """Print a row for each line.

    Parameters
    ----------
    outcomes : dict of str to (Result or Exception, float)
        What each line has come to, and the seconds it took.
    """
    console = Console(highlight=False)
    console.width = min(console.width, N_COLUMNS)
    table = Table(
        box=box.SIMPLE_HEAD, padding=(0, 1, 1, 0), pad_edge=False, show_edge=False
    )
    table.add_column("line", style="bold", no_wrap=True)
    table.add_column("pipeline\ntested on", width=19)
    table.add_column("score", no_wrap=True)
    table.add_column("baseline,\nsame folds", width=16)
    table.add_column("folds\nwon", no_wrap=True)
    table.add_column("sec-\nonds", justify="right", no_wrap=True)
    for name, (outcome, seconds) in outcomes.items():
        table.add_row(name, *cells(outcome), f"{seconds:.0f}")
    console.print()
    console.print(table)
    console.print()
    results = [
        outcome for outcome, _ in outcomes.values() if isinstance(outcome, Result)
    ]
    if results:
        console.print(
            "Scores: mean over the folds of a cross-validation ± standard deviation."
        )
    for result in results:
        console.print(f"Figure: {escape(str(result.figure))}", soft_wrap=True)


def cells(outcome):
    """Return what stands between the name of a line and its seconds."""
    if isinstance(outcome, Exception):
        return f"[red]failed[/]\n{escape(describe(outcome))}", "", "", ""
    return (
        f"{outcome.pipeline}\nnew {outcome.left_out}",
        f"{mean_and_spread(outcome.scores)}\n{outcome.metric}",
        f"{mean_and_spread(outcome.baseline_scores)}\n{outcome.baseline}",
        f"{outcome.n_won} of {len(outcome.scores)}",
    )
