"""Lines of a text file, plain or gzipped, with errors that name file and line."""

import gzip
import math
import zlib

_GZIP_MAGIC = b"\x1f\x8b"


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
        If the file is damaged gzip or no UTF-8 text.
    """
    with open(path, "rb") as file:
        packed = file.read(2) == _GZIP_MAGIC
    number = 0
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                # Text has no NUL, but the UTF-16 and binary files that do may decode.
                if b"\x00" in line:
                    raise ValueError(f"{path}, line {number}: not text, but binary.")
                # A byte-order mark, as Windows programs write it, is no text.
                yield line.decode("utf-8-sig" if number == 1 else "utf-8", errors)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}, line {number}: not UTF-8 text ({error}).") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
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
