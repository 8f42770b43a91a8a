"""OptunaSearchCV against keras-tuner's BayesianOptimization.

Run on its own::

    python examples/benchmarks/bench_tuning.py --seeds 0 1 2

Both search the space that `search_space` gives for `KerasFFNNRegressor`, on simulated
touches of a plate, with the same number of fits and epochs. The objective is the mean
squared error, of targets of variance one, on the same touch points, all rows of which
are held out; of the last epoch, as keras-tuner's choice of the best epoch would flatter
it. As a search picks its luckiest fit, the best setting of each is then trained anew
with other seeds, by `KerasFFNNRegressor`; their standard deviation is the noise.

Every search has a process of its own. Imports are not timed.
"""

import argparse
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

N_THREADS = 2
for name in (
    "OMP_NUM_THREADS",
    "TF_NUM_INTRAOP_THREADS",
    "TF_NUM_INTEROP_THREADS",
):
    os.environ[name] = str(N_THREADS)
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import numpy as np
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GroupShuffleSplit, PredefinedSplit
from sklearn.preprocessing import StandardScaler

from skestimators.datasets import make_force_torque
from skestimators.model_selection import OptunaSearchCV, search_space
from skestimators.neural_network import KerasFFNNRegressor


def touches():
    """Return scaled X and y, and True for the rows that are held out."""
    bunch = make_force_torque(20, random_state=0)
    split = GroupShuffleSplit(1, test_size=0.2, random_state=0)
    train, held_out = next(split.split(bunch.data, groups=bunch.groups))
    X, y = (
        StandardScaler().fit(table.iloc[train]).transform(table).astype(np.float32)
        for table in (bunch.data, bunch.target)
    )
    return X, y, np.isin(np.arange(len(X)), held_out)


def network(max_epochs, seed, **params):
    return KerasFFNNRegressor(
        **params, max_epochs=max_epochs, early_stopping=False, random_state=seed
    )


def with_optuna(sampler, args, seed):
    """Return the best setting of OptunaSearchCV and its error."""
    X, y, held_out = touches()
    estimator = network(args.epochs, seed)
    if sampler == "gp5":

        def sampler(seed):
            from optuna.samplers import GPSampler

            return GPSampler(seed=seed, n_startup_trials=5)

    search = OptunaSearchCV(
        estimator,
        search_space(estimator),
        n_iter=args.trials,
        sampler=sampler,
        scoring="neg_mean_squared_error",
        cv=PredefinedSplit(np.where(held_out, 0, -1)),
        refit=False,
        error_score="raise",
        random_state=seed,
    ).fit(X, y)
    return search.best_params_, -search.best_score_


def hyper_model(n_epochs):
    """Return the same space as keras-tuner knows it."""
    import keras
    import keras_tuner

    class FFNN(keras_tuner.HyperModel):
        def build(self, hp):
            activation = hp.Choice("activation", ["relu", "tanh"])
            dropout = hp.Choice("dropout", [0.0, 0.2])
            hp.Choice("batch_size", [16, 32, 64])
            widths = [20]
            for i in range(1, hp.Int("count", 1, 5) + 1):
                with hp.conditional_scope("count", list(range(i, 6))):
                    widths.append(hp.Int(f"units_{i}", 32, 512, step=32))
            network = keras.Sequential([keras.layers.Input((20,))])
            for width in widths:
                network.add(keras.layers.Dense(width, activation=activation))
                if dropout:
                    network.add(keras.layers.Dropout(dropout))
            network.add(keras.layers.Dense(2))
            rate = hp.Float("learning_rate", 1e-4, 1e-2, sampling="log")
            network.compile(optimizer=keras.optimizers.Adam(rate), loss="mse")
            return network

        def fit(self, hp, model, *args, **kwargs):
            history = model.fit(
                *args, **kwargs, batch_size=hp.get("batch_size"), epochs=n_epochs
            )
            return {"val_loss": history.history["val_loss"][-1]}

    return FFNN()


def with_keras_tuner(name, args, seed):
    """Return the best setting of BayesianOptimization and its error.

    By default it would draw 30 settings of this space at random before its model is
    asked; "keras-tuner5" draws 5.
    """
    import keras
    import keras_tuner

    X, y, held_out = touches()
    keras.utils.set_random_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        tuner = keras_tuner.BayesianOptimization(
            hyper_model(args.epochs),
            objective=keras_tuner.Objective("val_loss", "min"),
            max_trials=args.trials,
            num_initial_points=5 if name.endswith("5") else None,
            seed=seed,
            directory=folder,
        )
        tuner.search(
            X[~held_out],
            y[~held_out],
            validation_data=(X[held_out], y[held_out]),
            verbose=0,
        )
        (best,) = tuner.oracle.get_best_trials(1)
    found = best.hyperparameters.values
    widths = [found[f"units_{i}"] for i in range(1, found["count"] + 1)]
    names = ("activation", "dropout", "batch_size", "learning_rate")
    params = {name: found[name] for name in names}
    return {"hidden_layer_sizes": (20, *widths), **params}, best.score


def again(params, args, seed):
    """Return the errors of a setting with seeds that no search has used."""
    X, y, held_out = touches()
    seeds = 1000 + args.refits * seed + np.arange(args.refits)
    errors = []
    for other in seeds:
        ffnn = network(args.epochs, int(other), **params)
        ffnn.fit(X[~held_out], y[~held_out])
        errors.append(mean_squared_error(y[held_out], ffnn.predict(X[held_out])))
    return errors


def warm_up():
    import keras_tuner  # noqa: F401
    import optuna  # noqa: F401
    import scikeras.wrappers  # noqa: F401


def run(search, sampler, args, seed):
    start = time.perf_counter()
    params, error = search(sampler, args, seed)
    elapsed = time.perf_counter() - start
    return params, error, elapsed, again(params, args, seed)


def in_a_process(*task):
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        process.submit(warm_up).result()
        return process.submit(run, *task).result()


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    contenders = dict.fromkeys(("tpe", "gp", "gp5"), with_optuna)
    contenders |= dict.fromkeys(("keras-tuner", "keras-tuner5"), with_keras_tuner)
    parser.add_argument("--only", nargs="+", choices=contenders, default=contenders)
    parser.add_argument("--trials", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--refits", type=int, default=3)
    args = parser.parse_args()
    X, _, held_out = touches()
    print(
        f"{len(X)} rows, {held_out.sum()} of them held out; {args.trials} fits of "
        f"{args.epochs} epochs; {N_THREADS} threads, load {os.getloadavg()[0]:.2f}"
    )
    print(
        f"{'':>12} {'seed':>4} {'seconds':>8} {'error':>8} {'again':>8} {'sd':>8}  "
        "best setting"
    )
    for seed in args.seeds:
        for name in args.only:
            task = contenders[name], name, args, seed
            params, error, seconds, errors = in_a_process(*task)
            setting = " ".join(
                f"{value:.2g}" if isinstance(value, float) else str(value)
                for _, value in sorted(params.items())
            )
            print(
                f"{name:>12} {seed:>4} {seconds:8.1f} {error:8.4f} "
                f"{np.mean(errors):8.4f} {np.std(errors, ddof=1):8.4f}  {setting}",
                flush=True,
            )


if __name__ == "__main__":
    main()
