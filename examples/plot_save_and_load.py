"""
==================
Saving and loading
==================

A fitted model goes into one file by :func:`~skestimators.persistence.save`, and
predicts the same when it is loaded in another process. Unlike a pickle, the file holds
no code: to load it executes nothing. Here is how, what is in such a file, and how a fit
that is killed goes on.
"""

# %%
# A model in a file
# -----------------
# A pipeline from mutant codes to predictions. The embedder has a store, ``cache``, in
# which it keeps what it has computed. The network is untrained here, and says so in a
# warning, which is silenced.
import json
import pickle
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators import (
    BootstrapStackedLGBM,
    ESMEmbedder,
    MutantSequenceBuilder,
    TorchMLPRegressor,
    load,
    load_params,
    make_protein_landscape,
    save,
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
save(model, folder / "model.skestimators")
np.save(folder / "pool.npy", scan.pool.astype(str))

# %%
# A new process loads it and predicts mutants that the model has not seen. It is told to
# use no store, or it would find the vectors that this process has computed. Not one bit
# of the predictions is different.
expected = model.predict(scan.pool)
script = """
import sys, warnings
import numpy as np
from skestimators import load
warnings.filterwarnings("ignore", message="ESMEmbedder.*random")
model, pool, predicted = sys.argv[1:]
loaded = load(model).set_params(esmembedder__cache=None)
np.save(predicted, loaded.predict(np.load(pool)))
"""
names = ("model.skestimators", "pool.npy", "predicted.npy")
files = [str(folder / name) for name in names]
subprocess.run([sys.executable, "-c", script, *files], check=True)
predicted = np.load(folder / "predicted.npy")
print("equal to the last bit:", np.array_equal(predicted, expected))

# %%
# A file that means harm
# ----------------------
# To open a pickle is to run a program. This one would print a line, and could as well
# delete your files. :func:`~skestimators.persistence.load` refuses it, as it refuses a
# file that is damaged, or that names a type which is not in its list.


class Harmful:
    """Calls a function when it is unpickled."""

    def __reduce__(self):
        return print, ("I could have done anything.",)


pickle.loads(pickle.dumps(Harmful()))

(folder / "harmful.skestimators").write_bytes(pickle.dumps(Harmful()))
content = (folder / "model.skestimators").read_bytes()
(folder / "short.skestimators").write_bytes(content[:-1000])
for name in ("harmful.skestimators", "short.skestimators"):
    try:
        load(folder / name)
    except ValueError as error:
        print(f"{type(error).__name__}: {str(error).replace(str(folder), '')[:72]}")

# %%
# What is in it
# -------------
# The file is an archive with a checksum of each part, of which the largest is again an
# archive: the tree of objects as text, and the arrays and networks it refers to. Of
# pretrained weights there is the name or the path, from which they are read when they
# are needed, and of a store the path. Here is how large the parts of the model are when
# they are saved by themselves. A multilayer perceptron comes along for comparison.
with zipfile.ZipFile(folder / "model.skestimators") as archive:
    print(archive.namelist())
    about = json.loads(archive.read("about.json"))
    print(about["estimator"], about["versions"]["scikit-learn"])

embedded = model[:-1].transform(scan.data)
perceptron = make_pipeline(
    StandardScaler(), TorchMLPRegressor((64, 32), max_epochs=20, random_state=0)
).fit(embedded, scan.target)


def size(estimator):
    save(estimator, folder / "part.skestimators")
    return (folder / "part.skestimators").stat().st_size


sizes = {
    "MutantSequenceBuilder": size(model[0]),
    "ESMEmbedder": size(model[1]),
    "BootstrapStackedLGBM, 20 members": size(model[2]),
    "TorchMLPRegressor, (64, 32)": size(perceptron[1]),
    "the model's file": (folder / "model.skestimators").stat().st_size,
    "the store, 300 sequences": store.stat().st_size,
}
figure, ax = plt.subplots(figsize=(8, 2.8), layout="constrained")
outside = ["the model's file", "the store, 300 sequences"]
bars = ax.barh(
    list(sizes),
    [size / 1000 for size in sizes.values()],
    color=["0.6" if name in outside else "#0072b2" for name in sizes],
)
ax.bar_label(bars, [f"{size / 1000:,.0f} kB" for size in sizes.values()], padding=4)
ax.set(xlabel="kB; blue: a part, saved by itself; grey: a file")
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
loaded = load(folder / "model.skestimators")
for path in (moved, folder / "new.sqlite"):
    loaded.set_params(esmembedder__cache=path)
    start = time.perf_counter()
    again = loaded[:-1].transform(scan.data)
    print(f"{path.name:13s}  {time.perf_counter() - start:.2f} s")
    assert np.abs(again - embedded).max() < 1e-5

# %%
# A fit that is interrupted
# -------------------------
# ``checkpoint`` names a folder where a fit keeps what it has come to, epoch by epoch.
# Here a callback of scikit-learn's protocol pulls the plug after ten epochs. The same
# call goes on with the eleventh, and ends with the same network as one that was never
# interrupted.


class PullThePlug:
    """Interrupts the fit after some epochs."""

    def __init__(self, n_epochs):
        self.n_left = n_epochs

    def setup(self, estimator, context):
        """Do nothing."""

    def on_fit_task_begin(self, *args, **kwargs):
        """Do nothing."""

    def on_fit_task_end(self, *args, **kwargs):
        """Count the epochs."""
        self.n_left -= 1
        if not self.n_left:
            raise KeyboardInterrupt

    def teardown(self, estimator, context):
        """Do nothing."""


scaled = perceptron[0].transform(embedded)
network = TorchMLPRegressor(
    (64, 32), max_epochs=20, checkpoint=folder / "checkpoints", random_state=0
)
try:
    network.set_callbacks(PullThePlug(10)).fit(scaled, scan.target)
except KeyboardInterrupt:
    print("interrupted")
network.set_callbacks().fit(scaled, scan.target)
uninterrupted = perceptron[-1]
print("epochs:", network.n_iter_)
print(
    "equal to the last bit:",
    np.array_equal(network.predict(scaled), uninterrupted.predict(scaled)),
)

# %%
# Parameters as text
# ------------------
# Of a search it is mostly the parameters found that are worth keeping.
# :func:`~skestimators.model_selection.save_params` writes them as JSON, which anybody
# can read. :func:`~skestimators.model_selection.load_params` reads them, and names
# those that an estimator does not have.
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

# %%
# A network for torch
# -------------------
# ``network_`` is a plain torch module. Its weights are tensors with names, which torch
# saves and loads without running anything: ``weights_only=True``. Whoever loads them
# needs the shape of the network, and neither this library nor scikit-learn. The scaler
# is not in it.
torch.save(perceptron[-1].network_.state_dict(), folder / "network.pt")

plain = torch.nn.Sequential(
    torch.nn.Linear(320, 64),
    torch.nn.ReLU(),
    torch.nn.Linear(64, 32),
    torch.nn.ReLU(),
    torch.nn.Linear(32, 1),
)
plain.load_state_dict(torch.load(folder / "network.pt", weights_only=True))
with torch.inference_mode():
    outputs = plain(torch.tensor(scaled, dtype=torch.float32)).numpy()[:, 0]
difference = outputs - perceptron.predict(embedded)
print(f"largest difference: {np.abs(difference).max():.1g}")

# %%
# The same goes for ``activation_`` of
# :class:`~skestimators.neural_network.ActivationSearchNet`: put its ``state_dict`` into
# a file, and what it computes, ``expression_``, into your notes.
temporary.cleanup()
