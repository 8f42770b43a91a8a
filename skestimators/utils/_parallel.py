"""Work that may leave this process: what joblib is asked for, and what it sends."""

import sys
import warnings
from contextlib import contextmanager
from itertools import islice

from joblib.parallel import get_active_backend
from sklearn.utils.parallel import Parallel

# Tasks of each worker that are known at a time where new ones are made as others end.
_ROUND = 16


class SentOnce:
    """What many tasks have in common, to be given to each of them as one argument.

    Dask sends an argument to a worker once, and not with every task, if it says that it
    is large. An object says so by `sys.getsizeof`, which does not see into attributes.

    Parameters
    ----------
    **common : object
        Become the attributes. What arrays they are or hold is pickled once, too.
    """

    def __init__(self, **common):
        self.__dict__.update(common)

    def __sizeof__(self):
        return 10_000 + sum(
            getattr(value, "nbytes", 0) for value in vars(self).values()
        )


def in_task():
    """Tell whether this is a task that joblib has handed out, on whatever backend."""
    backend, _ = get_active_backend()
    if backend.nesting_level:
        return True
    # Dask hands out tasks within tasks, and does not count levels.
    distributed = sys.modules.get("distributed.utils")
    return distributed is not None and hasattr(
        distributed.thread_state, "execution_state"
    )


def parallel_of(n_jobs, *, prefer=None, **kwargs):
    """Return a `Parallel` that gives results as they come, if its backend can.

    Parameters
    ----------
    n_jobs : int or None
        Number of workers.

    prefer : {"threads"} or None, default=None
        What is used unless :obj:`joblib.parallel_config` names a backend.

    **kwargs : dict
        Further arguments of `Parallel`.

    Returns
    -------
    parallel : Parallel
        Calling it returns an iterable of results in no particular order.
    """
    backend, _ = get_active_backend(prefer=prefer)
    shared = getattr(backend, "supports_sharedmem", False)
    one_by_one = shared or backend.supports_return_generator
    return Parallel(
        n_jobs=n_jobs,
        prefer=prefer,
        return_as="generator_unordered" if one_by_one else "list",
        **kwargs,
    )


@contextmanager
def sent_once(parallel, *data):
    """Let Dask keep data on its workers while the block runs.

    Else each call of a `Parallel` sends them anew. Other backends have no such memory.

    Parameters
    ----------
    parallel : Parallel
        What will be called more than once.

    *data : object
        Arguments of its calls; those that are None are not sent.
    """
    backend = parallel._backend
    # What `parallel_config(backend="dask", scatter=data)` sets.
    futures = getattr(backend, "data_futures", None)
    if futures is None or in_task():
        yield
        return
    data = [part for part in data if part is not None and id(part) not in futures]
    futures.update(
        zip(map(id, data), backend.client.scatter(data, hash=False), strict=True)
    )
    try:
        yield
    finally:
        # The backend lives longer, and other objects may get the same ids.
        for part in data:
            futures.pop(id(part), None)


def shares_memory(parallel):
    """Tell whether the workers of a `Parallel` are threads of this process."""
    return getattr(parallel._backend, "supports_sharedmem", False)


def handed_out(n_jobs):
    """Return how work of this process is handed out to others, if it is to be.

    Parameters
    ----------
    n_jobs : int or None
        Number of workers.

    Returns
    -------
    parallel : Parallel or None
        None unless :obj:`joblib.parallel_config` names a backend of processes that has
        more than one worker, and in its tasks.
    """
    parallel = parallel_of(n_jobs, prefer="threads")
    if shares_memory(parallel) or in_task() or parallel._effective_n_jobs() == 1:
        return None
    return parallel


def run(parallel, calls):
    """Run calls, and yield what they return as it comes, in no particular order.

    A backend that gives results at the end of a call only, as Ray's, is called often.

    Parameters
    ----------
    parallel : Parallel
        What `parallel_of` returns.

    calls : iterable
        Delayed calls.
    """
    if parallel.return_generator:
        yield from _each(parallel(calls))
    else:
        yield from run_in_rounds(parallel, calls)


def run_in_rounds(parallel, calls):
    """Run calls that are made as they are needed.

    Parameters
    ----------
    parallel : Parallel
        What `handed_out` returns.

    calls : iterable
        Delayed calls. It is advanced in the caller's thread, some calls ahead.

    Yields
    ------
    result : object
        What the calls return, in no particular order.
    """
    calls = iter(calls)
    with parallel:
        n_calls = _ROUND * parallel._effective_n_jobs()
        while part := list(islice(calls, n_calls)):
            yield from _each(parallel(part))


def _each(results):
    """Yield results; those that nobody wants any more are dropped in silence."""
    try:
        # Not `yield from`, which would close a generator by itself.
        for result in results:  # noqa: UP028
            yield result
    finally:
        if hasattr(results, "close"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                results.close()
