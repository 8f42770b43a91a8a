"""
==================
Saving and loading
==================

A fitted model is saved by :mod:`joblib`, as in all of scikit-learn, and predicts the
same when it is loaded in another process. It helps to know what is in the file, what is
not, and what it means to open one.
"""

# %%
# A model in a file
# -----------------
# A pipeline from mutant codes to predictions. The embedder has a store, ``cache``, in
# which it keeps what it has computed. The network is untrained here, and says so in a
# warning, which is silenced.
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators import (
    BootstrapStackedLGBM,
    ESMEmbedder,
    MutantSequenceBuilder,
    TorchMLPRegressor,
    load_params,
    make_protein_landscape,
    save_params,
    spearman_scorer,
)

warnings.filterwarnings("ignore", message="ESMEmbedder.*random")
temporary = tempfile.TemporaryDirectory()
folder = Path(temporary.name)

scan = make_protein_landscape(250, length=30, n_pool=50, random_state=0)
store = folder / "store.sqlite"
model = make_pipeline(
    MutantSequenceBuilder(scan.wild_type),
    ESMEmbedder(weights="random", random_state=0, cache=store),
    BootstrapStackedLGBM(20, max_iter=50, min_child_samples=10, random_state=0),
).fit(scan.data, scan.target)
joblib.dump(model, folder / "model.joblib", compress=3)
np.save(folder / "pool.npy", scan.pool.astype(str))

# %%
# A new process loads it and predicts mutants that the model has not seen. It is told to
# use no store, or it would find the vectors that this process has computed. Not one bit
# of the predictions is different.
expected = model.predict(scan.pool)
script = """
import sys, warnings
import joblib, numpy as np
warnings.filterwarnings("ignore", message="ESMEmbedder.*random")
model, pool, predicted = sys.argv[1:]
loaded = joblib.load(model).set_params(esmembedder__cache=None)
np.save(predicted, loaded.predict(np.load(pool)))
"""
files = [str(folder / name) for name in ("model.joblib", "pool.npy", "predicted.npy")]
subprocess.run([sys.executable, "-c", script, *files], check=True)
predicted = np.load(folder / "predicted.npy")
print("equal to the last bit:", np.array_equal(predicted, expected))

# %%
# .. warning::
#
#    To load such a file is to run a program: :mod:`pickle`, which is behind it, can
#    call any function there is. Open only files that you, or somebody you trust, have
#    written. And load them with the versions of the packages that they were saved with;
#    :func:`~skestimators.utils.show_versions` prints these.
#
# What is in it
# -------------
# Whatever ``fit`` has learned is in the file. What can be had elsewhere is not: of
# pretrained weights there is the name or the path, from which they are read when they
# are needed, and of a store the path. Here is how large the parts are, each pickled by
# itself, and the store. A multilayer perceptron comes along for comparison.
embedded = model[:-1].transform(scan.data)
perceptron = make_pipeline(
    StandardScaler(), TorchMLPRegressor((64, 32), max_epochs=20, random_state=0)
).fit(embedded, scan.target)
sizes = {
    "MutantSequenceBuilder": len(pickle.dumps(model[0])),
    "ESMEmbedder": len(pickle.dumps(model[1])),
    "BootstrapStackedLGBM, 20 members": len(pickle.dumps(model[2])),
    "TorchMLPRegressor, (64, 32)": len(pickle.dumps(perceptron[1])),
    "the model's file, compressed": (folder / "model.joblib").stat().st_size,
    "the store, 300 sequences": store.stat().st_size,
}
figure, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
outside = ["the model's file, compressed", "the store, 300 sequences"]
bars = ax.barh(
    list(sizes),
    [size / 1000 for size in sizes.values()],
    color=["0.6" if name in outside else "#0072b2" for name in sizes],
)
ax.bar_label(bars, [f"{size / 1000:,.1f} kB" for size in sizes.values()], padding=4)
ax.set(xlabel="kB; blue: a part, pickled; grey: a file")
ax.margins(x=0.15)
ax.invert_yaxis()
ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# The embedder is but its parameters, as its network can be had again: even an untrained
# one, from its seed. On another machine pretrained weights are looked up anew, so they
# have to be there, or the machine needs the internet. What the ensemble and the
# perceptron keep is their trees and their weights.
#
# A store elsewhere
# -----------------
# A store is a file of vectors, each under a key made of its sequence, the network, its
# weights and the other parameters that it depends on. So it can be copied to another
# machine, and is valid there. Copy it while nothing writes to it. The path of a loaded
# model is set like any other parameter; a path where there is no store is no error, but
# the vectors are computed again.
moved = Path(shutil.copy(store, folder / "moved.sqlite"))
loaded = joblib.load(folder / "model.joblib")
for path in (moved, folder / "new.sqlite"):
    loaded.set_params(esmembedder__cache=path)
    start = time.perf_counter()
    again = loaded[:-1].transform(scan.data)
    print(f"{path.name:13s}  {time.perf_counter() - start:.2f} s")
    assert np.abs(again - embedded).max() < 1e-5

# %%
# Parameters as text
# ------------------
# Of a search it is mostly the parameters found that are worth keeping.
# :func:`~skestimators.model_selection.save_params` writes them as JSON, which anybody
# can read. :func:`~skestimators.model_selection.load_params` reads them, and names
# those that an estimator does not have. The table of a search goes into a file as any
# table does.
search = GridSearchCV(
    model[-1],
    {"max_depth": [2, 5], "learning_rate": [0.05, 0.2]},
    cv=3,
    scoring=spearman_scorer,
).fit(embedded, scan.target)
save_params(search.best_params_, folder / "best.json")
print((folder / "best.json").read_text())
best = BootstrapStackedLGBM(20, max_iter=50, min_child_samples=10, random_state=0)
best.set_params(**load_params(folder / "best.json", best)).fit(embedded, scan.target)
print("equal:", np.array_equal(best.predict(embedded), search.predict(embedded)))

scores = pd.DataFrame(search.cv_results_).drop(columns="params")
scores.to_csv(folder / "search.csv", index=False)
print(pd.read_csv(folder / "search.csv").filter(regex="param_|mean_test").round(3))

# %%
# A network for torch
# -------------------
# ``network_`` is a plain torch module. Its weights are tensors with names, which torch
# saves and loads without running anything: ``weights_only=True``. Whoever loads them
# needs the shape of the network, and neither this library nor scikit-learn. The scaler
# is not in it.
torch.save(perceptron[-1].network_.state_dict(), folder / "network.pt")

network = torch.nn.Sequential(
    torch.nn.Linear(320, 64),
    torch.nn.ReLU(),
    torch.nn.Linear(64, 32),
    torch.nn.ReLU(),
    torch.nn.Linear(32, 1),
)
network.load_state_dict(torch.load(folder / "network.pt", weights_only=True))
scaled = torch.tensor(perceptron[0].transform(embedded), dtype=torch.float32)
with torch.inference_mode():
    difference = network(scaled).numpy()[:, 0] - perceptron.predict(embedded)
print(f"largest difference: {np.abs(difference).max():.1g}")

# %%
# The same goes for ``activation_`` of
# :class:`~skestimators.neural_network.ActivationSearchNet`: put its ``state_dict`` into
# a file, and what it computes, ``expression_``, into your notes.
temporary.cleanup()
