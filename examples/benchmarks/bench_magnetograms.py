"""Reading magnetograms: seconds against astropy and scikit-image, and memory.

Run on its own, for instance::

    python examples/benchmarks/bench_magnetograms.py --part reading --data FOLDER
    python examples/benchmarks/bench_magnetograms.py --part memory --folder FOLDER

Parts: `reading` (FITS files one after another on one core, in turns with the
straightforward way, and a few hundred with `n_jobs`), `memory` (peak of a process that
streams 2,000 or 20,000 images; Linux only). `--data` holds real `.fits` files, of which
each is one more line of `reading`. `--folder` keeps the 20,000 simulated files of
`memory` (about 330 MB) for the next run.

The straightforward way opens a file with astropy, verifies it with "silentfix", takes
the data of HDU 1, copies them to three channels, resizes them by
`skimage.transform.resize` with `order=1` and `anti_aliasing=True` and scales them. The
second opponent resizes before it copies.
"""

import argparse
import os
import resource
import tempfile
import threading
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from contextlib import nullcontext
from multiprocessing import get_context
from pathlib import Path

# One core; `n_jobs` tells the number of processes.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from astropy.io import fits
from skimage.transform import resize

from skestimators.datasets import make_magnetograms, read_flare_table
from skestimators.feature_extraction import VGGEmbedder
from skestimators.neural_network import VGGFlareClassifier
from skestimators.preprocessing import MagnetogramReader

LIMIT = 5978.7
N_IMAGES = 20_000


def print_title(text):
    print(f"\n{text}; load {os.getloadavg()[0]:.2f}", flush=True)


def timed(work, *args):
    start = time.perf_counter()
    result = work(*args)
    return time.perf_counter() - start, result


# Reading.


def field_of(path):
    with fits.open(path) as hdus:
        hdus.verify("silentfix")
        return hdus[1].data


def straightforward(path):
    """Read one file as the notebook does."""
    image = np.stack([field_of(path)] * 3, axis=-1)
    image = resize(image, (224, 224), order=1, anti_aliasing=True)
    return (image + LIMIT) / (2 * LIMIT) * 255


def resized_first(path):
    """Read one file with a third of the work of resizing."""
    image = resize(field_of(path), (224, 224), order=1, anti_aliasing=True)
    return np.stack([(image + LIMIT) / (2 * LIMIT) * 255] * 3, axis=-1)


def bench_reading(args):
    """Read each file in turns; medians over files and rounds."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        files = {}
        for file_format, shape in (
            ("compressed_fits", (377, 744)),
            ("fits", (377, 744)),
        ):
            images = make_magnetograms(
                folder / file_format,
                n_regions=4,
                n_frames=4,
                image_shape=shape,
                file_format=file_format,
                random_state=0,
            )
            files[f"16 simulated, {file_format}"] = images.paths
        if args.data is not None:
            for path in sorted(args.data.glob("*.fits")):
                files[f"{path.name[:24]}..."] = np.array([str(path)] * 16, dtype=object)
        print_title(f"reading: one core, {args.rounds} rounds, ms a file")
        print(
            f"{'':>30} {'ours':>6} {'notebook':>9} {'ratio':>6} {'resized first':>14} "
            f"{'ratio':>6}  largest difference"
        )
        for name, paths in files.items():
            compare_readers(name, paths, args.rounds)
        bench_processes(folder / "compressed_fits", args)


def compare_readers(name, paths, n_rounds):
    reader = MagnetogramReader(nan="zero", on_unreadable="error").fit(paths)
    ways = {
        "ours": lambda path: reader.transform([path])[0],
        "notebook": straightforward,
        "resized first": resized_first,
    }
    seconds, difference = {way: [] for way in ways}, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(n_rounds):
            for path in paths:
                images = {}
                for way, read in ways.items():
                    found, images[way] = timed(read, path)
                    seconds[way].append(found)
                gap = np.abs(images["ours"] - images["notebook"])
                difference = max(difference, np.nanmax(gap, initial=0))
    ours, notebook, first = (1000 * np.median(seconds[way]) for way in ways)
    print(
        f"{name:>30} {ours:6.2f} {notebook:9.2f} {notebook / ours:6.2f} {first:14.2f} "
        f"{first / ours:6.2f}  {difference:.1e} of 255",
        flush=True,
    )


def bench_processes(folder, args):
    """Read the same files many times over by more processes."""
    paths = read_flare_table(folder / "labels.csv", root=folder).paths
    paths = np.tile(paths, args.files // len(paths))
    print_title(f"reading: {len(paths)} simulated compressed files by n_jobs processes")
    seconds = {n_jobs: [] for n_jobs in args.n_jobs}
    readers = {
        n_jobs: MagnetogramReader(nan="zero", on_unreadable="error", n_jobs=n_jobs).fit(
            paths
        )
        for n_jobs in args.n_jobs
    }
    for reader in readers.values():
        reader.transform(paths[:16])
    for _ in range(args.rounds):
        for n_jobs, reader in readers.items():
            seconds[n_jobs].append(timed(reader.transform, paths)[0])
    base = seconds[args.n_jobs[0]]
    for n_jobs, found in seconds.items():
        # What else runs on the machine slows more processes more.
        median, fastest = (
            f"{len(paths) / pick(found):6.1f} files/s, "
            f"{pick(base) / pick(found):.2f} times as fast"
            for pick in (np.median, min)
        )
        print(f"n_jobs={n_jobs}: median {median}; fastest {fastest}", flush=True)


# Memory.


def peak_memory(name, paths, labels):
    """Run in a process of its own; return seconds and MB at the peak."""
    warnings.filterwarnings("ignore", r"\w+\(weights='random'\)", UserWarning)
    anonymous, ended = [0.0], threading.Event()

    def watch():
        while not ended.wait(0.05):
            anonymous.append(anonymous_memory())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    with tempfile.TemporaryDirectory() as folder:
        seconds, result = timed(WORKS[name], paths, labels, Path(folder) / "store")
    ended.set()
    watcher.join()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return seconds, peak, max(anonymous), result


def anonymous_memory():
    with open("/proc/self/status") as status:
        line = next(line for line in status if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1000


def embed(paths, labels, store):
    """Read files as 32 x 32 pixels, and let all convolutions run on them."""
    embedder = VGGEmbedder(
        "random",
        layer="avg_pool",
        reader=MagnetogramReader((32, 32), on_unreadable="error"),
        cache=store,
        device="cpu",
        random_state=0,
    )
    X = embedder.fit(paths).transform(paths)
    return f"features {X.shape}, {X.nbytes / 1e6:.0f} MB of them"


def classify(paths, labels, store):
    """Read files as 224 x 224 pixels, and put a cheap function for the network."""
    from skestimators.feature_extraction import _vgg_engine

    projection = np.random.default_rng(0).standard_normal((147, 4096), np.float32)

    def run(self, images):
        # 7 x 7 means of each channel, at random.
        cells = images.reshape(len(images), 7, 32, 7, 32, 3).mean(axis=(2, 4))
        return np.maximum((cells.reshape(len(images), -1) - 127.5) @ projection, 0)

    _vgg_engine.Engine._run = run
    classifier = VGGFlareClassifier(
        "random", cache=store, device="cpu", random_state=0, class_weight="balanced"
    ).fit(paths, labels)
    return f"{classifier.n_iter_} epochs, {len(classifier.predict(paths))} predicted"


def classify_without_store(paths, labels, store):
    """Do the same, with nothing kept of one pass for the next."""
    return classify(paths, labels, None)


WORKS = {
    "VGGEmbedder": embed,
    "VGGFlareClassifier": classify,
    "without a store": classify_without_store,
}


def magnetograms(folder):
    """Return the simulated images in a folder, written if they are not there."""
    table = folder / "labels.csv"
    if not table.is_file():
        n_regions = N_IMAGES // 8
        make_magnetograms(folder, n_regions=n_regions, n_frames=8, random_state=0)
    return read_flare_table(table, root=folder)


def bench_memory(args):
    """Stream few and many images, each number in a fresh process."""
    folder = tempfile.TemporaryDirectory() if args.folder is None else None
    with folder or nullcontext(args.folder) as where:
        images = magnetograms(Path(where))
        print_title("memory: PNG files of 224 x 224 pixels; peak in MB")
        print(f"{'':>19} {'images':>7} {'s':>7} {'resident':>9} {'anonymous':>10}")
        for name in args.works:
            peaks = []
            for n in args.images:
                with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
                    found = worker.submit(
                        peak_memory, name, images.paths[:n], images.labels[:n]
                    ).result()
                seconds, peak, anonymous, result = found
                peaks.append((peak, anonymous))
                print(
                    f"{name:>19} {n:>7} {seconds:7.1f} {peak:9.0f} {anonymous:10.0f}  "
                    f"{result}",
                    flush=True,
                )
            growth = np.subtract(peaks[-1], peaks[0])
            print(f"{'growth':>19} {'':>15} {growth[0]:9.0f} {growth[1]:10.0f}")


def main():
    parts = {"reading": bench_reading, "memory": bench_memory}
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--part", choices=[*parts, "all"], default="all")
    parser.add_argument("--data", type=Path, help="folder of real .fits files")
    parser.add_argument("--folder", type=Path, help="where simulated files are kept")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--files", type=int, default=320, help="read by n_jobs")
    parser.add_argument("--n-jobs", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--images", type=int, nargs="+", default=[2_000, N_IMAGES])
    args = parser.parse_args()
    for name, part in parts.items():
        if args.part in (name, "all"):
            part(args)


if __name__ == "__main__":
    main()
