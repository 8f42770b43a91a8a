"""Activation search: does it find what is there, and is it worth it?

Run on its own, for instance::

    python examples/benchmarks/bench_activation_quality.py --part cifar --data folder

Parts: `teacher` (labels made by a network whose activation is known: how often the
search finds it) and `cifar` (accuracy on the CIFAR-10 subset, of the activation found
and of others that were trained with the same budget and seeds).

The folder holds cifar10_subset.npz: uint8 images `X_train`, `X_test` of 32 x 32 x 3 and
labels `y_train`, `y_test`. The test images serve in no choice.
"""

import argparse
import os
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "2")

import numpy as np
import torch

from skestimators import ActivationSearchNet, BinaryEdge, UnaryEdge

# Functions that a network can tell apart, one for each kind of shape.
REDUCED = ("identity", "relu", "tanh", "abs", "square", "sin", "gaussian", "sigmoid")
SPACES = {
    "8 operations": UnaryEdge(operations=REDUCED),
    "27 operations": UnaryEdge(),
}
SEARCHES = [("8 operations", 1), ("8 operations", 8), ("27 operations", 1)]
TEACHERS = {
    "sin": torch.sin,
    "abs": torch.abs,
    "square": torch.square,
    "gaussian": lambda x: torch.exp(-x * x),
    "tanh": torch.tanh,
    "relu": torch.relu,
}


def print_title(text):
    load = os.getloadavg()[0]
    print(f"\n{text}; {torch.get_num_threads()} threads, load {load:.2f}", flush=True)


# Teacher.


def teacher_data(activation, seed, n_samples=8000, n_features=4, n_hidden=8):
    """Return features, and the winner of three outputs of a random network."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_samples, n_features))
    hidden = X @ rng.normal(scale=1.2, size=(n_features, n_hidden))
    hidden += rng.normal(scale=0.5, size=n_hidden)
    outputs = activation(torch.from_numpy(hidden)).numpy()
    outputs = outputs @ rng.normal(size=(n_hidden, 3))
    return X, ((outputs - outputs.mean(0)) / outputs.std(0)).argmax(1)


def correlation(net, activation):
    """Correlate the activation found with the teacher's, on what it is fed with."""
    inputs = torch.from_numpy(net.activation_inputs_)
    with torch.no_grad():
        found = net.activation_(inputs).numpy()
    if found.std() < 1e-6:
        return 0.0
    return abs(np.corrcoef(found, activation(inputs).numpy())[0, 1])


def bench_teacher(args):
    """Search on the labels of each teacher, and count how often it is found."""
    print_title("teacher: network of 8 hidden units, 8,000 rows, 20 epochs of search")
    for name in args.teachers:
        activation = TEACHERS[name]
        for space_name, n_candidates in SEARCHES:
            start = time.perf_counter()
            found = []
            for seed in args.seeds:
                net = ActivationSearchNet(
                    SPACES[space_name],
                    hidden_layer_sizes=(8,),
                    search_epochs=20,
                    arch_learning_rate=0.01,
                    n_candidates=n_candidates,
                    random_state=seed,
                ).fit(*teacher_data(activation, seed))
                found.append((net.expression_, correlation(net, activation)))
            n_found = sum(r >= 0.99 for _, r in found)
            seconds = (time.perf_counter() - start) / len(found)
            print(
                f"{name:>8}, {space_name}, {n_candidates} candidate(s): found "
                f"{n_found} of {len(found)}; {seconds:.1f} s a fit; "
                + ", ".join(f"{e} ({r:.3f})" for e, r in found),
                flush=True,
            )


# CIFAR-10.


def bench_cifar(args):
    """Search on the training images, and score on the test images, for each seed."""
    if args.data is None:
        raise SystemExit("This part needs --data.")
    data = np.load(args.data / "cifar10_subset.npz")
    X, y, X_test, y_test = (
        data[name] for name in ("X_train", "y_train", "X_test", "y_test")
    )
    print_title(f"cifar: {len(X)} training and {len(X_test)} test images")
    others = {name: UnaryEdge(operations=(name,)) for name in args.baselines}
    scores = {}
    for seed in args.seeds:
        for name, space in {"found": args.space, "random": None, **others}.items():
            start = time.perf_counter()
            space = random_cell(seed) if space is None else space
            net = ActivationSearchNet(
                space,
                arch_learning_rate=args.arch_learning_rate,
                n_candidates=args.n_candidates,
                random_state=seed,
            ).fit(X, y)
            score = net.score(X_test, y_test)
            gap = [
                f"{name} {net.discretization_[name]:.3f}"
                for name in net.discretization_
            ]
            scores.setdefault(name, []).append(score)
            print(
                f"seed {seed} {name:>7} {score:.3f} {net.n_iter_:>3} epochs "
                f"{time.perf_counter() - start:6.1f} s  {net.expression_}; held out: "
                f"{', '.join(gap)}",
                flush=True,
            )
    print(f"{'':>8} {'mean':>7} {'s.e.':>7}   against relu, same seeds")
    for name, values in scores.items():
        gain = np.subtract(values, scores["relu"])
        print(
            f"{name:>8} {np.mean(values):7.4f} {standard_error(values):7.4f} "
            f"{gain.mean():+9.4f} +- {standard_error(gain):.4f}"
        )


def random_cell(seed):
    """Draw a composition of the `"rnn"` space."""
    rng = np.random.default_rng(seed)
    unary, binary = (
        UnaryEdge().operation_names(),
        BinaryEdge("x", "x").operation_names(),
    )

    def draw_unary(given="x"):
        return UnaryEdge(given, (str(rng.choice(unary)),))

    def draw_binary(left, right):
        return BinaryEdge(left, right, (str(rng.choice(binary)),))

    inner = draw_binary(draw_unary(), draw_unary())
    return draw_binary(draw_unary(), draw_unary(inner))


def standard_error(values):
    return np.std(values, ddof=1) / np.sqrt(len(values))


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", choices=("teacher", "cifar"), required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+")
    parser.add_argument("--teachers", nargs="+", default=list(TEACHERS))
    parser.add_argument("--space", default="rnn")
    parser.add_argument("--arch-learning-rate", type=float, default=3e-4)
    parser.add_argument("--n-candidates", type=int, default=8)
    parser.add_argument(
        "--baselines", nargs="+", default=["relu", "silu", "gelu", "tanh"]
    )
    args = parser.parse_args()
    args.seeds = args.seeds or list(range({"teacher": 5, "cifar": 3}[args.part]))
    {"teacher": bench_teacher, "cifar": bench_cifar}[args.part](args)


if __name__ == "__main__":
    main()
