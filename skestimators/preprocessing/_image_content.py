"""The bytes of an image file, and which format they are of."""

import os
import stat

from skestimators.utils._paths import resolve_inside

# Checked before anything is decoded, as a small file may announce any size. The largest
# images of the Sun have 4096 x 4096 pixels.
MAX_PIXELS = 2**26
# To smooth a strip of millions of pixels would take hours.
MAX_SIDE = 2**14
_MAX_BYTES = 8 * MAX_PIXELS

_MAGIC = {"png": b"\x89PNG\r\n\x1a\n", "fits": b"SIMPLE  ="}
_FORMAT_OF_SUFFIX = {".png": "png", ".fits": "fits", ".fit": "fits", ".fts": "fits"}
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"BZh": "bzip2",
    b"\xfd7zXZ": "xz",
    b"PK\x03\x04": "zip",
}


class UnreadableImageError(ValueError):
    """An image file cannot be read; the message is the reason."""


def read_content(path, root=None):
    """Read the bytes of an image file.

    Parameters
    ----------
    path : str
        The file.

    root : path-like or None, default=None
        The folder that `path` is relative to and may not leave.

    Returns
    -------
    content : bytes
        The whole file.

    format : {"png", "fits"}
        What it is, by its first bytes and by its name.

    Raises
    ------
    UnreadableImageError
        If there is no such file or it is none of the two.
    """
    content = _read_file(path, root)
    suffix = os.path.splitext(path)[1].lower()
    if suffix not in _FORMAT_OF_SUFFIX:
        raise UnreadableImageError(
            f"its name ends in {suffix!r}, not in one of {', '.join(_FORMAT_OF_SUFFIX)}"
        )
    by_name = _FORMAT_OF_SUFFIX[suffix]
    if not content:
        raise UnreadableImageError("the file is empty")
    for by_content, magic in _MAGIC.items():
        if content.startswith(magic):
            if by_content == by_name:
                return content, by_name
            raise UnreadableImageError(
                f"its name says {by_name.upper()}, but it holds {by_content.upper()}"
            )
    packed = [name for magic, name in _PACKED.items() if content.startswith(magic)]
    if packed:
        raise UnreadableImageError(f"it is packed with {packed[0]}; unpack it first")
    raise UnreadableImageError(f"it is no {by_name.upper()} file by its first bytes")


def _read_file(path, root):
    try:
        resolved = resolve_inside(path, root)
        with open(resolved, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise UnreadableImageError("it is no regular file")
            if status.st_size > _MAX_BYTES:
                raise UnreadableImageError(
                    f"it has {status.st_size} bytes; at most {_MAX_BYTES} are read"
                )
            # No more than there was, should it be growing.
            content = file.read(status.st_size)
    except FileNotFoundError:
        raise UnreadableImageError("there is no such file") from None
    except IsADirectoryError:
        raise UnreadableImageError("it is a folder") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise UnreadableImageError(f"it cannot be opened ({reason})") from error
    except UnicodeEncodeError as error:
        raise UnreadableImageError(f"its name is no file name ({error})") from error
    except UnreadableImageError:
        raise
    except ValueError as error:
        raise UnreadableImageError(str(error)) from error
    return content


def _open_at_once(path, flags):
    # A pipe would otherwise wait for somebody to write into it.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def check_n_pixels(height, width):
    """Refuse images that would fill the memory.

    Parameters
    ----------
    height, width : int
        As the header announces them.

    Raises
    ------
    UnreadableImageError
        If the image is empty, or larger than any that is read.
    """
    if height < 1 or width < 1:
        raise UnreadableImageError(f"its header announces {height} x {width} pixels")
    if max(height, width) > MAX_SIDE:
        raise UnreadableImageError(
            f"its header announces {height} x {width} pixels, more than the {MAX_SIDE} "
            f"of a side that are read"
        )
    if height * width > MAX_PIXELS:
        raise UnreadableImageError(
            f"its header announces {height} x {width} pixels, more than the "
            f"{MAX_PIXELS} that are read"
        )
