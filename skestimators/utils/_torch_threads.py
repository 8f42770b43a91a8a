"""The number of threads that torch computes with."""

from contextlib import contextmanager, nullcontext

from joblib import effective_n_jobs


def torch_threads(n_jobs):
    """Return a context in which torch uses some number of CPU threads.

    Parameters
    ----------
    n_jobs : int or None
        Number of threads, -1 for all; None leaves torch's setting.

    Returns
    -------
    context : context manager
        Restores the number when it ends.
    """
    return nullcontext() if n_jobs is None else _set_threads(effective_n_jobs(n_jobs))


@contextmanager
def _set_threads(n_threads):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
