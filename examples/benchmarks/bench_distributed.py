"""Work on the workers of Dask and Ray: seconds, results, and bytes that are moved.

Run on its own, for instance::

    python examples/benchmarks/bench_distributed.py --part bootstrap
    python examples/benchmarks/bench_distributed.py --part search --engines dask

Parts: `bootstrap` (100 LightGBM members, 912 x 1280), `embedding` (ESM-2 8M, random
weights, 200 sequences of 286), `search` (8 candidates of Optuna on 4 folds of
912 x 640). Each is done in one process, by joblib with two local jobs, by one and by
two workers of Dask, and by two of Ray, after a first small run that imports what is
needed. "1 worker" has all the work sent to one process of Dask: joblib by itself would
not use a cluster of one thread.

Every process computes with one thread, so that results can be compared bit by bit.
Bytes are those that the sockets of Dask's scheduler received and sent.
"""

import argparse
import os
import tempfile
import time
import warnings
from contextlib import contextmanager

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"
# Ray gives its processes a low priority, which counts where a machine has other work.
os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112

import dask
import joblib
import numpy as np
import torch
from distributed import Client, LocalCluster
from optuna.distributions import FloatDistribution
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer
from tornado.iostream import IOStream

from skestimators import BootstrapStackedLGBM, ESMEmbedder, OptunaSearchCV

N_WORKERS = 2


def table():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(912, 1280)).astype(np.float32)
    return X, X[:, :20].sum(axis=1) + rng.normal(size=912)


def bootstrap():
    X, y = table()

    def work(size):
        model = BootstrapStackedLGBM(size, random_state=0).fit(X, y)
        return np.append(model.coef_, model.oob_prediction_)

    return work, 100, 8, X.nbytes


def embedding():
    letters = list("ACDEFGHIKLMNPQRSTVWY")
    sequences = [
        "".join(s) for s in np.random.default_rng(0).choice(letters, (200, 286))
    ]
    embedder = ESMEmbedder(weights="random", random_state=0).fit(sequences[:1])

    def work(size):
        return embedder.transform(sequences[:size])

    return work, 200, 60, sum(map(len, sequences))


def search():
    X, y = table()
    X = X[:, ::2].copy()
    line = make_pipeline(QuantileTransformer(n_quantiles=100), Ridge())
    space = {"ridge__alpha": FloatDistribution(0.1, 1e4, log=True)}

    def work(size):
        found = OptunaSearchCV(line, space, n_iter=size, cv=4, random_state=0).fit(X, y)
        return found.cv_results_["mean_test_score"]

    return work, 8, 1, X.nbytes


PARTS = {"bootstrap": bootstrap, "embedding": embedding, "search": search}


class SchedulerBytes:
    """Counts what goes through the sockets of the scheduler, which is in this process.

    Of those of this process, all are the scheduler's but the client's own.
    """

    def __init__(self):
        self.moved = {}
        for name in ("write_to_fd", "read_from_fd"):
            setattr(IOStream, name, self._counted(getattr(IOStream, name)))

    def _counted(self, function):
        def counted(stream, data):
            n_bytes = function(stream, data)
            port = stream.socket.getpeername()[1]
            self.moved[port] = self.moved.get(port, 0) + (n_bytes or 0)
            return n_bytes

        return counted

    def total(self, cluster):
        """Return the bytes moved so far."""
        own = int(cluster.scheduler_address.rpartition(":")[2])
        return sum(count for port, count in self.moved.items() if port != own)


@contextmanager
def dask_workers(n_workers):
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set(temporary_directory=folder),
        LocalCluster(
            n_workers, threads_per_worker=1, dashboard_address=":0"
        ) as cluster,
        Client(cluster) as client,
    ):
        yield cluster, client


@contextmanager
def ray_workers(n_workers):
    import ray
    from ray.util.joblib import register_ray

    register_ray()
    ray.init(num_cpus=n_workers, include_dashboard=False, log_to_driver=False)
    with joblib.parallel_config(backend="ray", n_jobs=n_workers):
        yield
    ray.shutdown()


def timed(work, size):
    start = time.perf_counter()
    result = work(size)
    return result, time.perf_counter() - start


def run_dask(work, size, small, counter):
    for n_workers in (1, N_WORKERS):
        with dask_workers(n_workers) as (cluster, client):
            if n_workers == 1:
                client.submit(work, small, pure=False).result()
                before = counter.total(cluster)
                start = time.perf_counter()
                result = client.submit(work, size, pure=False).result()
                seconds = time.perf_counter() - start
            else:
                with joblib.parallel_config(backend="dask"):
                    work(small)
                    before = counter.total(cluster)
                    result, seconds = timed(work, size)
            moved = counter.total(cluster) - before
        yield f"Dask, {n_workers} worker{'s'[: n_workers > 1]}", result, seconds, moved


def run_all(name, engines, counter):
    work, size, small, n_bytes = PARTS[name]()
    print(f"{name}: the data have {n_bytes / 1e6:.2f} MB", flush=True)
    work(small)
    expected, base = timed(work, size)

    def report(way, result, seconds, moved=None):
        equal = np.array_equal(result, expected, equal_nan=True)
        same = "same bits" if equal else "OTHER RESULT"
        through = "" if moved is None else f"{moved / 1e6:8.2f} MB by the scheduler"
        ratio = base / seconds
        print(
            f"{way:>16} {seconds:7.2f} s {ratio:6.2f} x  {same} {through}", flush=True
        )

    report("one process", expected, base)
    if "local" in engines:
        # An embedder by itself takes threads for its jobs, not processes.
        backend = {"backend": "loky"} if name == "embedding" else {}
        with joblib.parallel_config(**backend, n_jobs=N_WORKERS):
            work(small)
            report("joblib, 2 jobs", *timed(work, size))
    if "dask" in engines:
        for row in run_dask(work, size, small, counter):
            report(*row)
    if "ray" in engines:
        with ray_workers(N_WORKERS):
            report("Ray, 2 workers", *timed(work, size))


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=[*PARTS, "all"], default="all")
    parser.add_argument("--engines", nargs="*", default=["local", "dask", "ray"])
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    counter = SchedulerBytes()
    for name in PARTS:
        if args.part in (name, "all"):
            run_all(name, args.engines, counter)


if __name__ == "__main__":
    main()
