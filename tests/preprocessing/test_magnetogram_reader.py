import os
import pickle
import struct
import sys
import zlib

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from PIL import Image
from skimage.transform import resize
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

from skestimators.preprocessing import MagnetogramReader

SHARP = "hmi.sharp_cea_720s.377.20110215_020000_TAI.magnetogram.fits"


def _png(path, pixels=None, mode="L"):
    pixels = np.full((12, 15), 9, np.uint8) if pixels is None else pixels
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, format="PNG")


def _fits(path, field):
    fits.PrimaryHDU(field).writeto(path)


def _field(hole=None, value=np.nan):
    field = np.linspace(-500, 500, 180, dtype=np.float32).reshape(12, 15)
    if hole is not None:
        field[hole] = value
    return field


def _chunk(name, data):
    checksum = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)


def _png_bomb(path):
    header = struct.pack(">IIBBBBB", 100_000, 100_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    magic = b"\x89PNG\r\n\x1a\n"
    path.write_bytes(magic + b"".join(_chunk(*chunk) for chunk in chunks))


def _fits_bomb(path):
    fits.CompImageHDU(np.zeros((12, 15), "i4")).writeto(path)
    content = path.read_bytes()
    for key, old in ((b"ZNAXIS1 =", 15), (b"ZNAXIS2 =", 12)):
        card = key + str(old).rjust(21).encode()
        assert content.count(card) == 1
        content = content.replace(card, key + str(10**6).rjust(21).encode())
    path.write_bytes(content)


def _gzip_tile_bomb(path):
    """A tile of 20 MB of zeros where there should be 180 pixels."""
    tile = zlib.compressobj(wbits=31)
    tile = tile.compress(bytes(20_000_000)) + tile.flush()
    column = fits.Column("COMPRESSED_DATA", "1PB()", array=[np.frombuffer(tile, "u1")])
    hdu = fits.BinTableHDU.from_columns([column])
    hdu.header.update(
        ZIMAGE=True, ZCMPTYPE="GZIP_1", ZBITPIX=16, ZNAXIS=2, ZNAXIS1=15, ZNAXIS2=12
    )
    hdu.header.update(ZTILE1=15, ZTILE2=12)
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(path)


def _truncated_fits(path):
    _fits(path, np.zeros((100, 100)))
    path.write_bytes(path.read_bytes()[:20_000])


def _truncated_png(path):
    _png(path, np.random.default_rng(0).integers(0, 256, (40, 40)).astype(np.uint8))
    path.write_bytes(path.read_bytes()[:-30])


def _animated(path):
    frames = [Image.new("L", (9, 9), shade) for shade in (1, 2)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


def _table_only(path):
    column = fits.Column("a", "E", array=[1.0])
    cube = fits.ImageHDU(np.zeros((3, 4, 5)))
    table = fits.BinTableHDU.from_columns([column])
    fits.HDUList([fits.PrimaryHDU(), table, cube]).writeto(path)


def _compressed(path, algorithm):
    hdu = fits.CompImageHDU(np.ones((12, 15), "i4"), compression_type=algorithm)
    hdu.writeto(path)


def _rgb_noise():
    return np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)


BAD = {
    "truncated.fits": (_truncated_fits, "truncated: it has 20000 bytes"),
    "truncated.png": (_truncated_png, "truncated after"),
    "renamed.fits": (_png, "its name says FITS, but it holds PNG"),
    "renamed.png": (lambda p: _fits(p, _field()), "name says PNG, but it holds FITS"),
    "jpeg.png": (lambda p: Image.new("L", (9, 9)).save(p, "JPEG"), "no PNG file"),
    "image.jpg": (lambda p: Image.new("L", (9, 9)).save(p), r"ends in '\.jpg'"),
    "table.fits": (_table_only, "no 2-D image, only an empty HDU, a bintable, an"),
    "nan.fits": (lambda p: _fits(p, _field(3)), "15 of its 180 pixels are NaN; nan='z"),
    "all_nan.fits": (lambda p: _fits(p, _field(...)), "all of its pixels are NaN"),
    "infinite.fits": (lambda p: _fits(p, _field(3, np.inf)), "15 of .* infinite"),
    "huge.fits": (lambda p: _fits(p, np.full((9, 9), 1e300)), "81 of .* infinite"),
    "empty.fits": (lambda p: p.touch(), "the file is empty"),
    "empty.png": (lambda p: p.touch(), "the file is empty"),
    "missing.fits": (lambda p: None, "no such file"),
    "nowhere/a.fits": (lambda p: None, "no such file"),
    "folder.fits": (lambda p: p.mkdir(), "it is a folder"),
    "16_bits.png": (
        lambda p: _png(p, np.zeros((9, 9), "u2"), None),
        "of 16 bits and",
    ),
    "rgba.png": (lambda p: _png(p, _rgb_noise(), "RGBA"), "8 bits and RGBA"),
    "transparent.png": (lambda p: _png(p, mode="LA"), "8 bits and grey and tr"),
    "palette.png": (lambda p: _png(p, _rgb_noise(), "P"), "bits and a palette"),
    "one_bit.png": (lambda p: _png(p, mode="1"), "1 bits and grey"),
    "animated.png": (_animated, "animated"),
    "bomb.png": (_png_bomb, "announces 100000 x 100000 pixels"),
    "bomb.fits": (_fits_bomb, "announces 1000000 x 1000000 pixels"),
    "tile_bomb.fits": (_gzip_tile_bomb, "tiles are larger than the whole image"),
    "plio.fits": (lambda p: _compressed(p, "PLIO_1"), "compressed by PLIO_1; only R"),
    "hcompress.fits": (lambda p: _compressed(p, "HCOMPRESS_1"), "by HCOMPRESS_1; only"),
    "gzip.fits": (lambda p: p.write_bytes(b"\x1f\x8b" + bytes(99)), "packed with gzip"),
    "text.fits": (lambda p: p.write_text("No image"), "no FITS file"),
    "nul\0.fits": (lambda p: None, "null character"),
    "surrogate\ud800.fits": (lambda p: None, "no file name"),
    "long" * 100 + ".fits": (lambda p: None, "cannot be opened"),
}
if hasattr(os, "mkfifo"):
    BAD["pipe.fits"] = (os.mkfifo, "no regular file")


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("with_root", [False, True])
def test_bad_file_is_reported_with_its_reason(tmp_path, name, with_root):
    write, reason = BAD[name]
    write(tmp_path / name)
    path = name if with_root else str(tmp_path / name)
    reader = MagnetogramReader((8, 8), root=tmp_path if with_root else None)
    report = reader.fit([path]).report([path])
    assert report[["row", "path"]].to_numpy().tolist() == [[0, path]]
    assert pd.Series(report["reason"]).str.contains(reason).all(), report["reason"][0]


def test_file_without_permission(tmp_path, monkeypatch):
    path = tmp_path / "a.fits"
    _fits(path, _field())

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    reader = MagnetogramReader((8, 8)).fit(["a.fits"])
    [reason] = reader.report([str(path)])["reason"]
    assert reason == "it cannot be opened (Permission denied)"


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no devices as files")
def test_device_is_no_file(tmp_path):
    (tmp_path / "zero.fits").symlink_to("/dev/zero")
    reader = MagnetogramReader((8, 8)).fit(["a"])
    [reason] = reader.report([str(tmp_path / "zero.fits")])["reason"]
    assert reason == "it is no regular file"


@pytest.mark.parametrize("kind", ["up", "absolute", "link", "folder link", "circle"])
def test_paths_out_of_root_are_refused(tmp_path, kind):
    root, outside = tmp_path / "root", tmp_path / "outside.fits"
    root.mkdir()
    _fits(outside, _field())
    (root / "link.fits").symlink_to(outside)
    (root / "folder").symlink_to(tmp_path)
    (root / "circle.fits").symlink_to(root / "circle.fits")
    path = {
        "up": "../outside.fits",
        "absolute": str(outside),
        "link": "link.fits",
        "folder link": "folder/outside.fits",
        "circle": "circle.fits",
    }[kind]
    reader = MagnetogramReader((8, 8), root=root).fit([path])
    [reason] = reader.report([path])["reason"]
    expected = (
        "circle of links|levels of symbolic" if kind == "circle" else "out of root"
    )
    assert pd.Series([reason]).str.contains(expected).all(), reason


def test_links_and_detours_inside_root_are_fine(tmp_path):
    (tmp_path / "11158").mkdir()
    _fits(tmp_path / "11158" / "a.fits", _field())
    (tmp_path / "link.fits").symlink_to(tmp_path / "11158" / "a.fits")
    paths = ["11158/a.fits", "link.fits", "11158/../link.fits"]
    paths.append(str(tmp_path / "link.fits"))
    reader = MagnetogramReader((8, 8), root=str(tmp_path))
    images = reader.fit_transform(paths)
    np.testing.assert_array_equal(images, np.broadcast_to(images[:1], images.shape))


def test_missing_pixels_are_zero_gauss_on_request(tmp_path):
    path = tmp_path / "a.fits"
    _fits(path, _field(np.s_[:, :4]))
    reader = MagnetogramReader((6, 7), field_limit=500, nan="zero")
    field = resize(
        _field(np.s_[:, :4], 0), (6, 7), 1, anti_aliasing=True, preserve_range=True
    )
    np.testing.assert_allclose(
        reader.fit_transform([str(path)])[0, :, :, 1],
        (field + 500) / 1000 * 255,
        atol=1e-4,
    )


@pytest.fixture
def folder(tmp_path):
    """50 files of which one, in row 17, is empty."""
    for i in range(50):
        if i % 2:
            _fits(tmp_path / f"{i}.fits", _field() + i)
        else:
            _png(tmp_path / f"{i}.png", np.full((12, 15), i, np.uint8))
    (tmp_path / "17.fits").write_bytes(b"")
    return tmp_path


PATHS = np.array([f"{i}.{'fits' if i % 2 else 'png'}" for i in range(50)], object)


def test_one_bad_file_does_not_end_the_run(folder):
    reader = MagnetogramReader((8, 8), root=folder).fit(PATHS)
    message = r"1 of 50 .* row 17 \('17\.fits'\): the file is empty\. "
    with pytest.warns(UserWarning, match=message) as caught:
        images = reader.transform(PATHS)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert images.shape == (50, 8, 8, 3)
    assert images.dtype == np.float32
    assert np.isnan(images).all(axis=(1, 2, 3)).nonzero()[0].tolist() == [17]
    np.testing.assert_allclose(images[::2, 0, 0, 0], np.arange(0, 50, 2), rtol=1e-6)
    report = reader.report(PATHS)
    assert report.to_dict("records") == [
        {"row": 17, "path": "17.fits", "reason": "the file is empty"}
    ]
    assert reader.report(PATHS[:10]).empty


def test_error_on_request_names_the_first_few(folder):
    for i in range(0, 14, 2):
        os.remove(folder / f"{i}.png")
    reader = MagnetogramReader((8, 8), root=folder, on_unreadable="error")
    message = r"8 of 50 .*: row 0 \('0\.png'\): there is no such file; .*row 8.* 3 more"
    with pytest.raises(ValueError, match=message):
        reader.fit(PATHS).transform(PATHS)


def test_several_processes_read_the_same(folder):
    paths = np.delete(PATHS, 17)
    one = MagnetogramReader((8, 8), root=folder).fit_transform(paths)
    two = MagnetogramReader((8, 8), root=folder, n_jobs=2).fit_transform(paths)
    np.testing.assert_array_equal(one, two)


def test_real_sharp_file_as_astropy_and_scikit_image_read_it(real_data):
    path = real_data(SHARP)
    with fits.open(path) as hdus:
        hdus.verify("silentfix")
        field = hdus[1].data
    assert field.shape == (377, 744)
    colours = np.stack([field] * 3, axis=-1)
    colours = resize(colours, (224, 224), 1, anti_aliasing=True, preserve_range=True)
    expected = (colours + 5978.7) / (2 * 5978.7) * 255
    images = MagnetogramReader().fit_transform([str(path)])
    # 1e-6 of the range; 1e-3 would do.
    np.testing.assert_allclose(images[0], expected, atol=1e-6 * np.ptp(expected))


def test_real_sharp_file_keeps_its_pixels(real_data):
    reader = MagnetogramReader((377, 744), field_limit=127.5)
    field = reader.fit_transform([str(real_data(SHARP))])[0, :, :, 0] - 127.5
    assert not np.isnan(field).any()
    np.testing.assert_allclose([field.min(), field.max()], [-1872.2, 1715.2], atol=1e-3)


def test_progress_is_shown_on_request(folder, capsys):
    MagnetogramReader((8, 8), root=folder).fit(PATHS).transform(PATHS[:4])
    assert capsys.readouterr().out == ""
    MagnetogramReader((8, 8), root=folder, verbose=1).fit(PATHS).transform(PATHS[:4])
    assert "Reading images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"size": (224,)}, r"size must be \(height, width\)"),
        ({"size": (224, 0)}, "size must hold positive integers"),
        ({"size": 224}, "'size' parameter"),
        ({"field_limit": 0}, "'field_limit' parameter"),
        ({"field_limit": np.inf}, "'?field_limit'? "),
        ({"nan": "mean"}, "'nan' parameter"),
        ({"on_unreadable": "ignore"}, "'on_unreadable' parameter"),
        ({"root": "/no/such/folder"}, "root='/no/such/folder' is no folder"),
    ],
)
def test_bad_parameter_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        MagnetogramReader(**params).fit(["a.png"])


@pytest.mark.parametrize(
    "module", ["astropy.io.fits", "PIL.Image", "skimage.transform"]
)
def test_missing_package_names_the_extra(monkeypatch, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"skestimators\[solar\]"):
        MagnetogramReader().fit(["a.png"])


def test_not_fitted():
    for method in ("transform", "report"):
        with pytest.raises(NotFittedError):
            getattr(MagnetogramReader(), method)(["a.png"])


def test_it_is_an_estimator_of_strings(folder):
    reader = MagnetogramReader((4, 5), root=folder)
    tags = get_tags(reader).input_tags
    assert (tags.string, tags.one_d_array, tags.two_d_array) == (True, True, False)
    frame = pd.DataFrame({"path": PATHS[:6]})
    pipeline = make_pipeline(
        clone(reader), FunctionTransformer(lambda a: a.reshape(len(a), -1))
    )
    images = pipeline.fit(frame).transform(frame)
    assert images.shape == (6, 60)
    assert list(pipeline[0].feature_names_in_) == ["path"]
    copy = pickle.loads(pickle.dumps(pipeline[0]))
    alone = [copy.transform(frame.iloc[[i]]).ravel() for i in range(6)]
    np.testing.assert_array_equal(np.stack(alone), images)
    with pytest.raises(ValueError, match="row 1 of X is 3"):
        reader.fit(["a.png", 3])


def test_paths_of_pathlib(folder):
    expected = MagnetogramReader((8, 8)).fit_transform([str(folder / PATHS[0])])
    images = MagnetogramReader((8, 8)).fit_transform([folder / PATHS[0]])
    np.testing.assert_array_equal(images, expected)
