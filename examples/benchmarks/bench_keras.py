"""Keras estimators: speed of training, of a grid search, and memory over many fits.

Run on its own, for instance::

    python examples/benchmarks/bench_keras.py --part speed

Parts: `speed` (seconds per epoch and overhead of a fit, against keras, a loop in torch
and skorch), `search` (a small grid search, against scikeras), `memory` (what a process
occupies after many fits, against keras).

Every contender has a process of its own, as the threads of TensorFlow and torch would
be in each other's way; in `speed` they take turns, fit by fit. Imports are not timed.
"""

import argparse
import os
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
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
import psutil
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV

from skestimators.neural_network import KerasFFNNRegressor

HIDDEN = (20, 224, 192, 96)
BATCH_SIZE = 64
LEARNING_RATE = 1e-3


def simulated(n_samples, n_features=20, n_targets=3, seed=0):
    """Smooth targets with a little noise, of mean zero and variance one."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    hidden = np.tanh(X @ rng.normal(size=(n_features, 40)) / 4)
    Y = hidden @ rng.normal(size=(40, n_targets))
    Y = (Y - Y.mean(axis=0)) / Y.std(axis=0) + 0.1 * rng.normal(size=Y.shape)
    return X.astype(np.float32), Y.astype(np.float32)


def process():
    """Return a process that runs what is submitted to it, one after another."""
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"))


def print_title(text):
    load = os.getloadavg()[0]
    print(f"\n{text}; {N_THREADS} threads, load {load:.2f}", flush=True)


# Speed: each contender fits, and returns the times at which epochs ended, and what it
# predicts for its training rows.


def keras_clock(stamps):
    import keras

    return keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: stamps.append(time.perf_counter())
    )


def ours(X, Y, seed, n_epochs, hidden=HIDDEN, dropout=0.0):
    stamps = []
    ffnn = KerasFFNNRegressor(
        hidden,
        dropout=dropout,
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        max_epochs=n_epochs,
        early_stopping=False,
        keras_callbacks=[keras_clock(stamps)],
        random_state=seed,
    )
    ffnn.fit(X, Y)
    return stamps, ffnn.predict(X)


def keras_network(hidden=HIDDEN, dropout=0.0, learning_rate=LEARNING_RATE):
    import keras

    network = keras.Sequential([keras.layers.Input((20,))])
    for width in hidden:
        network.add(keras.layers.Dense(width, activation="relu"))
        if dropout:
            network.add(keras.layers.Dropout(dropout))
    network.add(keras.layers.Dense(3))
    network.compile(optimizer=keras.optimizers.Adam(learning_rate), loss="mse")
    return network


def plain_keras(X, Y, seed, n_epochs, hidden=HIDDEN, dropout=0.0):
    import keras

    keras.utils.set_random_seed(seed)
    stamps, network = [], keras_network(hidden, dropout)
    network.fit(
        X,
        Y,
        batch_size=BATCH_SIZE,
        epochs=n_epochs,
        verbose=0,
        callbacks=[keras_clock(stamps)],
    )
    return stamps, network.predict(X, verbose=0)


def torch_network(seed):
    import torch
    from torch import nn

    torch.set_num_threads(N_THREADS)
    torch.manual_seed(seed)
    widths = (20, *HIDDEN, 3)
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
        # As keras does it, for losses that can be compared.
        nn.init.xavier_uniform_(layers[-2].weight)
        nn.init.zeros_(layers[-2].bias)
    return nn.Sequential(*layers[:-1])


def torch_loop(X, Y, seed, n_epochs):
    import torch

    network = torch_network(seed)
    X, Y = torch.from_numpy(X), torch.from_numpy(Y)
    adam = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    stamps = []
    for _ in range(n_epochs):
        for rows in torch.randperm(len(X)).split(BATCH_SIZE):
            adam.zero_grad()
            loss = torch.nn.functional.mse_loss(network(X[rows]), Y[rows])
            loss.backward()
            adam.step()
        stamps.append(time.perf_counter())
    with torch.no_grad():
        return stamps, network(X).numpy()


def skorch_regressor(X, Y, seed, n_epochs):
    import skorch
    import torch

    class Clock(skorch.callbacks.Callback):
        def on_epoch_end(self, net, **kwargs):
            stamps.append(time.perf_counter())

    stamps = []
    net = skorch.NeuralNetRegressor(
        torch_network(seed),
        optimizer=torch.optim.Adam,
        lr=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        max_epochs=n_epochs,
        iterator_train__shuffle=True,
        train_split=None,
        callbacks=[Clock()],
        verbose=0,
    )
    net.fit(X, Y)
    return stamps, net.predict(X)


MODULES = {
    ours: ("tensorflow", "scikeras.wrappers"),
    plain_keras: ("tensorflow", "keras"),
    torch_loop: ("torch",),
    skorch_regressor: ("torch", "skorch.callbacks"),
}


def warm_up(modules):
    for module in modules:
        __import__(module)


def timed_fit(contender, seed, n_epochs):
    """Return seconds per epoch after the first, overhead of the fit, and its loss."""
    X, Y = simulated(20_000)
    start = time.perf_counter()
    stamps, prediction = contender(X, Y, seed, n_epochs)
    epoch = np.median(np.diff(stamps))
    overhead = stamps[0] - start - epoch
    return epoch, overhead, mean_squared_error(Y, prediction)


def bench_speed(args):
    """Seconds per epoch, interleaved; the loss reached; the overhead of a fit."""
    print_title(
        f"speed: 20000 x 20, 3 targets, hidden {HIDDEN}, batches of {BATCH_SIZE}, "
        f"{args.epochs} epochs, {args.rounds} rounds"
    )
    processes = {contender: process() for contender in MODULES}
    for contender, modules in MODULES.items():
        processes[contender].submit(warm_up, modules).result()
    found = {contender: [] for contender in MODULES}
    for seed in range(args.rounds):
        for contender, worker in processes.items():
            fit = worker.submit(timed_fit, contender, seed, args.epochs)
            found[contender].append(fit.result())
    for worker in processes.values():
        worker.shutdown()
    print(
        f"{'':>17} {'s/epoch':>8} {'fastest':>8} {'ratio':>6} {'loss':>8} {'sd':>8} "
        f"{'first fit +':>12} {'later fits +':>12}"
    )
    base = np.median([epoch for epoch, _, _ in found[ours]])
    for contender, fits in found.items():
        epochs, overheads, losses = np.transpose(fits)
        print(
            f"{contender.__name__:>17} {np.median(epochs):8.3f} {epochs.min():8.3f} "
            f"{np.median(epochs) / base:6.2f} {losses.mean():8.5f} {losses.std():8.5f} "
            f"{overheads[0]:10.2f} s {np.median(overheads[1:]):10.2f} s"
        )


# Search.

GRIDS = {
    "learning rates": {"learning_rate": [3e-4, 1e-3, 3e-3]},
    "layers": {"hidden": [(20, 64), (20, 224, 192, 96), (20, 128, 128)]},
}


def our_search():
    ffnn = KerasFFNNRegressor(
        batch_size=BATCH_SIZE, max_epochs=5, early_stopping=False, random_state=0
    )
    return ffnn, {"hidden": "hidden_layer_sizes", "learning_rate": "learning_rate"}


def scikeras_search():
    from scikeras.wrappers import KerasRegressor

    wrapper = KerasRegressor(
        keras_network,
        hidden=HIDDEN,
        learning_rate=LEARNING_RATE,
        batch_size=BATCH_SIZE,
        epochs=5,
        verbose=0,
        random_state=0,
    )
    return wrapper, {"hidden": "hidden", "learning_rate": "learning_rate"}


def timed_search(contender, grid):
    """Return the seconds of a search and the best score."""
    X, Y = simulated(1000)
    estimator, names = contender()
    grid = {names[name]: values for name, values in GRIDS[grid].items()}
    search = GridSearchCV(estimator, grid, cv=3, error_score="raise")
    start = time.perf_counter()
    search.fit(X, Y)
    return time.perf_counter() - start, search.best_score_


def bench_search(args):
    """Seconds of a grid search in a fresh process."""
    rounds = min(3, args.rounds)
    print_title(f"search: 3 candidates x 3 folds, 1000 rows, 5 epochs, {rounds} rounds")
    print(f"{'':>15} {'candidates':>15} {'seconds':>8} {'ratio':>6} {'best R2':>8}")
    for grid in GRIDS:
        found = {our_search: [], scikeras_search: []}
        for _ in range(rounds):
            for contender, searches in found.items():
                with process() as worker:
                    worker.submit(warm_up, MODULES[ours]).result()
                    search = worker.submit(timed_search, contender, grid)
                    searches.append(search.result())
        base = np.median([seconds for seconds, _ in found[our_search]])
        for contender, searches in found.items():
            seconds, score = np.median(searches, axis=0)
            print(
                f"{contender.__name__:>15} {grid:>15} {seconds:8.2f} "
                f"{seconds / base:6.2f} {score:8.4f}"
            )


# Memory.


def same_layers(i):
    return {}


def with_dropout(i):
    return {"dropout": 0.2}


def other_layers(i):
    """200 architectures and more."""
    return {"hidden": (20, 32 + 8 * (i % 20), 32 + 8 * (i // 20))}


def memory_over_fits(contender, layers, n_fits):
    """Return the resident memory in MiB after each fit and predict, and seconds."""
    X, Y = simulated(1000)
    sizes, start = [], time.perf_counter()
    for i in range(n_fits):
        contender(X, Y, i, 2, **layers(i))
        sizes.append(psutil.Process().memory_info().rss / 2**20)
    return sizes, time.perf_counter() - start


def bench_memory(args):
    """Memory of a process over fits; it should not grow."""
    print_title("memory: fit and predict, 1000 rows, 2 epochs; MiB after so many fits")
    print(
        f"{'':>12} {'':>13} {'fits':>5} {'first':>7} {'1/4':>7} {'1/2':>7} {'3/4':>7} "
        f"{'last':>7} {'peak':>7} {'MiB/fit':>8} {'s/fit':>7}"
    )
    for contender, n_fits in ((ours, args.fits), (plain_keras, args.fits // 5)):
        for layers in (same_layers, with_dropout, other_layers):
            with process() as worker:
                worker.submit(warm_up, MODULES[contender]).result()
                run = worker.submit(memory_over_fits, contender, layers, n_fits)
                sizes, seconds = run.result()
            quarter = n_fits // 4
            shown = [sizes[0], *sizes[quarter - 1 :: quarter]]
            # The first quarter is left out: memory that is reused later.
            growth = (shown[-1] - shown[1]) / (n_fits - quarter)
            print(
                f"{contender.__name__:>12} {layers.__name__:>13} {n_fits:>5} "
                + " ".join(f"{size:7.0f}" for size in (*shown, max(sizes)))
                + f" {growth:8.3f} {seconds / n_fits:7.2f}",
                flush=True,
            )


def main():
    parts = {"speed": bench_speed, "search": bench_search, "memory": bench_memory}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--fits", type=int, default=200, help="a multiple of 20")
    args = parser.parse_args()
    for name, part in parts.items():
        if args.part in (name, "all"):
            part(args)


if __name__ == "__main__":
    main()
