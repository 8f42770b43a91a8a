"""Pixels of PNG images."""

import struct
import zlib
from io import BytesIO

import numpy as np

from skestimators.preprocessing._image_content import (
    UnreadableImageError,
    check_n_pixels,
)

_START = 8
_COLOURS = {
    0: "grey",
    2: "RGB",
    3: "a palette",
    4: "grey and transparency",
    6: "RGBA",
}


def decode_png(content):
    """Decode a PNG image of 8 bits, grey or RGB.

    Parameters
    ----------
    content : bytes
        The file.

    Returns
    -------
    pixels : ndarray of uint8 of shape (height, width) or (height, width, 3)
        The pixels.

    Raises
    ------
    UnreadableImageError
        If the file is damaged, or the image is of another kind.
    """
    from PIL import Image

    packed = _check_chunks(content)
    _check_kind(content)
    try:
        _check_length(content, packed)
        with Image.open(BytesIO(content), formats=["PNG"]) as image:
            return np.array(image)
    except (OSError, SyntaxError, ValueError, zlib.error, struct.error) as error:
        raise UnreadableImageError(f"it is a damaged PNG file ({error})") from error


def _check_chunks(content):
    """Find what PIL overlooks, or only warns of; return the compressed pixels."""
    start, name, packed = _START, None, []
    while name != b"IEND":
        if start + 12 > len(content):
            raise UnreadableImageError(_truncated(content))
        length, name = struct.unpack_from(">I4s", content, start)
        end = start + 12 + length
        if end > len(content):
            raise UnreadableImageError(_truncated(content))
        (expected,) = struct.unpack_from(">I", content, end - 4)
        if zlib.crc32(memoryview(content)[start + 4 : end - 4]) != expected:
            raise UnreadableImageError(
                f"it is a damaged PNG file (wrong checksum of a chunk {name!r})"
            )
        if name == b"acTL":
            raise UnreadableImageError("it is an animated PNG; save one image a file")
        if name == b"IHDR" and start > _START:
            # PIL would believe the last of them.
            raise UnreadableImageError("it is a damaged PNG file (several headers)")
        if name == b"IDAT":
            packed.append(content[start + 8 : end - 4])
        start = end
    return b"".join(packed)


def _check_length(content, packed):
    """Refuse an image whose last rows are missing, which PIL fills with black."""
    width, height, _, colour, *_, interlaced = struct.unpack_from(
        ">IIBBBBB", content, _START + 8
    )
    n_bytes = height * (1 + width * (3 if colour else 1))
    rows = zlib.decompressobj().decompress(packed, n_bytes)
    if len(rows) < n_bytes and not interlaced:
        raise OSError("rows are missing")


def _truncated(content):
    return f"the PNG file is truncated after {len(content)} bytes"


def _check_kind(content):
    if content[_START + 4 : _START + 8] != b"IHDR":
        raise UnreadableImageError("it is a damaged PNG file (no header)")
    width, height, bits, colour = struct.unpack_from(">IIBB", content, _START + 8)
    if bits != 8 or colour not in (0, 2):
        raise UnreadableImageError(
            f"it is a PNG of {bits} bits and {_COLOURS.get(colour, 'no colours')}; "
            "only 8 bits, grey or RGB, are read: convert it first"
        )
    check_n_pixels(height, width)
