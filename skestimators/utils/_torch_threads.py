"""The number of threads that torch computes with."""

from contextlib import contextmanager, nullcontext

from joblib import effective_n_jobs

from skestimators.utils._parallel import in_task

# Multiplications of a pass below which threads gain nothing. Where other work fills the
# cores they wait for each other many times as long as they compute.
_WORTH_SHARING = 3 * 10**8


def torch_threads(n_jobs):
    """Return a context in which torch uses some number of CPU threads.

    Parameters
    ----------
    n_jobs : int or None
        Number of threads, -1 for all; None leaves torch's setting. In a task that
        joblib has handed out, there are never more than torch has by itself, as the
        cores are shared with other tasks.

    Returns
    -------
    context : context manager
        Restores the number when it ends.
    """
    if n_jobs is None:
        return nullcontext()
    return _set_threads(effective_n_jobs(n_jobs), at_most_now=in_task())


def threads_for(network, rows_at_once):
    """Return a context that lets torch run a small network with one thread.

    Parameters
    ----------
    network : torch.nn.Module
        The network.

    rows_at_once : int
        Number of rows that are multiplied by its weights together.

    Returns
    -------
    context : context manager
        Restores the number of threads when it ends.
    """
    n_weights = sum(weight.numel() for weight in network.parameters())
    return torch_threads(1 if n_weights * rows_at_once < _WORTH_SHARING else None)


@contextmanager
def _set_threads(n_threads, at_most_now):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(min(n_threads, before) if at_most_now else n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
