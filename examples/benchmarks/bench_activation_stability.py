"""Activation search at ten times the default learning rates, and on large numbers.

Run on its own, for instance::

    python examples/benchmarks/bench_activation_stability.py --data cifar10_subset.npz

After each of 500 steps in the `rnn` space with all operations, weights and alphas
are looked at; steps that were rolled back are counted. Without `--data`, images are
random numbers.
"""

import argparse
import math
from pathlib import Path

import torch
from activation_supernet import BATCH_SIZE
from bench_activation import N_THREADS, images, print_title
from sklearn.datasets import make_classification
from skorch.callbacks import Callback

from skestimators import ActivationSearchNet


class Finite(Callback):
    """Counts the steps after which something of the search is not finite."""

    def __init__(self, steps):
        self.steps = steps
        self.n_steps = self.n_bad = 0
        self.largest = 0.0

    def on_batch_end(self, net, training, **kwargs):
        """Look at weights, betas and alphas."""
        largest = max(
            tensor.detach().abs().max().item()
            for tensor in [*net.module_.parameters(), *self.steps.alphas]
        )
        self.n_steps += 1
        self.n_bad += not math.isfinite(largest)
        self.largest = max(self.largest, largest)


class WatchedNet(ActivationSearchNet):
    """The whole estimator, whose search is watched."""

    def _train_network(self, network, batches, *args, callbacks=(), **how):
        for _, steps in callbacks:
            self.finite, self.searched = Finite(steps), (network, steps)
            callbacks = [*callbacks, ("finite", self.finite)]
        return super()._train_network(
            network, batches, *args, callbacks=callbacks, **how
        )


def bench_stress(args):
    """Count parameters that are not finite, and steps that were rolled back."""
    print_title("stress: rnn space, learning_rate=0.25, arch_learning_rate=3e-3")
    print(
        f"{'task':>15} {'seed':>5} {'steps':>6} {'bad':>4} {'bad end':>8} "
        f"{'rolled':>7} {'alphas':>7} {'largest':>8} {'loss':>9} {'score':>6}"
    )
    X, y = make_classification(1280, 20, n_informative=10, n_classes=4, random_state=0)
    tasks = {"images": images(args.data, 1280)}
    for scale in args.scales:
        tasks[f"table x {scale:.0e}"] = X * scale, y
    X = X.copy()
    X[::500] *= 1e30
    tasks["few rows x 1e30"] = X, y
    for name, data in tasks.items():
        for seed in args.seeds:
            net = WatchedNet(
                # Ten steps an epoch.
                search_epochs=args.stress_steps // 10,
                max_epochs=1,
                batch_size=BATCH_SIZE,
                learning_rate=0.25,
                arch_learning_rate=3e-3,
                early_stopping=False,
                device="cpu",
                random_state=seed,
            )
            print(f"{name:>15} {seed:>5} {stress(net, *data)}", flush=True)


def stress(net, X, y):
    """Fit, and describe the search."""
    try:
        net.fit(X, y)
        message = ""
    except ValueError as error:
        message = f" {type(error).__name__}: {error}"
    network, steps = net.searched
    tensors = [*network.parameters(), *steps.alphas]
    bad_end = sum((~tensor.isfinite()).sum().item() for tensor in tensors)
    found = f"{net.finite.n_steps:>6} {net.finite.n_bad:>4} {bad_end:>8} "
    if not message:
        history = net.search_history_
        rolled = (sum(history[n]) for n in ("n_rolled_back", "n_arch_rolled_back"))
        found += "{:>7.0f} {:>7.0f}".format(*rolled)
        found += f" {net.finite.largest:8.1e} {history['train_loss'][-1]:9.2e}"
        found += f" {net.score(X, y):6.3f}"
    return found + message


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="npz file of CIFAR-10 images")
    parser.add_argument("--stress-steps", type=int, default=500)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--scales", type=float, nargs="+", default=[1, 1e4])
    args = parser.parse_args()
    torch.set_num_threads(N_THREADS)
    bench_stress(args)


if __name__ == "__main__":
    main()
