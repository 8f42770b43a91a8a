"""
=====================
On a cluster, by Dask
=====================

What takes ``n_jobs`` can run on many machines: :mod:`joblib` hands the work to a Dask
cluster instead of to the cores of this machine. Models stay as they are. Here the
cluster is two processes on one machine, which is enough to try a script before it goes
to a real one. To save time it is not, as the machine has no more cores by it.
"""

# %%
# The work
# --------
# A search with twelve fits of boosted trees, on the mutants of a simulated protein. The
# folds of a search are the best thing to hand out: they are many, take long, and need
# nothing of each other. An ensemble by itself is the other example: its members go to
# the workers, to each of which the data are sent once.
import tempfile
import time

import dask
import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from distributed import Client, LocalCluster, get_task_stream
from lightgbm import LGBMRegressor
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import OneHotEncoder

from skestimators import (
    BootstrapStackedLGBM,
    MutantSequenceBuilder,
    make_protein_landscape,
)


def load_mutants():
    """Describe mutants by their letters."""
    scan = make_protein_landscape(500, length=40, random_state=0)
    sequences = MutantSequenceBuilder(scan.wild_type).fit_transform(scan.data)
    letters = np.array([list(sequence) for sequence in np.ravel(sequences)])
    return OneHotEncoder(sparse_output=False).fit_transform(letters), scan.target


work = {
    "search": GridSearchCV(
        LGBMRegressor(n_estimators=300, n_jobs=1, verbose=-1),
        {"min_child_samples": [5, 10, 20]},
        cv=4,
    ),
    "ensemble": BootstrapStackedLGBM(50, random_state=0),
}


# %%
# Here, and on the cluster
# ------------------------
# ``joblib.parallel_config`` says where the work is done; ``n_jobs=None``, the default
# of all estimators, leaves it to that. All workers of a cluster take part.
#
# ``LocalCluster`` starts processes that import this script. What they are not to do
# themselves stands below ``if __name__ == "__main__"``; without that line, each worker
# would start workers. A notebook does not need it, and neither does a script that only
# connects to a cluster, by ``Client("tcp://scheduler:8786")``. A worker has one thread,
# so that it does one fit at a time. The web page of the cluster, which shows the tasks
# while they run, takes any port that is free.


def fit_all(X, y):
    """Fit the search and the ensemble; return their results and the seconds."""
    results, seconds = [], []
    for model in work.values():
        start = time.perf_counter()
        model.fit(X, y)
        seconds.append(time.perf_counter() - start)
    results.append(work["search"].cv_results_["mean_test_score"])
    results.append(work["ensemble"].predict(X))
    return results, seconds


if __name__ == "__main__":
    X, y = load_mutants()
    results, seconds = {}, {}
    results["one process"], seconds["one process"] = fit_all(X, y)
    with joblib.parallel_config(n_jobs=2):
        results["n_jobs=2"], seconds["n_jobs=2"] = fit_all(X, y)
    with (
        tempfile.TemporaryDirectory() as folder,
        dask.config.set(temporary_directory=folder),
        LocalCluster(2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        get_task_stream(client) as stream,
        joblib.parallel_config(backend="dask"),
    ):
        results["cluster"], seconds["cluster"] = fit_all(X, y)
    for way in results:
        for here, there in zip(results["one process"], results[way], strict=True):
            assert np.array_equal(here, there)
    print("The results are the same. Seconds:")
    print(pd.DataFrame(seconds, index=list(work)).round(1).to_string())

# %%
# The processes of ``n_jobs=2`` are started by the first work they get, which takes some
# of these seconds. Those of the cluster run by then, but they, too, import the library
# at their first task. Work of a few seconds is better done in one process.
#
# Who did what
# ------------
# The cluster keeps a record of its tasks. A bar is one of them: fits of the search with
# their scores, then members of the ensemble, some in each task. The gap in between is
# the last fit of the search, with the best parameters. It is done here.
if __name__ == "__main__":
    colors = {"fit_and_score": "#0072b2", "fit_member": "#d55e00"}
    labels = {"fit_and_score": "fold of the search", "fit_member": "members"}
    tasks = [
        (task["worker"], task["key"], step["start"], step["stop"])
        for task in stream.data
        for step in task["startstops"]
        if step["action"] == "compute"
    ]
    workers = sorted({worker for worker, *_ in tasks})
    begin = min(start for *_, start, _ in tasks)
    figure, ax = plt.subplots(figsize=(9, 2.2), layout="constrained")
    for kind, color in colors.items():
        mine = [task for task in tasks if kind in task[1]]
        ax.barh(
            [workers.index(worker) for worker, *_ in mine],
            [stop - start for *_, start, stop in mine],
            left=[start - begin for *_, start, _ in mine],
            height=0.6,
            color=color,
            edgecolor="white",
            label=labels[kind],
        )
    ax.set_yticks([0, 1], ["worker 1", "worker 2"])
    ax.set(xlabel="seconds since the first task", ylim=(1.6, -0.6))
    ax.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside upper center", ncols=2)
    plt.show()

# %%
# On several machines
# -------------------
# See :doc:`/user_guide/distribution` for what is handed out and what is not, how a
# cluster is started, what it costs, and what to mind: paths, stores, callbacks.
