"""
====================================
Which mutants should be tested next?
====================================

A deep mutational scan has measured 400 mutants of a protein. We embed them with ESM-2,
learn the score with a bootstrapped ensemble, check its intervals, and let it choose 20
of 1,000 mutants nobody has measured. The scan is simulated, so we can look up whether
the choice was good.

The network here is untrained (``weights="random"``), as its weights are too large for
an example. With the real ones, predictions are far better and no line of code changes.
"""

# %%
# A simulated scan
# ----------------
# Mutant codes, scores as measured, and a pool of codes without a score.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import cross_validate
from sklearn.pipeline import make_pipeline

from skestimators import (
    BootstrapStackedLGBM,
    ESMEmbedder,
    MutantSequenceBuilder,
    make_protein_landscape,
    spearman_scorer,
    ucb_spearman_scorer,
)

warnings.filterwarnings("ignore", message="ESMEmbedder.*random")

scan = make_protein_landscape(400, length=40, n_pool=1000, random_state=0)
print(scan.wild_type)
print(scan.data[:5], scan.target[:5].round(2))

# %%
# One pipeline from codes to predictions
# --------------------------------------
# The builder checks every code against the wild type. With ``cache="file.sqlite"`` the
# embedder would keep its vectors, and cross-validation would embed each mutant once.
pipeline = make_pipeline(
    MutantSequenceBuilder(scan.wild_type),
    ESMEmbedder(weights="random", random_state=0),
    BootstrapStackedLGBM(n_estimators=30, min_child_samples=15, random_state=0),
)
scores = cross_validate(
    pipeline,
    scan.data,
    scan.target,
    cv=3,
    scoring={"prediction": spearman_scorer, "UCB": ucb_spearman_scorer},
)
print("prediction", scores["test_prediction"].round(3))
print("UCB       ", scores["test_UCB"].round(3))

# %%
# Choosing
# --------
# Fit on all that is known, embed the pool, take the highest upper confidence bounds.
pipeline.fit(scan.data, scan.target)
embed, model = pipeline[:-1], pipeline[-1]
X_pool = embed.transform(scan.pool)
chosen = model.suggest(X_pool, 20)
print(scan.pool[chosen])

# %%
# Were the choice and the intervals good?
# ---------------------------------------
# On the left the pool as the model sees it. On the right what the simulator knows: the
# true scores of the chosen mutants against those of the whole pool.
mean, std = model.predict(X_pool, return_std=True)
lower, upper = model.predict_interval(X_pool, confidence_level=0.9).T
rng = np.random.default_rng(0)
measured = scan.pool_true + rng.normal(scale=0.1, size=len(mean))
covered = np.mean((lower <= measured) & (measured <= upper))
print(f"90% intervals hold {covered:.1%} of new measurements")

orange = "#d55e00"
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
left.plot(std, mean, ".", color="0.7", label="pool")
left.plot(std[chosen], mean[chosen], ".", color=orange, label="suggested")
left.set(xlabel="standard deviation of the members", ylabel="predicted score")
left.legend()
bins = np.linspace(scan.pool_true.min(), scan.pool_true.max(), 25)
right.hist(scan.pool_true, bins, density=True, color="0.7", label="pool")
right.hist(scan.pool_true[chosen], bins, density=True, color=orange, alpha=0.6)
right.axvline(scan.pool_true.mean(), color="0.4", ls="--", label="mean of the pool")
mean_chosen = scan.pool_true[chosen].mean()
right.axvline(mean_chosen, color=orange, ls="--", label="mean of the suggested")
right.set(xlabel="true score", ylabel="density")
right.legend(loc="upper center")
plt.show()
