"""Checksums of downloaded files."""

import contextlib
import hashlib
import lzma
import os
import struct
import zipfile
import zlib

# A small archive may hold any amount of zeros.
_MAX_UNPACKED = 2**30
# What zipfile says of archives that are damaged, cut, packed or locked in a way that it
# does not know.
_UNSOUND = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    RuntimeError,
    ValueError,
)


class DamagedError(OSError):
    """A file is not the one that it should be."""


def check_file(file, path):
    """Check that a file is the one that it should be.

    Parameters
    ----------
    file : RemoteFile
        What it should be.

    path : Path
        The file.

    Returns
    -------
    sha256 : str
        Its SHA-256.

    Raises
    ------
    DamagedError
        If it is not; the message begins with the reason, and names both checksums.
    """
    with open(path, "rb") as opened:
        found = hashlib.file_digest(opened, "sha256").hexdigest()
    if file.sha256 and file.sha256.lower() != found:
        raise DamagedError(
            f"its SHA-256 is {found}, but should be {file.sha256}."
            f"{_line_ends_hint(path, file.sha256)}"
        )
    for name, known in file.members.items():
        with open_member(path, name) as opened:
            found_member = hashlib.file_digest(opened, "sha256").hexdigest()
        if known not in (None, found_member):
            raise DamagedError(
                f"the SHA-256 of {name} in it is {found_member}, but should be {known}."
            )
    return found


def _line_ends_hint(path, sha256):
    """Say so if a file differs in nothing but its line ends."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for line in file:
            digest.update(line.replace(b"\r\n", b"\n"))
    if digest.hexdigest() != sha256:
        return ""
    return (
        " Only its line ends are wrong: CRLF, those of Windows, instead of LF. "
        "Download the file as it is, without converting text."
    )


@contextlib.contextmanager
def open_member(path, name):
    """Open a file of a zip archive, whatever its folder in there.

    Parameters
    ----------
    path : Path
        The archive.

    name : str
        Name of the file, without a folder.

    Yields
    ------
    member : file
        The file, open for reading bytes.

    Raises
    ------
    DamagedError
        If there is no such file, it is larger than any that is read, or the archive is
        damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [n for n in archive.namelist() if n.rpartition("/")[2] == name]
            if len(names) != 1:
                raise DamagedError(f"it holds {len(names)} files named {name}, not 1.")
            size = archive.getinfo(names[0]).file_size
            if size > _MAX_UNPACKED:
                raise DamagedError(
                    f"{name} in it has {size} bytes; at most {_MAX_UNPACKED} are read."
                )
            with archive.open(names[0]) as member:
                yield member
    except _UNSOUND as error:
        raise DamagedError(f"it is no sound zip archive ({error}).") from error


def record_path(path):
    """Return where the checksum of a file is written at its first use.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    record : Path
        The file beside it, in the format of the program `sha256sum`.
    """
    return path.with_name(f"{path.name}.sha256")


def read_record(path):
    """Return the checksum that a file had at its first use.

    Parameters
    ----------
    path : Path
        The file.

    Returns
    -------
    sha256 : str or None
        The checksum, or None if none is recorded.
    """
    try:
        words = record_path(path).read_text(encoding="utf-8").split()
    except FileNotFoundError:
        return None
    return words[0] if words else None


def write_record(path, sha256):
    """Write down the checksum of a file at its first use.

    Parameters
    ----------
    path : Path
        The file.

    sha256 : str
        The checksum.
    """
    record = record_path(path)
    draft = record.with_name(f"{record.name}.{os.getpid()}")
    # Files put by hand may lie in a folder that others alone may write to.
    with contextlib.suppress(OSError):
        draft.write_text(f"{sha256}  {path.name}\n", encoding="utf-8")
        os.replace(draft, record)
