"""What the five lines share: validation, printing and the look of figures."""

import sqlite3
import textwrap
import time
from contextlib import closing
from pathlib import Path

import matplotlib
import numpy as np
from rich.console import Console
from sklearn.model_selection import cross_validate

matplotlib.use("Agg")  # figures go to files; no screen is needed

import matplotlib.pyplot as plt
from table import mean_and_spread

# Okabe and Ito's colours, which colour-blind people tell apart.
BLUE, ORANGE, SKY, GREY = "#0072b2", "#d55e00", "#56b4e9", "0.55"
# Of the work that can be divided: embedding, and the members of an ensemble.
N_JOBS = -1

console = Console(highlight=False)


def say(text):
    """Print a paragraph that fits any terminal."""
    console.print(textwrap.fill(" ".join(text.split()), min(console.width, 80)))


def compare(models, y, *, cv, groups, scoring):
    """Cross-validate models on the same folds, and print a line for each.

    `models` holds pairs of an estimator and its `X`, by name. Returns by name what
    `cross_validate` returns, the fitted estimators and the test rows included. Errors,
    which scikit-learn scores as negative numbers, are turned into positive ones.
    """
    results = {}
    for name, (model, X) in models.items():
        start = time.perf_counter()
        with console.status(f"{name} ..."):
            found = cross_validate(
                model,
                X,
                y,
                cv=cv,
                # They reach the splitter, and the models that ask for them.
                params={} if groups is None else {"groups": groups},
                scoring=scoring,
                error_score="raise",
                return_estimator=True,
                return_indices=True,
            )
        seconds = time.perf_counter() - start
        if str(scoring).startswith("neg_"):
            found["test_score"] = -found["test_score"]
        results[name] = found
        scores = mean_and_spread(found["test_score"])
        console.print(f"  {name:40s} {scores:15s} {seconds:4.0f} s")
    return results


def strongest(results, pipeline, *, higher_is_better=True):
    """Return the name of the best of the others."""
    means = {
        name: found["test_score"].mean()
        for name, found in results.items()
        if name != pipeline
    }
    return (max if higher_is_better else min)(means, key=means.get)


def held_out(found, predict, n_samples):
    """Return what `predict(estimator, rows)` gives for the rows of each test fold."""
    values = None
    for model, rows in zip(found["estimator"], found["indices"]["test"], strict=True):
        predicted = np.asarray(predict(model, rows))
        if values is None:
            values = np.empty((n_samples, *predicted.shape[1:]))
        values[rows] = predicted
    return values


def count_stored(path):
    """Return how many vectors the store has, 0 if there is none."""
    if not Path(path).exists():
        return 0
    with closing(sqlite3.connect(path)) as store:
        return store.execute("SELECT count(*) FROM vectors").fetchone()[0]


def fill_store(path, n_items, things, fill):
    """Call `fill`, and say what it had to compute and what was there already."""
    n_before, start = count_stored(path), time.perf_counter()
    filled = fill()
    seconds = time.perf_counter() - start
    n_new = count_stored(path) - n_before
    read = f", {n_items - n_new} read from an earlier run" if n_new < n_items else ""
    say(f"{n_new} {things} described{read}, in {seconds:.0f} s; kept in {path}.")
    return filled


def draw_scores(ax, results, label, *, pipeline):
    """Draw the scores of folds, and their means; those of the pipeline in blue."""
    for place, (name, found) in enumerate(results.items()):
        scores, colour = found["test_score"], BLUE if name == pipeline else GREY
        ax.plot(scores, np.full(len(scores), place), "o", c=colour, ms=5, alpha=0.5)
        ax.plot(scores.mean(), place, "o", c=colour, ms=11)
        digits = 1 if np.abs(scores).max() > 1 else 3
        ax.annotate(
            f"{scores.mean():.{digits}f}",
            (scores.mean(), place),
            (0, 10),
            textcoords="offset points",
            ha="center",
            color=colour,
        )
    names = [textwrap.fill(name, 18) for name in results]
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel=label, ylim=(len(names) - 0.5, -0.6))
    ax.set_title(f"Scores of {len(scores)} folds, and their means")
    ax.margins(x=0.1)
    trim(ax)


def trim(*axes):
    """Take the frame off where it says nothing."""
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)


def new_figure(title, size, **layout):
    """Make a figure of one row of axes, with a title."""
    figure, axes = plt.subplots(1, figsize=size, layout="constrained", **layout)
    figure.suptitle(title, fontweight="bold")
    return figure, axes


def save(figure, path):
    """Write the figure, and forget it."""
    figure.savefig(path, dpi=130)
    plt.close(figure)
    return path
