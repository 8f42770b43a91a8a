"""Tables of magnetograms and flares, as people have them."""

import gzip
import re

import numpy as np
import pytest

from skestimators.datasets import read_flare_table
from skestimators.preprocessing import active_region_groups

SHARP = "hmi.sharp_cea_720s.377.20110215_{:02}0000_TAI.magnetogram.fits"
CLASSES = "filename,class\n11158/0.png,1\n11158/1.png,0\n11166/0.png,0\n"
SIZES = "".join(
    f"{SHARP.format(hour)},{size}\n"
    for hour, size in enumerate(["X2.2", "M9.9", "M1", "C5.0", "B.5", "A1.", "0"])
)


@pytest.fixture
def write(tmp_path):
    def write_file(text):
        path = tmp_path / "labels.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write_file


def test_classes(write):
    table = read_flare_table(write(CLASSES))
    assert table.paths.tolist() == ["11158/0.png", "11158/1.png", "11166/0.png"]
    assert table.paths.dtype == object
    assert table.labels.tolist() == [1, 0, 0]
    assert table.labels.dtype == table.groups.dtype == np.int64
    assert table.groups.tolist() == [11158, 11158, 11166]
    assert table.flare_sizes is None


def test_columns_go_by_name(write):
    text = 'set,Class, filename\n"a,b",1.0, 707/x.png\n,0,"707/y,1.png"\n'
    table = read_flare_table(write(text))
    assert table.paths.tolist() == ["707/x.png", "707/y,1.png"]
    assert table.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"\xef\xbb\xbf" + text,
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"\n" + text + b"\r\n  \n",
        lambda text: text.rstrip(b"\n"),
        gzip.compress,
    ],
    ids=["bom", "crlf", "blank lines", "no last line end", "gzip"],
)
@pytest.mark.parametrize("text", [CLASSES, SIZES], ids=["classes", "sizes"])
def test_ways_to_write_the_same(write, text, change):
    expected = read_flare_table(write(text))
    table = read_flare_table(write(change(text.encode())))
    for key in ("paths", "labels", "groups", "flare_sizes"):
        np.testing.assert_array_equal(table[key], expected[key])


@pytest.mark.parametrize(
    ("min_flare", "count"), [(None, 6), ("B1.0", 4), ("M1.0", 3), ("M5", 2), ("X3", 0)]
)
def test_flares_that_count(write, min_flare, count):
    table = read_flare_table(write(SIZES), min_flare=min_flare)
    np.testing.assert_array_equal(table.labels, np.arange(7) < count)
    assert table.groups.tolist() == [377] * 7
    assert table.flare_sizes[[0, 6]].tolist() == ["X2.2", "0"]


def test_sizes_without_any_flare(write):
    assert read_flare_table(write("707/a.png,0\n808/a.png,0\n")).labels.tolist() == [
        0,
        0,
    ]


def test_root_is_put_before_the_names(write, tmp_path):
    table = read_flare_table(write(CLASSES), tmp_path / "2011")
    assert table.paths[0] == str(tmp_path / "2011" / "11158" / "0.png")
    assert table.groups.tolist() == [11158, 11158, 11166]
    relative = read_flare_table(write(CLASSES), "images")
    assert relative.paths[0] == "images/11158/0.png"


def test_numbers_in_root_are_no_regions(write, tmp_path):
    with pytest.raises(ValueError, match=r"line 2: no region in 'a\.png'"):
        read_flare_table(write("filename,class\na.png,0\n"), "/data/11158")


@pytest.mark.parametrize(
    "name", ["../707/x.png", "707/../../x.png", "/707/x.png", "707/../.."]
)
def test_name_that_leads_out_of_root(write, tmp_path, name):
    with pytest.raises(ValueError, match=f"line 5: '{re.escape(name)}' leads out"):
        read_flare_table(write(f"{CLASSES}{name},0\n"), tmp_path)


@pytest.mark.parametrize("link", ["707", "808/x.png"], ids=["folder", "file"])
def test_link_that_leads_out_of_root(write, tmp_path, link):
    root = tmp_path / "root"
    (root / "808").mkdir(parents=True)
    (tmp_path / "x.png").touch()
    (root / link).symlink_to(tmp_path if link == "707" else tmp_path / "x.png")
    name = "707/x.png" if link == "707" else link
    with pytest.raises(ValueError, match=f"line 5: '{name}' leads out"):
        read_flare_table(write(f"{CLASSES}{name},0\n"), root)


def test_same_file_twice(write):
    table = read_flare_table(write(CLASSES + "11158/0.png,1\n"))
    assert table.labels.tolist() == [1, 0, 0, 1]
    with pytest.raises(ValueError, match=r"line 6: .*is '0', but in line 2 it is '1'"):
        read_flare_table(write(CLASSES + "\n11158//0.png,0\n"))
    with pytest.raises(ValueError, match=r"line 2: .*is 'M2', but in line 1 .*'M1'"):
        read_flare_table(write("707/a.png,M1\n707/a.png,M2\n"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty.*filename,class.*flareSize"),
        (" \n\n", "the file is empty"),
        ("filename,class\n", "no rows"),
        ("filename,label\n707/a.png,0\n", "0 columns are named 'class'.*'label'"),
        ("filename,class,class\n707/a.png,0,0\n", "2 columns are named 'class'"),
        ("filename,class\n707/a.png\n", "line 2: 1 fields, but it takes 2"),
        ("filename,class\n707/a.png,0,1\n", "line 2: 3 fields, but it takes 2"),
        (
            "707/a.png,0\n707/a.png\n",
            "line 2: 1 fields, but it takes 2: name,flareSize",
        ),
        ("707/a.png 0\n", "line 1: 1 fields.*filename,class"),
        ("filename,class\n\n707/a.png,2\n", "line 3: '2' is no class: 0 or 1"),
        ("filename,class\n707/a.png,\n", "line 2: '' is no class"),
        ("filename,class\n707/a.png,M1\n", "line 2: 'M1' is no class"),
        ("707/a.png,1\n", "line 1: '1' is no flare size.*filename,class"),
        ("file,flare\n707/a.png,0\n", "line 1: 'flare' is no flare size"),
        ("707/a.png,M1\n707/b.png,m1\n", "line 2: 'm1' is no flare size"),
        ("707/a.png,M1\n707/b.png,M\n", "line 2: 'M' is no flare size"),
        ("707/a.png,M1_0\n", "line 1: 'M1_0' is no flare size"),
        ("707/a.png,0\n ,0\n", "line 2: the name of the file is empty"),
        ("707/a.png,0\nb.png,0\n", "line 2: no region in 'b.png'"),
        ("707/a.png,0\n" + SHARP.format(1) + ",0\n", "of one kind.*line 1 .*line 2 "),
        ("707/a.png,0\n707/b\0.png,0\n", "line 2: not text, but binary"),
        (b"707/a.png,0\n707/\xff.png,0\n", "line 2: not UTF-8"),
        ('707/a.png,0\n"707/b.png,0\n', "line 2: no table.*quotes"),
    ],
)
def test_bad_table_is_named(write, text, message):
    path = write(text)
    with pytest.raises(ValueError, match=message) as error:
        read_flare_table(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("min_flare", ["M", "0", "1.0", "m1.0", ""])
def test_bad_min_flare(write, min_flare):
    with pytest.raises(ValueError, match=r"min_flare must be a class and a number"):
        read_flare_table(write(SIZES), min_flare=min_flare)


def test_classes_have_no_smallest_flare(write):
    with pytest.raises(ValueError, match=r"min_flare must be None, but is 'M1\.0'"):
        read_flare_table(write(CLASSES), min_flare="M1.0")


def test_groups_are_those_of_the_public_function(write):
    table = read_flare_table(write(SIZES), "images")
    np.testing.assert_array_equal(table.groups, active_region_groups(table.paths))


def test_label_files_of_ar_flares_leave_out_the_folder(tmp_path):
    frame = "{}_hmi.M_720s.20100505_000000_TAI.1.magnetogram_224.png"
    path = tmp_path / "C1.0_24hr_224_png_Labels.txt"
    path.write_text(f"{frame.format('1069')},C1.0\n{frame.format('1079')},0\n")
    table = read_flare_table(path, root=tmp_path)
    assert table.groups.tolist() == [1069, 1079]
    assert table.paths[0] == str(tmp_path / "1069" / frame.format("1069"))
    np.testing.assert_array_equal(active_region_groups(table.paths), table.groups)


def test_sizes_below_the_names_of_their_columns(write):
    table = read_flare_table(write("name,flareSize\n707/a.png,M1.0\n808/a.png,0\n"))
    assert table.labels.tolist() == [1, 0]


def test_table_written_on_windows(write, tmp_path):
    table = read_flare_table(write("filename,class\n11158\\0.png,1\n"), root=tmp_path)
    assert table.paths[0] == str(tmp_path / "11158" / "0.png")


def test_root_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "labels.csv"
    path.write_text("filename,class\n11158/0.png,1\n")
    table = read_flare_table(path, root="~")
    assert table.paths[0] == str(tmp_path / "11158" / "0.png")
    (tmp_path / "11158").mkdir()
    (tmp_path / "11158" / "0.png").symlink_to("/etc/hostname")
    with pytest.raises(ValueError, match="leads out of root"):
        read_flare_table(path, root="~")
