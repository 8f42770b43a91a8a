"""Headers of FITS files, as far as they describe images.

Only the cards that say how the data lie in the file are read: astropy parses every
card, which takes longer than decoding an image, and warns of those that are malformed.
"""

import re
from math import prod

import numpy as np

from skestimators.preprocessing._image_content import (
    UnreadableImageError,
    check_n_pixels,
)

BLOCK = 2880
CARD = 80
_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
# What says how the bytes of a (compressed) image are laid out and scaled.
_STRUCTURE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|PCOUNT|GCOUNT|GROUPS|EXTEND|TFIELDS|THEAP"
    r"|(TTYPE|TFORM|TNULL|TSCAL|TZERO)\d+|BSCALE|BZERO|BLANK"
    r"|Z(IMAGE|CMPTYPE|BITPIX|NAXIS\d*|TILE\d+|NAME\d+|VAL\d+|QUANTIZ|DITHER0|BLANK"
    r"|SCALE|ZERO)"
)
# A text, a truth value, a number or nothing, and perhaps a comment.
_VALUE = re.compile(
    r" *('(?:[ -&(-~]|'')*'|[TF]|[+-]?(?:\d+\.?\d*|\.\d+)(?:[DE][+-]?\d+)?|) *(?:/|$)",
    re.ASCII | re.IGNORECASE,
)


def find_image(content):
    seen, start = [], 0
    while content[start : start + 8] in (b"SIMPLE  ", b"XTENSION"):
        hdu = HDU(content, start)
        if hdu.height:
            check_n_pixels(hdu.height, hdu.width)
            return hdu
        seen.append(hdu.description)
        start = hdu.end
    raise UnreadableImageError(f"it has no 2-D image, only {', '.join(seen)}")


class HDU:
    """A header and the span of its data."""

    def __init__(self, content, start):
        self.content = content
        self.cards, self.data_start = _read_header(content, start)
        self.kind = self.text("XTENSION", "IMAGE")
        self.compressed = self.kind == "BINTABLE" and self.text("ZIMAGE", "F") == "T"
        self.shape = self._shape("Z" if self.compressed else "")
        self.data_stop = self.data_start + self._n_bytes()
        if self.data_stop > len(content):
            raise UnreadableImageError(
                f"the FITS file is truncated: it has {len(content)} bytes, but its "
                f"headers announce {self.data_stop}"
            )
        self.end = self.data_start + -(-self._n_bytes() // BLOCK) * BLOCK
        # A cube of one plane is an image, too.
        is_image = self.compressed or self.kind == "IMAGE"
        is_flat = len(self.shape) >= 2 and prod(self.shape[:-2]) == 1
        self.height, self.width = self.shape[-2:] if is_image and is_flat else (0, 0)

    @property
    def description(self):
        if self.kind != "IMAGE" and not self.compressed:
            return f"a {self.kind.lower()}"
        size = " x ".join(str(length) for length in self.shape)
        return f"an array of {size}" if size else "an empty HDU"

    def text(self, key, default=None):
        """Return the value of a card, which is a text or written like one."""
        if key not in self.cards:
            return default
        return self.cards[key].strip("'").strip()

    def number(self, key, default=None, convert=int):
        """Return the value of a card, which is a number."""
        text = self.text(key, default)
        try:
            return convert(text.replace("D", "E") if isinstance(text, str) else text)
        except (TypeError, ValueError):
            raise UnreadableImageError(
                f"its header has {text!r} as {key}, which should be a number"
            ) from None

    def _shape(self, prefix):
        n_axes = self.number(f"{prefix}NAXIS")
        if not 0 <= n_axes < 1000:
            raise UnreadableImageError(f"its header has {prefix}NAXIS = {n_axes}")
        lengths = [self.number(f"{prefix}NAXIS{i}") for i in range(n_axes, 0, -1)]
        if any(length < 0 for length in lengths):
            raise UnreadableImageError(f"its header announces a shape of {lengths}")
        return lengths

    def _n_bytes(self):
        shape = self._shape("")
        if self.text("GROUPS") == "T" and shape and shape[-1] == 0:
            shape = shape[:-1]
        if not shape:
            return 0
        n_values = self.number("PCOUNT", 0) + prod(shape)
        n_bytes = abs(self.number("BITPIX")) * self.number("GCOUNT", 1) * n_values // 8
        if n_bytes < 0:
            raise UnreadableImageError("its header announces a negative size")
        return n_bytes

    def plain_pixels(self):
        """Return the numbers of an image that is not compressed."""
        bits = self.number("BITPIX")
        if bits not in _TYPES:
            raise UnreadableImageError(f"its header has BITPIX = {bits}")
        pixels = np.frombuffer(
            self.content, _TYPES[bits], self.height * self.width, self.data_start
        )
        return pixels.reshape(self.height, self.width)


def _read_header(content, start):
    """Return the cards that tell of the structure, and where the data begin."""
    cards = {}
    for place in range(start, len(content) - CARD + 1, CARD):
        card = content[place : place + CARD].decode("latin-1")
        key = card[:8].rstrip().upper()
        if key == "END":
            blocks = -(-(place + CARD - start) // BLOCK)
            return cards, start + blocks * BLOCK
        if card[8] == "=" and _STRUCTURE.fullmatch(key):
            match = _VALUE.match(card, 9)
            if match is None:
                raise UnreadableImageError(f"its header has a malformed card {key}")
            if text := match[1]:
                cards.setdefault(key, text if text[0] == "'" else text.upper())
    raise UnreadableImageError("the FITS file is truncated: a header has no end")
