"""Seeding of torch that leaves the caller's random state as it was."""

from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_random_state


def draw_seed(random_state):
    """Draw a seed below 2**31 from anything `check_random_state` takes.

    Parameters
    ----------
    random_state : int, RandomState instance or None
        The estimator's parameter of that name.

    Returns
    -------
    seed : int
        A seed that every framework accepts.
    """
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


@contextmanager
def torch_seed(seed):
    """Seed torch's generators inside a `with` block and restore them after it.

    Parameters
    ----------
    seed : int
        The seed for the CPU generator and those of all CUDA devices.

    Yields
    ------
    None
        Control, while the generators are seeded.
    """
    import torch

    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
