"""From images to what the first layers of VGG16 make of them."""

import hashlib

import numpy as np
import torch
from sklearn.utils import gen_batches
from sklearn.utils.parallel import delayed

from skestimators.feature_extraction._store import VectorStore, compute_once
from skestimators.feature_extraction._vgg_network import output_shape
from skestimators.feature_extraction._vgg_weights import load_part
from skestimators.feature_extraction._weights import fingerprint
from skestimators.utils._parallel import handed_out, run_in_rounds
from skestimators.utils._read_ahead import read_ahead
from skestimators.utils._torch_threads import torch_threads

# Part of every key in the store: to be changed with what the numbers mean.
_FORMAT = "VGG16 features, version 1"
# Files whose digests are known at a time.
_DIGESTED = 2048


class Engine:
    """Computes features; the network is loaded when it is first needed.

    Parameters
    ----------
    weights : Weights
        The layers, from the first.

    average : bool
        Whether the features are means over the image.

    batch_size : int
        Number of images that go through the network at once.

    dtype : {"float32", "bfloat16"}
        Type of the layers.

    device : str
        Where the network computes.

    cache : str, path-like or None
        File of a store.

    n_jobs : int or None
        Number of CPU threads; None leaves torch's setting.
    """

    def __init__(self, weights, *, average, batch_size, dtype, device, cache, n_jobs):
        self.weights = weights
        self.average = average
        self.batch_size = batch_size
        self.dtype = dtype
        self.device = device
        self.cache = cache
        self.n_jobs = n_jobs

    def output_shape(self, size):
        """Return the shape of one image's features.

        Parameters
        ----------
        size : tuple of int
            Height and width of the image.

        Returns
        -------
        shape : tuple of int
            Height, width and channels, or the number of features.
        """
        shape = output_shape(self.weights.stop, size)
        return shape[-1:] if self.average else shape

    def stream(self, source):
        """Compute the features of images.

        Parameters
        ----------
        source : ImageFiles or ImageArray
            The images.

        Yields
        ------
        rows : ndarray of int
            Each row comes once, in no particular order.

        features : ndarray of float32 of shape (n_rows, ...)
            NaN for an image that cannot be read.

        reasons : list of str or None
            Why it cannot.
        """
        if self.cache is None or not self.weights.stop:
            yield from self._compute(source, self._batches(np.arange(len(source))))
            return
        parts = gen_batches(len(source), _DIGESTED)
        parts = (np.arange(part.start, part.stop) for part in parts)
        # The files of the next part are looked through while this one is computed.
        digested = read_ahead(parts, lambda rows: source.take(rows).digests(), depth=1)
        with VectorStore(self.cache) as store:
            for rows, (digests, reasons) in digested:
                rows_of = {}
                for row, digest, reason in zip(rows, digests, reasons, strict=True):
                    if digest is None:
                        yield np.array([row]), self._unknown(1, source.size), [reason]
                    else:
                        rows_of.setdefault(digest, []).append(row)
                yield from self._stream_stored(store, source, rows_of)

    def _stream_stored(self, store, source, rows_of):
        """Yield what `stream` does, for each content once, given its rows."""
        if not rows_of:
            return
        digests, all_rows = list(rows_of), [np.array(r) for r in rows_of.values()]
        unique = source.take(np.array([rows[0] for rows in all_rows]))
        refused = {}

        def compute(batches):
            for items, features, reasons in self._compute(unique, batches, digests):
                refused.update(zip(items.tolist(), reasons, strict=True))
                yield items, features.reshape(len(items), -1)

        shape = self.output_shape(source.size)
        keys = self._keys(digests, source.recipe)
        width = int(np.prod(shape))
        for items, vectors in compute_once(store, keys, self._batches, compute, width):
            counts = [len(all_rows[item]) for item in items]
            reasons = [refused.pop(item, None) for item in items.tolist()]
            yield (
                np.concatenate([all_rows[item] for item in items]),
                np.repeat(vectors, counts, axis=0).reshape(-1, *shape),
                [
                    r
                    for r, count in zip(reasons, counts, strict=True)
                    for _ in range(count)
                ],
            )

    def _keys(self, digests, recipe):
        """Return what a store knows the features of images by."""
        layers = (self.weights.stop, self.average, fingerprint(self.weights))
        prefix = repr((_FORMAT, *layers, self.dtype, recipe)).encode()
        return [
            hashlib.blake2b(prefix + digest, digest_size=32).digest()
            for digest in digests
        ]

    def _batches(self, items):
        return [items[part] for part in gen_batches(len(items), self.batch_size)]

    def _unknown(self, n, size):
        return np.full((n, *self.output_shape(size)), np.nan, dtype=np.float32)

    def _compute(self, source, batches, digests=None):
        """Yield rows, features and reasons; images are read ahead."""
        parallel = handed_out(self.n_jobs)
        if parallel is None:
            parts = self._features(source, batches, digests)
        else:
            calls = (
                delayed(_features_there)(
                    self,
                    source.sent(rows),
                    rows,
                    digests and [digests[row] for row in rows],
                )
                for rows in batches
            )
            parts = run_in_rounds(parallel, calls)
        for rows, features, reasons in parts:
            # Here, where it is known which of all images these are.
            source.refuse(rows, reasons)
            yield rows, features, reasons

    def _features(self, source, batches, digests):
        """Read and compute, here."""
        for rows, images, reasons in source.stream(batches, digests):
            readable = np.array([reason is None for reason in reasons])
            features = self._unknown(len(rows), source.size)
            if readable.any():
                features[readable] = self._run(images[readable])
            # As of an image with huge numbers.
            finite = np.isfinite(features).reshape(len(rows), -1).all(axis=1)
            features[~finite] = np.nan
            for i in np.flatnonzero(readable & ~finite):
                reasons[i] = "VGG16 makes numbers of it that are not finite"
            yield rows, features, reasons

    @torch.inference_mode()
    def _run(self, images):
        if not self.weights.stop:
            return images
        with torch_threads(self.n_jobs), _exact_float32():
            network = load_part(self.weights, self.dtype, self.device)
            output = network(torch.from_numpy(images).to(self.device))
            output = output.mean((1, 2)) if self.average else output
        return output.float().cpu().numpy()


def _features_there(engine, source, rows, digests):
    """Return rows, features and reasons, computed by a worker of the images sent."""
    batches = [np.arange(len(source))]
    [(_, features, reasons)] = engine._features(source, batches, digests)
    return rows, features, reasons


def _exact_float32():
    """Return a context in which CUDA does not round float32 to TF32."""
    cudnn = torch.backends.cudnn
    return cudnn.flags(
        enabled=cudnn.enabled,
        benchmark=cudnn.benchmark,
        deterministic=cudnn.deterministic,
        allow_tf32=False,
    )
