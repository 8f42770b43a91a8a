import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError

from skestimators.preprocessing import SectorLabeler, sector_labels

MIDDLES = [(1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1), (0, 1)]
# Where the sectors begin, going clockwise: the lines y = 2x, x/2, -x/2 and -2x.
BEGINNINGS = [
    *[(1, 2), (2, 1), (2, -1), (1, -2)],
    *[(-1, -2), (-2, -1), (-2, 1), (-1, 2)],
]
coordinates = st.integers(-40, 40)
positions = st.tuples(coordinates, coordinates).filter(any)


def sectors_by_angle(xy, widths):
    """Number sectors of these widths by the angle, clockwise from where 1 begins."""
    x, y = np.asarray(xy, float).T
    begins = 45 + widths[0] / 2
    clockwise = (begins - np.degrees(np.arctan2(y, x))) % 360
    return np.searchsorted(np.cumsum(widths), clockwise, side="right") + 1


def test_middles_are_numbered_clockwise_from_the_first_quadrant():
    sectors = sector_labels(MIDDLES)
    assert sectors.tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert sectors.dtype.kind == "i"


def test_a_boundary_belongs_to_the_sector_that_begins_there():
    assert sector_labels(BEGINNINGS).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("scale", [1e-300, 0.1, 3.7, 1e308])
def test_boundaries_are_decided_by_comparison_at_any_scale(scale):
    # Both ends of y = 2x and y = x/2, then just beside them.
    x = 0.5 * scale
    beside = np.nextafter(scale, np.inf)
    xy = [(x, scale), (x, beside), (scale, x), (beside, x)]
    assert sector_labels(xy).tolist() == [1, 8, 2, 2]
    xy = [(-x, -scale), (-x, -beside), (-scale, -x), (-beside, -x)]
    assert sector_labels(xy).tolist() == [5, 4, 6, 6]


def test_every_point_of_a_grid_by_the_lines_of_the_design():
    """Sectors as inequalities, on the 11 x 11 grid around a touched centre."""
    grid = [(x, y) for x in range(-5, 6) for y in range(-5, 6) if x or y]
    for (x, y), sector in zip(grid, sector_labels(grid), strict=True):
        expected = {
            1: y <= 2 * x and y > x / 2,
            2: y <= x / 2 and y > -x / 2,
            3: y <= -x / 2 and y > -2 * x,
            4: y <= -2 * x and y < 2 * x,
            5: y >= 2 * x and y < x / 2,
            6: y >= x / 2 and y < -x / 2,
            7: y >= -x / 2 and y < -2 * x,
            8: y >= -2 * x and y > 2 * x,
        }
        assert [s for s, inside in expected.items() if inside] == [sector], (x, y)


@pytest.mark.parametrize("n_sectors", [3, 4, 5, 6, 8, 12, 16])
def test_sectors_are_those_found_by_angle(n_sectors):
    xy = np.random.default_rng(0).normal(size=(2000, 2))
    widths = np.full(n_sectors, 360 / n_sectors)
    if n_sectors == 8:
        half = np.degrees(np.arctan([0.5, 2]))
        widths = np.tile([half[1] - half[0], 2 * half[0]], 4)
    sectors = sector_labels(xy, n_sectors)
    np.testing.assert_array_equal(sectors, sectors_by_angle(xy, widths))
    assert set(sectors) == set(range(1, n_sectors + 1))


@given(positions, st.sampled_from([4, 8]))
def test_a_quarter_turn_clockwise_is_a_quarter_of_the_sectors(position, n_sectors):
    x, y = position
    before, after = sector_labels([(x, y), (y, -x)], n_sectors)
    assert (after - before) % n_sectors == n_sectors // 4


@given(positions, st.integers(1, 10**6), st.integers(3, 20))
def test_only_the_direction_counts(position, factor, n_sectors):
    x, y = position
    one, other = sector_labels([(x, y), (64.0 * x, 64.0 * y)], n_sectors)
    assert one == other
    one, other = sector_labels([(x, y), (factor * x, factor * y)])
    assert one == other


def test_four_sectors_are_the_quadrants():
    corners = [(1, 9), (9, -1), (-1, -9), (-9, 1)]
    assert sector_labels(corners, 4).tolist() == [1, 2, 3, 4]
    axes = [(0, 7), (7, 0), (0, -7), (-7, 0)]
    assert sector_labels(axes, 4).tolist() == [1, 2, 3, 4]


def test_the_origin_belongs_to_no_sector():
    xy = np.ones((12, 2))
    xy[[2, 5]] = 0.0, -0.0
    with pytest.raises(ValueError, match=r"no sector, in 2 row\(s\): 2, 5 \(counted"):
        sector_labels(xy)
    with pytest.raises(ValueError, match=r"in 7 row\(s\): 0, 1, 2, 3, 4, \.\.\. "):
        sector_labels(np.zeros((7, 2)))
    assert sector_labels(xy, origin=0).tolist() == [1, 1, 0, 1, 1, 0] + [1] * 6
    assert sector_labels(xy, origin=-1)[2] == -1
    assert sector_labels([[0, 1e-320]]).tolist() == [8]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_sectors": 2}, "'n_sectors' parameter"),
        ({"n_sectors": 8.0}, "'n_sectors' parameter"),
        ({"origin": "zero"}, "'origin' parameter"),
        ({"origin": None}, "'origin' parameter"),
        ({"xy": np.ones((4, 3))}, "xy must have two columns, x and y, got 3"),
        ({"xy": [1, 2]}, "Expected 2D array"),
        ({"xy": [[1, 2], [np.nan, 2]]}, "xy contains NaN, first in row 1, column 0"),
        ({"xy": [[1, np.inf]]}, "xy contains infinity.* row 0, column 1"),
        ({"xy": [[1, "east"]]}, "Column 1 of xy cannot be read as numbers"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        sector_labels(**{"xy": [[1, 2]], **arguments})


CENTRE = np.array([578.6, -261.4, 375.0])
POSITIONS = CENTRE + 10 * np.column_stack([MIDDLES, np.zeros(8)])
FRAME = pd.DataFrame(POSITIONS, columns=["curCart_x", "curCart_y", "curCart_z"])
OFFSET = (-578.6, 261.4)


@pytest.mark.parametrize(
    ("X", "columns"),
    [
        (POSITIONS, (0, 1)),
        (POSITIONS.tolist(), (0, 1)),
        (FRAME, ["curCart_x", "curCart_y"]),
        (FRAME[["curCart_z", "curCart_y", "curCart_x"]], (-1, 1)),
        (FRAME.assign(key="3,4"), np.array([0, 1])),
    ],
)
def test_labeler_takes_columns_relative_to_the_centre(X, columns):
    labeler = SectorLabeler(columns=columns, offset=OFFSET).fit(X)
    sectors = labeler.transform(X)
    assert sectors.shape == (8, 1)
    assert sectors.ravel().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_labeler_has_the_parameters_of_the_function():
    labeler = SectorLabeler(4, origin=0)
    sectors = labeler.fit_transform([[3, 1], [-3, 1], [0, 0]])
    assert sectors.ravel().tolist() == [1, 4, 0]
    with pytest.raises(ValueError, match=r"no sector, in 1 row\(s\): 1 "):
        SectorLabeler(offset=(-1, -2)).fit_transform([[2, 2], [1, 2]])


def test_labeler_names_its_column():
    columns = ["curCart_x", "curCart_y"]
    labeler = SectorLabeler(columns=columns, offset=OFFSET)
    with pytest.raises(NotFittedError):
        labeler.get_feature_names_out()
    with pytest.raises(NotFittedError):
        labeler.transform(FRAME)
    output = labeler.set_output(transform="pandas").fit_transform(FRAME)
    assert output.columns.tolist() == ["sector"]
    assert output["sector"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert labeler.column_indices_.tolist() == [0, 1]
    assert labeler.n_features_in_ == 3


def test_labeler_lives_in_a_column_transformer():
    transformer = ColumnTransformer(
        [("at", SectorLabeler(offset=OFFSET), ["curCart_x", "curCart_y"])]
    ).set_output(transform="pandas")
    output = transformer.fit_transform(FRAME)
    assert output["at__sector"].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]


def test_clones_and_pickles_give_the_same():
    labeler = SectorLabeler(offset=OFFSET).fit(POSITIONS)
    expected = labeler.transform(POSITIONS)
    loaded = pickle.loads(pickle.dumps(labeler))
    np.testing.assert_array_equal(loaded.transform(POSITIONS), expected)
    np.testing.assert_array_equal(clone(labeler).fit_transform(POSITIONS), expected)


@pytest.mark.parametrize(
    ("params", "X", "message"),
    [
        ({"n_sectors": 2}, FRAME, "'n_sectors' parameter"),
        ({"columns": "xy"}, FRAME, "'columns' parameter"),
        ({"columns": (0, 1, 2)}, FRAME, "columns must be two names or indices"),
        ({"columns": (0, 1.5)}, FRAME, "columns must be two names or indices"),
        ({"columns": (1, -2)}, FRAME, "the same column twice"),
        ({"columns": (0, 3)}, FRAME, "columns=3 is no column of X, which has 3"),
        ({"columns": ("x", "y")}, FRAME, "columns='x' is the name of no column"),
        ({"columns": ("x", "y")}, POSITIONS, "columns='x' is a name, but"),
        ({"offset": (1, 2, 3)}, FRAME, "offset must be two finite numbers"),
        ({"offset": (1, np.nan)}, FRAME, "offset must be two finite numbers"),
        ({"offset": ("1", "2")}, FRAME, "offset must be two finite numbers"),
        ({}, FRAME[["curCart_x"]], r"columns=1 is no column .* 1 feature"),
        (
            {},
            FRAME.assign(curCart_y=np.nan),
            "Input X contains NaN, first in row 0, column 'curCart_y'",
        ),
    ],
)
def test_labeler_names_bad_input(params, X, message):
    with pytest.raises(ValueError, match=message):
        SectorLabeler(**params).fit(X)
