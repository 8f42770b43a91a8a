"""
=========================
When to stop, and by whom
=========================

A network that trains too long learns its rows by heart. With ``early_stopping`` it
holds out some of them, stops when the loss there no longer falls, and keeps the best
epoch. Rows often come in groups: measurements of a patient, answers of a student,
images of a region. Then it has to hold out whole groups, or it is the held-out rows
that it learns by heart.
"""

# %%
# Patients
# --------
# Two hundred patients, ten measurements of each. What is to be predicted depends on
# two of eight features, and on something about the patient that is in none of them. The
# features of one patient are much alike, so that a network can recognise who it is.
# Half of the patients are kept to the end.
import textwrap

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import sklearn
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.metrics import mean_squared_error
from sklearn.model_selection import GridSearchCV, GroupKFold, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators import TorchMLPRegressor

rng = np.random.default_rng(0)
patient = np.repeat(np.arange(200), 10)
X = rng.normal(size=(200, 8))[patient] + 0.3 * rng.normal(size=(2000, 8))
hidden = 0.7 * rng.normal(size=200)[patient]
y = np.sin(X[:, 0]) + 0.5 * X[:, 1] + hidden + 0.2 * rng.normal(size=2000)
is_known = patient < 100
X_known, y_known, who = X[is_known], y[is_known], patient[is_known]
X_new, y_new = X[~is_known], y[~is_known]

# %%
# Held-out rows, held-out patients
# --------------------------------
# The same network twice. The first time it is not told about the patients, and holds
# out rows. The second time it is given ``groups``: in a pipeline, by the name of the
# step. ``validation_fraction`` is then the share of the groups, ``n_iter_no_change``
# the number of epochs it waits for a better one. A monitor follows the loss on new
# patients, which no one would have, and the network does not use.
network = TorchMLPRegressor(
    (64, 64),
    learning_rate=2e-3,
    batch_size=128,
    max_epochs=100,
    early_stopping=True,
    validation_fraction=0.3,
    n_iter_no_change=20,
    random_state=0,
)
model = make_pipeline(StandardScaler(), network)


def loss_of_new_patients(network, X, y):
    """Predict patients that were kept to the end."""
    y_pred = network.predict(model[:-1].transform(X_new))
    return {"loss": mean_squared_error(y_new, y_pred)}


curves = {}
for name, fit_params in [
    ("rows held out", {}),
    ("patients held out", {"torchmlpregressor__groups": who}),
]:
    monitor = ScoringMonitor(scoring=loss_of_new_patients)
    network.set_callbacks(monitor)
    model.fit(X_known, y_known, **fit_params)
    network.set_callbacks()
    log = monitor.get_logs().data_as_pandas
    curves[name] = pd.DataFrame(
        {
            "training": network.history_["train_loss"],
            "held out": network.history_["valid_loss"],
            "new patients": log.loc[log["task_name"] == "epoch", "loss"].array,
        },
        index=np.arange(1, network.n_iter_ + 1),
    )
    kept = curves[name]["held out"].idxmin()
    now = loss_of_new_patients(network, X_known, y_known)["loss"]
    print(
        f"{name:18s} {network.n_iter_:3d} epochs, number {kept} kept; "
        f"loss {curves[name].loc[kept, 'held out']:.2f} held out, "
        f"{now:.2f} of new patients"
    )

# %%
# Both networks learn what there is to learn in a few epochs. From then on they learn
# who is who. Rows held out are of patients it knows, so their loss goes on falling, and
# training goes on. Patients held out tell when to stop, and about how good it is. Only
# about: thirty patients are few, and the epoch is chosen by them.
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
colors = {"training": "0.6", "held out": "#d55e00", "new patients": "#0072b2"}
for ax, (name, losses) in zip(axes, curves.items(), strict=True):
    for what, color in colors.items():
        ax.plot(losses.index, losses[what], color=color, label=what)
    kept = losses["held out"].idxmin()
    ax.axvline(kept, color="0.3", ls=":", label="epoch kept")
    for what in ("held out", "new patients"):
        ax.plot(kept, losses.loc[kept, what], "o", color=colors[what])
    ax.set(title=name, xlabel="epoch", xscale="log", xlim=(1, 100), ylim=(0, 1))
    ax.set_xticks([1, 10, 100], ["1", "10", "100"])
    ax.spines[["top", "right"]].set_visible(False)
axes[0].set_ylabel("mean squared error")
figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right center")
plt.show()

# %%
# Groups in a search
# ------------------
# A search splits too, and hands its rows on. Without metadata routing, ``groups`` given
# to its ``fit`` reach the splitter only: the folds are of whole patients, but within
# each the network holds out rows. With routing, the network gets its part of the
# groups, if it asks for them by ``set_fit_request``. If it does not say whether it
# wants them, that is an error.
with sklearn.config_context(enable_metadata_routing=True):
    try:
        model.fit(X_known, y_known, groups=who)
    except UnsetMetadataPassedError as error:
        print(textwrap.fill(str(error), 88))

# %%
# These are the three ways: no groups at all, groups for the splitter, groups for both.
by_row = GridSearchCV(
    model,
    {"torchmlpregressor__weight_decay": [0.0, 0.01]},
    scoring="neg_mean_squared_error",
    cv=KFold(3, shuffle=True, random_state=0),
)
by_patient = sklearn.clone(by_row).set_params(cv=GroupKFold(3))
searches = {
    "no groups": by_row.fit(X_known, y_known),
    "splitter only": by_patient.fit(X_known, y_known, groups=who),
}
with sklearn.config_context(enable_metadata_routing=True):
    network.set_fit_request(groups=True)
    routed = sklearn.clone(by_patient).set_params(estimator=model)
    searches["splitter and network"] = routed.fit(X_known, y_known, groups=who)

table = pd.DataFrame(
    {
        name: {
            "weight_decay": search.best_params_["torchmlpregressor__weight_decay"],
            "epochs": search.best_estimator_[-1].n_iter_,
            "promised": -search.best_score_,
            "new patients": -search.score(X_new, y_new),
        }
        for name, search in searches.items()
    }
).T
print(table.round(2).to_string())

# %%
# What the search promises is the loss in its folds; what it is worth shows on the new
# patients.
figure, ax = plt.subplots(figsize=(7, 2.4), layout="constrained")
for place, (_, row) in enumerate(table.iterrows()):
    ax.plot([row["promised"], row["new patients"]], [place, place], color="0.8", lw=6)
ax.plot(table["promised"], range(3), "o", color="#d55e00", ms=11, label="promised")
ax.plot(
    table["new patients"], range(3), "o", color="#0072b2", ms=11, label="new patients"
)
ax.axvline(y_new.var(), color="0.5", ls=":", label="the mean of all, as a guess")
ax.set_yticks(range(3), table.index)
ax.set(xlabel="mean squared error", xlim=(0, None), ylim=(2.5, -0.5))
ax.spines[["top", "right"]].set_visible(False)
figure.legend(loc="outside upper center", ncols=3)
plt.show()

# %%
# Without groups the search promises a quarter of the error that there is. With groups
# for the splitter only it promises about what there is, but the network is no better:
# it still trains until it knows its patients by heart. With groups for both, it stops
# in time.
#
# :func:`~sklearn.model_selection.cross_val_score` and the other functions of
# cross-validation route groups in the same way, by ``params={"groups": who}``. If it is
# not the patient that ties rows together but the day, or the record of a sensor, then
# that is the group.
