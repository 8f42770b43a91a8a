"""Numbers of active regions in the ways that data sets write them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from skestimators.preprocessing import active_region_groups

SHARP = "hmi.sharp_cea_720s.{}.20110215_000000_TAI.magnetogram.fits"


@pytest.mark.parametrize(
    ("path", "region"),
    [
        ("11158/0001.png", 11158),
        ("00377/0001.png", 377),
        ("data/flares/11158/M1.0/20110215_0001.fits", 11158),
        ("11158/20110215/0001.fits", 11158),
        ("2011/11158/0001.fits", 11158),
        (r"C:\flares\11158\0001.png", 11158),
        ("AR11158/a.png", 11158),
        ("ar_11158/a.png", 11158),
        ("NOAA 11158/a.png", 11158),
        ("NOAA-AR-11158/a.png", 11158),
        ("HARP377/a.png", 377),
        ("SHARP_0377/a.png", 377),
        (SHARP.format(377), 377),
        (f"11158/{SHARP.format(377)}", 377),
        ("x/hmi.sharp_720s_nrt.12673.20230101_001200_TAI.magnetogram.png", 12673),
        ("mdi.smarp_cea_96m.13520.20080101_000000_TAI.magnetogram.fits", 13520),
    ],
)
def test_ways_to_write_a_region(path, region):
    assert active_region_groups([path]).tolist() == [region]


def test_groups_of_a_column_are_integers():
    paths = pd.DataFrame({"path": ["7007/a.png", "9009/b.png", "7007/c.png"]})
    groups = active_region_groups(paths)
    assert groups.dtype == np.int64
    np.testing.assert_array_equal(groups, [7007, 9009, 7007])


def test_no_region_straddles_a_split():
    paths = [f"{11100 + i // 4}/{i}.png" for i in range(40)]
    y = np.arange(40) // 4 % 2
    groups = active_region_groups(paths)
    for train, test in StratifiedGroupKFold(5).split(paths, y, groups):
        assert set(groups[train]).isdisjoint(groups[test])


@pytest.mark.parametrize(
    "path", ["frame.png", "quiet/frame.png", "20110215/11158.png", "", "a11158/b.png"]
)
def test_path_without_region_is_named(path):
    with pytest.raises(ValueError, match=r"row 1 of paths: no region in '.*SHARP"):
        active_region_groups(["11158/a.png", path])


@pytest.mark.parametrize(
    "other", [SHARP.format(377), "AR11158/b.png", "HARP377/b.png"], ids=lambda p: p[:8]
)
def test_two_kinds_of_numbers_are_refused(other):
    with pytest.raises(ValueError, match=r"one kind.* row 0 .*'111/a.png'.* row 2 "):
        active_region_groups(["111/a.png", "112/a.png", other])


def test_harp_numbers_of_folders_and_files_agree():
    assert (
        active_region_groups(["HARP377/a.png", SHARP.format(377)]).tolist() == [377] * 2
    )


def test_anything_but_strings_is_refused():
    with pytest.raises(ValueError, match=r"active_region_groups takes strings.* row 1"):
        active_region_groups(["111/a.png", 2])


def test_folders_of_dates_are_no_regions():
    for path in ["/data/hmi/2014/01/05/a.fits", "2014/1/a.fits", "11158/7/a.png"]:
        with pytest.raises(ValueError, match="no region"):
            active_region_groups([path])


def test_paths_of_pathlib():
    assert active_region_groups([Path("11158", "0.png")]).tolist() == [11158]
