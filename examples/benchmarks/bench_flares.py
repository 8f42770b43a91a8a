"""Flares from magnetograms: seconds, against running VGG16 in every epoch.

Run on its own, for instance::

    python examples/benchmarks/bench_flares.py --part keras --dtypes float32
    python examples/benchmarks/bench_flares.py --part fit

Parts: `keras` (the straightforward way: 5 epochs on 256 simulated images in PNG files),
`fit` (ours: a first fit, and second ones on the features stored by it), `grid` (ours: a
grid of 12 candidates; what keras would take follows from the images that pass its
network). The first takes four minutes on two idle cores and more on busy ones, the
others one. The seconds of keras are kept in the file `--times`, which the other parts
compare with: run all on the same machine, one after another. Beside the seconds stand
those that processors were busy, which depend less on what else runs.

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


def time_keras(images, weights, dtype):
    """Time the fit, and return the skills of its epochs as well."""
    paths, labels, groups = images
    train, validation = held_out(labels, groups)
    network = compiled(keras_network(weights, dtype))
    skills = []
    parts = (
        pipeline(paths[train], labels[train], shuffle=True),
        labels[train],
        pipeline(paths[validation]),
        labels[validation],
    )
    return seconds_of(lambda: skills.extend(fit_keras(network, *parts))), skills


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
    """Return the seconds of keras that were measured before, NaN if they were not."""
    unknown = {key: [np.nan, np.nan] for key in DTYPES}
    known = json.loads(args.times.read_text()) if args.times.is_file() else {}
    return {key: np.array(pair) for key, pair in (unknown | known).items()}


def note(args, key, seconds):
    """Keep seconds of keras."""
    kept = {key: list(pair) for key, pair in recall(args).items()}
    args.times.write_text(json.dumps(kept | {key: seconds}))


def bench_keras(args, folder):
    """Time the fit that ours is compared with."""
    images, weights = prepare(args, folder)
    print_title(f"keras: {len(images[0])} images, {EPOCHS} epochs, a quarter held out")
    for dtype in args.dtypes:
        seconds, skills = apart(time_keras, images, weights, dtype)
        print(f"{dtype:>10} {show_seconds(seconds)}, {show_skills(skills)}", flush=True)
        note(args, dtype, seconds)


def show_seconds(seconds):
    return "{:.1f} s, processors busy for {:.1f} s".format(*seconds)


def show_skills(skills):
    return "TSS held out " + " ".join(f"{skill:.2f}" for skill in skills)


def bench_fit(args, folder):
    """Time a fit, a second one, and one in a new process."""
    images, weights = prepare(args, folder)
    keras = recall(args)
    print_title(f"ours: {len(images[0])} images, {EPOCHS} epochs, a quarter held out")
    print(f"{'':>28} {'s':>7} {'busy':>7}  keras float32 / and keras bfloat16 / ...")
    for dtype in args.dtypes:
        store = folder / f"{dtype}.store"
        (first, second), skills = apart(time_ours, images, weights, dtype, store)
        (again, _), _ = apart(time_ours, images, weights, dtype, store)
        for name, seconds in (
            (f"{dtype}, first", first),
            ("second", second),
            ("second, in a new process", again),
        ):
            ratios = [keras[key] / seconds for key in DTYPES]
            print(
                f"{name:>28} {seconds[0]:7.2f} {seconds[1]:7.2f}  "
                + ", ".join("{:.1f} (busy {:.1f})".format(*pair) for pair in ratios)
                + f"; {show_skills(skills)}",
                flush=True,
            )


def bench_grid(args, folder):
    """Time ours as it is; keras is known by the fits that were timed."""
    images, weights = prepare(args, folder)
    n_candidates = int(np.prod([len(values) for values in GRID.values()]))
    print_title(f"grid: {n_candidates} candidates, {N_FOLDS} folds, {EPOCHS} epochs")
    n, n_passes = len(images[0]), 0
    for train, test in GroupKFold(N_FOLDS).split(*images):
        n_passes += n_candidates * (EPOCHS * len(train) + len(test))
    n_passes += EPOCHS * n
    total = recall(args)["float32"] * n_passes / (EPOCHS * n)
    print(
        f"keras float32, from the time of one fit and the {n_passes} images that would "
        f"pass the network: {show_seconds(total)}",
        flush=True,
    )
    for dtype in args.dtypes:
        found = apart(time_grid, images, weights, dtype, folder / f"{dtype}.store")
        stores = ("empty store", "stored features")
        for name, seconds in zip(stores, found, strict=True):
            print(
                f"ours {dtype}, {name}: {show_seconds(seconds)}; "
                + "{:.0f} times faster (busy {:.0f})".format(*(total / seconds)),
                flush=True,
            )


def main():
    parts = {
        "keras": bench_keras,
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
