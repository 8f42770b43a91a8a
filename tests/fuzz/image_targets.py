"""What is fuzzed of the readers of images."""

import io
import struct
import zlib

import numpy as np
from fuzz.target import Target

_CARD, _BLOCK = 80, 2880
_MAGIC = b"\x89PNG\r\n\x1a\n"


def _read(name, data, folder):
    from skestimators.preprocessing._image_files import Reading, read_image

    (folder / name).write_bytes(data)
    for nan in ("error", "zero"):
        image = read_image(name, Reading((16, 16), nan=nan, root=str(folder)))
        assert image.shape[:2] == (16, 16)
        assert np.isfinite(image).all()


def _read_png(data, folder):
    _read("a.png", data, folder)


def _read_mended_png(data, folder):
    _read("a.png", with_checksums(data), folder)


def with_checksums(data):
    """Return a PNG file with lengths and checksums that fit, for all that it says."""
    chunks, start = [_MAGIC], len(_MAGIC)
    while start + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, start)
        body = data[start + 8 : start + 8 + min(length, 10_000)]
        checksum = struct.pack(">I", zlib.crc32(name + body))
        chunks += [struct.pack(">I", len(body)), name, body, checksum]
        start += 12 + len(body)
    return b"".join(chunks)


def _read_fits(data, folder):
    _read("a.fits", data, folder)


def _read_written_fits(data, folder):
    """Read a file that is written as lines of cards, and its data behind a NUL."""
    blocks = []
    for i, part in enumerate(data.split(b"\0\0END\0\0")):
        if i % 2 == 0:
            cards = [line[:_CARD].ljust(_CARD) for line in part.split(b"\n")]
            part = b"".join(cards) + b"END".ljust(_CARD)
        fill = b" " if i % 2 == 0 else b"\0"
        blocks.append(part.ljust(-(-len(part) // _BLOCK) * _BLOCK, fill))
    _read("a.fits", b"".join(blocks), folder)


def _as_written(content):
    """Return a FITS file in the form that `_read_written_fits` takes."""
    parts, start = [], 0
    while start < len(content):
        stop = content.index(b"END".ljust(_CARD), start)
        cards = content[start:stop]
        lines = [cards[i : i + _CARD].rstrip() for i in range(0, len(cards), _CARD)]
        start += -(-(stop + _CARD - start) // _BLOCK) * _BLOCK
        follows = content.find(b"XTENSION", start)
        end = follows if follows >= 0 else len(content)
        parts += [b"\n".join(lines), content[start:end].rstrip(b"\0")]
        start = end
    return b"\0\0END\0\0".join(parts)


def _pngs():
    from PIL import Image

    files = []
    for shape in ((6, 5), (6, 5, 3)):
        pixels = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, format="PNG")
        files.append(file.getvalue())
    header = struct.pack(">IIBBBBB", 6, 5, 8, 0, 0, 0, 1)
    packed = zlib.compress(bytes(60))
    chunks = [(b"IHDR", header), (b"tEXt", b"a\0b"), (b"IDAT", packed), (b"IEND", b"")]
    interlaced = b"".join(
        struct.pack(">I", len(body)) + name + body + bytes(4) for name, body in chunks
    )
    return [*files, with_checksums(_MAGIC + interlaced)]


def _fits_files():
    from astropy.io import fits

    field = np.linspace(-500, 500, 30).reshape(6, 5)
    hdus = [[fits.PrimaryHDU(field.astype(dtype))] for dtype in ("i2", "f4", "u2")]
    for algorithm, dtype in (
        ("RICE_1", "i4"),
        ("RICE_1", "i2"),
        ("RICE_1", "f4"),
        ("GZIP_1", "f4"),
        ("GZIP_2", "i2"),
        ("NOCOMPRESS", "i2"),
    ):
        image = fits.CompImageHDU(field.astype(dtype), compression_type=algorithm)
        hdus.append([fits.PrimaryHDU(), image])
    files = []
    for each in hdus:
        file = io.BytesIO()
        fits.HDUList(each).writeto(file)
        files.append(file.getvalue())
    return files


_CARDS = [
    b"BITPIX  = -64",
    b"NAXIS   = 2",
    b"NAXIS1  = 5",
    b"PCOUNT  = 1",
    b"GROUPS  = T",
]
_CARDS += [b"BSCALE  = 1E300", b"BLANK   = 0", b"ZBLANK  = 0", b"ZTILE1  = 0"]
_CARDS += [b"ZCMPTYPE= 'GZIP_1'", b"ZVAL1   = 0", b"ZVAL2   = 8", b"THEAP   = 0"]
_CARDS += [b"TFORM1  = '1QB'", b"ZQUANTIZ= 'SUBTRACTIVE_DITHER_2'", b"ZDITHER0= 1"]

TARGETS = {
    "MagnetogramReader: png": Target(
        _read_png, _pngs, (b"IHDR", b"IDAT", b"IEND", b"acTL", b"PLTE", b"tRNS")
    ),
    "MagnetogramReader: png, checksums mended": Target(
        _read_mended_png,
        _pngs,
        (b"IHDR", b"IDAT", b"IEND", b"zTXt", b"iTXt", b"iCCP", b"PLTE", b"tRNS"),
    ),
    "MagnetogramReader: fits": Target(
        _read_fits, _fits_files, tuple(_CARDS), max_len=20_000
    ),
    "MagnetogramReader: fits, by cards": Target(
        _read_written_fits,
        lambda: [_as_written(content) for content in _fits_files()],
        (*_CARDS, b"\n", b"\0\0END\0\0"),
        max_len=8192,
    ),
}
