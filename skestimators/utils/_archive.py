"""Files of named parts that are written as a whole and checked before they are used."""

import contextlib
import glob
import hashlib
import io
import json
import os
import struct
import threading
import time
import zipfile
import zlib
from pathlib import Path

_MANIFEST = "manifest.json"
# In seconds, of a process that writes a file.
_LONGEST_PAUSE = 3600
_FORMAT = "skestimators"
# Raised when the meaning of files changes; older ones stay readable.
FORMAT_VERSION = 1
# What Python's reader raises for bytes that are no zip file, or a damaged one.
NOT_READABLE = (
    zipfile.BadZipFile,
    EOFError,
    KeyError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    UnicodeError,
    ValueError,
    struct.error,
    zlib.error,
)


class DamagedFileError(ValueError):
    """A file is not what was written: it is damaged, incomplete or of another kind."""


def write_archive(path, members, *, kind):
    """Write a file, in the place of the one there was, in one instant.

    Whoever reads at any time, and whenever the process is killed, finds the old file or
    the new one, whole.

    Parameters
    ----------
    path : str or path-like
        The file; its folder must exist.

    members : dict of bytes
        The parts by name.

    kind : str
        What the file is, which reading asks for.

    Raises
    ------
    OSError
        If the file cannot be written; the one there was stays.
    """
    path = Path(path)
    manifest = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "kind": kind,
        "sha256": {name: _digest(data) for name, data in members.items()},
    }
    # A name of its own, as others may be writing the same file.
    writer = f"{os.getpid()}-{threading.get_ident()}"
    part = path.with_name(f".{path.name}.{writer}.part")
    try:
        with open(part, "wb") as file:
            with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
                archive.writestr(_MANIFEST, json.dumps(manifest))
                for name, data in members.items():
                    archive.writestr(name, data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
        _delete_unfinished(path)
    except OSError as error:
        raise type(error)(
            error.errno, f"{path} cannot be written ({error.strerror})"
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _delete_unfinished(path):
    """Delete what processes have left that were killed while they wrote this file."""
    for part in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
        with contextlib.suppress(OSError):
            # Another process may be writing.
            if time.time() - part.stat().st_mtime > _LONGEST_PAUSE:
                part.unlink()


def read_archive(path, *, kind):
    """Read a file that `write_archive` wrote, and check every byte of it.

    Parameters
    ----------
    path : str or path-like
        The file.

    kind : str
        What it must be.

    Returns
    -------
    members : dict of bytes
        The parts by name.

    Raises
    ------
    DamagedFileError
        If it is damaged, of another kind, or of a later version of the format.

    OSError
        If it cannot be read.
    """
    content = Path(path).read_bytes()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            # Before anything is read: what is compressed may be of any size.
            check_members(archive, len(content))
            members = {name: archive.read(name) for name in archive.namelist()}
        manifest = json.loads(members.pop(_MANIFEST))
    except NOT_READABLE as error:
        raise DamagedFileError(
            f"{path} is not a file of skestimators, or is damaged ({error})."
        ) from error
    _check_manifest(path, manifest, members, kind)
    return members


def check_members(archive, file_size):
    """Check that a zip file holds no more than its bytes, and each part once.

    Parameters
    ----------
    archive : zipfile.ZipFile
        The open file.

    file_size : int
        Its size in bytes.

    Raises
    ------
    ValueError
        If it does not.
    """
    infos = archive.infolist()
    if len({info.filename for info in infos}) < len(infos):
        raise ValueError("it names a part twice")
    if any(info.compress_type != zipfile.ZIP_STORED for info in infos):
        raise ValueError("it has compressed parts")
    if sum(info.file_size for info in infos) > file_size:
        raise ValueError("its parts overlap")


def _check_manifest(path, manifest, members, kind):
    if not isinstance(manifest, dict) or manifest.get("format") != _FORMAT:
        raise DamagedFileError(f"{path} is not a file of skestimators.")
    version = manifest.get("format_version")
    if not isinstance(version, int) or version < 1:
        raise DamagedFileError(f"{path} has no valid format version: {version!r}.")
    if version > FORMAT_VERSION:
        raise DamagedFileError(
            f"{path} has format {version}, of a later version of skestimators; this "
            f"one reads up to {FORMAT_VERSION}. Update skestimators to read it."
        )
    if manifest.get("kind") != kind:
        raise DamagedFileError(
            f"{path} holds {manifest.get('kind')!r}, where {kind!r} is needed."
        )
    if manifest.get("sha256") != {n: _digest(data) for n, data in members.items()}:
        raise DamagedFileError(
            f"{path} is damaged: its parts do not have the checksums they were "
            "written with."
        )


def _digest(data):
    return hashlib.sha256(data).hexdigest()
