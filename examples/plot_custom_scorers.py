"""
==================================
Which score should a search go by?
==================================

A search takes the candidate with the best score, so the score decides what is found. To
test the twenty most promising mutants, one needs a good ranking rather than small
errors. Of warnings of rare events, accuracy says little. Here searches are scored by
several metrics at once, to see what each of them would choose.

The data are simulated. Letters instead of embeddings describe the mutants, to keep the
example short.
"""

# %%
# Rankings
# --------
# Eight hundred mutants of a protein, a measured score of each, and an ensemble of
# boosted trees.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from skestimators import (
    BootstrapStackedLGBM,
    MutantSequenceBuilder,
    hss_scorer,
    make_protein_landscape,
    spearman_scorer,
    top_k_recall,
    tss_scorer,
    ucb_spearman_scorer,
)

scan = make_protein_landscape(800, length=40, random_state=0)


def split_letters(sequences):
    """Make a column of each position."""
    return np.array([list(sequence) for sequence in np.ravel(sequences)])


model = make_pipeline(
    MutantSequenceBuilder(scan.wild_type),
    FunctionTransformer(split_letters),
    OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    BootstrapStackedLGBM(10, learning_rate=0.3, min_child_samples=5, random_state=0),
)

# %%
# Five ways to score
# ------------------
# ``scoring`` is a dict of names and scorers. A scorer is one of four things:
#
# - a name that scikit-learn knows;
# - a scorer of this library;
# - a metric made into a scorer by :func:`~sklearn.metrics.make_scorer`, with its
#   parameters. :func:`~skestimators.metrics.top_k_recall` is the share of the k best
#   mutants that are among the k with the highest predictions;
# - a function of the fitted model, ``X`` and ``y`` that returns a number. Write one
#   where more than ``predict`` is needed.
#
# ``ucb_spearman_scorer`` and the function score the upper confidence bound, prediction
# plus ``beta`` times the spread of the ensemble, by which the next mutants are chosen.
# A pipeline has no method ``predict_ucb``. The scorer finds it in the last step by
# itself; the function has to go there.


def top_20_by_ucb(pipeline, X, y):
    """Return the share of the best 20 among the 20 of the highest bounds."""
    bounds = pipeline[-1].predict_ucb(pipeline[:-1].transform(X))
    return top_k_recall(y, bounds, k=20)


scoring = {
    "r2": "r2",
    "spearman": spearman_scorer,
    "spearman_ucb": ucb_spearman_scorer,
    "top_20": make_scorer(top_k_recall, k=20),
    "top_20_ucb": top_20_by_ucb,
}

# %%
# One search, and who wins it
# ---------------------------
# With several scores, ``refit`` says which of them picks the candidate that is fitted
# on all data, as in ``refit="spearman"``. It can also be a function that is given
# ``cv_results_`` and returns the number of a candidate. This one takes the fewest trees
# that rank nearly as well as the best, and of these the best bounds.
TREES, BETA = "bootstrapstackedlgbm__max_iter", "bootstrapstackedlgbm__beta"


def fewest_trees(results):
    """Return the smallest candidate within .03 of the best ranking."""
    table = pd.DataFrame(results)
    good = table["mean_test_spearman"] >= table["mean_test_spearman"].max() - 0.03
    order = [f"param_{TREES}", "mean_test_spearman_ucb"]
    return table[good].sort_values(order, ascending=[True, False]).index[0]


search = GridSearchCV(
    model,
    {TREES: [5, 15, 50], BETA: [0.5, 1.5, 4.0]},
    scoring=scoring,
    refit=fewest_trees,
    cv=KFold(4, shuffle=True, random_state=0),
    n_jobs=2,
).fit(scan.data, scan.target)

results = pd.DataFrame(search.cv_results_)
results.index = [
    f"{params[TREES]} trees, beta {params[BETA]}" for params in results["params"]
]
means = results[[f"mean_test_{name}" for name in scoring]]
means = means.set_axis(list(scoring), axis="columns")
print(means.round(3).to_string(), end="\n\n")
print(means.idxmax().to_string())
print("fewest_trees  ", results.index[search.best_index_])

# %%
# Dots are means of four folds, bars standard errors. A star marks what this score would
# choose, a ring what the function chose.
colors = {0.5: "#0072b2", 1.5: "#e69f00", 4.0: "#cc79a7"}
panels = {
    "r2": "R²",
    "spearman": "Spearman",
    "spearman_ucb": "Spearman of the bound",
    "top_20_ucb": "best 20 found by the bound",
}
by_trees = results[f"param_{TREES}"].rank(method="dense")
by_beta = results[f"param_{BETA}"].rank(method="dense")
places = (by_trees + 0.1 * (by_beta - 2)).to_numpy()
figure, axes = plt.subplots(1, 4, figsize=(11, 3.4), sharey=True, layout="constrained")
for ax, (name, title) in zip(axes, panels.items(), strict=True):
    score = means[name].to_numpy()
    error = results[f"std_test_{name}"].to_numpy() / np.sqrt(search.n_splits_)
    for beta, color in colors.items():
        rows = np.flatnonzero(results[f"param_{BETA}"] == beta)
        ax.errorbar(
            places[rows],
            score[rows],
            yerr=error[rows],
            fmt="o-",
            color=color,
            label=f"beta {beta}",
        )
    for row, marker in [(score.argmax(), "*"), (search.best_index_, "o")]:
        ax.plot(places[row], score[row], marker, ms=16, mfc="none", mec="k")
    ax.set(title=title, xlabel="trees of a member", ylim=(0, 0.85))
    ax.set_xticks([1, 2, 3], ["5", "15", "50"])
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("score of held-out mutants")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
plt.show()

# %%
# R² minds the size of the errors. Few trees make predictions that are too close to the
# mean, and it is low. Spearman's correlation minds the order only, which is good after
# five trees already. Neither sees ``beta``, as it does not change the predictions:
# three candidates tie, and a search takes the first of them. Only the scores of the
# bound tell that a large ``beta`` ranks by uncertainty alone.
#
# The fewer rows a score depends on, the more it varies. The share of the best 20 found
# in a fold depends on 20 of 200, so that small differences of it mean nothing.
#
# Warnings
# --------
# Now 3000 cases, 6 % of them events. The classifier is told to mind an event as much as
# ``weight`` other cases, and warns more often the larger that is. The share of correct
# answers, the true skill statistic (TSS) and the Heidke skill score (HSS) are to find
# the weight.
X, y = make_classification(
    3000,
    10,
    n_informative=4,
    weights=[0.95],
    flip_y=0.02,
    class_sep=0.8,
    random_state=0,
)
weights = np.geomspace(0.5, 64, 15)
by_weight = GridSearchCV(
    LogisticRegression(),
    {"class_weight": [{0: 1.0, 1: weight} for weight in weights]},
    scoring={"accuracy": "accuracy", "TSS": tss_scorer, "HSS": hss_scorer},
    refit="TSS",
    cv=StratifiedKFold(5, shuffle=True, random_state=0),
).fit(X, y)
print(f"{y.mean():.1%} are events")
for name in by_weight.scorer_:
    score = by_weight.cv_results_[f"mean_test_{name}"]
    print(
        f"{name:8s}  best {score.max():.3f} with weight {weights[score.argmax()]:.1f}"
    )

# %%
figure, ax = plt.subplots(figsize=(7, 3.4), layout="constrained")
styles = {"accuracy": ("0.5", "s"), "TSS": ("#d55e00", "o"), "HSS": ("#0072b2", "^")}
for name, (color, marker) in styles.items():
    score = by_weight.cv_results_[f"mean_test_{name}"]
    error = by_weight.cv_results_[f"std_test_{name}"] / np.sqrt(by_weight.n_splits_)
    best = score.argmax()
    ax.plot(weights, score, color=color)
    ax.fill_between(weights, score - error, score + error, color=color, alpha=0.2)
    ax.plot(weights[best], score[best], marker, color=color, ms=9)
    ax.annotate(
        f"{name}\nbest at {weights[best]:.1f}",
        (weights[best], score[best]),
        (0, 12),
        textcoords="offset points",
        ha="center",
        color=color,
    )
ax.axhline(1 - y.mean(), color="0.5", ls=":")
ax.text(64, 1 - y.mean() - 0.02, "accuracy without any warning", ha="right", va="top")
ax.set(xlabel="weight of an event", ylabel="score of held-out cases", xscale="log")
ax.set(ylim=(-0.05, 1.15))
ax.set_xticks([0.5, 1, 2, 4, 8, 16, 32, 64], [".5", *"1248", "16", "32", "64"])
ax.minorticks_off()
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Accuracy is best where there is almost no warning. TSS is the share of events that
# were warned of minus the share of false alarms among the other cases. As events are 16
# times rarer, one of them counts as much as 16 false alarms, and many warnings pay. HSS
# compares the number of correct answers with that of chance; it minds each false alarm,
# and lies in between. Which is right depends on what a missed event costs, and what a
# false alarm.
