"""
ESM-2 embeddings: agreement, speed and memory
=============================================

Compares ``ESMEmbedder`` with fair-esm's own network, one sequence at a time as
notebooks do it, and with the ``EsmModel`` of Hugging Face transformers in padded
batches of 16 under bfloat16 autocast. All of them run in one process, interleaved, on
the same number of threads; times are medians. Weights are random: real ones take the
same time.

Run with ``python examples/benchmarks/bench_esm.py --part speed``; without ``--part``
everything is run, which takes some minutes and 8 GB of memory.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np

warnings.filterwarnings("ignore", message="ESMEmbedder.*random")

SIZES = {
    "esm2_t6_8M_UR50D": (6, 320),
    "esm2_t12_35M_UR50D": (12, 480),
    "esm2_t30_150M_UR50D": (30, 640),
    "esm2_t33_650M_UR50D": (33, 1280),
}
RESIDUES = list("ACDEFGHIKLMNPQRSTVWY")
SMALL, LARGE = "esm2_t6_8M_UR50D", "esm2_t33_650M_UR50D"


def random_sequences(lengths, seed=0):
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(RESIDUES, length)) for length in lengths]


def variants_of_one(n, length, seed=0):
    """Return a sequence's single mutants."""
    (wild_type,) = random_sequences([length], seed)
    rng = np.random.default_rng(seed + 1)
    mutants = []
    for place in rng.choice(length, n, replace=False):
        letter = rng.choice([r for r in RESIDUES if r != wild_type[place]])
        mutants.append(wild_type[:place] + letter + wild_type[place + 1 :])
    return mutants


def fair_esm_network(model, seed=0):
    import esm
    import torch

    torch.manual_seed(seed)
    n_layers, width = SIZES[model]
    return esm.ESM2(n_layers, width, 20, "ESM-1b").eval()


def save_checkpoint(network, path):
    import torch

    settings = argparse.Namespace(
        encoder_layers=network.num_layers,
        encoder_embed_dim=network.embed_dim,
        encoder_attention_heads=network.attention_heads,
        token_dropout=True,
    )
    prefix = "encoder.sentence_encoder."
    tensors = {prefix + name: value for name, value in network.state_dict().items()}
    torch.save({"cfg": {"model": settings}, "model": tensors}, path)


def one_by_one(network, sequences, contacts=True):
    """Embed as notebooks do: fair-esm's own example, one sequence at a time.

    The example asks for contacts too, which nobody uses here; both ways are timed.
    """
    import torch

    convert, last = network.alphabet.get_batch_converter(), network.num_layers
    vectors = []
    with torch.no_grad():
        for sequence in sequences:
            _, _, tokens = convert([("protein", sequence)])
            output = network(tokens, repr_layers=[last], return_contacts=contacts)
            vectors.append(output["representations"][last][0, 1:-1].mean(0).numpy())
    return np.array(vectors)


def transformers_network(model):
    import transformers

    n_layers, width = SIZES[model]
    config = transformers.EsmConfig(
        vocab_size=33,
        hidden_size=width,
        num_hidden_layers=n_layers,
        num_attention_heads=20,
        intermediate_size=4 * width,
        position_embedding_type="rotary",
        token_dropout=True,
        emb_layer_norm_before=False,
        mask_token_id=32,
        pad_token_id=1,
        attn_implementation="sdpa",
    )
    return transformers.EsmModel(config, add_pooling_layer=False).eval()


def in_padded_batches(network, convert, sequences, batch_size=16):
    """Embed with transformers: batches in the given order, padded, bfloat16."""
    import torch

    vectors = []
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        for start in range(0, len(sequences), batch_size):
            batch = sequences[start : start + batch_size]
            _, _, tokens = convert([("protein", sequence) for sequence in batch])
            hidden = network(tokens, attention_mask=(tokens != 1).long())
            hidden = hidden.last_hidden_state.float()
            for row, sequence in zip(hidden, batch, strict=True):
                vectors.append(row[1 : len(sequence) + 1].mean(0).numpy())
    return np.array(vectors)


def embedder(model, dtype, weights="random"):
    from skestimators.feature_extraction import ESMEmbedder

    return ESMEmbedder(model, weights=weights, dtype=dtype, random_state=0).fit(["M"])


def centred_cosines(a, b):
    a, b = a - a.mean(0), b - b.mean(0)
    return (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def compare_agreement(data):
    """Print the difference from fair-esm, and the cosines of the smaller types."""
    sequences = random_sequences([5, 50, 50, 131, 286, 17, 600, 1022])
    sets = {
        "random sequences, mixed lengths": random_sequences(
            np.random.default_rng(1).integers(50, 400, 48)
        ),
        "48 mutants of one sequence": variants_of_one(48, 286),
    }
    if data and Path(data).exists():
        lines = Path(data).read_text().splitlines()
        sets[f"mutants in {Path(data).name}"] = sorted(set(lines[1::2]))[::100]
    for model in (SMALL, "esm2_t12_35M_UR50D"):
        network = fair_esm_network(model)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{model}.pt"
            save_checkpoint(network, path)
            compare_with_fair_esm(network, path, model, sequences)
            for name, members in sets.items():
                compare_types(path, model, name, members)


def compare_with_fair_esm(network, path, model, sequences):
    import torch

    convert, last = network.alphabet.get_batch_converter(), network.num_layers
    _, _, tokens = convert([("", sequence) for sequence in sequences])
    with torch.no_grad():
        theirs = network(tokens, repr_layers=[last])["representations"][last]
    ours = embedder(model, "float32", path)
    residues = max(
        np.abs(part - row[1 : len(part) + 1].numpy()).max()
        for part, row in zip(ours.per_residue(sequences), theirs, strict=True)
    )
    pairs = zip(theirs, sequences, strict=True)
    means = np.array([row[1 : len(s) + 1].mean(0) for row, s in pairs])
    together = ours.transform(sequences)
    mean = np.abs(together - means).max()
    ours.set_params(tokens_per_batch=1)
    alone = np.abs(ours.transform(sequences[::-1])[::-1] - together).max()
    print(f"\n{model}: largest |difference| from fair-esm, float32, lengths 5 to 1022")
    print(
        f"  residues {residues:.1e}, means {mean:.1e}; batch size and order {alone:.1e}"
    )


def compare_types(path, model, name, sequences):
    expected = embedder(model, "float32", path).transform(sequences)
    for dtype in ("bfloat16", "int8"):
        actual = embedder(model, dtype, path).transform(sequences)
        cosines = centred_cosines(actual, expected)
        print(
            f"  {dtype:9} centred cosine: min {cosines.min():.5f}, "
            f"median {np.median(cosines):.5f}  ({name})"
        )


def interleave(runs, n_repeats):
    """Return the median time of each run; they take turns."""
    times = {name: [] for name in runs}
    for repeat in range(n_repeats + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if repeat:  # The first round warms up.
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def print_speed(title, n_sequences, times, goals):
    print(f"\n{title}")
    print(f"  {'':34}{'seconds':>8}{'per second':>12}")
    for name, seconds in times.items():
        print(f"  {name:34}{seconds:8.2f}{n_sequences / seconds:12.1f}")
    for ours, theirs, goal in goals:
        ratio = times[theirs] / times[ours]
        print(f"  {ours} / {theirs}: {ratio:.2f} times as fast (goal {goal})")


def compare_speed(n_repeats):
    """Print the times of the small network on equal and on mixed lengths."""
    notebook, hugging_face = fair_esm_network(SMALL), transformers_network(SMALL)
    convert = notebook.alphabet.get_batch_converter()
    ours = {dtype: embedder(SMALL, dtype) for dtype in ("float32", "bfloat16")}
    equal = variants_of_one(64, 286)
    lengths = np.random.default_rng(0).integers(50, 1001, 64)
    mixed = random_sequences(lengths)

    def measure(sequences, names):
        runs = {
            "notebook": lambda: one_by_one(notebook, sequences),
            "notebook without contacts": lambda: one_by_one(notebook, sequences, False),
            "transformers bfloat16": lambda: in_padded_batches(
                hugging_face, convert, sequences
            ),
            "ours float32": lambda: ours["float32"].transform(sequences),
            "ours bfloat16": lambda: ours["bfloat16"].transform(sequences),
        }
        return interleave({name: runs[name] for name in names}, n_repeats)

    names = ["notebook", "notebook without contacts", "transformers bfloat16"]
    names += ["ours float32", "ours bfloat16"]
    print_speed(
        "8M, 64 variants of length 286",
        64,
        measure(equal, names),
        [
            ("ours float32", "notebook", 2.0),
            ("ours bfloat16", "notebook", 5.5),
            ("ours bfloat16", "transformers bfloat16", 1.1),
        ],
    )
    print_speed(
        "8M, 64 sequences of 50 to 1,000 residues in random order",
        64,
        measure(mixed, names[2:]),
        [("ours bfloat16", "transformers bfloat16", 1.5)],
    )


def compare_large(n_repeats):
    """Print the times of the 650M shape."""
    hugging_face = transformers_network(LARGE)
    convert = fair_esm_network(SMALL).alphabet.get_batch_converter()
    sequences = variants_of_one(8, 286)
    runs = {
        "transformers bfloat16": lambda: in_padded_batches(
            hugging_face, convert, sequences
        )
    }
    from skestimators.feature_extraction import _esm_weights

    # An embedder keeps one network in memory; here two take turns.
    networks = {d: _load(_esm_weights, d) for d in ("bfloat16", "int8")}
    from skestimators.feature_extraction._esm_engine import embed

    for dtype, network in networks.items():
        runs[f"ours {dtype}"] = lambda network=network: embed(
            network, sequences, [33], "mean", 2048
        )
    print_speed(
        "650M, 8 variants of length 286",
        8,
        interleave(runs, n_repeats),
        [
            ("ours int8", "transformers bfloat16", 1.3),
            ("ours bfloat16", "transformers bfloat16", 1.0),
        ],
    )


def _load(_esm_weights, dtype):
    import esm

    weights = _esm_weights.Weights(LARGE, (33, 1280, 20), esm, seed=0)
    return _esm_weights.load_network(weights, dtype, "cpu")


_MEMORY = """
import resource, sys, warnings
warnings.simplefilter("ignore")
import torch, esm, numpy as np
from skestimators.feature_extraction import ESMEmbedder
torch.set_num_threads({threads})
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
tiny = ESMEmbedder(weights="random", random_state=0, dtype={dtype!r})
tiny.fit_transform(["MKTAYIAKQR"])
before = peak()
embedder = ESMEmbedder({model!r}, weights="random", random_state=0, dtype={dtype!r})
rng = np.random.default_rng(0)
embedder.fit_transform(["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), 286))
                        for _ in range({n})])
print(peak() - before)
"""


def compare_memory(threads):
    """Print the peak memory of whole runs, against weights and one batch."""
    from skestimators.feature_extraction import ESMEmbedder

    print("\nPeak memory of a run, beyond what the imports take, in MB")
    tokens = ESMEmbedder().tokens_per_batch
    for model, dtype, n_sequences in (
        ("esm2_t30_150M_UR50D", "float32", 24),
        ("esm2_t30_150M_UR50D", "bfloat16", 24),
        (LARGE, "float32", 9),
        (LARGE, "bfloat16", 9),
        (LARGE, "int8", 9),
    ):
        n_layers, width = SIZES[model]
        size = {"float32": 4, "bfloat16": 2, "int8": 1}[dtype]
        weights = n_layers * 12 * width**2 * size
        # Between fc1 and fc2: the residual stream, fc1's output and its activation.
        batch = tokens * width * (4 + 2 * 4 * max(size, 2))
        code = _MEMORY.format(threads=threads, model=model, dtype=dtype, n=n_sequences)
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        peak = int(done.stdout)
        print(
            f"  {model:20} {dtype:9} peak {peak / 1e6:6.0f}; weights "
            f"{weights / 1e6:6.0f} + one batch {batch / 1e6:4.0f}; "
            f"ratio {peak / (weights + batch):.2f} (goal 1.3)"
        )


def main():
    parts = ["agreement", "speed", "large", "memory"]
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument("--part", choices=parts, nargs="*", default=parts)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument(
        "--data", help="FASTA file with one line per sequence, to compare types on"
    )
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.set_num_threads(args.threads)
    print(f"torch {torch.__version__}, {args.threads} threads")
    if "agreement" in args.part:
        compare_agreement(args.data)
    if "speed" in args.part:
        compare_speed(args.repeats)
    if "large" in args.part:
        compare_large(min(args.repeats, 3))
    if "memory" in args.part:
        compare_memory(args.threads)


if __name__ == "__main__":
    main()
