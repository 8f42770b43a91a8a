"""Seeding of torch that leaves the caller's random state as it was."""

import threading
from contextlib import contextmanager

import numpy as np
from sklearn.utils import check_random_state

# torch draws initial weights and dropout from one generator for the whole process.
_GENERATOR_LOCK = threading.RLock()


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

    Threads take turns: two that drew from the generators at the same time would get
    numbers that depend on which was faster.

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

    devices = range(torch.cuda.device_count())
    with _GENERATOR_LOCK, torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
