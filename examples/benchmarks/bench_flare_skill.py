"""Skill of flare forecasts: as with keras, against the flux, and by random splits.

Run on its own, for instance::

    python examples/benchmarks/bench_flare_skill.py --part quality

Parts: `agreement` (skill on regions held out, over several draws of them, of the head
that we train and of the one that keras does; `bench_flares.py` says how), `quality`
(against a logistic regression on the unsigned flux, and what random splits would
claim). They take four and two minutes on two idle cores. Weights are drawn at random.

In `agreement`, keras too computes the features once, by its own network: as long as
that is frozen, they are the same in every epoch.
"""

import argparse
import tempfile
import warnings
from pathlib import Path

import numpy as np
from flare_notebook import (
    EPOCHS,
    apart,
    class_weights,
    compiled,
    fit_keras,
    flare_classifier,
    held_out,
    import_all,
    keras_network,
    pipeline,
    print_title,
    simulate,
    write_weights,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GroupShuffleSplit,
    StratifiedGroupKFold,
    StratifiedKFold,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators.datasets import make_magnetograms
from skestimators.feature_extraction import VGGEmbedder
from skestimators.metrics import true_skill_statistic, tss_scorer
from skestimators.neural_network import VGGFlareClassifier

N_FOLDS = 5


def mean_and_error(values):
    error = np.std(values, ddof=1) / len(values) ** 0.5
    return f"{np.mean(values):6.3f} +- {error:.3f}"


def keras_features(paths, weights):
    import keras

    network = keras_network(weights, "float32")
    network = keras.Model(network.input, network.layers[-2].output)
    return network.predict(pipeline(paths), verbose=0)


def keras_predictions(images, weights, splits):
    """Fit the head to features computed once: the frozen network's never change."""
    import keras

    paths, labels, groups = images
    X = keras_features(paths, weights)
    predictions = []
    for seed, (train, test) in enumerate(splits):
        found = []
        for validation in (True, False):
            keras.utils.set_random_seed(seed)
            head = keras.layers.Dense(2, activation="softmax")
            network = compiled(keras.Sequential([keras.Input((4096,)), head]))
            if validation:
                parts = held_out(labels[train], groups[train], seed)
                rows, kept = (train[part] for part in parts)
                fit_keras(network, X[rows], labels[rows], X[kept], labels[kept])
            else:
                fit_keras(network, X[train], labels[train])
            found.append(network.predict(X[test], verbose=0).argmax(axis=1))
        predictions.append(found)
        keras.backend.clear_session()
    return X, predictions


def our_predictions(images, weights, splits, dtype, store):
    import_all()
    paths, labels, groups = images
    X = VGGEmbedder(weights, dtype=dtype, cache=store).fit_transform(paths)
    predictions = []
    for seed, (train, test) in enumerate(splits):
        found = []
        for validation in (True, False):
            classifier = flare_classifier(
                weights,
                seed,
                dtype=dtype,
                cache=store,
                early_stopping=validation,
                class_weight=class_weights(labels[train]),
            ).fit(paths[train], labels[train], groups=groups[train])
            found.append(classifier.predict(paths[test]))
        predictions.append(found)
    return X, predictions


def bench_agreement(args, folder):
    """Skill on regions held out, of networks from other first heads and orders."""
    weights = folder / "random.weights.h5"
    apart(write_weights, weights)
    images = simulate(folder / "images", 2 * args.regions, 4)
    paths, labels, groups = images
    splits = list(
        GroupShuffleSplit(args.draws, test_size=0.5, random_state=0).split(
            paths, groups=groups
        )
    )
    print_title(
        f"agreement: {args.draws} draws of {args.regions} regions to train on and as "
        f"many to test, {EPOCHS} epochs"
    )
    X, predictions = apart(keras_predictions, images, weights, splits)
    theirs = scores_of(labels, splits, predictions)
    show_scores("keras float32", theirs)
    for dtype in args.dtypes:
        store = folder / f"{dtype}.store"
        ours, predictions = apart(
            our_predictions, images, weights, splits, dtype, store
        )
        scores = scores_of(labels, splits, predictions)
        show_scores(f"ours {dtype}", scores)
        show_scores("difference", scores - theirs)
        cosines = (ours * X).sum(1) / np.sqrt((ours**2).sum(1) * (X**2).sum(1))
        print(
            f"features of {dtype}: largest difference {np.abs(ours - X).max():.1e} of "
            f"{X.max():.1f}, smallest cosine {cosines.min():.7f}",
            flush=True,
        )


def scores_of(labels, splits, predictions):
    """Return TSS and accuracy, with and without choosing the epoch, of each split."""
    return np.array(
        [
            [
                score
                for y_pred in found
                for score in (
                    true_skill_statistic(labels[test], y_pred),
                    np.mean(labels[test] == y_pred),
                )
            ]
            for (_, test), found in zip(splits, predictions, strict=True)
        ]
    )


def show_scores(name, scores):
    best_tss, best_accuracy, tss, accuracy = map(mean_and_error, scores.T)
    print(
        f"{name:>16}: best epoch, TSS {best_tss}, accuracy {best_accuracy}; "
        f"last epoch, TSS {tss}, accuracy {accuracy}",
        flush=True,
    )


def bench_quality(args, folder):
    """Skill over folds of regions; its error is that of so many folds."""
    images = make_magnetograms(
        folder / "images", n_regions=150, n_frames=6, random_state=args.seed
    )
    paths, labels, groups = images.paths, images.labels, images.groups
    print_title(
        f"quality: {len(labels)} images of 150 regions, {N_FOLDS} folds, random weights"
    )
    import_all()
    warnings.filterwarnings("ignore", r"\w+\(weights='random'\)", UserWarning)
    vgg = VGGFlareClassifier(
        "random",
        class_weight="balanced",
        dtype=args.dtypes[-1],
        cache=folder / "store",
        random_state=0,
    )
    logistic = LogisticRegression(class_weight="balanced")
    flux = np.log1p(images.unsigned_flux)[:, None]

    # Random splits: what is held out for the best epoch are still regions.
    def score(estimator, X, splitter):
        return np.array(
            [
                cross_val_score(
                    estimator,
                    X,
                    labels,
                    groups=None if splitter is StratifiedKFold else groups,
                    scoring=tss_scorer,
                    cv=splitter(N_FOLDS, shuffle=True, random_state=seed),
                )
                for seed in range(args.repeats)
            ]
        )

    found = {
        "flux": score(
            make_pipeline(StandardScaler(), logistic), flux, StratifiedGroupKFold
        )
    }
    for epochs in args.epochs:
        vgg.set_params(max_epochs=epochs)
        found[f"VGG, {epochs} epochs"] = score(vgg, paths, StratifiedGroupKFold)
        found[f"VGG, {epochs} epochs, random splits"] = score(
            vgg, paths, StratifiedKFold
        )
    print(f"{'':>30} {'TSS':>6}{'':>9} {'over flux, same folds':>24}")
    for name, scores in found.items():
        # Folds of several shuffles are not independent: the error is that of five.
        error = scores.std(ddof=1) / N_FOLDS**0.5
        text = f"{name:>30} {scores.mean():6.3f} +- {error:.3f}"
        if name.endswith("epochs"):
            gain = scores - found["flux"]
            error = gain.std(ddof=1) / N_FOLDS**0.5
            text += f" {gain.mean():15.3f} +- {error:.3f}"
        print(text, flush=True)


def main():
    parts = {"agreement": bench_agreement, "quality": bench_quality}
    dtypes = ["float32", "bfloat16"]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--dtypes", nargs="+", choices=dtypes, default=["bfloat16"])
    parser.add_argument("--regions", type=int, default=64, help="of 4 images each")
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--epochs", type=int, nargs="+", default=[5, 30])
    parser.add_argument("--repeats", type=int, default=3, help="shuffles of folds")
    parser.add_argument("--seed", type=int, default=0, help="of the simulator")
    args = parser.parse_args()
    for name, part in parts.items():
        if args.part in (name, "all"):
            with tempfile.TemporaryDirectory() as folder:
                part(args, Path(folder))


if __name__ == "__main__":
    main()
