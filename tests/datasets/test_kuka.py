import importlib

import numpy as np
import pandas as pd
import pytest

from skestimators.datasets import read_kuka_records

JOINTS = [f"A{i}" for i in range(1, 8)]
NAMES = ["t_Sec", "t_nSec"]
NAMES += [f"exT_{joint}" for joint in JOINTS] + [f"msT_{joint}" for joint in JOINTS]
NAMES += ["Fx", "Fx1", "Fy", "Fy1", "Fz", "Fz1", "Tx", "Tx1", "Ty", "Ty1", "Tz", "Tz1"]
NAMES += [f"cur_{joint}" for joint in JOINTS] + [f"comd_{joint}" for joint in JOINTS]
NAMES += ["curCart_x", "curCart_y", "curCart_z"]
NAMES += ["comdCart_x", "comdCart_y", "comdCart_z"]


def values(seed, n_rows=4):
    """Return a record whose seconds change while its nanoseconds start anew."""
    table = np.random.RandomState(seed).normal(size=(n_rows, 48)).round(6)
    table[:, 0] = 100 + np.arange(n_rows) // 2
    table[:, 1] = 500_000_000 * (np.arange(n_rows) % 2)
    return table


def text(table, header=NAMES, separator="   "):
    rows = [separator.join(map(repr, row)) for row in table.tolist()]
    return "\n".join([separator.join(header), *rows]) + "\n"


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


KEYS = [(10, 1), (2, 10), (2, 9), (-1, 0)]


def test_records_in_order_of_their_points(write, tmp_path):
    tables = {key: values(seed) for seed, key in enumerate(KEYS)}
    for (i, j), table in tables.items():
        write(f"plate_a_{i}_{j}_demoRecord.txt", text(table))
    write("README.txt", "not a record")
    write("notes_1_1.txt", "not a record")
    write("._plate_a_2_9_demoRecord.txt", b"\x00\x05\x16\x07")
    records = read_kuka_records(tmp_path)
    assert records.columns.tolist() == ["key", *NAMES]
    assert (
        records["key"].tolist()
        == np.repeat(["-1,0", "2,9", "2,10", "10,1"], 4).tolist()
    )
    assert records.index.tolist() == list(range(16))
    assert (records[NAMES].dtypes == np.float64).all()
    expected = np.concatenate([tables[key] for key in sorted(tables)])
    np.testing.assert_array_equal(records[NAMES], expected)
    pd.testing.assert_frame_equal(read_kuka_records(str(tmp_path)), records)


@pytest.mark.parametrize(
    "header",
    [
        NAMES,
        ["%", *NAMES],
        [name.removesuffix("1") if "1" in name[2:] else name for name in NAMES],
        ["time", *(f"c{i}" for i in range(47))],
        ["recorded", "in", "March"],
    ],
    ids=["names", "comment", "repeated", "other", "remark"],
)
def test_forms_of_text(write, tmp_path, header):
    table = values(0)
    content = text(table, header, "\t ").replace("\n", " \r\n") + "\r\n\r\n"
    write("1_2_demoRecord.txt", b"\xef\xbb\xbf" + content.encode())
    np.testing.assert_array_equal(read_kuka_records(tmp_path)[NAMES], table)


def changed(row, column, cell):
    lines = text(values(0)).splitlines()
    cells = lines[row].split()
    cells[column : column + 1] = cell.split()
    lines[row] = " ".join(cells)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": no rows, the file is empty"),
        (" ".join(NAMES), ": no rows, the file is empty"),
        (" ".join(NAMES) + "\n\n", ": no rows, the file is empty"),
        (
            text(values(0))[:-420],
            ", line 5: 12 values, but a record has 48 columns; .*cut",
        ),
        (text(values(0)[:, :47]), ", line 2: 47 values, but a record has 48"),
        (changed(1, 5, ""), ", line 2: 47 values"),
        (changed(3, 5, "1 2"), ", line 4: 49 values"),
        (text(values(0)) + "1 2 3", ", line 6: 3 values"),
        (changed(3, 2, "1,5"), ", line 4, column 'exT_A1': '1,5' is no finite number"),
        (changed(4, 47, "-"), ", line 5, column 'comdCart_z': '-' is no finite"),
        (changed(2, 16, "nan"), ", line 3, column 'Fx': 'nan' is no finite"),
        (changed(2, 17, "-inf"), ", line 3, column 'Fx1': '-inf' is no finite"),
        (changed(2, 18, "True"), ", line 3, column 'Fy': 'True' is no finite"),
        (changed(2, 18, '"1"'), ", line 3, column 'Fy': '\"1\"' is no finite"),
        (changed(4, 0, "100"), r", line 5: time goes backwards, from \(101.0, 0.0\)"),
        (changed(2, 1, "-1"), ", line 3: time goes backwards"),
        (
            changed(0, 8, ""),
            ", line 1: column 9 is 'msT_A1', which should be column 10",
        ),
        (text(values(0), NAMES[::-1]), ", line 1: column 48 is 't_Sec', which should"),
        (text(values(0)).partition("\n")[2], ", line 1: a record starts with a line"),
        ("\n" + text(values(0)), ", line 1: a record starts with a line of column"),
        (text(values(0))[:-1], ": the last line has no line end: the file seems to be"),
        (text(values(0)) + "  ", ": the last line has no line end: the file seems"),
        (text(values(0)).encode("utf-16"), ", line 1: not "),
        (text(values(0)).encode() + b"\x00\xff", ", line 6: not text, but binary"),
    ],
)
def test_errors_name_file_and_line(write, tmp_path, content, message):
    write("plate_0_1_demoRecord.txt", text(values(1)))
    write("plate_1_2_demoRecord.txt", content)
    with pytest.raises(ValueError, match=rf"plate_1_2_demoRecord\.txt{message}"):
        read_kuka_records(tmp_path)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_files_that_were_cut_are_refused(write, tmp_path, line_end):
    content = text(values(0, n_rows=2)).replace("\n", line_end)
    n_rows = []
    for length in range(len(content)):
        write("plate_1_2_demoRecord.txt", content[:length])
        if content[:length].endswith("\n") and length > content.index("\n") + 1:
            n_rows.append(len(read_kuka_records(tmp_path)))
            continue
        with pytest.raises(ValueError, match=r"plate_1_2_demoRecord\.txt"):
            read_kuka_records(tmp_path)
    # Only a cut between two lines cannot be told.
    assert n_rows == [1]


def test_no_records(write, tmp_path):
    write("plate_1_demoRecord.txt", text(values(1)))
    with pytest.raises(ValueError, match=r"no records. They are files \*_I_J_demoRec"):
        read_kuka_records(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_kuka_records(tmp_path / "nowhere")


def test_second_record_of_a_point(write, tmp_path):
    write("a_1_2_demoRecord.txt", text(values(1)))
    write("b_01_2_demoRecord.txt", text(values(1)))
    message = r"b_01_2_demoRecord.txt: a second .* point '1,2', .*a_1_2_demoRecord.txt"
    with pytest.raises(ValueError, match=message):
        read_kuka_records(tmp_path)


def save(frame, path):
    pytest.importorskip("pyarrow")
    getattr(frame, f"to_{path.suffix[1:]}")(path)


@pytest.fixture(params=["feather", "parquet"])
def suffix(request):
    return request.param


def test_arrow_holds_what_text_does(write, tmp_path, suffix):
    frame = pd.DataFrame(values(1), columns=NAMES).astype({"t_Sec": "int64"})
    shuffled = frame[NAMES[::-1]].assign(note="x")
    save(shuffled, tmp_path / f"plate_3_4_demoRecord.{suffix}")
    write("plate_1_2_demoRecord.txt", text(values(2)))
    records = read_kuka_records(tmp_path)
    np.testing.assert_array_equal(records[NAMES], np.vstack([values(2), values(1)]))
    assert records["key"].tolist() == ["1,2"] * 4 + ["3,4"] * 4
    # What was read can be stored in one file, and read again, whatever its name.
    (tmp_path / "one").mkdir()
    mixed = pd.concat([records[4:], records[:4]], ignore_index=True)
    save(mixed, tmp_path / "one" / f"all.{suffix}")
    pd.testing.assert_frame_equal(read_kuka_records(tmp_path / "one"), records)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.drop(columns=["Fx", "key"]), ": no column 'Fx', 'key'"),
        (lambda f: f[:0], ": no rows"),
        (
            lambda f: f.assign(Fz="1"),
            ", column 'Fz': of type (str|object), not numbers",
        ),
        (
            lambda f: f.assign(Tx=[1, np.nan, 2, 3]),
            ", row 1, column 'Tx': nan is no finite number",
        ),
        (
            lambda f: f.assign(Tx=pd.array([1, 2, 3, None], dtype="Int64")),
            ", row 3, column 'Tx': nan is no finite number",
        ),
        (lambda f: f.assign(t_Sec=[1, 3, 2, 1]), ", row 3: time goes backwards"),
        (
            lambda f: f.assign(key=["1,2", "1,2", None, "1,3"]),
            ", row 2, column 'key': .* is not 'I,J'",
        ),
        (lambda f: f.assign(key=7), ", row 0, column 'key': 7 is not 'I,J'"),
    ],
)
def test_errors_in_arrow_name_file_and_row(tmp_path, suffix, change, message):
    frame = pd.DataFrame(values(1), columns=NAMES)
    save(
        change(frame.assign(key=["1,2", "1,3", "1,2", "1,3"])),
        tmp_path / f"all.{suffix}",
    )
    with pytest.raises(ValueError, match=rf"all\.{suffix}{message}"):
        read_kuka_records(tmp_path)


def test_damaged_arrow(write, tmp_path, suffix):
    pytest.importorskip("pyarrow")
    write(f"1_2_demoRecord.{suffix}", b"damaged")
    with pytest.raises(ValueError, match=rf"demoRecord\.{suffix}: not a file of this"):
        read_kuka_records(tmp_path)


def test_missing_pyarrow_is_named(write, tmp_path, monkeypatch):
    write("1_2_demoRecord.feather", b"")

    def refuse(name):
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", refuse)
    message = r"read_kuka_records needs 'pyarrow'.*'skestimators\[arrow\]'"
    with pytest.raises(ImportError, match=message):
        read_kuka_records(tmp_path)
