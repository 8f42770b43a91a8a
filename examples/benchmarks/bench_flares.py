"""Flares from magnetograms: seconds, against running VGG16 in every epoch.

Run on its own, for instance::

    python examples/benchmarks/bench_flares.py --part fit --dtypes bfloat16

Parts: `fit` (5 epochs on 256 simulated images in PNG files; then a second fit, on the
features stored by the first), `grid` (a grid of 12 candidates). Each takes three to
four minutes on two cores.

The straightforward way is keras.applications' VGG16 with a softmax over two classes for
its last layer, all others not trainable, and `model.fit` on a `tf.data` pipeline that
decodes files in two threads and ahead; after each epoch the skill on images held out is
found in one pass. Both start from the same weights, drawn at random and read from a
file that keras wrote, hold out the same images, and have two threads. Every way runs in
a process of its own. Importing libraries is in no time; reading the weights is in ours
and not in that of keras.
"""

import argparse
import tempfile
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
    seconds_of,
    simulate,
    write_weights,
)
from sklearn.model_selection import GridSearchCV, GroupKFold

from skestimators.metrics import tss_scorer

GRID = {
    "learning_rate": [3e-4, 1e-3, 3e-3],
    "class_weight": [None, "balanced"],
    "batch_size": [32, 64],
}
N_FOLDS = 3


def time_keras(images, weights, dtype, test=None):
    """Time the fit, and the prediction for other images; return the skills as well."""
    paths, labels, groups = images
    train, validation = held_out(labels, groups)
    network = compiled(keras_network(weights, dtype))
    skills = []

    def work():
        skills.extend(
            fit_keras(
                network,
                pipeline(paths[train], labels[train], shuffle=True),
                labels[train],
                pipeline(paths[validation]),
                labels[validation],
            )
        )
        if test is not None:
            network.predict(pipeline(test), verbose=0)

    return seconds_of(work), skills


def time_ours(images, weights, dtype, store):
    """Time two fits, and return the skills of the last as well."""
    paths, labels, groups = images
    import_all()
    classifier = flare_classifier(
        weights, dtype=dtype, cache=store, class_weight=class_weights(labels)
    )
    seconds = [
        seconds_of(lambda: classifier.fit(paths, labels, groups=groups))
        for _ in range(2)
    ]
    return seconds, classifier.history_["valid_tss"]


def time_grid(images, weights, dtype, store):
    """Time the search with an empty store, and with one that has the features."""
    paths, labels, groups = images
    import_all()
    search = GridSearchCV(
        flare_classifier(weights, dtype=dtype, cache=store),
        GRID,
        scoring=tss_scorer,
        cv=GroupKFold(N_FOLDS),
    )
    return [
        seconds_of(lambda: search.fit(paths, labels, groups=groups)) for _ in range(2)
    ]


def bench_fit(args, folder):
    """One fit of each, then a second of ours in the same and in a new process."""
    weights = folder / "random.weights.h5"
    apart(write_weights, weights)
    images = simulate(folder / "images", args.regions, 4)
    n = len(images[0])
    print_title(f"fit: {n} images, {EPOCHS} epochs, a quarter held out")
    print(
        f"{'':>34} {'s':>7} {'keras float32 /':>16} {'same type /':>12}  TSS held out"
    )
    seconds = {}

    def show(name, dtype, found, skills):
        ratios = [
            f"{seconds[key] / found:.1f}" if key in seconds else "-"
            for key in ("float32", dtype)
        ]
        skills = " ".join(f"{skill:.2f}" for skill in skills)
        print(
            f"{name + ', ' + dtype:>34} {found:7.2f} {ratios[0]:>16} {ratios[1]:>12}  "
            f"{skills}",
            flush=True,
        )

    for dtype in args.keras_dtypes:
        seconds[dtype], skills = apart(time_keras, images, weights, dtype)
        show("keras", dtype, seconds[dtype], skills)
    for dtype in args.dtypes:
        store = folder / f"{dtype}.store"
        (first, second), skills = apart(time_ours, images, weights, dtype, store)
        show("ours, first", dtype, first, skills)
        show("second", dtype, second, skills)
        (again, _), skills = apart(time_ours, images, weights, dtype, store)
        show("in a new process", dtype, again, skills)


def bench_grid(args, folder):
    """Ours as it is; keras by one fit of a fold and one of all, multiplied."""
    weights = folder / "random.weights.h5"
    apart(write_weights, weights)
    images = simulate(folder / "images", args.regions, 4)
    n_candidates = int(np.prod([len(values) for values in GRID.values()]))
    n_fits = n_candidates * N_FOLDS
    print_title(f"grid: {n_candidates} candidates, {N_FOLDS} folds, {EPOCHS} epochs")
    train, test = next(GroupKFold(N_FOLDS).split(*images))
    fold = [column[train] for column in images]
    one_fold, _ = apart(time_keras, fold, weights, "float32", images[0][test])
    print(
        f"keras float32, a fold of {len(train)} images, with prediction for "
        f"{len(test)}: {one_fold:.1f} s",
        flush=True,
    )
    whole, _ = apart(time_keras, images, weights, "float32")
    keras = n_fits * one_fold + whole
    print(
        f"all {len(images[0])} images: {whole:.1f} s; {n_fits} x {one_fold:.1f} + "
        f"{whole:.1f} = {keras:.0f} s (computed, not run)",
        flush=True,
    )
    for dtype in args.dtypes:
        found = apart(time_grid, images, weights, dtype, folder / f"{dtype}.store")
        for name, seconds in zip(
            ("empty store", "stored features"), found, strict=True
        ):
            print(
                f"ours {dtype}, {name}: {seconds:.1f} s, {keras / seconds:.0f} times "
                "faster",
                flush=True,
            )


def main():
    parts = {
        "fit": bench_fit,
        "grid": bench_grid,
    }
    dtypes = ["float32", "bfloat16"]
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--dtypes", nargs="+", choices=dtypes, default=dtypes)
    parser.add_argument(
        "--keras-dtypes", nargs="+", choices=dtypes, default=["float32"]
    )
    parser.add_argument("--regions", type=int, default=64, help="of 4 images each")
    args = parser.parse_args()
    for name, part in parts.items():
        if args.part in (name, "all"):
            with tempfile.TemporaryDirectory() as folder:
                part(args, Path(folder))


if __name__ == "__main__":
    main()
