"""Rows of numbers on disk, for what would not fit into memory."""

import tempfile

import numpy as np


class RowFile:
    """An array of float32 in a temporary file, which ends with the object.

    The rows are read and written one by one: unlike with a memory map, none stays in
    the memory of the process; the system keeps in its own what it has room for.

    Parameters
    ----------
    n_rows : int
        Number of rows.

    row_shape : tuple of int
        Shape of a row.
    """

    def __init__(self, n_rows, row_shape):
        self.row_shape = tuple(row_shape)
        self._n_rows = n_rows
        self._n_bytes = 4 * int(np.prod(self.row_shape))
        # Closed by `close`.
        self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115

    def __len__(self):
        return self._n_rows

    def __setitem__(self, rows, values):
        """Write the rows of these numbers.

        Raises
        ------
        OSError
            If there is no room for them.
        """
        values = np.ascontiguousarray(values, dtype=np.float32)
        for row, value in zip(rows, values, strict=True):
            self._file.seek(int(row) * self._n_bytes)
            self._write(memoryview(value).cast("B"))

    def _write(self, data):
        try:
            while len(data):
                data = data[self._file.write(data) :]
        except OSError as error:
            raise OSError(
                error.errno,
                f"The features of {self._n_rows} images need "
                f"{self._n_rows * self._n_bytes / 1e9:.2g} GB in the folder for "
                f"temporary files, {tempfile.gettempdir()}, which cannot be written "
                f"({error.strerror}). Make room, or name another folder by the "
                "environment variable TMPDIR.",
            ) from error

    def __getitem__(self, rows):
        """Read the rows of these numbers, which have been written before."""
        values = np.empty((len(rows), *self.row_shape), dtype=np.float32)
        for row, value in zip(rows, values, strict=True):
            self._file.seek(int(row) * self._n_bytes)
            # An unbuffered file may give less than was asked for.
            data = memoryview(value).cast("B")
            while len(data):
                n_read = self._file.readinto(data)
                if not n_read:
                    raise OSError(f"The temporary file of rows ends before row {row}.")
                data = data[n_read:]
        return values

    def close(self):
        """Delete the file."""
        self._file.close()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
