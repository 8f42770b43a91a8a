import gzip
import re

import numpy as np
import pytest

from skestimators.datasets import read_fasta


@pytest.fixture
def write(tmp_path):
    def write(content, name="file.fasta"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def test_records_keep_their_order_and_headers(write):
    text = ">sp|P1|ONE first protein\nMKV\nLA\n\n>two\nmkvla*\n>two\nM\nK*\n"
    records = read_fasta(write(text))
    assert records.columns.tolist() == ["id", "header", "sequence"]
    assert records["id"].tolist() == ["sp|P1|ONE", "two", "two"]
    assert records["header"].tolist() == ["sp|P1|ONE first protein", "two", "two"]
    assert records["sequence"].tolist() == ["MKVLA", "MKVLA", "MK"]


def test_scores_stand_in_headers(write):
    path = write(">0|a_K2R|1.5\nMR\n>1|a_M1V|-2e-3\nVK\n")
    records = read_fasta(path, score_field=-1)
    assert records["score"].tolist() == [1.5, -2e-3]
    assert records["score"].dtype == np.float64
    assert read_fasta(str(path), score_field=0)["score"].tolist() == [0, 1]
    spaced = write(">a 0.5\nMK\n")
    assert read_fasta(spaced, score_field=1, separator=" ")["score"].item() == 0.5


@pytest.mark.parametrize(
    "content",
    [
        b">a\r\nMKV\r\nLA\r\n",
        b"\xef\xbb\xbf>a\nMKVLA",
        b"\n\n>a\n  MKV\t\nLA  \n\n",
        b">a\nMKVLA\n*\n",
        gzip.compress(b">a\nMKVLA\n"),
    ],
    ids=["windows", "byte-order mark", "blanks", "star alone", "gzip"],
)
@pytest.mark.parametrize("name", ["file.fasta", "file.gz"])
def test_the_same_record_in_other_clothes(write, content, name):
    records = read_fasta(write(content, name))
    assert records["sequence"].tolist() == ["MKVLA"]
    assert records["id"].tolist() == ["a"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": no records, the file is empty"),
        ("\n\n", ": no records, the file is empty"),
        ("MKV\n>a\nMKV\n", ", line 1: a FASTA file starts with a header line"),
        ("mutant,score\nA1G,2\n", ", line 1: a FASTA file .* this is 'mutant,score'"),
        (">a\n>b\nMKV\n", ", line 1: a header without a sequence"),
        (">a\nMKV\n>b\n", ", line 3: a header without a sequence"),
        (">a\n*\n", ", line 1: a header without a sequence"),
        (">a\nMKV\n>\nMKV\n", ", line 3: a header without a name"),
        (">a\nMKV\nM-V\n", ", line 3: '-' is no residue. Remove the gaps"),
        (">a\nMK1\n", ", line 2: '1' is no residue"),
        (">a\nMK LA\n", ", line 2: ' ' is no residue"),
        (">a\nMKé\n", ", line 2: 'é' is no residue"),
        (">a\nM*K\n", r", line 2: '\*' is no residue. It may only end"),
        (">a\nMK*\nLA\n", r", line 3: '\*' is no residue. It may only end"),
        (">a\nMK**\n", r", line 2: '\*' is no residue. It may only end"),
        (b">a\nMK\n\xff\xfe\n", ", line 3: not UTF-8 text"),
        (">a\nMKV\n".encode("utf-16"), ", line 1: not"),
        (">a\nMKV\n".encode("utf-16-le"), ", line 1: not text, but binary"),
        (bytes(range(256)), ", line 1: not text, but binary"),
        (gzip.compress(b">a\nMKVLA\n" * 99)[:-9], ", after line .*: damaged gzip"),
        (gzip.compress(b">a\nMKVLA\n")[:-8] + b"wrongcrc", "damaged gzip"),
        (b"\x1f\x8bno gzip at all", ", after line 0: damaged gzip file"),
    ],
)
def test_malformed_files_are_named_with_the_line(write, content, message):
    path = write(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}.*{message}"):
        read_fasta(path)


@pytest.mark.parametrize(
    ("header", "field", "message"),
    [
        ("a|1.5", 2, r"score_field=2 does not exist .* 2 field\(s\)"),
        ("a|1.5", -3, "score_field=-3 does not exist"),
        ("a|high", 1, "field 1 of the header 'a|high' is 'high'"),
        ("a|", 1, "no finite number"),
        ("a|nan", 1, "no finite number"),
        ("a|inf", -1, "no finite number"),
    ],
)
def test_bad_scores_are_named_with_the_line(write, header, field, message):
    path = write(f"\n\n>{header}\nMKV\n")
    with pytest.raises(ValueError, match=r"line 3: .*" + message.replace("|", r"\|")):
        read_fasta(path, score_field=field)


def test_missing_files_are_the_systems_own_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_fasta(tmp_path / "none.fasta")


def test_real_variants(real_data):
    variants = read_fasta(real_data("beta_lactamase_P62593.fasta"), score_field=-1)
    assert len(variants) == 5397
    assert variants["header"][0] == "0|beta-lactamase_P20P|1.581033423"
    assert variants["score"][0] == 1.581033423
    assert np.isfinite(variants["score"]).all()
    assert set(variants["sequence"].str.len()) == {286}
    wild_type = variants["sequence"].mode().item()
    assert (variants["sequence"] == wild_type).sum() == 199
