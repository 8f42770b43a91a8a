"""Networks on force and torque: failures of robots, and touches of a plate.

Run on its own, for instance::

    python examples/benchmarks/bench_force_torque.py --part failures --data FOLDER
    python examples/benchmarks/bench_force_torque.py --part simulator --task sector

Parts: `failures` (UCI Robot Execution Failures, files `robot_failures_lp1.data` and
`robot_failures_lp4.data` in `--data`; both networks against a random forest),
`simulator` (touch point and sector from torques of a simulated arm; rows shuffled, as
is common, against touch points held out as a whole; single rows and windows).

Every network is tuned: `OptunaSearchCV` runs inside each outer training part, and no
outer test row is seen by it. Choose `--dataset`, `--models`, `--task`, `--inputs` and
`--split` to run a table in pieces; a piece takes one to four minutes on two cores.
"""

import argparse
import itertools
import os
import time
from pathlib import Path

# One thread in each of the processes that the outer folds are shared among.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import sklearn
from sklearn.base import is_regressor
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import RandomForestClassifier
from sklearn.kernel_approximation import Nystroem
from sklearn.metrics import make_scorer
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    KFold,
    RepeatedStratifiedKFold,
    ShuffleSplit,
    StratifiedKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skestimators.datasets import make_force_torque, read_robot_failures
from skestimators.model_selection import OptunaSearchCV, search_space
from skestimators.neural_network import (
    KerasCNNClassifier,
    KerasCNNRegressor,
    KerasFFNNClassifier,
    KerasFFNNRegressor,
)
from skestimators.preprocessing import make_windows, sector_labels

N_JOBS = 2
STEPS, AXES = 15, 6
WINDOW = 10


def compress(X, scale, changes):
    """Make channels of flattened windows: compressed values, their sizes and changes.

    Forces of a collision are a thousand times those before it, and may have either
    sign.
    """
    signed = np.arcsinh(X.reshape(len(X), STEPS, AXES) / scale)
    channels = [signed, np.abs(signed)]
    if changes:
        channels.append(np.diff(signed, axis=1, prepend=signed[:, :1]))
    return np.concatenate(channels, axis=2).reshape(len(X), -1)


def suggest_channels(trial, changes):
    scale = trial.suggest_categorical("scale", [1.0, 3.0, 10.0])
    return {"channels__kw_args": {"scale": scale, "changes": changes}}


def suggest_cnn(trial):
    """Suggest one of eight networks, as each new one is compiled."""
    n_layers = trial.suggest_int("n_layers", 2, 3)
    activation = trial.suggest_categorical("activation", ["relu", "tanh"])
    return {
        **suggest_channels(trial, trial.suggest_categorical("changes", [False, True])),
        "network__filters": (64,) * n_layers,
        "network__activation": activation,
        "network__learning_rate": trial.suggest_float("rate", 1e-3, 5e-3, log=True),
    }


def suggest_ffnn(trial):
    """Suggest the width of the kernel and a small network on it."""
    return {
        **suggest_channels(trial, False),
        "kernel__gamma": trial.suggest_float("gamma", 1e-3, 2e-2, log=True),
        "network__hidden_layer_sizes": (64,) * trial.suggest_int("n_layers", 1, 2),
        "network__dropout": trial.suggest_categorical("dropout", [0.0, 0.3]),
        "network__learning_rate": trial.suggest_float("rate", 1e-3, 1e-2, log=True),
    }


def failure_models(n_iter):
    """Return the searches, and the forest on raw and on the same features."""
    channels = FunctionTransformer(compress, kw_args={"scale": 3.0, "changes": True})
    # Too few rows to hold any out.
    training = {"early_stopping": False, "batch_size": 16, "random_state": 0}
    cnn = KerasCNNClassifier(
        kernel_size=5,
        dropout=0.25,
        window_shape=(STEPS, -1),
        max_epochs=60,
        **training,
    )
    steps = {
        "CNN": [("network", cnn)],
        "FFNN": [
            ("kernel", Nystroem(n_components=40, random_state=0)),
            ("network", KerasFFNNClassifier(max_epochs=100, **training)),
        ],
    }
    models = {
        name: OptunaSearchCV(
            Pipeline([("channels", channels), ("scaler", StandardScaler()), *rest]),
            suggest_cnn if name == "CNN" else suggest_ffnn,
            n_iter=n_iter,
            cv=StratifiedKFold(3, shuffle=True, random_state=1),
            random_state=0,
            error_score="raise",
        )
        for name, rest in steps.items()
    }
    forest = RandomForestClassifier(500, random_state=0)
    models["forest, raw"] = forest
    models["forest, same channels"] = make_pipeline(channels, forest)
    return models


def bench_failures(args):
    """Accuracy of five times stratified 5-fold cross-validation."""
    if args.data is None:
        raise SystemExit("--part failures needs --data, the folder of the UCI files.")
    cv = RepeatedStratifiedKFold(n_splits=5, n_repeats=5, random_state=0)
    for dataset in args.dataset:
        X, y = read_robot_failures(args.data / f"robot_failures_{dataset}.data")
        print(
            f"\n{dataset}: {len(X)} windows of {STEPS} x {AXES}, "
            f"{len(np.unique(y))} classes; 5 x stratified 5-fold, networks tuned "
            f"inside each outer training part ({args.trials} trials, stratified 3-fold)"
        )
        print(f"{'':>22} accuracy  se, 25 folds  se, 5 repeats  seconds")
        for name, model in failure_models(args.trials).items():
            if name.partition(",")[0].lower() not in args.models:
                continue
            start = time.perf_counter()
            scores = cross_val_score(
                model, X.reshape(len(X), -1), y, cv=cv, n_jobs=N_JOBS
            )
            repeats = scores.reshape(5, 5).mean(axis=1)
            print(
                f"{name:>22} {scores.mean():8.4f} {standard_error(scores):13.4f} "
                f"{standard_error(repeats):14.4f} {time.perf_counter() - start:8.0f}",
                flush=True,
            )


def standard_error(values):
    return np.std(values, ddof=1) / np.sqrt(len(values))


def position_sector_accuracy(y_true, y_pred):
    """Return how often predicted positions lie in the sector touched."""
    off_centre = np.any(y_true != 0, axis=1)
    sectors = [sector_labels(y[off_centre], origin=0) for y in (y_true, y_pred)]
    return np.mean(sectors[0] == sectors[1])


def touches(args, task, inputs):
    """Return rows or flattened windows, touch points in mm or sectors, and groups."""
    data = make_force_torque(args.rows_per_point, random_state=0)
    X, y, groups = data.data.to_numpy(np.float32), data.target.to_numpy(), data.groups
    if inputs == "windows":
        X, y, groups = make_windows(X, y, groups, window_size=WINDOW, stride=3)
        X = X.reshape(len(X), -1)
    if task == "sector":
        kept = np.any(y != 0, axis=1)
        X, y, groups = X[kept], sector_labels(y[kept]), groups[kept]
    return X, y, groups


def simulator_network(task, model):
    """Return a network for positions or sectors, to be tuned."""
    training = {"max_epochs": 60, "n_iter_no_change": 8, "random_state": 0}
    match task, model:
        case "position", "ffnn":
            return KerasFFNNRegressor(**training)
        case "position", "cnn":
            return KerasCNNRegressor(window_shape=(WINDOW, -1), **training)
        case "sector", "ffnn":
            return KerasFFNNClassifier(**training)
        case "sector", "cnn":
            return KerasCNNClassifier(window_shape=(WINDOW, -1), **training)


def simulator_search(network, n_trials, *, held_out):
    """Return the search over the whole space of a network, on one inner split."""
    if held_out:
        network.set_fit_request(groups=True)
    scoring = "accuracy"
    if is_regressor(network):
        scoring = "r2"
        network = TransformedTargetRegressor(network, transformer=StandardScaler())
    pipeline = make_pipeline(StandardScaler(), network)
    splitter = GroupShuffleSplit if held_out else ShuffleSplit
    return OptunaSearchCV(
        pipeline,
        search_space(pipeline),
        n_iter=n_trials,
        scoring=scoring,
        cv=splitter(1, test_size=0.2, random_state=0),
        random_state=0,
        error_score="raise",
    )


def score_simulator(args, data, task, model, *, held_out):
    """Cross-validate a search; return its scores by name."""
    X, y, groups = data
    scoring = {"sector": "accuracy"}
    if task == "position":
        scoring = {"R2": "r2", "sector": make_scorer(position_sector_accuracy)}
    splitter = GroupKFold if held_out else KFold
    return cross_validate(
        simulator_search(
            simulator_network(task, model), args.trials, held_out=held_out
        ),
        X,
        y,
        params={"groups": groups} if held_out else None,
        cv=splitter(args.folds, shuffle=True, random_state=0),
        scoring=scoring,
        n_jobs=N_JOBS,
        error_score="raise",
    )


def bench_simulator(args):
    """Score tuned networks on shuffled rows and on held-out touch points."""
    print(
        f"\n121 touch points of {args.rows_per_point} rows; mean and (standard "
        f"deviation) over {args.folds} folds, networks tuned inside each outer\n"
        f"training part ({args.trials} trials, one inner split of the same kind). The "
        f"sector of a position network is that of its prediction."
    )
    print(
        "  network of  from    split                     R2           sector  seconds"
    )
    cases = itertools.product(args.task, args.inputs, args.models, args.split)
    for task, inputs, model, split in cases:
        if model == "forest" or (model, inputs) == ("cnn", "rows"):
            continue
        data = touches(args, task, inputs)
        start = time.perf_counter()
        found = score_simulator(args, data, task, model, held_out=split == "held-out")
        cells = [
            f"{np.mean(found[name]):.4f} ({np.std(found[name]):.4f})"
            if name in found
            else "-"
            for name in ("test_R2", "test_sector")
        ]
        print(
            f"{model.upper():>4} {task:8} {inputs:7} {split:8} {cells[0]:>18} "
            f"{cells[1]:>16} {time.perf_counter() - start:8.0f}",
            flush=True,
        )


def main():
    parts = {"failures": bench_failures, "simulator": bench_simulator}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])

    def some_of(name, *choices):
        parser.add_argument(name, nargs="+", choices=choices, default=choices)

    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--data", type=Path, help="folder of the UCI files")
    some_of("--dataset", "lp1", "lp4")
    some_of("--models", "ffnn", "cnn", "forest")
    some_of("--task", "position", "sector")
    some_of("--inputs", "rows", "windows")
    some_of("--split", "shuffled", "held-out")
    parser.add_argument("--trials", type=int, default=8)
    parser.add_argument("--rows-per-point", type=int, default=50)
    parser.add_argument("--folds", type=int, default=5)
    args = parser.parse_args()
    with sklearn.config_context(enable_metadata_routing=True):
        for name, part in parts.items():
            if args.part in (name, "all"):
                part(args)


if __name__ == "__main__":
    main()
