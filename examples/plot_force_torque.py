"""
====================================================
Where is the robot touched, and how well do we know?
====================================================

A robot arm holds a plate that is pushed at 121 points. From the torques in its joints
and the forces at its flange, networks predict where. How well they seem to do depends
on what is left out for the test: rows drawn at random, or whole touch points. The first
flatters.

The touches are simulated; :func:`~skestimators.datasets.read_kuka_records` reads those
of a real arm.
"""

# %%
# Touches of a plate
# ------------------
# Forty rows for each point of an 11 x 11 grid. The group of a row is its touch point.
# Rows of one point are nearly copies: during a record the force wobbles, but the zeros
# of the sensors, and the posture of the arm, are off by the same amounts.
import tempfile
import warnings
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import optuna.visualization.matplotlib as optuna_plots
from sklearn.compose import TransformedTargetRegressor
from sklearn.metrics import r2_score, root_mean_squared_error
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators import (
    KerasCNNClassifier,
    KerasCNNRegressor,
    KerasFFNNClassifier,
    KerasFFNNRegressor,
    OptunaSearchCV,
    load_params,
    make_force_torque,
    make_windows,
    save_params,
    sector_labels,
)

warnings.filterwarnings("ignore", message="optuna.visualization.*experimental")

touches = make_force_torque(40, random_state=0)
# The centre of the plate lies in no sector.
away = touches.groups != "5,5"
X, position, point = touches.data[away], touches.target[away], touches.groups[away]
sector = sector_labels(position)
print(X.shape, "rows and features;", len(np.unique(point)), "touch points")
print("rows of each sector:", np.bincount(sector)[1:])

# %%
# The convolutional networks see windows of ten rows. A window never holds rows of two
# records, as the groups are given. It is laid out flat here, so that it can be scaled.
windows, *of_windows = make_windows(
    X, np.column_stack([position, sector]), point, window_size=10
)
windows = windows.reshape(len(windows), -1)
window_position, window_sector = of_windows[0][:, :2], of_windows[0][:, 2].astype(int)
window_point = of_windows[1]

# %%
# Four models
# -----------
# Networks want inputs and targets of about unit size. The scaler is a part of the
# model, so that each fold learns its own.
training = {
    "learning_rate": 1e-2,
    "batch_size": 256,
    "max_epochs": 15,
    "early_stopping": False,
    "random_state": 0,
}


def scaled(network):
    """Scale the inputs, and the targets of a regressor."""
    model = make_pipeline(StandardScaler(), network)
    if network.__class__.__name__.endswith("Regressor"):
        return TransformedTargetRegressor(model, transformer=StandardScaler())
    return model


ffnn = scaled(KerasFFNNRegressor((64, 64), **training))
ffnn_sectors = scaled(KerasFFNNClassifier((64, 64), **training))
cnn = scaled(KerasCNNRegressor((32, 32), window_shape=(10, 20), **training))
cnn_sectors = scaled(KerasCNNClassifier((32, 32), window_shape=(10, 20), **training))

# %%
# Shuffled rows against held-out points
# -------------------------------------
# The same models, the same data, the same number of folds. With shuffled rows each test
# row has neighbours of its own record among the training rows, and a test window even
# shares rows with training windows. ``GroupKFold`` leaves whole touch points out.
tasks = {
    "FFNN, position": (ffnn, X, position, point),
    "CNN, position": (cnn, windows, window_position, window_point),
    "FFNN, sector": (ffnn_sectors, X, sector, point),
    "CNN, sector": (cnn_sectors, windows, window_sector, window_point),
}
scores = {}
for task, (model, data, target, groups) in tasks.items():
    metric = "neg_root_mean_squared_error" if "position" in task else "accuracy"
    how = {"scoring": metric}
    shuffled = cross_val_score(
        model, data, target, cv=KFold(5, shuffle=True, random_state=0), **how
    )
    held_out = cross_val_score(
        model,
        data,
        target,
        groups=groups,
        cv=GroupKFold(5, shuffle=True, random_state=0),
        **how,
    )
    scores[task] = np.abs([shuffled, held_out])
    unit = "mm RMSE" if "position" in task else "accuracy"
    print(
        f"{task:14s}  shuffled {scores[task][0].mean():6.3f}   "
        f"held out {scores[task][1].mean():6.3f}   {unit}"
    )

# %%
# Each small dot is a fold, each large one a mean. On shuffled rows the convolutional
# network seems to measure within a few millimetres, and to be by far the better of the
# two: it is better at recognising records. At points that it was not trained on,
# nothing is left of that.
orange, blue = "#d55e00", "#0072b2"
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
for ax, what, label, digits in [
    (axes[0], "position", "error of the position (RMSE, mm)", 1),
    (axes[1], "sector", "accuracy of the sector", 3),
]:
    rows = [task for task in tasks if task.endswith(what)]
    for y, task in enumerate(rows):
        shuffled, held_out = scores[task]
        ax.plot([shuffled.mean(), held_out.mean()], [y, y], color="0.8", lw=6, zorder=1)
        for values, color, name in [
            (shuffled, orange, "rows shuffled"),
            (held_out, blue, "touch points left out"),
        ]:
            ax.plot(values, np.full(5, y), "o", color=color, alpha=0.5, ms=5)
            ax.plot(values.mean(), y, "o", color=color, ms=11, label=name)
            ax.annotate(
                f"{values.mean():.{digits}f}",
                (values.mean(), y),
                (0, 11),
                textcoords="offset points",
                ha="center",
                color=color,
            )
    ax.set(xlabel=label, ylim=(len(rows) - 0.6, -0.6))
    ax.set_yticks(range(len(rows)), [task.split(",")[0] for task in rows])
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_xlim(left=0)
handles, labels = axes[0].get_legend_handles_labels()
figure.legend(handles[:2], labels[:2], loc="outside upper center", ncols=2)
plt.show()

# %%
# The same on the plate
# ---------------------
# Every row is predicted by a network that was not trained on it. On the right it was
# not trained on any row of that point: 120 networks, each with one point left out.
# Lines lead from the true points to the mean of their predictions; the shaded areas are
# the sectors.
by_row = cross_val_predict(ffnn, X, position, cv=KFold(5, shuffle=True, random_state=0))
by_point = cross_val_predict(ffnn, X, position, groups=point, cv=LeaveOneGroupOut())

edge = 135
grid = np.linspace(-edge, edge, 500)
area = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
area = sector_labels(area).reshape(500, 500)
centres = {1: (1, 1), 2: (1, 0), 3: (1, -1), 4: (0, -1)}
centres |= {k + 4: (-x, -y) for k, (x, y) in centres.items()}
figure, axes = plt.subplots(
    1, 2, figsize=(10, 5.4), sharex=True, sharey=True, layout="constrained"
)
for ax, predicted, color, name in [
    (axes[0], by_row, orange, "rows shuffled"),
    (axes[1], by_point, blue, "touch point left out"),
]:
    ax.imshow(
        area % 2,
        extent=[-edge, edge, -edge, edge],
        origin="lower",
        cmap="Greys",
        vmax=9,
    )
    ax.plot(*predicted.T, ".", color=color, ms=2, alpha=0.25)
    for key in np.unique(point):
        true, mean = position[point == key].mean(), predicted[point == key].mean(axis=0)
        ax.plot(*zip(true, mean, strict=True), color="k", lw=1)
        ax.plot(*true, "k+", ms=5)
    for number, (x, y) in centres.items():
        ax.text(120 * x, 120 * y, number, ha="center", va="center", color="0.3")
    error = root_mean_squared_error(position, predicted)
    ax.set(
        title=f"{name}: RMSE {error:.1f} mm, R² {r2_score(position, predicted):.3f}",
        xlabel="x (mm)",
        xlim=(-edge, edge),
        ylim=(-edge, edge),
    )
axes[0].set_ylabel("y (mm)")
plt.show()

# %%
# Grid against Bayesian search
# ----------------------------
# A fifth of the touch points is kept for the end. The search sees the others, and its
# folds leave points out as well: scored on shuffled rows, it would pick what remembers
# best. Both searches have sixteen candidates. The grid tries four widths with four
# learning rates; the Gaussian process draws ten candidates at random, and then where it
# expects an improvement.
rest, last = next(
    GroupShuffleSplit(1, test_size=0.2, random_state=0).split(X, position, point)
)
X_rest, position_rest, point_rest = X.iloc[rest], position.iloc[rest], point[rest]
how = {"scoring": "neg_root_mean_squared_error", "cv": GroupKFold(3)}
grid_search = GridSearchCV(
    ffnn,
    {
        "regressor__kerasffnnregressor__hidden_layer_sizes": [
            (width, width) for width in (32, 64, 96, 128)
        ],
        "regressor__kerasffnnregressor__learning_rate": [1e-4, 1e-3, 1e-2, 1e-1],
    },
    **how,
).fit(X_rest, position_rest, groups=point_rest)


def space(trial):
    """Draw a width and a learning rate."""
    width = trial.suggest_int("width", 32, 128, step=32)
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    return {
        "regressor__kerasffnnregressor__hidden_layer_sizes": (width, width),
        "regressor__kerasffnnregressor__learning_rate": rate,
    }


search = OptunaSearchCV(
    ffnn, space, n_iter=16, sampler="gp", random_state=2, **how
).fit(X_rest, position_rest, groups=point_rest)

for name, found in [("grid", grid_search), ("Bayesian", search)]:
    error = root_mean_squared_error(position.iloc[last], found.predict(X.iloc[last]))
    print(
        f"{name:8s}  best of the search {-found.best_score_:5.2f} mm   "
        f"points kept for the end {error:5.2f} mm"
    )

# %%
# Both do about equally well: there are only two parameters, and the grid happens to
# have a good learning rate. Differences of tenths of a millimetre are noise, as the
# points are few. Nor are six candidates many for the Gaussian process to show what it
# has learnt: with another ``random_state`` the best may be among the first ten.
#
# ``study_`` is an Optuna study, so that Optuna's own plots draw it. Scores are the
# negative error: higher is better. The worst lie below the axis.
ax = optuna_plots.plot_optimization_history(search.study_)
ax.axhline(grid_search.best_score_, color="k", ls="--", label="best of the grid")
ax.axvspan(-0.5, 9.5, color="w", alpha=0.4, zorder=0, label="drawn at random")
ax.set(
    title="Bayesian search",
    ylabel="negative RMSE (mm)",
    xlim=(-0.5, 15.5),
    ylim=(-16, None),
)
ax.legend(loc="lower right")
plt.show()

# %%
# The best parameters go to a JSON file, and from there into another estimator.
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "best.json")
    save_params(search.best_params_, path)
    print(path.read_text())
    ffnn.set_params(**load_params(path, ffnn))
