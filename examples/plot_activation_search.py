"""
====================================
Which activation suits this network?
====================================

Between its layers a network bends what it computes, most often by ReLU, max(x, 0).
:class:`~skestimators.neural_network.ActivationSearchNet` searches for another function,
composed of simple ones. First it gets a task whose answer is known, where the choice
matters a lot; then scikit-learn's digits, where it hardly does. What a search has to
show for itself is the comparison at the end of each.
"""

# %%
# A task with a known answer
# --------------------------
# A network with random weights and the sine as its activation, the teacher, puts points
# into three classes. Another network of the same kind is to learn from these labels,
# and may choose among eight functions. Will it choose the sine?
import copy

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from skestimators import (
    ActivationDisplay,
    ActivationSearchNet,
    BinaryEdge,
    TorchMLPRegressor,
    UnaryEdge,
)

rng = np.random.default_rng(0)
X = rng.normal(size=(5000, 4))
hidden = np.sin(X @ rng.normal(size=(4, 8)))
taught = (hidden - hidden.mean(axis=0)) @ rng.normal(size=(8, 3))
y = (taught - taught.mean(axis=0)).argmax(axis=1)
X_train, X_test, y_train, y_test, taught_train, taught_test = train_test_split(
    X, y, taught, test_size=2000, random_state=0
)
eight = ["identity", "relu", "tanh", "sigmoid", "abs", "square", "sin", "gaussian"]
student = ActivationSearchNet(
    UnaryEdge(operations=eight),
    hidden_layer_sizes=(16,),
    search_epochs=20,
    max_epochs=30,
    arch_learning_rate=0.01,
    n_candidates=3,
    random_state=0,
)
student.fit(X_train, y_train)
print(student.expression_)

# %%
# It does. That is not always so: the guide has functions that it missed with as few
# points. During the search the network has all eight at once, in a sum whose weights
# are trained along with the network: they are on the right. On the left is the winner,
# over the range that the network feeds it.
ActivationDisplay.from_estimator(student)
plt.show()

# %%
# What is it worth? The same network is trained with other activations, three times
# each, from the same three seeds, and scored on 2000 points that were kept for the end.
taught_scores = student.compare_baselines(
    X_train, y_train, X_test=X_test, y_test=y_test, baselines=("relu", "tanh")
)
print(taught_scores.round(3).to_string())

# %%
# Digits
# ------
# On images the network is a small convolutional one, with the activation before its
# last layer. The space is larger: two of the eight functions, put together in one of
# five ways. ``"gate"`` is sigmoid(a) b, so that SiLU, x sigmoid(x), is in the space.
#
# Half of the digits are kept for the end, as the search sees the others. One search
# keeps all operations to its last epoch. The other drops the weakest in three stages.
space = BinaryEdge(
    UnaryEdge(operations=eight),
    UnaryEdge(operations=eight),
    operations=["add", "multiply", "minimum", "maximum", "gate"],
)
images, digit = load_digits(return_X_y=True)
images_train, images_test, digit_train, digit_test = train_test_split(
    images / 16, digit, test_size=0.5, stratify=digit, random_state=0
)
searches = {}
for n_stages, name in [(1, "one stage"), (3, "three stages")]:
    searches[name] = ActivationSearchNet(
        space,
        image_shape=(8, 8),
        search_epochs=30,
        max_epochs=20,
        batch_size=32,
        arch_learning_rate=0.01,
        n_search_stages=n_stages,
        n_candidates=4,
        random_state=0,
    ).fit(images_train, digit_train)
    print(f"{name:12s}  {searches[name].expression_}")
ActivationDisplay.from_estimator(searches["three stages"])
plt.show()

# %%
# How sure is a search?
# ---------------------
# The entropy of the weights is 1 where nothing is decided and 0 where all is. With one
# stage it stays near 1: no operation is much stronger than the next. The sum of all of
# them works, but the chosen ones alone, with the same weights of the network, do not:
# this is the discretisation gap. Trained anew, they are as good as the sum was.
#
# So the largest weights say little here. Hence the search trains a few compositions of
# large weights for a short time, and takes the best of them. It need not be the
# strongest: in the plot above ``"gate"`` is ahead, but ``"add"`` was taken.
colors = {"one stage": "#d55e00", "three stages": "#0072b2"}
figure, axes = plt.subplots(1, 3, figsize=(10, 3.2), layout="constrained")
steps = ["mixed", "discretized", "retrained"]
for place, (name, search) in enumerate(searches.items()):
    history = search.search_history_
    epochs = np.arange(1, len(history["entropy"]) + 1)
    axes[0].plot(epochs, history["entropy"], color=colors[name], label=name)
    axes[1].plot(epochs, history["train_loss"], color=colors[name])
    axes[1].plot(epochs, history["arch_loss"], "--", color=colors[name])
    accuracy = [search.discretization_[step] for step in steps]
    bars = axes[2].bar(np.arange(3) + 0.4 * place - 0.2, accuracy, 0.38)
    for bar in bars:
        bar.set_color(colors[name])
    axes[2].bar_label(bars, fmt="%.2f", fontsize="small")
axes[0].set(xlabel="search epoch", ylabel="entropy of the weights", ylim=(0, 1.05))
axes[0].legend(loc="lower left")
axes[1].set(xlabel="search epoch", ylabel="loss", ylim=(0, None))
axes[1].plot([], [], "k", label="rows for the network")
axes[1].plot([], [], "k--", label="rows for the choice")
axes[1].legend()
axes[2].set_xticks(range(3), ["sum of all", "chosen\nalone", "trained\nanew"])
axes[2].set(ylabel="accuracy, held-out rows", ylim=(0, 1.1))
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# These are the candidates, with the loss of the short training. The better half is
# trained a second time, from other initial weights. Most losses are still high: what
# wins has to learn fast, too.
for expression, losses in searches["three stages"].candidates_.items():
    print(f"{expression:24s}", np.round(losses, 3))

# %%
# Is it worth it?
# ---------------
# The other two are the identity, with which the network has no activation at all, and
# three compositions of the same space drawn at random.
digit_scores = searches["three stages"].compare_baselines(
    images_train,
    digit_train,
    X_test=images_test,
    y_test=digit_test,
    baselines=("relu", "tanh", "identity", "random"),
)
print(digit_scores.round(3).to_string())

# %%
# Small dots are seeds, large ones means with their standard errors.
figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for ax, scores, title in [
    (axes[0], taught_scores, "labels of a network with sine"),
    (axes[1], digit_scores, "digits"),
]:
    for place, (name, row) in enumerate(scores.iterrows()):
        color = "#d55e00" if name == "found" else "0.4"
        seeds = row.filter(like="score_").to_numpy(float)
        ax.plot(seeds, np.full(len(seeds), place), "o", color=color, ms=4, alpha=0.5)
        ax.errorbar(
            row["mean_score"],
            place,
            xerr=row["standard_error"],
            fmt="o",
            color=color,
            ms=9,
            capsize=4,
        )
    names = [f"found: {scores.loc['found', 'expression']}", *scores.index[1:]]
    ax.set_yticks(range(len(names)), names)
    ax.set(title=title, xlabel="accuracy on data kept for the end")
    ax.margins(y=0.15)
    ax.invert_yaxis()
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Where the labels come from a sine, the sine is worth three hundredths of accuracy. On
# digits, all activations are within a standard error of each other, those drawn at
# random included. Even none at all does as well: the pooling of the network bends
# enough. The search has found one of many activations that work, and no better one.
# The first seed alone would have said that it beats ReLU, the last that it loses.
#
# Use it elsewhere
# ----------------
# ``activation_`` is a torch module. The sine found above goes into a regressor, which
# learns what the teacher computes before it is turned into classes.
for name, activation in [("relu", "relu"), ("found", student.activation_)]:
    regressor = TorchMLPRegressor(
        (16,), activation=activation, max_epochs=30, random_state=0
    ).fit(X_train, taught_train)
    print(f"{name:6s} R² {regressor.score(X_test, taught_test):.3f}")

# %%
# In a network of your own, give each place a copy, as an activation may have a trained
# number in it.
network = torch.nn.Sequential(
    torch.nn.Linear(4, 16),
    copy.deepcopy(student.activation_),
    torch.nn.Linear(16, 3),
)
print(network)
