"""Bootstrap ensembles: speed, ranking, interval coverage and suggestions.

Run on its own, for instance::

    python examples/benchmarks/bench_bootstrap.py --part speed
    python examples/benchmarks/bench_bootstrap.py --part quality --data variants.fasta

Parts: `speed` (fit and predict, against a plain loop over LightGBM and scikit-learn's
bagging, held-out Spearman beside it), `quality` (how members are combined),
`intervals` (coverage), `suggest` (a memory-mapped pool of a million candidates).

`--data` is a FASTA file whose headers end in `|score`; its sequences are embedded with
ESM-2 8M and random weights (four layers side by side make the 1280 columns of `speed`),
and the vectors are kept in `--store`. Without it, data are simulated.
"""

import argparse
import os
import tempfile
import threading
import time
from pathlib import Path

import lightgbm
import numpy as np
from sklearn import config_context
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import train_test_split

from skestimators.ensemble import BootstrapStackedLGBM
from skestimators.metrics import spearman_score

N_JOBS = 2
NOTEBOOK = {
    "n_estimators": 100,
    "learning_rate": 0.0727,
    "num_leaves": 99,
    "min_child_samples": 40,
    "max_depth": 5,
    "subsample": 0.692,
    "colsample_bytree": 0.549,
    "verbose": -1,
}


def simulated(n_samples, n_features, seed=0):
    """Correlated columns of a smooth function of 40 hidden factors, and its score."""
    rng = np.random.default_rng(seed)
    hidden = rng.normal(size=(n_samples, 40))
    X = np.tanh(hidden @ rng.normal(size=(40, n_features)) / 6)
    X += 0.3 * rng.normal(size=X.shape)
    weights = rng.normal(size=40) * (rng.random(40) < 0.5)
    signal = hidden @ weights + hidden[:, 0] * hidden[:, 1]
    return X.astype(np.float32), signal / signal.std() + rng.normal(size=n_samples)


def embedded(path, store, layers):
    """Embed the variants of a FASTA file with ESM-2 8M, random weights."""
    from skestimators.datasets import read_fasta
    from skestimators.feature_extraction import ESMEmbedder

    records = read_fasta(path, score_field=-1)
    embedder = ESMEmbedder(
        "esm2_t6_8M_UR50D", weights="random", layers=layers, cache=store, random_state=0
    )
    X = embedder.fit_transform(records["sequence"].to_numpy(dtype=object))
    return X, records["score"].to_numpy()


def ours(X, y, X_test, seed, n_members):
    ensemble = BootstrapStackedLGBM(n_members, n_jobs=N_JOBS, random_state=seed)
    return ensemble.fit(X, y).predict(X_test)


def ours_mean(X, y, X_test, seed, n_members):
    ensemble = BootstrapStackedLGBM(
        n_members, stacking=None, n_jobs=N_JOBS, random_state=seed
    )
    return ensemble.fit(X, y).predict(X_test)


def notebook_loop(X, y, X_test, seed, n_members):
    rng = np.random.RandomState(seed)
    predictions = []
    for _ in range(n_members):
        rows = rng.choice(len(y), len(y))
        member = lightgbm.LGBMRegressor(**NOTEBOOK).fit(X[rows], y[rows])
        predictions.append(member.predict(X_test))
    return np.mean(predictions, axis=0)


def sklearn_bagging(X, y, X_test, seed, n_members):
    # One thread in each job: with LightGBM's default the jobs fight over the cores.
    member = lightgbm.LGBMRegressor(**NOTEBOOK, n_jobs=1)
    ensemble = BaggingRegressor(member, n_members, n_jobs=N_JOBS, random_state=seed)
    return ensemble.fit(X, y).predict(X_test)


def bench_speed(args):
    """Fit 912 x 1280 and predict, interleaved; the median time and mean Spearman."""
    tables = {"simulated": simulated(2500, 1280)}
    if args.data:
        layers = [3, 4, 5, 6]
        tables[args.data.name] = embedded(args.data, args.store, layers)
    for name, (X, y) in tables.items():
        print(f"\n{name}: 912 x {X.shape[1]}, {args.members} members of 100 rounds")
        contenders = (ours, ours_mean, notebook_loop, sklearn_bagging)
        seconds = {function: [] for function in contenders}
        quality = {function: [] for function in contenders}
        for seed in range(args.seeds):
            X_train, X_test, y_train, y_test = train_test_split(
                X, y, train_size=912, test_size=1500, random_state=seed
            )
            for function in contenders:
                start = time.perf_counter()
                prediction = function(X_train, y_train, X_test, seed, args.members)
                seconds[function].append(time.perf_counter() - start)
                quality[function].append(spearman_score(y_test, prediction))
        print(f"{'':>16} {'seconds':>9} {'ratio':>7} {'Spearman':>9} {'sd':>7}")
        base = np.median(seconds[ours])
        for function in contenders:
            median, found = np.median(seconds[function]), quality[function]
            print(
                f"{function.__name__:>16} {median:9.2f} {median / base:7.2f} "
                f"{np.mean(found):9.4f} {np.std(found):7.4f}"
            )


def landscape(args):
    if args.data:
        return args.data.name, *embedded(args.data, args.store, -1)
    return "simulated", *simulated(5397, 320)


def bench_quality(args):
    """Spearman of the ways to combine members, and the coverage of intervals."""
    name, X, y = landscape(args)
    print(f"\n{name}: {X.shape[0]} x {X.shape[1]}, 80/20, {args.members} members")
    columns = ("plain mean", "oob", "in_sample", "UCB 1.5", "coverage", "width")
    print("seed " + " ".join(f"{column:>10}" for column in columns))
    rows = []
    for seed in range(args.seeds):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, test_size=0.2, random_state=seed
        )
        params = {"n_estimators": args.members, "n_jobs": N_JOBS, "random_state": seed}
        stacked = BootstrapStackedLGBM(**params).fit(X_train, y_train)
        in_sample = BootstrapStackedLGBM(**params, stacking="in_sample")
        low, high = stacked.predict_interval(X_test, args.level).T
        rows.append(
            [
                spearman_score(y_test, stacked.predict_all(X_test).mean(axis=1)),
                spearman_score(y_test, stacked.predict(X_test)),
                spearman_score(y_test, in_sample.fit(X_train, y_train).predict(X_test)),
                spearman_score(y_test, stacked.predict_ucb(X_test, beta=1.5)),
                np.mean((low <= y_test) & (y_test <= high)),
                np.median(high - low),
            ]
        )
        print(f"{seed:>4} " + " ".join(f"{value:10.4f}" for value in rows[-1]))
    print("mean " + " ".join(f"{value:10.4f}" for value in np.mean(rows, axis=0)))


def bench_intervals(args):
    """Coverage at several levels, on one split."""
    name, X, y = landscape(args)
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=0.2, random_state=0
    )
    ensemble = BootstrapStackedLGBM(args.members, n_jobs=N_JOBS, random_state=0)
    ensemble.fit(X_train, y_train)
    print(f"\n{name}: jackknife+-after-bootstrap, {len(X_train)} training rows")
    print(f"{'level':>6} {'coverage':>9} {'width':>8} {'seconds':>8}")
    for level in (0.5, 0.8, 0.9, 0.95):
        start = time.perf_counter()
        low, high = ensemble.predict_interval(X_test, level).T
        elapsed = time.perf_counter() - start
        covered = np.mean((low <= y_test) & (y_test <= high))
        width = np.median(high - low)
        print(f"{level:6.2f} {covered:9.4f} {width:8.3f} {elapsed:8.2f}")


class PeakMemory(threading.Thread):
    """Sample the memory of this process, pages of mapped files left out, in MiB.

    A memory-mapped pool is counted in the resident memory as long as the system has no
    better use for it, so that the usual peak says nothing here. Linux only.
    """

    def __init__(self):
        super().__init__(daemon=True)
        self.start_size = self.peak = self.size()
        self.running = True
        self.start()

    @staticmethod
    def size():
        """Return the present size."""
        status = Path("/proc/self/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0]) / 1024

    def run(self):
        """Sample until stopped."""
        while self.running:
            self.peak = max(self.peak, self.size())
            time.sleep(0.02)

    def stop(self):
        """Return the size at the start and the peak."""
        self.running = False
        self.join()
        return self.start_size, self.peak


def write_pool(path, rows, n_candidates):
    """Write a pool of mixtures of rows, without holding it in memory."""
    rng = np.random.default_rng(1)
    shape = (n_candidates, rows.shape[1])
    pool = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    for start in range(0, n_candidates, 50_000):
        size = min(50_000, n_candidates - start)
        first, second = rng.integers(len(rows), size=(2, size))
        share = rng.random((size, 1), dtype=np.float32)
        pool[start : start + size] = share * rows[first] + (1 - share) * rows[second]
    pool.flush()


def bench_suggest(args):
    """Suggest 100 of a memory-mapped pool; peak memory, time, and equality."""
    name, X, y = landscape(args)
    ensemble = BootstrapStackedLGBM(args.members, n_jobs=N_JOBS, random_state=0)
    ensemble.fit(X[:4300], y[:4300])
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "pool.npy")
        write_pool(path, X, args.pool)
        pool = np.load(path, mmap_mode="r")
        print(f"\n{name}: {args.pool} x {X.shape[1]} float32, {args.members} members")
        params = {"n_suggestions": 100, "exclude_training": True, "diversity": 0.2}
        memory, start = PeakMemory(), time.perf_counter()
        ensemble.suggest(pool, **params)
        elapsed = time.perf_counter() - start
        before, peak = memory.stop()
        print(
            f"suggest: {elapsed:.1f} s; memory without the mapped file: peak "
            f"{peak:.0f} MiB, {before:.0f} before; the pool has "
            f"{pool.nbytes / 2**20:.0f} MiB"
        )
        part = pool[:100_000]
        found = ensemble.suggest(part, **params)
        with config_context(working_memory=64):
            sliced = ensemble.suggest(part, **params)
        print(
            f"{len(part)} in slices of at most 16 MiB, the same candidates: "
            f"{np.array_equal(found, sliced)}"
        )
        compare_prediction(ensemble, X[:4300], y[:4300], np.array(pool[:20_000]))


def compare_prediction(ensemble, X, y, rows):
    """Time predict_all against LightGBM's own prediction of as many boosters."""
    n_boosters = min(10, len(ensemble.coef_))
    boosters = [
        lightgbm.LGBMRegressor(**NOTEBOOK, random_state=seed).fit(X, y).booster_
        for seed in range(n_boosters)
    ]
    seconds = {"ours": [], "LightGBM, 2 threads": []}
    for _ in range(3):
        start = time.perf_counter()
        ensemble.predict_all(rows)
        seconds["ours"].append((time.perf_counter() - start) / len(ensemble.coef_))
        start = time.perf_counter()
        for booster in boosters:
            booster.predict(rows, num_threads=2)
        elapsed = time.perf_counter() - start
        seconds["LightGBM, 2 threads"].append(elapsed / n_boosters)
    base = np.median(seconds["ours"])
    print(f"prediction of {len(rows)} rows, per member:")
    for name, found in seconds.items():
        median = np.median(found)
        print(f"{name:>20} {1000 * median:8.1f} ms {median / base:7.2f}")


def main():
    parts = {
        "speed": bench_speed,
        "quality": bench_quality,
        "intervals": bench_intervals,
        "suggest": bench_suggest,
    }
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--data", type=Path, help="FASTA file with scores")
    parser.add_argument("--store", type=Path, help="where embeddings are kept")
    parser.add_argument("--members", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--level", type=float, default=0.9)
    parser.add_argument("--pool", type=int, default=1_000_000)
    args = parser.parse_args()
    for name, part in parts.items():
        if args.part in (name, "all"):
            part(args)


if __name__ == "__main__":
    main()
