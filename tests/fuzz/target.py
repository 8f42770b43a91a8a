"""What a target of the fuzzer is, and what may come of an input."""

import warnings
from collections.abc import Callable
from typing import NamedTuple


class Finding(AssertionError):
    """A reader did with a file what it should never do."""


class Target(NamedTuple):
    """A reader, and files to begin with.

    Parameters
    ----------
    run : callable
        Takes the bytes of a file and a folder to write it to, and reads it.

    seeds : callable
        Returns valid files as bytes.

    dictionary : tuple of bytes, default=()
        What files are made of.

    errors : tuple of exception types, default=(ValueError,)
        What the reader promises to raise for a bad file.

    max_len : int, default=4096
        The longest file that is tried.

    mutate : callable or None, default=None
        Changes an input, from bytes, their largest number and a seed to bytes; None
        leaves that to the fuzzer.
    """

    run: Callable
    seeds: Callable
    dictionary: tuple = ()
    errors: tuple = (ValueError,)
    max_len: int = 4096
    mutate: Callable | None = None


def run_on_file(name, *reads, names_file=True):
    """Make of readers of a path one of bytes.

    Parameters
    ----------
    name : str
        Name of the file, on which its format may depend.

    *reads : callables
        Each takes the path of a file and reads it in another way. Whether the file is
        valid is for the first to say.

    names_file : bool, default=True
        Whether errors promise to name the file.

    Returns
    -------
    run : callable
        As `Target` takes it.
    """

    def run(data, folder):
        path, refusals = folder / name, []
        path.write_bytes(data)
        for read in reads:
            try:
                read(path)
                refusals.append(None)
            except (ValueError, TypeError) as error:
                if names_file and str(path) not in str(error):
                    raise Finding(f"an error that names no file: {error}") from error
                refusals.append(error)
        if refusals[0]:
            raise refusals[0]

    return run


def try_input(target, data, folder):
    """Read an input.

    Parameters
    ----------
    target : Target
        The reader.

    data : bytes
        The file.

    folder : Path
        An empty folder, or the one of the last input.

    Returns
    -------
    refusal : Exception or None
        The error that the reader promises for bad files; None if the file was read.

    Raises
    ------
    Exception
        Whatever else happened; a warning is an error, too.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            target.run(data, folder)
        except target.errors as error:
            return error
    return None
