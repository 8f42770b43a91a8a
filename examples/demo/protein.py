"""Protein engineering: from measured mutants to the ones to measure next."""

import warnings

import numpy as np
from lightgbm import LGBMRegressor
from line import (
    BLUE,
    N_JOBS,
    ORANGE,
    SKY,
    compare,
    draw_scores,
    fill_store,
    held_out,
    new_figure,
    save,
    say,
    strongest,
    trim,
)
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from table import Result

from skestimators import (
    BootstrapStackedLGBM,
    ESMEmbedder,
    MutantSequenceBuilder,
    make_protein_landscape,
    read_fasta,
    single_substitutions,
    spearman_scorer,
)

PIPELINE, LIGHTGBM, RIDGE = (
    "100 LightGBMs on ESM-2",
    "one LightGBM on ESM-2",
    "ridge on one-hot residues",
)
MODEL = "esm2_t6_8M_UR50D"
N_SUGGESTIONS = 100
CONFIDENCE = 0.9


def run(output, *, data=None, weights=None, model=None):
    """Compare models, check intervals, and write the mutants to measure next."""
    wild_type, codes, y, pool = load_variants(data)
    builder = MutantSequenceBuilder(wild_type).fit(codes)
    sequences, pool_sequences = builder.transform(codes), builder.transform(pool)
    embedder = make_embedder(output, weights, model)
    everything = np.concatenate([sequences, pool_sequences])
    vectors = fill_store(
        embedder.cache,
        len(np.unique(everything)),
        "sequences",
        lambda: embedder.fit_transform(everything),
    )
    X, X_pool = vectors[: len(codes)], vectors[len(codes) :]

    say("Spearman correlation with the measured scores, of sequences left out")
    results = compare_models(embedder.set_params(verbose=0), sequences, y)
    intervals = predict_held_out(results[PIPELINE], X, y)
    chosen, uncertainty = suggest(X, y, sequences[:, 0], X_pool)
    query = output / "query.txt"
    query.write_text("".join(f"{code}\n" for code in pool[chosen]))
    say(f"The {len(chosen)} mutants to measure next: {query}")
    title = f"Which mutants should be measured next? {data or 'A simulated scan'}"
    figure = draw(results, y, intervals, (*uncertainty, chosen), title)
    baseline = strongest(results, PIPELINE)
    return Result(
        pipeline=PIPELINE,
        metric="Spearman",
        left_out="sequences",
        scores=results[PIPELINE]["test_score"],
        baseline=baseline,
        baseline_scores=results[baseline]["test_score"],
        figure=save(figure, output / "protein.png"),
    )


def load_variants(path):
    """Return wild type, mutant codes, scores and the codes of the pool."""
    if path is None:
        scan = make_protein_landscape(600, length=60, n_pool=900, random_state=0)
        return scan.wild_type, scan.data, scan.target, scan.pool
    variants = read_fasta(path, score_field=-1)
    # Headers read ">0|beta-lactamase_A42G|0.97".
    codes = variants["header"].str.extract(r"_([A-Z]\d+[A-Z](?::[A-Z]\d+[A-Z])*)\|")[0]
    if codes.isna().any():
        header = variants["header"][codes.isna()].iloc[0]
        raise ValueError(f"{path}: no code such as _A42G| in the header {header!r}")
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


def make_embedder(output, weights, model):
    """Return the embedder; without weights, say that its network is untrained."""
    if weights is None:
        say(
            "The weights of ESM-2 are random here, so that the demo runs offline: do "
            "not expect its vectors to tell more than the residues themselves, which "
            "the ridge sees. Your own: make demo DATA=file.fasta WEIGHTS=file.pt "
            "MODEL=name"
        )
        warnings.filterwarnings("ignore", message="ESMEmbedder.*untrained")
    return ESMEmbedder(
        model or MODEL,
        weights=weights or "random",
        cache=output / "embeddings.sqlite",
        n_jobs=N_JOBS,
        random_state=0,
        verbose=1,
    )


def make_bootstrap():
    """Return the ensemble that makes the suggestions."""
    ensemble = BootstrapStackedLGBM(n_jobs=N_JOBS, random_state=0)
    return ensemble.set_fit_request(groups=True)


def split_residues(sequences):
    """Return one column for each position."""
    return np.array([list(sequence) for sequence in sequences[:, 0]])


def compare_models(embedder, sequences, y):
    """Cross-validate the ensemble, one of its members, and a ridge without ESM-2."""
    # The parameters of the ensemble's members.
    tuned = {"learning_rate": 0.0727, "num_leaves": 99, "min_child_samples": 40}
    tuned |= {"max_depth": 5, "colsample_bytree": 0.549, "n_jobs": 1}
    single = LGBMRegressor(**tuned, random_state=0, verbose=-1)
    ridge = make_pipeline(
        FunctionTransformer(split_residues),
        OneHotEncoder(handle_unknown="ignore"),
        RidgeCV(np.logspace(-2, 3, 11)),
    )
    models = {
        RIDGE: ridge,
        LIGHTGBM: make_pipeline(embedder, single),
        PIPELINE: make_pipeline(embedder, make_bootstrap()),
    }
    return compare(
        {name: (model, sequences) for name, model in models.items()},
        y,
        cv=GroupKFold(5, shuffle=True, random_state=0),
        groups=sequences[:, 0],
        scoring=spearman_scorer,
    )


def predict_held_out(found, X, y):
    """Return prediction, interval and whether it holds the score, of held-out rows."""
    mean = held_out(found, lambda model, rows: model[-1].predict(X[rows]), len(y))
    interval = held_out(
        found,
        lambda model, rows: model[-1].predict_interval(X[rows], CONFIDENCE),
        len(y),
    )
    inside = (interval[:, 0] <= y) & (y <= interval[:, 1])
    say(f"{CONFIDENCE:.0%} intervals hold {inside.mean():.1%} of the held-out scores")
    return mean, interval, inside


def suggest(X, y, groups, X_pool):
    """Return what to measure next, and mean and spread of the pool."""
    model = make_bootstrap().fit(X, y, groups=groups)
    chosen = model.suggest(X_pool, min(N_SUGGESTIONS, len(X_pool)), random_state=0)
    return chosen, model.predict(X_pool, return_std=True)


def draw(results, y, intervals, pool, title):
    """Draw scores, intervals and suggestions side by side."""
    mean, interval, inside = intervals
    pool_mean, pool_std, chosen = pool
    figure, (left, middle, right) = new_figure(title, (15, 4.6), ncols=3)
    draw_scores(left, results, "Spearman correlation", pipeline=PIPELINE)

    shown = np.random.default_rng(0).permutation(len(y))[:150]
    shown = shown[np.argsort(mean[shown])]
    rank = np.arange(len(shown))
    middle.fill_between(rank, *interval[shown].T, color=SKY, alpha=0.3, lw=0)
    middle.plot(rank, mean[shown], color=BLUE, label="prediction")
    for mask, style, label in [
        (inside, {"c": "k", "marker": "."}, "measured, inside"),
        (~inside, {"c": ORANGE, "marker": "x"}, "measured, outside"),
    ]:
        held = mask[shown]
        middle.scatter(rank[held], y[shown][held], s=22, label=label, **style)
    middle.set(
        xlabel=f"{len(shown)} held-out mutants, by prediction",
        ylabel="score",
        title=f"{CONFIDENCE:.0%} intervals hold {inside.mean():.1%}",
    )
    right.plot(pool_std, pool_mean, ".", color="0.75", label="not measured yet")
    right.plot(pool_std[chosen], pool_mean[chosen], ".", c=ORANGE, label="suggested")
    right.set(
        xlabel="standard deviation of the members",
        ylabel="predicted score",
        title=f"{len(chosen)} to measure next",
    )
    for ax in (middle, right):
        ax.legend(fontsize="small")
    trim(middle, right)
    return figure
