"""Force-torque sensing: from the torques of a robot to where it is touched."""

import contextlib
import importlib
import os
import warnings

import numpy as np
from line import (
    BLUE,
    GREY,
    compare,
    draw_scores,
    held_out,
    new_figure,
    save,
    say,
    strongest,
    trim,
)
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from table import Result

from skestimators import KerasFFNNRegressor, make_force_torque

PIPELINE, RIDGE, MLP = (
    "KerasFFNNRegressor",
    "Ridge",
    "MLPRegressor, same layers",
)


def run(output):
    """Predict the positions of touches, at points that were left out."""
    import_tensorflow()
    touches = make_force_torque(40, random_state=0)
    X, position, points = touches.data, touches.target, touches.groups
    say(
        "Error of the position (RMSE in mm, less is better) at touch points left out, "
        "20 mm apart"
    )
    # The same network twice: the same layers, training and seed.
    network = KerasFFNNRegressor(
        (64, 64),
        learning_rate=0.01,
        batch_size=256,
        max_epochs=15,
        early_stopping=False,
        random_state=0,
    )
    mlp = MLPRegressor(
        hidden_layer_sizes=(64, 64),
        learning_rate_init=0.01,
        batch_size=256,
        max_iter=15,
        random_state=0,
    )
    # Fifteen epochs are what is asked for.
    warnings.filterwarnings("ignore", category=ConvergenceWarning)
    results = compare(
        {
            RIDGE: (scaled(Ridge()), X),
            MLP: (scaled(mlp), X),
            PIPELINE: (scaled(network.set_fit_request(groups=True)), X),
        },
        position,
        cv=GroupKFold(5, shuffle=True, random_state=0),
        groups=points,
        scoring="neg_root_mean_squared_error",
    )
    figure = draw(results, X, position, points)
    baseline = strongest(results, PIPELINE, higher_is_better=False)
    return Result(
        pipeline=PIPELINE,
        metric="RMSE, mm",
        left_out="touch points",
        scores=results[PIPELINE]["test_score"],
        baseline=baseline,
        baseline_scores=results[baseline]["test_score"],
        figure=save(figure, output / "force_torque.png"),
        higher_is_better=False,
    )


def import_tensorflow():
    """Import TensorFlow without the notes that it writes past Python's stderr."""
    stderr = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        # If it is missing, the estimator says what to install.
        with contextlib.suppress(ImportError):
            importlib.import_module("tensorflow")
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)


def scaled(network):
    """Scale inputs and positions, by what the training rows say."""
    return TransformedTargetRegressor(
        make_pipeline(StandardScaler(), network), transformer=StandardScaler()
    )


def draw(results, X, position, points):
    """Draw the errors, and where on the plate they are."""
    figure, axes = new_figure(
        "Where is the robot touched? 121 simulated touch points", (15, 5.4), ncols=3
    )
    draw_scores(axes[0], results, "RMSE of the position (mm)", pipeline=PIPELINE)
    axes[0].set_xlim(left=0)
    for ax, name, colour in [(axes[1], RIDGE, GREY), (axes[2], PIPELINE, BLUE)]:
        predicted = held_out(
            results[name], lambda model, rows: model.predict(X.iloc[rows]), len(X)
        )
        rows = ax.plot(*predicted.T, ".", color=colour, ms=3, alpha=0.25)
        for point in np.unique(points):
            true = position[points == point].mean()
            mean = predicted[points == point].mean(axis=0)
            line = ax.plot(*zip(true, mean, strict=True), color="k", lw=1)
            cross = ax.plot(*true, "k+", ms=6)
        ax.set(title=name, xlabel="x (mm)", ylabel="y (mm)")
        ax.set(xlim=(-135, 135), ylim=(-135, 135), aspect="equal")
    figure.legend(
        [*cross, *rows, *line],
        ["touch point", "row, predicted when its point was left out", "to their mean"],
        loc="outside lower right",
        ncols=3,
    )
    trim(*axes)
    return figure
