"""Where the weights of a pretrained network come from, and what they are known by."""

import hashlib
from functools import lru_cache


class WeightsSource:
    """Weights in a file, or drawn from a seed; read when they are needed.

    Two sources are equal if they give the same weights. Those of each network have a
    method `read` of their own, which yields names and tensors.

    Parameters
    ----------
    network : hashable
        What network, or what part of it, the weights are of.

    path : Path or None, default=None
        The file; None for an untrained network.

    seed : int or None, default=None
        Seed of the untrained network.

    drawn_by : tuple of hashable, default=()
        What else, such as versions, the numbers drawn depend on.
    """

    def __init__(self, network, *, path=None, seed=None, drawn_by=()):
        self.path = path
        self.seed = seed
        if path is None:
            identity = ("random", seed, *drawn_by)
        else:
            status = path.stat()
            # As git does, trust that a changed file has another size, time or inode.
            identity = (
                str(path.resolve()),
                status.st_size,
                status.st_mtime_ns,
                status.st_ino,
            )
        self.identity = (network, *identity)

    def __eq__(self, other):
        return self.identity == other.identity

    def __hash__(self):
        return hash(self.identity)


@lru_cache(maxsize=8)
def fingerprint(weights):
    """Hash weights, so that the same ones in another file or number type agree.

    Parameters
    ----------
    weights : WeightsSource
        The weights. Those of an untrained network are not drawn for it.

    Returns
    -------
    digest : str
        Hexadecimal SHA-256 of names and values as float32.
    """
    if weights.path is None:
        return repr(weights.identity)
    digest = hashlib.sha256()
    for name, tensor in weights.read():
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        # As it lies in memory: to transpose a large matrix takes as long as to hash it.
        matrix = tensor.T if tensor.ndim == 2 and tensor.T.is_contiguous() else tensor
        digest.update(memoryview(matrix.float().contiguous().numpy()).cast("B"))
    return digest.hexdigest()
