import gzip

import numpy as np
import pytest

from skestimators.datasets import read_robot_failures

ROW = "\t-1\t2\t63.5\t-3\t-1\t0\n"
EXAMPLE = "normal\n" + ROW * 15


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "lp.data"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.mark.parametrize(
    ("name", "shape", "counts"),
    [
        (
            "robot_failures_lp1.data",
            (88, 15, 6),
            {"collision": 17, "fr_collision": 16, "normal": 21, "obstruction": 34},
        ),
        (
            "robot_failures_lp4.data",
            (117, 15, 6),
            {"collision": 72, "normal": 24, "obstruction": 21},
        ),
    ],
)
def test_real_files(real_data, name, shape, counts):
    path = real_data(name)
    X, y = read_robot_failures(path)
    assert X.shape == shape
    assert X.dtype == np.float64
    values, n = np.unique(y, return_counts=True)
    assert dict(zip(values.tolist(), n.tolist(), strict=True)) == counts
    assert X.sum() == sum(map(float, path.read_text().translate(LETTERS).split()))


# Labels made blank, but not the sign of a number.
LETTERS = {ord(letter): " " for letter in "abcdefghijklmnopqrstuvwxyz_"}


@pytest.mark.parametrize("pack", [str.encode, lambda t: gzip.compress(t.encode())])
@pytest.mark.parametrize("gap", ["", "\n", "\r\n\r\n"])
def test_layouts(write, pack, gap):
    path = write(pack(f"{gap}{EXAMPLE}{gap}moved\r\n" + ROW.replace("\n", "\r\n") * 15))
    X, y = read_robot_failures(str(path))
    assert X.shape == (2, 15, 6)
    assert y.tolist() == ["normal", "moved"]
    np.testing.assert_array_equal(X[1, 14], [-1, 2, 63.5, -3, -1, 0])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", ": no examples, the file is empty"),
        ("\n\n", ": no examples, the file is empty"),
        (
            EXAMPLE + "\ncollision\n" + ROW * 14,
            ", line 18: the example 'collision' that starts here has 14 rows",
        ),
        (EXAMPLE + "\ncollision\n", ", line 18: the example 'collision' .* has 0 rows"),
        (EXAMPLE[:-3], ", line 16: 5 values, not the 6 of Fx, Fy"),
        (EXAMPLE + "moved\n\t1\t2", ", line 18: 2 values, not the 6"),
        ("normal\n" + ROW * 3 + "moved\n", ", line 1: the example 'normal' .* 3 rows"),
        ("normal\n" + ROW * 3 + "\n" + ROW, ", line 5: a blank line after 3 of the 15"),
        ("normal\n" + ROW * 16, r", line 17: the label .* this is '-1\\t2\\t63.5"),
        (ROW * 15, ", line 1: the label of an example should stand here"),
        (EXAMPLE.replace("63.5", "6e"), ", line 2: Fz is '6e', no finite number"),
        (EXAMPLE.replace("\t-3", "\tnan"), ", line 2: Tx is 'nan', no finite"),
        (EXAMPLE.replace("\t2", "\t1_2"), ", line 2: Fy is '1_2', no finite"),
        (b"\x89PNG\xff\n", ", line 1: not UTF-8 text"),
    ],
)
def test_errors_name_file_and_line(write, content, message):
    with pytest.raises(ValueError, match=rf"lp\.data{message}"):
        read_robot_failures(write(content))
