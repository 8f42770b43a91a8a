"""Flares from magnetograms: seconds, against running VGG16 in every epoch.

Run on its own, for instance::

    python examples/benchmarks/bench_flares.py --part keras --dtypes float32
    python examples/benchmarks/bench_flares.py --part fit

Parts: `keras` (the straightforward way: 5 epochs on 256 simulated images in PNG files),
`fold` (the same on two thirds, and prediction for the rest), `fit` (ours: a first fit,
and second ones on the features stored by it), `grid` (ours: a grid of 12 candidates).
Those of keras take one to four minutes on two cores, those of ours one. The seconds of
keras are kept in the file `--times`, which the other parts compare with: run all on the
same machine, one after another.

The straightforward way is keras.applications' VGG16 with a softmax over two classes for
its last layer, all others not trainable, and `model.fit` on a `tf.data` pipeline that
decodes files in two threads and ahead; after each epoch the skill on images held out is
found in one pass. Both start from the same weights, drawn at random and read from a
file that keras wrote, hold out the same images, and have two threads. Every way runs in
a process of its own. Importing libraries is in no time; reading the weights is in ours
and not in that of keras.
"""

import argparse
import json
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
DTYPES = ["float32", "bfloat16"]


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


def prepare(args, folder):
    """Return the images, and the file of the weights."""
    weights = folder / "random.weights.h5"
    apart(write_weights, weights)
    return simulate(folder / "images", args.regions, 4), weights


def recall(args):
    """Return the seconds of keras that were measured before."""
    return json.loads(args.times.read_text()) if args.times.is_file() else {}


def bench_keras(args, folder):
    """Time the fit that ours is compared with."""
    images, weights = prepare(args, folder)
    print_title(f"keras: {len(images[0])} images, {EPOCHS} epochs, a quarter held out")
    for dtype in args.dtypes:
        seconds, skills = apart(time_keras, images, weights, dtype)
        print(f"{dtype:>10} {seconds:7.1f} s, {show_skills(skills)}", flush=True)
        args.times.write_text(json.dumps(recall(args) | {dtype: seconds}))


def bench_fold(args, folder):
    """Time the fit in a fold of a grid, and the prediction for the rest."""
    images, weights = prepare(args, folder)
    train, test = next(GroupKFold(N_FOLDS).split(*images))
    fold = [column[train] for column in images]
    print_title(
        f"keras: a fold of {len(train)} images, {EPOCHS} epochs, a quarter held out, "
        f"prediction for {len(test)}"
    )
    seconds, _ = apart(time_keras, fold, weights, "float32", images[0][test])
    print(f"{'float32':>10} {seconds:7.1f} s", flush=True)
    args.times.write_text(json.dumps(recall(args) | {"fold": seconds}))


def show_skills(skills):
    return "TSS held out " + " ".join(f"{skill:.2f}" for skill in skills)


def bench_fit(args, folder):
    """Time a fit, a second one, and one in a new process."""
    images, weights = prepare(args, folder)
    keras = recall(args)
    print_title(f"ours: {len(images[0])} images, {EPOCHS} epochs, a quarter held out")
    print(f"{'':>28} {'s':>7} {'keras float32 /':>16} {'keras bfloat16 /':>17}")
    for dtype in args.dtypes:
        store = folder / f"{dtype}.store"
        (first, second), skills = apart(time_ours, images, weights, dtype, store)
        (again, _), _ = apart(time_ours, images, weights, dtype, store)
        for name, seconds in (
            (f"{dtype}, first", first),
            ("second", second),
            ("second, in a new process", again),
        ):
            ratios = [keras.get(key, np.nan) / seconds for key in DTYPES]
            print(
                f"{name:>28} {seconds:7.2f} {ratios[0]:16.1f} {ratios[1]:17.1f}  "
                f"{show_skills(skills)}",
                flush=True,
            )


def bench_grid(args, folder):
    """Time ours as it is; keras is known by the fits that were timed."""
    images, weights = prepare(args, folder)
    n_candidates = int(np.prod([len(values) for values in GRID.values()]))
    n_fits = n_candidates * N_FOLDS
    print_title(f"grid: {n_candidates} candidates, {N_FOLDS} folds, {EPOCHS} epochs")
    keras = recall(args)
    fold, whole = (keras.get(key, np.nan) for key in ("fold", "float32"))
    total = n_fits * fold + whole
    print(
        f"keras float32: {n_fits} x {fold:.1f} s for the folds, {whole:.1f} s for all "
        f"images: {total:.0f} s (computed from one fit of each, not run)",
        flush=True,
    )
    for dtype in args.dtypes:
        found = apart(time_grid, images, weights, dtype, folder / f"{dtype}.store")
        stores = ("empty store", "stored features")
        for name, seconds in zip(stores, found, strict=True):
            print(
                f"ours {dtype}, {name}: {seconds:.1f} s, {total / seconds:.0f} times "
                "faster",
                flush=True,
            )


def main():
    parts = {
        "keras": bench_keras,
        "fold": bench_fold,
        "fit": bench_fit,
        "grid": bench_grid,
    }
    times = Path(tempfile.gettempdir(), "bench_flares.json")
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES)
    parser.add_argument("--regions", type=int, default=64, help="of 4 images each")
    parser.add_argument("--times", type=Path, default=times, help="of keras")
    args = parser.parse_args()
    for name, part in parts.items():
        if args.part in (name, "all"):
            with tempfile.TemporaryDirectory() as folder:
                part(args, Path(folder))


if __name__ == "__main__":
    main()
