"""Lines of a text file, plain or gzipped, with errors that name file and line."""

import gzip
import io
import math
import os
import zlib
from functools import partial

_GZIP_MAGIC = b"\x1f\x8b"
_MAX_LINE = 2**26
# A small gzip file may unpack to any amount. Tables become 3 to 50 times as large.
_MAX_UNPACKED, _MAX_RATIO = 2**30, 200


def most_unpacked(path):
    """Return how many bytes a packed file may unpack to.

    Parameters
    ----------
    path : str or path-like
        The file.

    Returns
    -------
    n_bytes : int
        More than any table that is packed has.
    """
    return max(_MAX_UNPACKED, _MAX_RATIO * os.path.getsize(path))


class _Unpacked(io.RawIOBase):
    """What is in a gzip file, unless that is far more than a table is."""

    def __init__(self, path):
        self._path = path
        # Closed by `close`.
        self._file = gzip.open(path)  # noqa: SIM115
        self._left = self._most = most_unpacked(path)

    def readable(self):
        return True

    def readinto(self, buffer):
        n_bytes = self._file.readinto(buffer)
        self._left -= n_bytes
        if self._left < 0:
            raise ValueError(
                f"{self._path}: unpacks to more than {self._most} bytes, as no table "
                f"does; unpack it first if it is one."
            )
        return n_bytes

    def close(self):
        self._file.close()
        super().close()


def open_unpacked(path):
    """Open a file for reading bytes.

    Parameters
    ----------
    path : str or path-like
        The file. It is decompressed if its first bytes are those of gzip, whatever its
        suffix.

    Returns
    -------
    file : file
        The file. Reading it raises what is in `BAD_GZIP` if it is damaged, and
        ValueError if it unpacks to far more than a table does.
    """
    with open(path, "rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
    return io.BufferedReader(_Unpacked(path), 2**16) if packed else open(path, "rb")


BAD_GZIP = (EOFError, zlib.error, gzip.BadGzipFile)


def read_lines(path, errors="strict"):
    """Read the lines of a UTF-8 text file.

    Parameters
    ----------
    path : str or path-like
        The file. It is decompressed if its first bytes are those of gzip, whatever its
        suffix.

    errors : str, default="strict"
        What to do about bytes that are not UTF-8, as of `bytes.decode`.

    Yields
    ------
    line : str
        The next line, with its line end.

    Raises
    ------
    ValueError
        If the file is damaged gzip or no UTF-8 text, or has a line that is longer than
        any in a text.
    """
    number = 0
    try:
        with open_unpacked(path) as file:
            lines = iter(partial(file.readline, _MAX_LINE), b"")
            for number, line in enumerate(lines, start=1):
                # Text has no NUL, but the UTF-16 and binary files that do may decode.
                if b"\x00" in line:
                    raise ValueError(f"{path}, line {number}: not text, but binary.")
                if len(line) == _MAX_LINE:
                    raise ValueError(
                        f"{path}, line {number}: longer than {_MAX_LINE} bytes; not "
                        f"text, or damaged."
                    )
                # A byte-order mark, as Windows programs write it, is no text.
                yield line.decode("utf-8-sig" if number == 1 else "utf-8", errors)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, line {number}: not UTF-8 text ({error}).") from error
    except BAD_GZIP as error:
        raise ValueError(
            f"{path}, after line {number}: damaged gzip file ({error})."
        ) from error


def is_finite_number(text):
    """Tell whether a text is a finite number.

    Parameters
    ----------
    text : str
        The text.

    Returns
    -------
    is_number : bool
        Whether it is one, written as in data files: without the `_` that Python allows
        between digits.
    """
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False
