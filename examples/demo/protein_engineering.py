"""Protein engineering, from measured mutants to the ones to measure next.

Reads variants and their scores, embeds them with ESM-2, compares models by
cross-validation, checks their prediction intervals, and writes the 100 mutants worth
measuring next to ``query.txt``, with a figure beside it. See ``--help``.
"""

import argparse
import time
import warnings
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # the figure goes to a file; no screen is needed

import matplotlib.pyplot as plt
import numpy as np
import sklearn
from lightgbm import LGBMRegressor
from rich.console import Console
from rich.table import Table
from sklearn.model_selection import GroupKFold, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from xgboost import XGBRegressor

from skestimators import (
    BootstrapStackedLGBM,
    ESMEmbedder,
    MutantSequenceBuilder,
    TorchMLPRegressor,
    make_protein_landscape,
    read_fasta,
    single_substitutions,
    spearman_score,
    spearman_scorer,
    ucb_spearman_scorer,
)

N_SUGGESTIONS = 100
CONFIDENCE = 0.9
N_THREADS = 2

console = Console()


def load_variants(path):
    """Return wild type, mutant codes, scores and the codes of the pool."""
    if path is None:
        scan = make_protein_landscape(1000, n_pool=2000, random_state=0)
        return scan.wild_type, scan.data, scan.target, scan.pool
    variants = read_fasta(path, score_field=-1)
    # Headers read ">0|beta-lactamase_A42G|0.97".
    codes = variants["header"].str.extract(r"_([A-Z]\d+[A-Z](?::[A-Z]\d+[A-Z])*)\|")[0]
    if codes.isna().any():
        header = variants["header"][codes.isna()].iloc[0]
        raise SystemExit(f"{path}: no code such as _A42G| in the header {header!r}")
    wild_type = revert(codes[0], variants["sequence"][0])
    codes = codes.to_numpy(dtype=object)
    pool = np.setdiff1d(single_substitutions(wild_type), codes)
    return wild_type, codes, variants["score"].to_numpy(), pool


def revert(code, sequence):
    """Return the wild type of a variant."""
    residues = list(sequence)
    for substitution in code.split(":"):
        residues[int(substitution[1:-1]) - 1] = substitution[0]
    return "".join(residues)


def embed(embedding, codes, pool):
    """Embed all variants once; from here on they come out of the store."""
    start = time.perf_counter()
    both = embedding.fit_transform(np.concatenate([codes, pool]))
    seconds = time.perf_counter() - start
    console.print(f"{len(both)} variants, {both.shape[1]} features: {seconds:.0f} s")
    embedding.set_params(esmembedder__verbose=0)
    return both[: len(codes)], both[len(codes) :]


def score_of_mean(estimator, X, y):
    """Score the plain mean of the members, before stacking."""
    members = estimator[-1].predict_all(estimator[:-1].transform(X))
    return spearman_score(y, members.mean(axis=1))


def make_bootstrap():
    """Return the ensemble that makes the suggestions."""
    ensemble = BootstrapStackedLGBM(n_jobs=N_THREADS, random_state=0)
    return ensemble.set_fit_request(groups=True)


def make_models():
    """Return, for each model, the regressor and what to ask of it."""
    tuned = {"learning_rate": 0.0727, "num_leaves": 99, "min_child_samples": 40}
    tuned |= {"max_depth": 5, "colsample_bytree": 0.549, "n_jobs": N_THREADS}
    single = {"": spearman_scorer}
    bootstrap = {
        ", mean": score_of_mean,
        ", stacked": spearman_scorer,
        ", UCB": ucb_spearman_scorer,
    }
    return {
        "MLP": (
            make_pipeline(
                StandardScaler(),
                TorchMLPRegressor(random_state=0).set_fit_request(groups=True),
            ),
            single,
        ),
        "XGBoost": (
            XGBRegressor(n_estimators=100, n_jobs=N_THREADS, random_state=0),
            single,
        ),
        "LightGBM": (LGBMRegressor(**tuned, random_state=0, verbose=-1), single),
        "Bootstrap": (
            make_bootstrap(),
            bootstrap,
        ),
    }


def compare_models(embedding, codes, y, sequences):
    """Cross-validate each model; return its scores, and the last one's fits."""
    table = Table("model", "Spearman", "folds", "seconds")
    scores = {}
    for name, (regressor, scoring) in make_models().items():
        start = time.perf_counter()
        folds = cross_validate(
            make_pipeline(*embedding, regressor),
            codes,
            y,
            # Variants of one sequence stay together, or the test set is known.
            params={"groups": sequences},
            cv=GroupKFold(5, shuffle=True, random_state=0),
            scoring=scoring,
            return_estimator=True,
            return_indices=True,
        )
        seconds = time.perf_counter() - start
        for kind in scoring:
            of_folds = scores[name + kind] = folds[f"test_{kind}"]
            cells = " ".join(f"{score:.3f}" for score in of_folds)
            table.add_row(
                name + kind, f"{of_folds.mean():.3f}", cells, f"{seconds:.0f}"
            )
    console.print(table)
    return scores, folds


def predict_held_out(folds, X, n_samples):
    """Return mean and interval of each variant from the fold that held it out."""
    mean, interval = np.empty(n_samples), np.empty((n_samples, 2))
    for pipeline, test in zip(
        folds["estimator"], folds["indices"]["test"], strict=True
    ):
        mean[test] = pipeline[-1].predict(X[test])
        interval[test] = pipeline[-1].predict_interval(X[test], CONFIDENCE)
    return mean, interval


def draw(path, scores, y, held_out, pool_ucb, title):
    """Draw scores, intervals and suggestions side by side."""
    mean, interval = held_out
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.6), layout="constrained")
    figure.suptitle(title)

    names = list(scores)
    axes[0].barh(names, [s.mean() for s in scores.values()], color="#9ecae1")
    for row, of_folds in enumerate(scores.values()):
        axes[0].plot(of_folds, np.full(len(of_folds), row), "k.", ms=4)
    axes[0].invert_yaxis()
    axes[0].set(xlabel="Spearman correlation", title="Five folds by sequence")

    shown = np.random.default_rng(0).permutation(len(y))[:150]
    shown = shown[np.argsort(mean[shown])]
    inside = (interval[:, 0] <= y) & (y <= interval[:, 1])
    rank = np.arange(len(shown))
    axes[1].fill_between(rank, *interval[shown].T, color="#c6dbef", label="interval")
    axes[1].plot(rank, mean[shown], color="#3182bd", label="prediction")
    for mask, colour, label in [(inside, "k", "inside"), (~inside, "r", "outside")]:
        held = mask[shown]
        axes[1].plot(rank[held], y[shown][held], ".", c=colour, label=label)
    axes[1].legend(fontsize="small")
    axes[1].set(
        xlabel="150 held-out variants, by prediction",
        ylabel="score",
        title=f"{CONFIDENCE:.0%} intervals hold {inside.mean():.1%}",
    )

    pool_mean, pool_std, chosen = pool_ucb
    axes[2].plot(pool_std, pool_mean, ".", color="0.75", label="pool")
    axes[2].plot(pool_std[chosen], pool_mean[chosen], ".", c="r", label="suggested")
    axes[2].legend(fontsize="small")
    axes[2].set(
        xlabel="standard deviation of the members",
        ylabel="predicted score",
        title=f"{len(chosen)} highest upper confidence bounds",
    )
    figure.savefig(path, dpi=120)


def main():
    """Run the whole line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="FASTA file; default: a simulated landscape")
    parser.add_argument("--weights", default="random", help="ESM-2 checkpoint")
    parser.add_argument("--model", default="esm2_t6_8M_UR50D")
    parser.add_argument("--output", type=Path, default=Path("demo_output"))
    args = parser.parse_args()
    args.output.mkdir(parents=True, exist_ok=True)
    if args.weights == "random":
        console.print(
            "[bold]Weights are random: the network is untrained.[/] "
            "Scores are far below those of real ESM-2 weights."
        )
        warnings.filterwarnings("ignore", message="ESMEmbedder.*random")

    # Groups reach the models, so that their own splits keep to them too.
    sklearn.set_config(enable_metadata_routing=True)
    wild_type, codes, y, pool = load_variants(args.data)
    builder = MutantSequenceBuilder(wild_type)
    embedding = make_pipeline(
        builder,
        ESMEmbedder(
            args.model,
            weights=args.weights,
            cache=args.output / "embeddings.sqlite",
            random_state=0,
            verbose=1,
        ),
    )
    X, X_pool = embed(embedding, codes, pool)
    sequences = builder.transform(codes)[:, 0]
    scores, folds = compare_models(embedding, codes, y, sequences)
    held_out = predict_held_out(folds, X, len(y))
    inside = (held_out[1][:, 0] <= y) & (y <= held_out[1][:, 1])
    share = inside.mean()
    console.print(f"{CONFIDENCE:.0%} intervals hold {share:.1%} of held-out scores")

    model = make_bootstrap().fit(X, y, groups=sequences)
    chosen = model.suggest(X_pool, N_SUGGESTIONS, random_state=0)
    query = args.output / "query.txt"
    query.write_text("".join(f"{code}\n" for code in pool[chosen]))
    figure = args.output / "protein_engineering.png"
    pool_ucb = *model.predict(X_pool, return_std=True), chosen
    title = Path(args.data).name if args.data else "simulated landscape"
    draw(figure, scores, y, held_out, pool_ucb, f"{title}, weights: {args.weights}")
    console.print(f"Suggestions: {query}\nFigure: {figure}\nStore: {args.output}")


if __name__ == "__main__":
    main()
