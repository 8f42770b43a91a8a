"""Reading in the background, so that reading and computing overlap."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor


def read_ahead(batches, read, *, depth=2):
    """Read batches in a thread while the caller works on the one before.

    Parameters
    ----------
    batches : iterable
        What to read; advanced in the caller's thread, `depth` items ahead.

    read : callable
        Takes a batch and returns what was read; called in another thread, for one
        batch after another.

    depth : int, default=2
        How many batches are read, or being read, beyond the one the caller has.

    Yields
    ------
    batch, result : tuple
        In the order of `batches`.
    """
    pending = deque()
    with ThreadPoolExecutor(max_workers=1) as thread:
        try:
            for batch in batches:
                pending.append((batch, thread.submit(read, batch)))
                if len(pending) > depth:
                    batch, future = pending.popleft()
                    yield batch, future.result()
            while pending:
                batch, future = pending.popleft()
                yield batch, future.result()
        finally:
            for _, future in pending:
                future.cancel()
