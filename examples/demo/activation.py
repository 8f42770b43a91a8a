"""Activation search: from a space of formulas to the activation of a network."""

from collections import Counter

import numpy as np
from line import (
    compare,
    draw_scores,
    new_figure,
    save,
    say,
    strongest,
    trim,
)
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import SVC
from table import Result

from skestimators import ActivationDisplay, ActivationSearchNet, UnaryEdge

PIPELINE, RELU, TANH, SUPPORT_VECTORS = (
    "activation found",
    "the same network, ReLU",
    "the same network, tanh",
    "support vectors",
)
EIGHT = ["identity", "relu", "tanh", "sigmoid", "abs", "square", "sin", "gaussian"]


def run(output):
    """Search for the activation that the labels were made with."""
    X, y = make_taught_labels(3000)
    say(
        "Accuracy on held-out rows. A network whose activation is the sine made the "
        "labels, so that there is something to find; on the digits of scikit-learn the "
        "choice hardly matters."
    )
    networks = {name: make_network([name]) for name in ("relu", "tanh")}
    results = compare(
        {
            RELU: (networks["relu"], X),
            TANH: (networks["tanh"], X),
            SUPPORT_VECTORS: (SVC(C=10), X),
            PIPELINE: (make_network(EIGHT), X),
        },
        y,
        cv=StratifiedKFold(5, shuffle=True, random_state=0),
        groups=None,
        scoring="accuracy",
    )
    found = Counter(net.expression_ for net in results[PIPELINE]["estimator"])
    names = [f"{name} ({n} of 5 folds)" for name, n in found.most_common()]
    say(f"Found: {', '.join(names)}")
    baseline = strongest(results, PIPELINE)
    return Result(
        pipeline="ActivationSearchNet",
        metric="accuracy",
        left_out="rows",
        scores=results[PIPELINE]["test_score"],
        baseline=baseline,
        baseline_scores=results[baseline]["test_score"],
        figure=save(draw(results), output / "activation.png"),
    )


def make_taught_labels(n_samples):
    """Draw points, and label them by a random network of sines."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 4))
    hidden = np.sin(X @ rng.normal(size=(4, 8)))
    logits = (hidden - hidden.mean(axis=0)) @ rng.normal(size=(8, 3))
    return X, (logits - logits.mean(axis=0)).argmax(axis=1)


def make_network(operations):
    """Return a network that chooses among activations; of one, it has no choice."""
    return ActivationSearchNet(
        UnaryEdge(operations=operations),
        hidden_layer_sizes=(16,),
        search_epochs=20,
        max_epochs=100,
        arch_learning_rate=0.01,
        n_candidates=3,
        random_state=0,
    )


def draw(results):
    """Draw the scores, the function found in one fold, and the search for it."""
    figure, (left, middle, right) = new_figure(
        "Which activation suits this network? Labels made with the sine",
        (15, 4.8),
        ncols=3,
    )
    draw_scores(left, results, "accuracy of held-out rows", pipeline=PIPELINE)
    net = results[PIPELINE]["estimator"][0]
    ActivationDisplay.from_estimator(net, what="function", ax=middle)
    # In the place that the display has chosen, above its legend.
    middle.title.set_text(f"Found in the first fold: {middle.get_title()}")
    display = ActivationDisplay.from_estimator(net, what="weights", ax=right)
    for ax in display.weight_axes_.values():
        ax.set_title("", loc="left")
        ax.set_title("Weights of the eight during the search")
    trim(middle)
    return figure
