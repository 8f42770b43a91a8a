"""
=================================
What is going on while models fit
=================================

Since version 1.9 scikit-learn has callbacks, which follow ``fit`` from within. They see
the epochs of our networks, and the members and boosting rounds of our ensembles, also
through a pipeline and a search. :class:`~sklearn.callback.ProgressBar` shows how far
things are, :class:`~sklearn.callback.ScoringMonitor` writes down a score after each
step.
"""

# %%
# A bar for everything
# --------------------
# A callback is set with ``set_callbacks``, which all estimators here have, and
# scikit-learn's pipelines and searches. A bar is set on what is fitted, and passes
# itself on to what is inside. In a terminal the bars move; a page shows how they end.
import matplotlib.pyplot as plt
import rich
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.datasets import make_friedman1
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from skestimators import BootstrapStackedLGBM, TorchMLPRegressor

# A page does not say how wide it is.
rich.get_console().width = 88

X, y = make_friedman1(1000, noise=1.0, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, scale(y), random_state=0)
network = TorchMLPRegressor(
    (64, 64), learning_rate=3e-3, max_epochs=40, early_stopping=False, random_state=0
)
model = make_pipeline(StandardScaler(), network)
model.set_callbacks(ProgressBar()).fit(X_train, y_train)
print(f"R² of test rows: {model.score(X_test, y_test):.3f}")

# %%
# ``set_callbacks()`` with nothing in it takes all callbacks away. The bar of a search
# shows each fold of each candidate. How many levels it goes down is for
# ``max_propagation_depth`` to say, where None means all of them. With ``n_jobs`` it
# hears from the other processes, too.
model.set_callbacks()
search = GridSearchCV(model, {"torchmlpregressor__learning_rate": [1e-3, 1e-2]}, cv=3)
search.set_callbacks(ProgressBar(max_propagation_depth=1)).fit(X_train, y_train)
print(search.best_params_)

# %%
# Scores of a step
# ----------------
# A monitor does not pass itself on: set it on the step that it is to score. It scores
# the training data as the step sees them, here scaled. As a scorer may be any function
# of an estimator, ``X`` and ``y``, it can score held-out rows as well. They have to be
# scaled by then, which the pipeline can do, as its first step has been fitted.


def score_both(network, X, y):
    """Score the training rows, and the test rows."""
    X_scaled = model[:-1].transform(X_test)
    return {"training": network.score(X, y), "test": network.score(X_scaled, y_test)}


epochs = ScoringMonitor(scoring=score_both)
network.set_callbacks(epochs)
model.fit(X_train, y_train)
log = epochs.get_logs().data_as_pandas
log[["estimator_name", "task_name", "task_id_path", "training", "test"]].head()

# %%
# A row is a task. The path leads to it: in the pipeline, 0, the second step, 1, and in
# it the epochs. ``task_name`` tells them from the whole fit of the network, which is
# scored as well.
curve = log[log["task_name"] == "epoch"]
curve = curve.assign(epoch=curve["task_id"] + 1)
best = curve.nlargest(3, "test")[["epoch", "training", "test"]]
print(best.round(3).to_string(index=False))

# %%
# Scores in a search
# ------------------
# The search clones the pipeline, and clones keep their callbacks. So one monitor hears
# of all fits, and the paths tell which is which: ``(0, 0, i, 1)`` is the network of
# the i-th fit, where candidates come one after the other, each with its folds.
# ``(0, 1, 1)`` is the last fit, with the best parameters on all rows.
folds = ScoringMonitor(scoring="r2")
network.set_callbacks(folds)
search.set_callbacks().set_params(n_jobs=2).fit(X_train, y_train)
network.set_callbacks()
by_fold = folds.get_logs().data_as_pandas.query("task_name == 'epoch'")
print(by_fold.groupby("parent_task_id_path")["r2"].last().round(3).to_string())

# %%
# Members of an ensemble
# ----------------------
# An ensemble has members, and its members have boosting rounds. A round is scored as if
# the ensemble were one member at this stage, and at the end the ensemble as a whole.
# ``n_jobs`` works as ever.


def score_test(ensemble, X, y):
    """Score the test rows only."""
    return {"test": ensemble.score(X_test, y_test)}


rounds = ScoringMonitor(scoring=score_test)
ensemble = BootstrapStackedLGBM(
    10, max_iter=50, learning_rate=0.1, min_child_samples=10, n_jobs=2, random_state=0
)
ensemble.set_callbacks(rounds).fit(X_train, y_train)
members = rounds.get_logs().data_as_pandas
print(members.groupby("task_name")["test"].agg(["size", "min", "max"]).round(3))

# %%
# Three pictures of learning
# --------------------------
orange, blue, grey = "#d55e00", "#0072b2", "0.6"
figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
axes[0].plot(curve["epoch"], curve["training"], color=grey, label="training rows")
axes[0].plot(curve["epoch"], curve["test"], color=blue, label="test rows")
axes[0].set(title="network in a pipeline", xlabel="epoch")

for path, fold in by_fold.groupby("parent_task_id_path"):
    if path[1] == 0:
        slow = path[2] < search.n_splits_
        axes[1].plot(
            fold["task_id"] + 1,
            fold["r2"],
            color=blue if slow else orange,
            label=f"rate {1e-3 if slow else 1e-2}" if path[2] % 3 == 0 else None,
        )
axes[1].set(title="folds of a search, training rows", xlabel="epoch")

boosting = members[members["task_name"] == "boosting-round"]
for path, member in boosting.groupby("parent_task_id_path"):
    label = "a member" if path == (0, 0) else None
    axes[2].plot(member["task_id"] + 1, member["test"], color=grey, lw=1, label=label)
whole = members.loc[members["task_name"] == "fit", "test"].item()
axes[2].axhline(whole, color=blue, ls="--", label="all ten together")
axes[2].set(title="ensemble, test rows", xlabel="boosting round")
axes[0].set(ylabel="R²", ylim=(0.4, 1))
for ax in axes:
    ax.legend(loc="lower right")
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# On the left, both scores rise fast at first. Later the training score gains twice as
# much as the test score: half of what is learned then is learned by heart. In the
# middle, the higher rate gets further on its training rows, in each fold; whether that
# is better, the search says, not the training. On the right, no member is as good as
# all of them together.
#
# A monitor costs a prediction a step; take it off where a model is only to be fitted.
# And do not choose the number of epochs by test rows: ``early_stopping`` holds out rows
# of the training data for that, see
# :ref:`sphx_glr_auto_examples_plot_early_stopping.py`.
