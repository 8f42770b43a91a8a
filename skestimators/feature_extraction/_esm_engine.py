"""From sequences to vectors: windows, batches, pooling, and the keys of a store."""

import hashlib
from contextlib import contextmanager
from copy import copy
from itertools import pairwise

import numpy as np
import torch

from skestimators.feature_extraction._esm_models import MAX_RESIDUES
from skestimators.feature_extraction._esm_weights import load_network
from skestimators.feature_extraction._weights import fingerprint
from skestimators.utils._device import resolve_device
from skestimators.utils._torch_threads import torch_threads

# Each residue of a long sequence sees at least this many neighbours on either side.
_MIN_CONTEXT = 128
# Part of every key in the store: to be changed with what the numbers mean.
_FORMAT = "ESM-2 embedding, version 1"


class Engine:
    """Embeds sequences; the network is loaded when it is first needed.

    Parameters
    ----------
    weights : Weights
        The weights.

    layers : list of int
        Layers, counted from 0, the token embedding.

    pooling : {"mean", "mean_with_special", "max", "bos"}
        How the residues are pooled.

    tokens_per_batch : int
        Number of tokens that go through the network at once.

    dtype : {"float32", "bfloat16", "int8"}
        Type of the linear layers.

    device : str
        Where the network computes.

    n_jobs : int or None
        Number of CPU threads; None leaves torch's setting.
    """

    def __init__(
        self, weights, *, layers, pooling, tokens_per_batch, dtype, device, n_jobs
    ):
        self.weights = weights
        self.layers = layers
        self.pooling = pooling
        self.tokens_per_batch = tokens_per_batch
        self.dtype = dtype
        self.device = device
        self.n_jobs = n_jobs

    def keys(self, sequences):
        """Return what a store knows the vectors of sequences by."""
        model, digest = self.weights.model, fingerprint(self.weights)
        same = (_FORMAT, model, digest, self.layers, self.pooling, self.dtype)
        prefix = repr(same).encode()
        return [
            hashlib.blake2b(prefix + sequence.encode(), digest_size=32).digest()
            for sequence in sequences
        ]

    def batches(self, items, lengths):
        """Split items into arrays of a bounded number of tokens."""
        batches = batches_by_tokens(lengths + 2, self.tokens_per_batch)
        return [items[batch] for batch in batches]

    def embed(self, sequences):
        """Return one vector for each sequence."""
        with self._network() as network:
            vectors = embed(
                network, sequences, self.layers, self.pooling, self.tokens_per_batch
            )
        if not np.isfinite(vectors).all():
            raise ValueError(
                f"The network {self.weights.model} gave values that are not finite: "
                "its weights are damaged."
            )
        return vectors

    def embed_residues(self, sequences):
        """Return one array of vectors for each sequence."""
        with self._network() as network:
            return embed_residues(
                network, sequences, self.layers, self.tokens_per_batch
            )

    @contextmanager
    def _network(self):
        with torch_threads(self.n_jobs):
            yield load_network(self.weights, self.dtype, self.device)


def embed_there(engine, device, items, sequences):
    """Embed sequences on a worker.

    Parameters
    ----------
    engine : Engine
        What embeds.

    device : str
        Where; `"auto"` is what the worker has.

    items : ndarray of int
        What the caller calls the sequences.

    sequences : list of str
        The sequences.

    Returns
    -------
    items, vectors : tuple of ndarray
        One vector for each sequence.
    """
    engine = copy(engine)
    engine.device = resolve_device(device)
    return items, engine.embed(sequences)


def window_bounds(length):
    """Return how a sequence is cut into windows that the network can take.

    Parameters
    ----------
    length : int
        Number of residues.

    Returns
    -------
    windows : list of (start, stop, keep_start, keep_stop)
        The residues of each window, and those whose representation is taken from it.
        The latter follow each other without gap or overlap, and lie as far from the
        ends of the window as the neighbouring windows allow.
    """
    if length <= MAX_RESIDUES:
        return [(0, length, 0, length)]
    n_windows = -(-(length - 2 * _MIN_CONTEXT) // (MAX_RESIDUES - 2 * _MIN_CONTEXT))
    slack = length - MAX_RESIDUES
    starts = [slack * i // (n_windows - 1) for i in range(n_windows)]
    # Neighbouring windows share a border in the middle of their overlap.
    borders = [(left + MAX_RESIDUES + right) // 2 for left, right in pairwise(starts)]
    return [
        (start, start + MAX_RESIDUES, low, high)
        for start, low, high in zip(
            starts, [0, *borders], [*borders, length], strict=True
        )
    ]


def _pieces(network, sequences, first_only):
    """Return (tokens, sequence number, residues, kept residues), by length."""
    pieces = []
    for number, sequence in enumerate(sequences):
        windows = window_bounds(len(sequence))
        for start, stop, low, high in windows[:1] if first_only else windows:
            tokens = network.encode(sequence[start:stop])
            pieces.append((tokens, number, start, low, high))
    return sorted(pieces, key=lambda piece: len(piece[0]))


def represent(network, sequences, layers, tokens_per_batch, first_only=False):
    """Yield the representation of each piece of some sequences, for each layer.

    Parameters
    ----------
    network : ESM2
        The network.

    sequences : list of str
        Sequences of any length.

    layers : list of int
        The layers wanted.

    tokens_per_batch : int
        Number of tokens that go through the network at once; at least one window does.

    first_only : bool, default=False
        Whether only the start token of each sequence is wanted.

    Yields
    ------
    number, layer, low, high, part : int, int, int, int, tensor
        Number of the sequence, layer, the residues [low, high) and their
        representations, (high - low, width). Residue -1 is the start token; the end
        token follows the last residue. If `first_only`, part is that of residue -1.
    """
    pieces = _pieces(network, sequences, first_only)
    for batch in batches_by_tokens([len(p[0]) for p in pieces], tokens_per_batch):
        batch = [pieces[i] for i in batch]
        tokens = [piece[0] for piece in batch]
        for layer, x in network(tokens, set(layers), first_only):
            parts = x.split(1 if first_only else [len(t) for t in tokens])
            for part, (_, number, start, low, high) in zip(parts, batch, strict=True):
                if first_only:
                    yield number, layer, -1, 0, part
                    continue
                low, high = low - (low == 0), high + (high == len(sequences[number]))
                yield number, layer, low, high, part[low - start + 1 : high - start + 1]


def batches_by_tokens(lengths, tokens_per_batch):
    """Split items, in their order, into batches of a bounded number of tokens.

    Parameters
    ----------
    lengths : list of int
        Number of tokens of each item.

    tokens_per_batch : int
        The bound; an item that exceeds it makes a batch of its own.

    Returns
    -------
    batches : list of list of int
        Indices into `lengths`.
    """
    batches, total = [], 0
    for i, length in enumerate(lengths):
        if not batches or total + length > tokens_per_batch:
            batches.append([])
            total = 0
        batches[-1].append(i)
        total += length
    return batches


def embed(network, sequences, layers, pooling, tokens_per_batch):
    """Return one vector for each sequence.

    Parameters
    ----------
    network, sequences, layers, tokens_per_batch
        As in `represent`.

    pooling : {"mean", "mean_with_special", "max", "bos"}
        How the residues are pooled.

    Returns
    -------
    vectors : ndarray of shape (n_sequences, n_layers * width) and dtype float32
        The vectors, those of several layers side by side.
    """
    width = network.embed_tokens_weight.shape[1]
    shape = (len(sequences), len(layers), width)
    empty = -torch.inf if pooling == "max" else 0.0
    vectors = torch.full(shape, empty, device=network.embed_tokens_weight.device)
    for number, layer, low, high, part in represent(
        network, sequences, layers, tokens_per_batch, pooling == "bos"
    ):
        slot, length = vectors[number, layers.index(layer)], len(sequences[number])
        if pooling in ("mean", "max"):
            part = part[int(low < 0) : len(part) - int(high > length)]
        if pooling == "max":
            torch.maximum(slot, part.amax(0), out=slot)
        else:
            slot += part.sum(0)
    counts = {"mean": 0, "mean_with_special": 2}
    if pooling in counts:
        lengths = torch.tensor([len(s) + counts[pooling] for s in sequences])
        vectors /= lengths[:, None, None].to(vectors.device)
    return vectors.flatten(1).cpu().numpy()


def embed_residues(network, sequences, layers, tokens_per_batch):
    """Return the representations of the residues of each sequence.

    Parameters
    ----------
    network, sequences, layers, tokens_per_batch
        As in `represent`.

    Returns
    -------
    arrays : list of ndarray of shape (length, n_layers * width) and dtype float32
        One for each sequence, without its start and end tokens.
    """
    width = network.embed_tokens_weight.shape[1]
    arrays = [np.empty((len(s), len(layers), width), np.float32) for s in sequences]
    for number, layer, low, high, part in represent(
        network, sequences, layers, tokens_per_batch
    ):
        low, high = max(low, 0), min(high, len(sequences[number]))
        skip = int(low == 0)
        part = part[skip : skip + high - low]
        arrays[number][low:high, layers.index(layer)] = part.cpu().numpy()
    return [array.reshape(len(array), -1) for array in arrays]
