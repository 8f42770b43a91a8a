"""Files that were once read wrongly, and are refused by name since."""

import contextlib
import gzip
import io
import sqlite3
import struct
import zipfile
import zlib
from argparse import Namespace

import numpy as np
import pytest
from fuzz import image_targets, text_targets, weight_targets

from skestimators import datasets
from skestimators.datasets import _interaction_files, _lines
from skestimators.datasets._fetch_checks import DamagedError, open_member
from skestimators.feature_extraction import ESMEmbedder, VGGEmbedder
from skestimators.feature_extraction._store import VectorStore
from skestimators.model_selection import load_params
from skestimators.preprocessing import MagnetogramReader


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return write


def _with_size(archive, size):
    """Let the directory of a zip archive announce another size."""
    place = archive.index(b"PK\x01\x02") + 24
    return archive[:place] + struct.pack("<I", size) + archive[place + 4 :]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: a.replace(b"robot/", b"\xe1obot/"), "no sound zip archive"),
        (lambda a: _with_size(a, 2**31), "lp1.data in it has 2147483648 bytes"),
    ],
    ids=["name that is no UTF-8", "bomb"],
)
def test_zip_archive(change, message, write):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("robot/lp1.data", "normal\n")
        archive.infolist()[0].flag_bits |= 0x800
    path = write("failures.zip", change(file.getvalue()))
    with pytest.raises(DamagedError, match=message), open_member(path, "lp1.data"):
        pass


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_line_that_never_ends(pack, write):
    path = write("variants.fasta", pack(b">a\n" + bytes([65]) * 2**26))
    with pytest.raises(ValueError, match=r"fasta, line 2: longer than 67108864 bytes"):
        datasets.read_fasta(path)


def test_gzip_bomb(write, monkeypatch):
    monkeypatch.setattr(_lines, "_MAX_UNPACKED", 2**16)
    path = write("answers.csv", gzip.compress(b"1,7,1\n" * 2**14))
    with pytest.raises(ValueError, match=r"answers.csv: unpacks to more than 65536 b"):
        datasets.read_interactions(path)
    with pytest.raises(ValueError, match=r"answers.csv: unpacks to more than 65536 b"):
        datasets.read_robot_failures(
            write("a", gzip.compress(b"\n" * 2**17)).rename(path)
        )


def test_name_that_looks_like_another_encoding(write):
    path = write("answers.csv", "2\nÃµ,à\n1,0\n".encode())
    assert datasets.read_interactions(path)["skill"].tolist() == ["Ãµ", "à"]


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (datasets.read_dms, b"mutant,score\nM1A\n"),
        (datasets.read_dms, b'mutant,score\nM1A,"1\n'),
        (datasets.read_flare_table, b"filename,label,class,class\n1,2\n"),
        (datasets.read_flare_table, b'a.png,"1"1\n'),
        (datasets.read_interactions, b"2\n1\n"),
        (datasets.read_interactions, b"a,7,1\na,7\n"),
        (datasets.read_interactions, b'a,7,1\na,"7"\r7,1\n'),
        (datasets.read_fasta, b">a\nM-\n"),
        (datasets.read_robot_failures, b"normal\n1 2\n"),
    ],
)
def test_file_is_closed_while_the_error_is_kept(read, content, write, monkeypatch):
    opened = []

    def note(path):
        opened.append(open(path, "rb"))  # noqa: SIM115
        return opened[-1]

    for module in (_lines, _interaction_files):
        monkeypatch.setattr(module, "open_unpacked", note)
    with pytest.raises(ValueError, match="table") as kept:
        read(write("table", content + b"1,2,3\n" * 9))
    assert kept.value
    assert opened
    assert all(file.closed for file in opened)


def test_count_of_answers_that_no_integer_can_hold(write):
    path = write("answers.csv", b"9" * 5000 + b"\n1\n1\n")
    with pytest.raises(ValueError, match=r"answers.csv, line 1: .* number of answers"):
        datasets.read_interactions(path, "three-line")


def test_mean_of_scores_whose_sum_is_infinite(write):
    path = write("scan.csv", b"mutant,score\nM1A,1e308\nM1A,1e308\n")
    scan = datasets.read_dms(path, duplicates="mean")
    assert scan["score"].tolist() == [1e308]


def test_flare_that_is_infinite(write):
    path = write("labels.csv", b"11158/0.png,X" + b"9" * 400 + b"\n")
    with pytest.raises(
        ValueError, match=r"labels.csv, line 1: 'X999.* is no flare size"
    ):
        datasets.read_flare_table(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"[" * 5000 + b"]" * 5000, "nests arrays or objects too deeply"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "nests arrays or objects too deeply"),
        (b'{"a": ' + b"1" * 5000 + b"}", "has the number 1111"),
        (b'{"a": NaN}', "has the number NaN"),
        (b'{"a": [1e999]}', "has the number 1e999"),
    ],
)
def test_json(content, message, write):
    with pytest.raises(ValueError, match=rf"best\.json {message}"):
        load_params(write("best.json", content))


@pytest.mark.parametrize(
    ("kind", "old", "new"),
    [
        ("feather", b"index_columns", b"indey_columns"),
        ("feather", b'"index_columns": [{', b'"index_columns": [7 '),
        ("parquet", b"\x03\0\0\0001,2", b"\x03\0\0\0001,\xdc"),
    ],
)
def test_arrow(kind, old, new, write):
    content = text_targets.TARGETS[f"read_kuka_records: {kind}"].seeds()[1]
    assert old in content
    path = write(f"plate_1_2.{kind}", content.replace(old, new))
    with pytest.raises(ValueError, match=rf"{path.name}: not a file of this format"):
        datasets.read_kuka_records(path.parent)


def test_parquet_bomb(write, monkeypatch):
    monkeypatch.setattr(_lines, "_MAX_UNPACKED", 500)
    content = text_targets.TARGETS["read_kuka_records: parquet"].seeds()[0]
    monkeypatch.setattr(_lines, "_MAX_RATIO", 0)
    path = write("plate_1_2.parquet", content)
    with pytest.raises(ValueError, match=r"1_2.parquet: .*it announces 2 rows, far"):
        datasets.read_kuka_records(path.parent)


def test_strip_that_would_take_hours_to_smooth(write):
    header = struct.pack(">IIBBBBB", 2**26, 1, 8, 0, 0, 0, 0)
    parts = {b"IHDR": header, b"IDAT": zlib.compress(bytes(99)), b"IEND": b""}
    chunks = [struct.pack(">I", len(b)) + n + b + bytes(4) for n, b in parts.items()]
    mended = image_targets.with_checksums(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    path = str(write("strip.png", mended))
    [reason] = MagnetogramReader().fit([path]).report([path])["reason"]
    assert "1 x 67108864 pixels, more than the 16384 of a side" in reason


def test_tile_that_is_named_a_thousand_times(write):
    from astropy.io import fits

    tile = np.frombuffer(gzip.compress(bytes(8 * 2**16)), "u1")
    column = fits.Column("COMPRESSED_DATA", "1PB()", array=[tile] * 256)
    hdu = fits.BinTableHDU.from_columns([column])
    hdu.header.update(ZIMAGE=True, ZCMPTYPE="GZIP_1", ZBITPIX=16, ZNAXIS=2)
    hdu.header.update(ZNAXIS1=256, ZNAXIS2=256, ZTILE1=256, ZTILE2=1)
    file = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), hdu]).writeto(file)
    path = str(write("tiles.fits", file.getvalue()))
    [reason] = MagnetogramReader().fit([path]).report([path])["reason"]
    assert reason == "its compressed tiles are larger than the whole image"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"SNOD", b"XNOD"),
        (b"\x11\x00\x10\x00", b"\xff\x00\x10\x00"),
        (b"block1_conv1", b"\xfflock1_conv1"),
    ],
    ids=["list", "kind of object", "name"],
)
def test_hdf5(old, new, write):
    content = weight_targets.TARGETS["VGGEmbedder: h5"].seeds()[0]
    assert old in content
    path = write("vgg.h5", content.replace(old, new))
    embedder = VGGEmbedder(weights=path, layer="avg_pool")
    with pytest.raises(ValueError, match=r"vgg\.h5 cannot be read as an HDF5 file"):
        embedder.fit_transform(np.zeros((1, 32, 32, 3)))


def test_checkpoint_whose_download_was_cut(write):
    embedder = ESMEmbedder(weights=write("weights.pt", b"PK\3\4" + bytes(4096)))
    with pytest.raises(
        ValueError, match=r"weights\.pt cannot be read as a torch check"
    ):
        embedder.fit_transform(["MKV"])


@pytest.mark.parametrize(
    "change",
    [
        """DROP TABLE vectors; CREATE VIEW vectors AS WITH RECURSIVE
        n(key) AS (SELECT 1 UNION ALL SELECT key + 1 FROM n)
        SELECT key, key AS value, key AS checksum FROM n""",
        """CREATE TRIGGER a AFTER INSERT ON claims BEGIN DELETE FROM vectors; END""",
    ],
    ids=["view", "trigger"],
)
def test_store_that_computes(change, tmp_path):
    path = tmp_path / "store.db"
    VectorStore(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(change)
    with pytest.raises(ValueError, match=r"store\.db is not a store of skestimators"):
        VectorStore(path)


def _kinds():
    import torch

    return {
        "sparse": torch.Tensor.to_sparse,
        "complex": lambda tensor: tensor.to(torch.complex64),
        "integers": torch.Tensor.int,
        "quantised": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
        "meta": lambda tensor: tensor.to("meta"),
        "nested": lambda t: torch.nested.nested_tensor([t, t]),
    }


def _checkpoint(write, convert):
    import torch

    from skestimators.feature_extraction._esm_weights import expected_shapes

    shapes = expected_shapes(6, 320)
    tensors = {name: torch.full(shape, 0.01) for name, shape in shapes.items()}
    name = "layers.0.fc1.bias"
    tensors[name] = convert(tensors[name])
    file = io.BytesIO()
    torch.save({"cfg": Namespace(), "model": tensors}, file)
    return ESMEmbedder(weights=write("weights.pt", file.getvalue()))


# torch itself warns whoever makes such tensors.
@pytest.mark.filterwarnings("ignore:.*(quantize_per_tensor|nested tensors)")
@pytest.mark.parametrize(
    "kind", ["sparse", "complex", "integers", "quantised", "meta", "nested"]
)
def test_tensors_of_other_kinds(kind, write):
    embedder = _checkpoint(write, _kinds()[kind])
    message = r"weights\.pt is not .*'layers\.0\.fc1\.bias'"
    if kind == "nested":  # newer versions of torch do not read these
        message += r"|weights\.pt was refused"
    with pytest.raises(ValueError, match=message):
        embedder.fit_transform(["MKV"])


def test_weights_that_were_saved_as_parameters(write):
    import torch

    expected = _checkpoint(write, torch.clone).fit_transform(["MKV"])
    actual = _checkpoint(write, torch.nn.Parameter).fit_transform(["MKV"])
    np.testing.assert_array_equal(actual, expected)
