"""Files that are downloaded once and kept in a folder."""

import contextlib
import errno
import os
import sqlite3
import sys
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from pathlib import Path

from sklearn.utils._param_validation import Interval

from skestimators.datasets._fetch_checks import (
    DamagedError,
    check_file,
    read_record,
    record_path,
    write_record,
)
from skestimators.datasets._fetch_part import BadAnswerError, Part
from skestimators.utils._optional import import_optional
from skestimators.utils._warnings import warn_user

_VARIABLE = "SKESTIMATORS_DATA"
_DEFAULT = "~/skestimators_data"

CONSTRAINTS = {
    "data_home": [str, os.PathLike, None],
    "download_if_missing": ["boolean"],
    "n_retries": [Interval(Integral, 0, None, closed="left")],
    "delay": [Interval(Real, 0, None, closed="left")],
}


@dataclass(frozen=True)
class RemoteFile:
    """A file somewhere in the internet.

    Parameters
    ----------
    name : str
        Where to keep it, below the folder for data; parts are separated by `/`.

    url : str
        The file, or the page that it can be downloaded from by hand.

    sha256 : str or None
        Its checksum. If it is None, the file is trusted at its first use, and must stay
        the same from then on.

    members : mapping from str to (str or None)
        Names of files that it holds as a zip archive, and their checksums as far as
        they are known.
    """

    name: str
    url: str
    sha256: str | None = None
    members: Mapping = field(default_factory=dict)


def fetch_files(
    files, data_home, *, caller, download_if_missing=True, n_retries=3, delay=1.0
):
    """Find files in the folder for data, and download those that are not there.

    Parameters
    ----------
    files : list of RemoteFile
        The files.

    data_home : str, path-like or None
        The folder.

    caller : str
        The function that needs them.

    download_if_missing : bool
        Whether to download.

    n_retries : int
        How often to try again.

    delay : float
        Seconds between tries.

    Returns
    -------
    paths : list of Path
        The files, whose checksums are right.

    Raises
    ------
    OSError
        If a file is missing, cannot be downloaded or written, or is damaged.
    """
    folder = Path(data_home or os.environ.get(_VARIABLE) or _DEFAULT)
    folder = folder.expanduser().absolute()
    wanted = [(file, folder.joinpath(*file.name.split("/"))) for file in files]
    missing = [pair for pair in wanted if not os.path.exists(pair[1])]
    if missing and not download_if_missing:
        raise FileNotFoundError(
            f"{caller}: the data are not in data_home={str(folder)!r}."
            f"{_instructions(missing)}"
        )
    if missing:
        pooch = import_optional("pooch", extra="data", caller=caller)
        # What the caller is handling is no reason for what happens here.
        outer = sys.exception()
        try:
            with _alone(folder):
                for file, path in missing:
                    _download(file, path, pooch, n_retries, delay, outer)
        except OSError as error:
            missing = [pair for pair in missing if not os.path.exists(pair[1])]
            raise _explain(error, caller, folder, missing, outer) from error
    for file, path in wanted:
        _check_kept(file, path, caller)
    return [path for _, path in wanted]


def trust(file, path):
    """Write down the checksum of a file that is used for the first time.

    Parameters
    ----------
    file : RemoteFile
        What it is.

    path : Path
        The file, which could be read.
    """
    if file.sha256 is None and read_record(path) is None:
        write_record(path, check_file(file, path))


def _instructions(missing):
    """Say how to get files by hand."""
    lines = ["", "To get them by hand, download, without any change:"]
    for file, path in missing:
        direct = file.url.endswith(f"/{path.name}")
        lines += [
            f"  {file.url}" if direct else f"  {path.name} from {file.url}",
            f"    to {path}",
            f"    SHA-256: {file.sha256 or 'not known in advance'}",
        ]
    return "\n".join(lines)


@contextlib.contextmanager
def _alone(folder):
    """Make the folder, and keep out other processes that download to it."""
    folder.mkdir(parents=True, exist_ok=True)
    # A database that stays empty: its lock works on every system, and ends with the
    # process that holds it.
    with contextlib.ExitStack() as stack:
        try:
            # The wait is short, as nothing can interrupt it.
            lock = sqlite3.connect(folder / "downloads.lock", timeout=1)
            stack.enter_context(contextlib.closing(lock))
            _take(lock, folder)
        except sqlite3.DatabaseError as error:
            path = folder / "downloads.lock"
            why = f"no lock: {error}; if nothing is downloading, delete {path}"
            raise OSError(errno.EACCES, why) from error
        yield


def _take(lock, folder):
    """Wait until no other process has the lock."""
    told = False
    while True:
        try:
            lock.execute("BEGIN EXCLUSIVE")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
        if not told:
            warnings.warn(
                f"Waiting for another process, which downloads to {folder}.",
                stacklevel=6,
            )
            told = True


def _download(file, path, pooch, n_retries, delay, outer):
    """Download a file, unless another process has done so."""
    from requests.exceptions import RequestException

    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = Part(path, file.url)
    for tries_left in range(n_retries, -1, -1):
        try:
            part.download(pooch)
            check_file(file, part.path)
            break
        except (BadAnswerError, DamagedError, RequestException) as error:
            if isinstance(error, DamagedError) or not part.path.stat().st_size:
                part.discard()
            if not (tries_left and _may_pass(error, part)):
                raise
            reason = _reason(error, outer)
            warn_user(f"Trying to download {file.url} again: {reason}")
            time.sleep(delay)
    os.replace(part.path, path)
    part.discard()


def _may_pass(error, part):
    """Tell whether a download that failed may do better if it is tried again."""
    if isinstance(error, BadAnswerError):
        return error.passing
    if isinstance(error, DamagedError):
        # What came in one piece is what the server has.
        return part.resumed
    if error.response is None:
        return True
    status = error.response.status_code
    return status in (408, 416, 429) or status >= 500


def _reason(error, outer):
    """Return the innermost cause, such as "Connection refused"."""
    while error.__context__ not in (None, outer):
        error = error.__context__
    return error


def _explain(error, caller, folder, missing, outer):
    """Return the error that says what to do when a download has failed."""
    from requests.exceptions import RequestException

    if isinstance(error, DamagedError):
        return OSError(
            f"{caller}: what was downloaded is not what it should be, and was not "
            f"kept: {error}{_instructions(missing)}"
        )
    if isinstance(error, (BadAnswerError, RequestException)):
        return OSError(
            f"{caller} could not download {missing[0][0].url}: {_reason(error, outer)}."
            f"{_instructions(missing)}"
        )
    return OSError(
        error.errno or errno.EIO,
        f"{caller} cannot write to data_home={str(folder)!r} "
        f"({error.strerror or error}). Pass another folder as data_home, or name one "
        f"by the environment variable {_VARIABLE}",
    )


def _check_kept(file, path, caller):
    """Check a file that is in the folder."""
    recorded = None if file.sha256 else read_record(path)
    try:
        check_file(replace(file, sha256=file.sha256 or recorded), path)
    except DamagedError as error:
        remedy = f"Get it anew from {file.url}: delete it first"
        if recorded:
            remedy += f". If it was changed on purpose, delete {record_path(path)}"
        message = f"{caller}: {path} is not used: {error} {remedy}."
        raise OSError(message) from error
