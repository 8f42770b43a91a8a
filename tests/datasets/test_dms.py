import gzip
import re

import numpy as np
import pytest

from skestimators.datasets import read_dms

WILD_TYPE = "MKVLA"


@pytest.fixture
def write(tmp_path):
    def write(content, name="scan.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


PROTEIN_GYM = (
    "mutant,mutated_sequence,DMS_score,DMS_score_bin\n"
    "K2R,MRVLA,-0.5,0\n"
    "K2R:A5G,MRVLG,1.25,1\n"
)


@pytest.mark.parametrize("wild_type", [None, WILD_TYPE])
@pytest.mark.parametrize(
    "pack", [str.encode, lambda text: gzip.compress(text.encode())]
)
def test_protein_gym(write, wild_type, pack):
    scan = read_dms(write(pack(PROTEIN_GYM)), wild_type=wild_type)
    assert scan.columns.tolist() == ["mutant", "sequence", "score"]
    assert scan["mutant"].tolist() == ["K2R", "K2R:A5G"]
    assert scan["sequence"].tolist() == ["MRVLA", "MRVLG"]
    assert scan["score"].tolist() == [-0.5, 1.25]
    assert scan["score"].dtype == np.float64


def test_plain_csv(write):
    path = write('id,score,mutant\r\n"a,b",1,K2R\r\n\r\n2, 2e1 ,\r\n3,3,A5G:K2R\r\n')
    scan = read_dms(path)
    assert scan.columns.tolist() == ["mutant", "score"]
    assert scan["mutant"].tolist() == ["K2R", "", "A5G:K2R"]
    assert scan["score"].tolist() == [1, 20, 3]
    built = read_dms(path, wild_type=WILD_TYPE)
    assert built["sequence"].tolist() == ["MRVLA", WILD_TYPE, "MRVLG"]


def test_options(write):
    path = write("mutant,score,fitness\nK1R+A4G,1,7\n")
    scan = read_dms(
        path, wild_type=WILD_TYPE, score="fitness", first_position=0, separator="+"
    )
    assert scan.loc[0].tolist() == ["K1R+A4G", "MRVLG", 7]


def test_auto_prefers_the_score_of_protein_gym(write):
    scan = read_dms(write("mutant,score,DMS_score\nK2R,1,2\n"))
    assert scan["score"].item() == 2


def test_duplicates(write):
    path = write("mutant,score\nK2R:A5G,1\nM1V,5\nA5G:K2R,2\nWT,3\n,4\n")
    message = r"line 4, column 'mutant': 'A5G:K2R' is a mutant that an earlier line has"
    with pytest.raises(ValueError, match=message):
        read_dms(path)
    kept = read_dms(path, duplicates="keep")
    assert kept["score"].tolist() == [1, 5, 2, 3, 4]
    mean = read_dms(path, duplicates="mean", wild_type=WILD_TYPE)
    assert mean["mutant"].tolist() == ["K2R:A5G", "M1V", "WT"]
    assert mean["sequence"].tolist() == ["MRVLG", "VKVLA", WILD_TYPE]
    assert mean["score"].tolist() == [1.5, 5, 3.5]
    assert mean.index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("content", "params", "message"),
    [
        ("", {}, ", line 1: no column 'mutant' and no column 'DMS_score' or 'score'"),
        ("mutant,score\n", {}, ": no variants below the header"),
        (
            "mutant;score\nK2R;1\n",
            {},
            r"no column 'mutant' .* among \['mutant;score'\]",
        ),
        ("code,score\nK2R,1\n", {}, ", line 1: no column 'mutant' among"),
        ("mutant,y\nK2R,1\n", {}, ", line 1: no column 'DMS_score' or 'score' among"),
        ("mutant,score\nK2R,1\n", {"score": "y"}, ", line 1: no column 'y' among"),
        ("mutant,score\nK2R\n", {}, ", line 2: 1 cells, but the header names 2"),
        ("mutant,score\nK2R,1,5\n", {}, ", line 2: 3 cells, but the header names 2"),
        ("mutant,score\nK2R,\n", {}, ", line 2, column 'score': '' is not valid"),
        ("mutant,score\nK2R,nan\n", {}, "column 'score': 'nan' .* finite number"),
        ("mutant,score\nK2R,-inf\n", {}, "column 'score': '-inf' .* finite number"),
        (
            "mutant,DMS_score\nK2R,1\nM1V,high\n",
            {},
            ", line 3, column 'DMS_score': 'high' .* finite number",
        ),
        ("mutant,score\nM1V,1\nK2,1\n", {}, ", line 3, column 'mutant': 'K2' is not"),
        ("mutant,score\nK2Z,1\n", {}, ", line 2, .*'Z' is no amino acid"),
        ("mutant,score\nK2R:K2A,1\n", {}, ", line 2, .*position 2 is mutated twice"),
        (
            "mutant,score\nM1V,1\nA2R,1\n",
            {"wild_type": WILD_TYPE},
            ", line 3, column 'mutant': 'A2R' .*has 'K' at position 2, not 'A'",
        ),
        ("mutant,score\nK6R,1\n", {"wild_type": WILD_TYPE}, "run from 1 to 5"),
        (
            PROTEIN_GYM.replace("MRVLG", "MRVLA"),
            {"wild_type": WILD_TYPE},
            ", line 3, column 'mutated_sequence': 'MRVLA' is not the wild type with",
        ),
        (
            PROTEIN_GYM.replace("MRVLG", ""),
            {},
            ", line 3, column 'mutated_sequence': '' is no sequence",
        ),
        ('mutant,score\n"K2R,1\n', {}, ", line 2: unexpected end of data"),
        (b"mutant,score\nK2R,\xff\n", {}, ", line 2: not UTF-8 text"),
        (b"mutant,score\nK2R,\x00\n", {}, ", line 2: not text, but binary"),
    ],
)
def test_malformed_files_are_named_with_line_and_column(
    write, content, params, message
):
    path = write(content)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}.*{message}"):
        read_dms(path, **params)


def test_a_bad_wild_type_is_no_fault_of_the_file(write):
    with pytest.raises(ValueError, match=r"^wild_type must be"):
        read_dms(write(PROTEIN_GYM), wild_type="mkvla")


def test_bad_parameters(write):
    with pytest.raises(ValueError, match="'duplicates' parameter"):
        read_dms(write(PROTEIN_GYM), duplicates="first")


def test_long_cells_are_cut_in_messages(write):
    content = PROTEIN_GYM.replace("MRVLA", "MRVL-" * 100)
    with pytest.raises(ValueError, match=r"'MRVL-MRVL-.{27}\.\.\.' is no sequence"):
        read_dms(write(content))
