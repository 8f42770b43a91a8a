"""Pixels that were written are those that are read."""

import io

import numpy as np
from astropy.io import fits
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from properties import examples

from skestimators.preprocessing import MagnetogramReader

sides = st.integers(1, 9)
LIMIT = 1000.0


def read(path, shape, **params):
    reader = MagnetogramReader(shape[:2], on_unreadable="error", **params)
    [image] = reader.fit([path]).transform([path])
    return image


def write(path, hdu):
    file = io.BytesIO()
    first = [] if isinstance(hdu, fits.PrimaryHDU) else [fits.PrimaryHDU()]
    fits.HDUList([*first, hdu]).writeto(file)
    path.write_bytes(file.getvalue())
    return path


@examples(40)
@given(st.data(), sides, sides, st.booleans(), st.integers(0, 9))
def test_png(tmp_path, data, height, width, colour, level):
    shape = (height, width, 3) if colour else (height, width)
    pixels = data.draw(arrays.arrays(np.uint8, shape))
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path, compress_level=level)
    image = read(path, shape)
    expected = pixels if colour else np.repeat(pixels[..., None], 3, axis=2)
    np.testing.assert_array_equal(image, expected)


@examples(40)
@given(
    st.data(),
    sides,
    sides,
    st.sampled_from(["u1", "i2", "i4", "f4", "f8"]),
    st.sampled_from([None, "RICE_1", "GZIP_1", "GZIP_2"]),
)
def test_fits(tmp_path, data, height, width, dtype, compression):
    low = 0 if dtype == "u1" else -99
    values = arrays.arrays("i1", (height, width), elements=st.integers(low, 99))
    field = data.draw(values).astype(dtype)
    hdu = fits.PrimaryHDU(field)
    if compression:
        # Without loss, what is no whole number is packed by gzip.
        lossless = {"quantize_level": 0} if field.dtype.kind == "f" else {}
        compression = "GZIP_1" if lossless else compression
        hdu = fits.CompImageHDU(field, compression_type=compression, **lossless)
    path = write(tmp_path / "a.fits", hdu)
    image = read(path, field.shape, field_limit=LIMIT)
    expected = (field.astype(np.float32) + LIMIT) * np.float32(255 / (2 * LIMIT))
    np.testing.assert_allclose(image[..., 1], expected, rtol=1e-6)


@examples(30)
@given(st.floats(-1e3, 1e3), st.floats(0.01, 9), st.integers(-99, 98), sides)
def test_scale_and_missing_pixels(tmp_path, zero, scale, stored, width):
    hdu = fits.PrimaryHDU(np.array([[99, *[stored] * width]], dtype="i2"))
    path = write(tmp_path / "a.fits", hdu)
    cards = {"BSCALE": scale, "BZERO": zero, "BLANK": 99}
    lines = b"".join(f"{k:8}= {v!r:>20}".ljust(80).encode() for k, v in cards.items())
    content = path.read_bytes()
    path.write_bytes(
        content.replace(b"END" + b" " * 317, lines + b"END" + b" " * 77, 1)
    )
    image = read(path, (1, width + 1), field_limit=LIMIT, nan="zero")[0, :, 0]
    gauss = np.array([0, *[stored * scale + zero] * width])
    np.testing.assert_allclose(image, (gauss + LIMIT) * 255 / 2 / LIMIT, atol=1e-3)
