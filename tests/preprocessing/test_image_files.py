import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import psutil
import pytest
from astropy.io import fits
from PIL import Image, PngImagePlugin
from skimage.transform import resize

from skestimators.preprocessing import _fits_images, _image_files
from skestimators.preprocessing._image_files import (
    Reading,
    UnreadableImageError,
    digest_files,
    read_image,
    read_images,
    stream_images,
)
from skestimators.preprocessing._resizing import resize_image

SHAPE = 23, 41
# With this limit a FITS pixel x becomes x + 127.5.
READING = Reading(size=SHAPE, field_limit=127.5)
COMPRESSIONS = ["RICE_1", "GZIP_1", "GZIP_2"]


def _field(dtype="f4", seed=0):
    low = 0 if np.dtype(dtype).kind == "u" else -100
    return np.random.default_rng(seed).integers(low, 100, SHAPE).astype(dtype)


def _write_fits(path, *hdus):
    fits.HDUList(list(hdus)).writeto(path)
    return str(path)


def _grey(path, value=7, size=SHAPE):
    Image.fromarray(np.full(size, value, np.uint8)).save(path)
    return str(path)


def _assert_read(path, field):
    image = read_image(path, READING)
    assert image.dtype == np.float32
    np.testing.assert_allclose(image, field + 127.5, atol=1e-4)


@pytest.mark.parametrize("dtype", ["u1", "i2", "u2", "i4", "i8", "f4", "f8"])
def test_plain_fits_of_every_type(tmp_path, dtype):
    field = _field(dtype)
    path = _write_fits(tmp_path / "a.fits", fits.PrimaryHDU(field))
    _assert_read(path, field.astype(float))


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("dtype", ["i2", "i4", "f4"])
def test_compressed_fits_of_every_kind(tmp_path, compression, dtype):
    field = np.abs(_field(dtype))
    hdu = fits.CompImageHDU(field, compression_type=compression)
    path = _write_fits(tmp_path / "a.fits", fits.PrimaryHDU(), hdu)
    with fits.open(path) as hdus:
        expected = hdus[1].data.astype(float)
    _assert_read(path, expected)


@pytest.mark.parametrize("tiles", [(1, 41), (1, 7), (5, 9), (23, 41), (40, 50)])
@pytest.mark.parametrize("dtype", ["i2", "i4", "u2"])
def test_rice_tiles_are_those_of_astropy(tmp_path, monkeypatch, tiles, dtype):
    rng = np.random.default_rng(3)
    limits = np.iinfo(dtype)
    field = rng.integers(limits.min // 2, limits.max // 2, SHAPE).astype(dtype)
    field[3:9] = 5
    hdu = fits.CompImageHDU(field, compression_type="RICE_1", tile_shape=tiles)
    path = tmp_path / "a.fits"
    _write_fits(path, fits.PrimaryHDU(), hdu)
    ours = _fits_images.decode_fits(path.read_bytes())
    monkeypatch.setattr(_fits_images, "rice_pixels", lambda hdu: None)
    by_astropy = _fits_images.decode_fits(path.read_bytes())
    np.testing.assert_array_equal(ours, by_astropy)
    np.testing.assert_array_equal(ours, field.astype(np.float32))


@pytest.mark.parametrize("compressed", [False, True])
def test_scale_zero_and_blank_are_honoured(tmp_path, compressed):
    stored = _field("i2")
    stored[2, 3] = -999
    kind = fits.CompImageHDU if compressed else fits.ImageHDU
    hdu = kind(stored)
    hdu.header.update(BLANK=-999, BSCALE=0.5, BZERO=2.0)
    path = _write_fits(tmp_path / "a.fits", fits.PrimaryHDU(), hdu)
    with fits.open(path, mode="update") as hdus:
        hdus[1].header.update(BLANK=-999, BSCALE=0.5, BZERO=2.0)
    with pytest.raises(UnreadableImageError, match="1 of its 943 pixels are NaN"):
        read_image(path, READING)
    image = read_image(path, Reading(SHAPE, 127.5, nan="zero"))
    expected = stored * 0.5 + 2.0
    expected[2, 3] = 0
    np.testing.assert_allclose(image, expected + 127.5)


def test_image_is_found_by_content(tmp_path):
    table = fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0, 2.0])])
    cube = fits.ImageHDU(np.zeros((3, 4, 5)))
    plane = fits.ImageHDU(_field()[None])
    path = _write_fits(tmp_path / "a.fts", fits.PrimaryHDU(), table, cube, plane)
    _assert_read(path, _field())


def test_malformed_cards_are_survived(tmp_path):
    path = tmp_path / "a.FIT"
    header = fits.Header([("R_VALUE", 0.0), ("MEANGAM", 1.0), ("COMMENT", "x")])
    hdu = fits.CompImageHDU(_field("i4"), header)
    hdu.writeto(path)
    content = path.read_bytes()
    for good, bad in (
        (b"R_VALUE =                  0.0", b"R_VALUE = nan"),
        (b"MEANGAM =                  1.0", b"mean\xffgam='"),
    ):
        assert content.count(good) == 1
        content = content.replace(good, bad.ljust(len(good)))
    path.write_bytes(content)
    _assert_read(str(path), _field())


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_png_pixels_are_taken_as_they_are(tmp_path, mode):
    shape = SHAPE if mode == "L" else (*SHAPE, 3)
    pixels = np.random.default_rng(1).integers(0, 256, shape).astype(np.uint8)
    path = tmp_path / "a.PNG"
    Image.fromarray(pixels, mode).save(path)
    images, reasons = read_images([str(path)], READING)
    assert reasons == [None]
    expected = pixels if mode == "RGB" else pixels[..., None]
    np.testing.assert_array_equal(images[0], np.broadcast_to(expected, (*SHAPE, 3)))
    small = read_image(str(path), Reading((10, 60)))
    expected = resize(pixels, (10, 60), 1, anti_aliasing=True, preserve_range=True)
    np.testing.assert_allclose(small, expected, atol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (7, 500), (225, 223), (600, 100)])
@pytest.mark.parametrize("size", [(224, 224), (17, 33), (1, 1), (300, 64)])
def test_resizing_is_that_of_scikit_image(shape, size):
    image = np.random.default_rng(2).normal(0, 500, shape).astype(np.float32)
    expected = resize(image, size, order=1, anti_aliasing=True, preserve_range=True)
    actual = resize_image(image, size)
    assert actual.dtype == np.float32
    np.testing.assert_allclose(actual, expected, atol=1e-6 * 3000)


def test_resizing_of_very_long_images():
    image = np.random.default_rng(2).normal(0, 500, (70_000, 2)).astype(np.float32)
    expected = resize(image, (20, 3), order=1, anti_aliasing=True, preserve_range=True)
    np.testing.assert_allclose(resize_image(image, (20, 3)), expected, atol=1e-3)


def test_damage_anywhere_never_ends_a_run(tmp_path):
    """Whatever byte is wrong, there is an image or a reason, and no warning."""
    rng = np.random.default_rng(0)
    paths = []
    sources = [_grey(tmp_path / "a.png")]
    for i, compression in enumerate([None, *COMPRESSIONS]):
        hdu = fits.ImageHDU(np.abs(_field("i2")))
        if compression:
            hdu = fits.CompImageHDU(np.abs(_field("i2")), compression_type=compression)
        sources.append(_write_fits(tmp_path / f"{i}.fits", fits.PrimaryHDU(), hdu))
    for source in sources:
        with open(source, "rb") as file:
            content = file.read()
        for i in range(150):
            damaged = bytearray(content)
            for place in rng.integers(0, len(content), 1 + 10 * (i % 3)):
                damaged[place] = rng.integers(256)
            root, suffix = os.path.splitext(source)
            paths.append(f"{root}_{i}{suffix}")
            with open(paths[-1], "wb") as file:
                file.write(damaged)
    images, reasons = read_images(paths, READING)
    n_read = 0
    for image, reason in zip(images, reasons, strict=True):
        assert np.isnan(image).all() == (reason is not None)
        assert "Warning" not in (reason or "")
        n_read += reason is None
    assert 0 < n_read < len(paths)


def test_truncation_anywhere_is_noticed(tmp_path):
    hdu = fits.CompImageHDU(_field("i2"))
    whole = [_grey(tmp_path / "a.png")]
    whole.append(_write_fits(tmp_path / "a.fits", fits.PrimaryHDU(_field())))
    whole.append(_write_fits(tmp_path / "b.fits", fits.PrimaryHDU(), hdu))
    for path in whole:
        with open(path, "rb") as file:
            content = file.read()
        needed = len(content.rstrip(b"\0"))
        for length in np.linspace(10, needed - 1, 40).astype(int):
            with open(path, "wb") as file:
                file.write(content[:length])
            with pytest.raises(UnreadableImageError, match=r"truncated|no 2-D image"):
                read_image(path, READING)


def test_no_file_stays_open(tmp_path):
    good = [_grey(tmp_path / "a.png")]
    good.append(_write_fits(tmp_path / "a.fits", fits.PrimaryHDU(_field())))
    hdu = fits.CompImageHDU(_field())
    good.append(_write_fits(tmp_path / "b.fits", fits.PrimaryHDU(), hdu))
    (tmp_path / "bad.fits").write_bytes(b"SIMPLE  = nothing")
    (tmp_path / "bad.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    paths = [*good, str(tmp_path / "bad.fits"), str(tmp_path / "bad.png")]
    before = psutil.Process().open_files()
    _, reasons = read_images(paths, READING)
    assert [reason is None for reason in reasons] == [True] * 3 + [False] * 2
    assert psutil.Process().open_files() == before


def _chunk(kind, data):
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def _replace_pixels(path, replace):
    """Replace the chunk of pixels by what a function makes of the pixels in it."""
    content = Path(_grey(path)).read_bytes()
    start = content.index(b"IDAT") - 4
    (length,) = struct.unpack_from(">I", content, start)
    rows = zlib.decompress(content[start + 8 : start + 8 + length])
    path.write_bytes(content[:start] + replace(rows) + content[start + length + 12 :])
    return str(path)


def test_rows_that_are_missing_are_not_black(tmp_path):
    def half(rows):
        return _chunk(b"IDAT", zlib.compress(rows[: len(rows) // 2]))

    path = _replace_pixels(tmp_path / "a.png", half)
    with pytest.raises(UnreadableImageError, match="rows are missing"):
        read_image(path, READING)


@pytest.mark.parametrize(
    ("size", "bits", "colour"),
    [(30_000, 8, 0), (8_000, 8, 0), (40, 8, 6), (40, 16, 0)],
)
def test_second_header_does_not_pass(size, bits, colour, tmp_path):
    header = struct.pack(">IIBBBBB", size, size, bits, colour, 0, 0, 0)

    def with_header(rows):
        return _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows))

    path = _replace_pixels(tmp_path / "a.png", with_header)
    with pytest.raises(UnreadableImageError, match="several headers"):
        read_image(path, READING)


def test_text_in_png_is_no_harm(tmp_path):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "x" * 1000, zip=True)
    Image.new("L", SHAPE[::-1], 9).save(tmp_path / "a.png", pnginfo=info)
    assert (read_image(str(tmp_path / "a.png"), READING) == 9).all()


def _numbered(folder, n):
    return [_grey(folder / f"{i}.png", i) for i in range(n)]


def _batches(n, size, taken):
    for start in range(0, n, size):
        taken.append(start)
        yield np.arange(start, min(start + size, n))[::-1]


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_stream_keeps_order_and_reads_no_more_than_a_few_ahead(tmp_path, n_jobs):
    paths, taken = _numbered(tmp_path, 50), []
    paths[13] = str(tmp_path / "missing.png")
    seen = []
    stream = stream_images(paths, _batches(50, 4, taken), READING, n_jobs)
    assert taken == []
    for i, (rows, images, reasons) in enumerate(stream):
        assert len(taken) <= i + 4
        for row, image, reason in zip(rows, images, reasons, strict=True):
            assert (reason is not None) == (row == 13)
            assert row == 13 or (image == row).all()
        seen.extend(rows)
    assert sorted(seen) == list(range(50))


def test_stream_closed_early_leaves_no_thread(tmp_path):
    before, taken = set(threading.enumerate()), []
    stream = stream_images(_numbered(tmp_path, 40), _batches(40, 4, taken), READING)
    next(stream)
    stream.close()
    assert set(threading.enumerate()) == before
    assert len(taken) <= 4


def test_stream_follows_the_folder_one_is_in(tmp_path, monkeypatch):
    for name, value in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        _grey(tmp_path / name / "a.png", value)
        monkeypatch.chdir(tmp_path / name)
        batches = [np.arange(2)]
        [(_, images, _)] = stream_images(["a.png"] * 2, batches, READING, n_jobs=2)
        assert (images == value).all()


def test_errors_of_the_program_are_no_reasons(tmp_path, monkeypatch):
    def fails(content):
        raise MemoryError("no room")

    monkeypatch.setattr(_image_files, "decode_png", fails)
    stream = stream_images(_numbered(tmp_path, 3), [np.arange(3)], READING)
    with pytest.raises(MemoryError, match="no room"):
        next(stream)


def test_digests_are_of_the_content_alone(tmp_path):
    paths = _numbered(tmp_path, 3) + [_grey(tmp_path / "copy.png", 1)]
    paths.append(str(tmp_path / "missing.png"))
    digests, reasons = digest_files(paths, READING)
    assert [len(d) for d in digests[:4]] == [32] * 4
    assert digests[1] == digests[3]
    assert len(set(digests[:3])) == 3
    assert digests[4] is None
    assert reasons == [None] * 4 + ["there is no such file"]
    assert digest_files(paths, READING, n_jobs=2) == (digests, reasons)
    inside = [os.path.basename(path) for path in paths]
    assert digest_files(inside, Reading(root=str(tmp_path))) == (digests, reasons)
