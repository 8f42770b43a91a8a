"""Activation search: step time, equal alphas, and memory.

Run on its own, for instance::

    python examples/benchmarks/bench_activation.py --part step --data cifar10_subset.npz

Parts: `step` (milliseconds of a search step, and whether the alphas come out the same,
against the straightforward supernet), `memory` (of a step, likewise).

A search step is one for the alphas and one for the weights, in the `rnn` space with all
operations, on 64 images of 3 x 32 x 32 each. Without `--data`, images are random
numbers. In the straightforward supernet every operation is a module, which each edge
calls on its own; the outputs are stacked, weighted and summed.
"""

import argparse
import json
import os
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory

N_THREADS = 2
os.environ["OMP_NUM_THREADS"] = str(N_THREADS)

import numpy as np
import psutil
import torch
from activation_supernet import BATCH_SIZE, UNARY, Straightforward, as_tensors

from skestimators import ActivationSearchNet, BinaryEdge, UnaryEdge


def print_title(text):
    load = os.getloadavg()[0]
    print(f"\n{text}; {N_THREADS} threads, load {load:.2f}", flush=True)


def images(path, n_images):
    """Return images of uint8 and labels, in random order."""
    rng = np.random.default_rng(0)
    if path is not None:
        with np.load(path) as data:
            rows = rng.permutation(len(data["y_train"]))[:n_images]
            return data["X_train"][rows], data["y_train"][rows]
    y = rng.integers(10, size=n_images)
    prototypes = rng.integers(256, size=(10, 32, 32, 3))
    noise = rng.integers(256, size=(n_images, 32, 32, 3))
    return ((prototypes[y] + 3 * noise) // 4).astype(np.uint8), y


# Ours.


class SearchEnded(Exception):
    """Ends `fit` where the search does."""


class Search(ActivationSearchNet):
    """The search of `fit` and no more, which shows what it is made of."""

    def run(self, X, y, prepare):
        """Search, after `prepare` was called, and return the network and steps."""
        self.prepare = prepare
        with suppress(SearchEnded):
            self.fit(X, y)
        return self.searched

    def _train_network(self, network, batches, **how):
        [(_, steps)] = how["callbacks"]
        batches = self.prepare(network, batches, steps) or batches
        super()._train_network(network, batches, **how)
        self.searched = network, steps
        raise SearchEnded


def make_search(n_epochs, *, random_state=0, **parameters):
    return Search(
        search_epochs=n_epochs,
        batch_size=BATCH_SIZE,
        early_stopping=False,
        device="cpu",
        random_state=random_state,
        **parameters,
    )


# Time.


class Turns:
    """After each epoch of the search, lets the others take as many steps.

    A callback of `fit`. All begin with the weights that the search does.
    """

    def __init__(self, data, n_steps, others):
        self.data = as_tensors(*data)
        self.n_steps = n_steps
        self.others = others
        self.seconds = {name: [] for name in ("ours", *others)}

    def prepare(self, network, batches, steps):
        """Make the others."""
        make = partial(Straightforward, network, steps.architecture)
        self.others = {name: make(**how) for name, how in self.others.items()}
        self.start = time.perf_counter()

    def setup(self, estimator, context):
        """Do nothing."""

    teardown = on_fit_task_begin = setup

    def on_fit_task_end(self, estimator, context):
        """Hear of the end of an epoch."""
        if context.task_name != "search epoch":
            return
        self._note("ours")
        for name, other in self.others.items():
            other.take_steps(*self.data, self.n_steps)
            self._note(name)

    def _note(self, name):
        now = time.perf_counter()
        self.seconds[name].append(now - self.start)
        self.start = time.perf_counter()


def bench_time(args):
    """Time epochs of the search, and as many steps of the others, in turn."""
    data = images(args.data, 1920)
    n_steps = len(data[0]) // 2 // BATCH_SIZE
    print_title(f"step: median of {args.rounds} rounds of {n_steps} steps")
    print(f"{'':>29} {'ms/step':>8} {'fastest':>8} {'ratio':>6} {'first round, s':>15}")
    lean = {"the same, gradients as needed": {"lean": True}}
    compiling = {"the same, compiled": {"compiled": True}}
    # What the straightforward one takes to compile is long: it comes last.
    variants = [(False, lean), (True, {}), (True, compiling)]
    for compiled, others in variants:
        others = {"straightforward": {}, **others}
        turns = Turns(data, n_steps, others)
        # The first round is left out: it compiles.
        search = make_search(args.rounds + 1, compile=compiled)
        search.set_callbacks(turns).run(*data, turns.prepare)
        milliseconds = {
            name: 1000 * np.array(seconds[1:]) / n_steps
            for name, seconds in turns.seconds.items()
        }
        base = milliseconds["ours"]
        for name, found in milliseconds.items():
            label = f"{name}, compiled" if compiled and name == "ours" else name
            print(
                f"{label:>29} {np.median(found):8.2f} {found.min():8.2f} "
                f"{np.median(found / base):6.2f} {turns.seconds[name][0]:15.2f}",
                flush=True,
            )


# Equal alphas.

# A step in the slope, where the domain ends, makes much of a rounding error.
STEEP_ENDS = ("sqrt", "log", "acosh")


def without_steep_ends():
    """Return the `rnn` space without these."""
    unary = partial(UnaryEdge, operations=[n for n in UNARY if n not in STEEP_ENDS])
    return BinaryEdge(unary(), unary(BinaryEdge(unary(), unary())))


class Comparison:
    """Takes the same steps with ours and the others, and compares the alphas."""

    def __init__(self, data, n_steps, dtype):
        self.dtype = dtype
        X, y = torch.as_tensor(data[0]), torch.as_tensor(data[1]).long()
        weight = torch.ones(len(y), dtype=dtype)
        order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0))
        self.sides = []
        for side in order.chunk(2):
            rows = side.split(BATCH_SIZE)
            rows = [r for r in rows if len(r) == BATCH_SIZE] * n_steps
            rows = rows[:n_steps]
            self.sides.append([(X[r], (y[r], weight[r])) for r in rows])

    def prepare(self, network, batches, steps):
        """Begin with the same weights, in the dtype, and take the same batches."""
        for tensor in [*network.parameters(), *steps.alphas]:
            tensor.data = tensor.data.to(self.dtype)
        network.register_forward_pre_hook(
            lambda module, inputs: (inputs[0].to(self.dtype) / 255,)
        )
        for group in steps.architecture.groups:
            group.fixed = group.fixed.to(self.dtype)
        self.others = [
            Straightforward(network, steps.architecture, noise=noise)
            for noise in (0, torch.finfo(self.dtype).eps)
        ]
        arch_batches, weight_batches = self.sides
        steps.batches = arch_batches
        return weight_batches

    def straightforward(self):
        """Return the last alphas, and those that perturbed weights lead to."""
        for other in self.others:
            for batches in zip(*self.sides, strict=True):
                arch_batch, weight_batch = (
                    as_tensors(X, y, self.dtype) for X, (y, _) in batches
                )
                other.step(arch_batch, weight_batch)
            yield flat(other.alphas)


def flat(alphas):
    return torch.cat([alpha.detach().double() for alpha in alphas])


def alphas_after(data, args, dtype, seed, **parameters):
    """Return the alphas of ours, compiled, straightforward and straightforward."""
    found = []
    for compiled in (False, True):
        comparison = Comparison(data, args.steps, dtype)
        search = make_search(1, compile=compiled, random_state=seed, **parameters)
        _, steps = search.run(*data, comparison.prepare)
        found.append(flat(steps.alphas))
    return *found, *comparison.straightforward()


def bench_equality(args):
    """Compare alphas after 50 steps, in two precisions and two spaces.

    Two other differences tell how much rounding alone does: from weights that were
    perturbed by the last digit, and between the two precisions, both straightforward.
    """
    data = images(args.data, 1920)
    print_title(f"alphas after {args.steps} steps from the same start: max difference")
    print(
        f"{'space':>22} {'seed':>5} {'dtype':>8} {'ours':>8} {'compiled':>9} "
        f"{'perturbed':>10} {'float64':>8}"
    )
    spaces = {"rnn": "rnn", "no sqrt, log, acosh": without_steep_ends()}
    for name, space in spaces.items():
        for seed in args.seeds:
            double = alphas_after(data, args, torch.float64, seed, search_space=space)
            single = alphas_after(data, args, torch.float32, seed, search_space=space)
            for dtype, (*found, exact, noisy) in zip(
                ("float64", "float32"), (double, single), strict=True
            ):
                ours, compiled, noise, rounding = (
                    (other - exact).abs().max() for other in (*found, noisy, double[2])
                )
                print(
                    f"{name:>22} {seed:>5} {dtype:>8} {ours:8.1e} {compiled:9.1e} "
                    f"{noise:10.1e} {rounding:8.1e}",
                    flush=True,
                )


# Memory.


class MemoryWatch:
    """Measures the memory of the third epoch of the search. A callback of `fit`."""

    def setup(self, estimator, context):
        """Count epochs."""
        self.n_epochs = 0

    def teardown(self, estimator, context):
        """Do nothing."""

    def on_fit_task_begin(self, estimator, context):
        """Begin to record."""
        if context.task_name == "search epoch" and self.n_epochs == 2:
            self.begin()

    def on_fit_task_end(self, estimator, context):
        """Count the epoch, or end the recording."""
        if context.task_name == "search epoch":
            self.n_epochs += 1
            if self.n_epochs == 3:
                self.end()

    def begin(self):
        """Note the resident memory, which a recording would add to."""
        self.resident = most_resident()
        self.profiler = torch.profiler.profile(profile_memory=True)
        self.profiler.start()

    def end(self):
        """Sum up what was allocated and freed."""
        self.profiler.stop()
        with TemporaryDirectory() as folder:
            path = Path(folder, "trace.json")
            self.profiler.export_chrome_trace(str(path))
            events = json.loads(path.read_text())["traceEvents"]
        events = [event for event in events if event["name"] == "[memory]"]
        events.sort(key=lambda event: event["ts"])
        sizes = np.cumsum([event["args"]["Bytes"] for event in events])
        self.allocated = sizes.max() / 2**20


def most_resident():
    """Return the MiB that were resident at the peak; Linux tells."""
    lines = Path("/proc/self/status").read_text().splitlines()
    [kibibytes] = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(kibibytes) / 2**10


def memory_of_steps(name, path):
    """Return resident MiB before and at the peak, and the peak of live tensors."""
    torch.set_num_threads(N_THREADS)
    data = images(path, 640)
    watch = MemoryWatch()
    before = psutil.Process().memory_info().rss / 2**20
    if name.startswith("ours"):
        search = make_search(3, compile=name.endswith("compiled"))
        search.set_callbacks(watch).run(*data, lambda *parts: None)
    else:
        other = []

        def prepare(network, batches, steps):
            other.append(Straightforward(network, steps.architecture))
            raise SearchEnded

        with suppress(AttributeError):
            make_search(1).run(*data, prepare)
        X, y = as_tensors(*data)
        other[0].take_steps(X, y, 10)
        watch.begin()
        other[0].take_steps(X, y, 5)
        watch.end()
    return before, watch.resident, watch.allocated


def bench_memory(args):
    """Take steps in fresh processes."""
    print_title("memory: MiB, the resident peak over what was, and live tensors")
    print(f"{'':>16} {'before':>7} {'peak':>7} {'more':>7} {'tensors':>8}")
    for name in ("straightforward", "ours", "ours, compiled"):
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
            found = worker.submit(memory_of_steps, name, args.data).result()
        before, peak, tensors = found
        print(
            f"{name:>16} {before:7.0f} {peak:7.0f} {peak - before:7.1f} {tensors:8.2f}",
            flush=True,
        )


def main():
    parts = {
        "step": (bench_time, bench_equality),
        "memory": (bench_memory,),
    }
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--data", type=Path, help="npz file of CIFAR-10 images")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--steps", type=int, default=50, help="to compare alphas after")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    args = parser.parse_args()
    torch.set_num_threads(N_THREADS)
    for name, benches in parts.items():
        if args.part in (name, "all"):
            for bench in benches:
                bench(args)


if __name__ == "__main__":
    main()
