"""Rows in chunks of one size."""

import numpy as np


def padded_chunks(X, chunk_size):
    """Yield the rows of an array in chunks that all have the same number of rows.

    Matrix products pick their kernel by the number of rows, and kernels differ in the
    last bits: only rows that come in chunks of one size always give the same result.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        The rows.

    chunk_size : int
        Number of rows of a chunk.

    Yields
    ------
    chunk : ndarray of shape (chunk_size, ...)
        The next rows, the last chunk filled up with zeros.

    n_rows : int
        How many of them are rows of `X`.
    """
    for start in range(0, len(X), chunk_size):
        rows = X[start : start + chunk_size]
        chunk = np.zeros((chunk_size, *X.shape[1:]), dtype=X.dtype)
        chunk[: len(rows)] = rows
        yield chunk, len(rows)
