"""Decompression of FITS images that were compressed tile by tile."""

import re
import zlib
from io import BytesIO
from itertools import product

import numpy as np

from skestimators.preprocessing._fits_headers import BLOCK, CARD
from skestimators.preprocessing._image_content import UnreadableImageError

_NAME = re.compile(r"\w+", re.ASCII)
_FORMAT = re.compile(r"1?([BIJKED]|[PQ][BIJKED](\(\d+\))?)", re.ASCII)
# With damaged files, astropy's decoders of the others (HCOMPRESS_1, PLIO_1) write
# beyond their memory, which ends the process.
_ALGORITHMS = {"RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS"}


def rice_pixels(hdu):
    """Decompress integers by the Rice algorithm, the usual way of SHARP files.

    Reading such a file, astropy spends most of the time between the tiles, of which
    there is one for each row of pixels. Here its decoder is called for one tile after
    the other, and nothing else.

    Parameters
    ----------
    hdu : HDU
        A compressed image.

    Returns
    -------
    pixels : ndarray of int of shape (height, width) or None
        Before scaling. None if the image is of another kind, or astropy keeps its
        decoder elsewhere, which is no public part of it.

    Raises
    ------
    UnreadableImageError
        If the table of tiles does not fit the file.
    """
    try:
        from astropy.io.fits.hdu.compressed._codecs import Rice1
    except ImportError:
        return None
    n_bytes = _setting(hdu, "BYTEPIX", 4)
    plain = hdu.number("TFIELDS") == 1 and "ZBLANK" not in hdu.cards
    kind = hdu.text("ZCMPTYPE"), hdu.text("TTYPE1")
    if kind != ("RICE_1", "COMPRESSED_DATA") or not plain or n_bytes not in (2, 4):
        return None
    height, width = hdu.number("ZTILE2", 1), hdu.number("ZTILE1", hdu.width)
    if height < 1 or width < 1:
        raise UnreadableImageError(f"its header has tiles of {height} x {width} pixels")
    corners = product(range(0, hdu.height, height), range(0, hdu.width, width))
    pixels = np.empty((hdu.height, hdu.width), dtype=f"i{n_bytes}")
    settings = {"blocksize": _setting(hdu, "BLOCKSIZE", 32), "bytepix": n_bytes}
    for tile, (row, column) in zip(_tiles(hdu), corners, strict=True):
        target = pixels[row : row + height, column : column + width]
        decoded = Rice1(tilesize=target.size, **settings).decode(tile)
        target[:] = decoded.reshape(target.shape)
    return pixels


def _setting(hdu, name, default):
    """Return a setting of the algorithm, the n-th of which is ZNAMEn, ZVALn."""
    for key in hdu.cards:
        if key.startswith("ZNAME") and hdu.text(key).upper() == name:
            return hdu.number(f"ZVAL{key[5:]}")
    return default


def _tiles(hdu):
    """Return the bytes of each tile, from a table of one column."""
    integers = {"P": ">i4", "Q": ">i8"}
    match = re.match(r"1?([PQ])B", hdu.text("TFORM1", ""))
    if match is None:
        raise UnreadableImageError("its table of tiles holds no bytes")
    n_tiles = hdu.number("NAXIS2")
    table = np.frombuffer(
        hdu.content, integers[match[1]], 2 * n_tiles, hdu.data_start
    ).reshape(-1, 2)
    theap = hdu.number("THEAP", table.nbytes)
    heap = np.frombuffer(hdu.content, np.uint8)[hdu.data_start + theap : hdu.data_stop]
    sizes, starts = table.astype(np.int64).T
    stops = starts + sizes
    outside = (sizes < 1) | (starts < 0) | (stops > len(heap))
    if theap < table.nbytes or outside.any():
        raise UnreadableImageError("its table of tiles points out of the file")
    return [heap[start:stop] for start, stop in zip(starts, stops, strict=True)]


def decompress_by_astropy(hdu):
    """Decompress any image that astropy can, from a file without needless cards.

    Parameters
    ----------
    hdu : HDU
        A compressed image.

    Returns
    -------
    pixels : ndarray of float32 of shape (height, width)
        Physical values, NaN where the image is blank.

    Raises
    ------
    UnreadableImageError
        If the algorithm is another, or the tiles are larger than the header says.
    """
    from astropy.io import fits

    _check_settings(hdu)
    _check_columns(hdu)
    primary = {"SIMPLE": "T", "BITPIX": "8", "NAXIS": "0", "EXTEND": "T"}
    data = hdu.content[hdu.data_start : hdu.data_stop]
    padding = b"\0" * (-len(data) % BLOCK)
    file = _header_bytes(primary) + _header_bytes(hdu.cards) + data + padding
    _check_gzip_tiles(hdu, file)
    with np.errstate(all="ignore"):
        with fits.open(BytesIO(file), memmap=False) as hdus:
            pixels = hdus[1].data
        return pixels.reshape(hdu.height, hdu.width).astype(np.float32)


def _check_settings(hdu):
    """Refuse what astropy passes on to its decoders unchecked."""
    algorithm = hdu.text("ZCMPTYPE")
    if algorithm not in _ALGORITHMS:
        raise UnreadableImageError(
            f"it is compressed by {algorithm}; only RICE_1, GZIP_1 and GZIP_2 are read"
        )
    n_bytes, seed = _setting(hdu, "BYTEPIX", 4), hdu.number("ZDITHER0", 1)
    if n_bytes not in (1, 2, 4) or not 1 <= seed <= 10_000:
        raise UnreadableImageError(
            f"its header has BYTEPIX = {n_bytes} and ZDITHER0 = {seed}; 1, 2 or 4 and "
            "1 to 10000 are allowed"
        )


def _check_columns(hdu):
    """Refuse columns that astropy would warn of."""
    for column in range(1, hdu.number("TFIELDS") + 1):
        name, kind = hdu.text(f"TTYPE{column}", ""), hdu.text(f"TFORM{column}", "")
        if not (_NAME.fullmatch(name) and _FORMAT.fullmatch(kind)):
            raise UnreadableImageError(
                f"its table of tiles has a malformed column {name!r} of {kind!r}"
            )


def _header_bytes(cards):
    lines = [f"{key:8}= {value:>20}".ljust(CARD) for key, value in cards.items()]
    text = "".join(lines) + "END".ljust(CARD)
    return text.ljust(-(-len(text) // BLOCK) * BLOCK).encode("ascii")


def _check_gzip_tiles(hdu, file):
    """Refuse tiles that would fill the memory, which gzip can make of a few bytes."""
    from astropy.io import fits

    packed = {"GZIP_COMPRESSED_DATA"}
    if hdu.text("ZCMPTYPE", "").startswith("GZIP"):
        packed.add("COMPRESSED_DATA")
    columns = {hdu.text(key) for key in hdu.cards if key.startswith("TTYPE")}
    # For all of them, as the table may name one tile a thousand times.
    left = 8 * hdu.height * hdu.width
    with fits.open(BytesIO(file), disable_image_compression=True) as hdus:
        for name in packed & columns:
            for tile in hdus[1].data[name]:
                unpacker = zlib.decompressobj(wbits=31)
                left -= len(unpacker.decompress(tile.tobytes(), left + 1))
                if left < 0:
                    raise UnreadableImageError(
                        "its compressed tiles are larger than the whole image"
                    )
