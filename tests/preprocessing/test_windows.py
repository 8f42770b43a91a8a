import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import clone
from sklearn.ensemble import RandomForestRegressor
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators.preprocessing import SlidingWindow, make_windows

# Two touch points, their rows interleaved.
KEYS = ["3,4", "0,10", "3,4", "3,4", "0,10"]
CHANNELS = np.array([[1, 10], [2, 20], [3, 30], [4, 40], [5, 50]], dtype=float)
WINDOWS = np.array(
    [
        [[1, 10], [1, 10], [1, 10]],
        [[2, 20], [2, 20], [2, 20]],
        [[1, 10], [1, 10], [3, 30]],
        [[1, 10], [3, 30], [4, 40]],
        [[2, 20], [2, 20], [5, 50]],
    ],
    dtype=float,
)
FRAME = pd.DataFrame({"Fx": CHANNELS[:, 0], "key": KEYS, "Fy": CHANNELS[:, 1]})


def windows_by_hand(values, groups, window_size):
    """List for each row the earlier rows of its group and itself, at most a window."""
    return [
        [values[j] for j in range(i + 1) if groups[j] == groups[i]][-window_size:]
        for i in range(len(values))
    ]


def test_a_window_ends_at_its_row_and_stays_in_its_group():
    windows = SlidingWindow(3, group="key").fit_transform(FRAME)
    np.testing.assert_array_equal(windows, WINDOWS)
    assert windows.dtype == np.float64


def test_zeros_stand_before_the_first_row():
    windows = SlidingWindow(3, group="key", pad="zero").fit_transform(FRAME)
    expected = WINDOWS.copy()
    expected[0, :2] = expected[1, :2] = expected[2, :1] = expected[4, :1] = 0
    np.testing.assert_array_equal(windows, expected)


def test_without_groups_all_rows_are_one():
    windows = SlidingWindow(2).fit_transform(CHANNELS)
    np.testing.assert_array_equal(windows[:, 1], CHANNELS)
    np.testing.assert_array_equal(windows[1:, 0], CHANNELS[:-1])
    np.testing.assert_array_equal(windows[0, 0], CHANNELS[0])


def test_flat_windows_are_laid_out_by_time():
    flat = SlidingWindow(3, group="key", flatten=True).fit_transform(FRAME)
    assert flat.shape == (5, 6)
    np.testing.assert_array_equal(flat.reshape(5, 3, -1), WINDOWS)


def test_default_window_is_ten_rows():
    assert SlidingWindow().fit_transform(CHANNELS).shape == (5, 10, 2)


@pytest.mark.parametrize(
    ("X", "group"),
    [
        (FRAME, "key"),
        (FRAME, 1),
        (FRAME, -2),
        (FRAME.assign(key=pd.Categorical(KEYS)), "key"),
        (FRAME.set_axis([7, 8, 9], axis=1), 1),
        (FRAME.to_numpy(dtype=object), np.int64(1)),
        (FRAME.to_numpy(dtype=object).tolist(), -2),
        (FRAME.to_numpy(dtype=str), 1),
        (np.insert(CHANNELS, 1, [4.5, 1, 4.5, 4.5, 1], axis=1), 1),
        (np.insert(CHANNELS.astype(int), 1, [-7, 1, -7, -7, 1], axis=1), 1),
    ],
)
def test_every_container_and_type_of_group_gives_the_same(X, group):
    transformer = SlidingWindow(3, group=group).fit(X)
    np.testing.assert_array_equal(transformer.transform(X), WINDOWS)
    assert transformer.group_index_ == 1
    assert transformer.n_features_in_ == 3


@given(st.data())
def test_windows_are_those_made_by_hand(data):
    n = data.draw(st.integers(1, 30))
    groups = data.draw(st.lists(st.sampled_from("abc"), min_size=n, max_size=n))
    window_size = data.draw(st.integers(1, 6))
    values = np.arange(1.0, n + 1)
    X = pd.DataFrame({"group": groups, "value": values})
    by_hand = windows_by_hand(values, groups, window_size)
    for pad in "edge", "zero":
        transformer = SlidingWindow(window_size, group="group", pad=pad)
        expected = [
            [rows[0] if pad == "edge" else 0] * (window_size - len(rows)) + rows
            for rows in by_hand
        ]
        output = transformer.fit_transform(X)[:, :, 0]
        np.testing.assert_array_equal(output, expected)


@given(st.data())
def test_made_windows_are_those_made_by_hand(data):
    window_size = data.draw(st.integers(1, 5))
    stride = data.draw(st.integers(1, 4))
    sizes = data.draw(st.lists(st.integers(window_size, 12), min_size=1, max_size=3))
    rows = [group for group, size in enumerate(sizes) for _ in range(size)]
    groups = data.draw(st.permutations(rows))
    values = np.arange(float(len(groups)))
    by_hand = windows_by_hand(values, groups, window_size)
    expected, seen = {}, dict.fromkeys(groups, 0)
    for row, group in enumerate(groups):
        past_the_first = seen[group] - (window_size - 1)
        if past_the_first >= 0 and past_the_first % stride == 0:
            expected[row] = by_hand[row]
        seen[group] += 1
    windows, last, of_group = make_windows(
        values[:, None], values, groups, window_size=window_size, stride=stride
    )
    assert last.tolist() == list(expected)
    assert windows[:, :, 0].tolist() == list(expected.values())
    assert of_group.tolist() == [groups[row] for row in expected]


@pytest.mark.parametrize("flatten", [False, True])
@pytest.mark.parametrize("frame", [False, True])
def test_single_precision_is_kept(frame, flatten):
    X = CHANNELS.astype(np.float32)
    group = None
    if frame:
        X, group = pd.DataFrame(X, columns=["a", "b"]).assign(key=KEYS), "key"
    windows = SlidingWindow(2, group=group, flatten=flatten).fit_transform(X)
    assert windows.dtype == np.float32
    assert make_windows(CHANNELS.astype(np.float32), window_size=2).dtype == np.float32


def test_input_is_left_alone():
    X = CHANNELS.copy()
    windows = SlidingWindow(1, pad="zero").fit_transform(X)
    windows[:] = -1
    made = make_windows(X, window_size=1)
    made[:] = -1
    np.testing.assert_array_equal(X, CHANNELS)


def test_a_record_alone_gives_the_windows_it_gives_among_others():
    transformer = SlidingWindow(3, group="key").fit(FRAME)
    one = FRAME[FRAME["key"] == "0,10"]
    np.testing.assert_array_equal(transformer.transform(one), WINDOWS[one.index])
    # Of a later row alone, what went before is not known.
    np.testing.assert_array_equal(
        transformer.transform(FRAME[3:4]), [[[4, 40], [4, 40], [4, 40]]]
    )


def test_clones_and_pickles_give_the_same():
    transformer = SlidingWindow(3, group="key").fit(FRAME)
    loaded = pickle.loads(pickle.dumps(transformer))
    np.testing.assert_array_equal(loaded.transform(FRAME), WINDOWS)
    fresh = clone(transformer)
    assert fresh.get_params() == transformer.get_params()
    np.testing.assert_array_equal(fresh.fit_transform(FRAME), WINDOWS)


def test_names_and_pandas_output_of_flat_windows():
    frame = FRAME.set_index(pd.Index(list("vwxyz")))
    transformer = SlidingWindow(2, group="key", flatten=True)
    output = transformer.set_output(transform="pandas").fit_transform(frame)
    names = ["Fx_t-1", "Fy_t-1", "Fx_t-0", "Fy_t-0"]
    assert output.columns.tolist() == names
    assert output.index.tolist() == list("vwxyz")
    np.testing.assert_array_equal(output, WINDOWS[:, 1:].reshape(5, -1))
    assert transformer.feature_names_in_.tolist() == ["Fx", "key", "Fy"]
    with pytest.raises(ValueError, match="input_features is not equal"):
        transformer.get_feature_names_out(["a", "b", "c"])


def test_names_of_arrays_count_the_group_column():
    transformer = SlidingWindow(1, group=0, flatten=True)
    transformer.fit(np.column_stack([[0, 1, 0, 0, 1], CHANNELS]))
    assert transformer.get_feature_names_out().tolist() == ["x1_t-0", "x2_t-0"]


def test_windows_that_are_no_table_have_no_names():
    transformer = SlidingWindow(2, group="key").fit(FRAME)
    assert not hasattr(transformer, "get_feature_names_out")
    assert not hasattr(transformer, "set_output")


def test_must_be_fitted_first():
    transformer = SlidingWindow(flatten=True)
    with pytest.raises(NotFittedError):
        transformer.transform(CHANNELS)
    with pytest.raises(NotFittedError):
        transformer.get_feature_names_out()


@pytest.mark.parametrize("group", ["record", None])
def test_lives_in_a_pipeline_under_group_k_fold(group):
    rng = np.random.default_rng(0)
    X = pd.DataFrame({"force": rng.normal(size=600)})
    records = rng.permutation(np.repeat([f"r{i}" for i in range(12)], 50))
    # What moves a row is the force of the row before it in its record.
    y = X["force"].groupby(records).shift(fill_value=0.0)
    if group:
        X.insert(0, "record", records)
    model = make_pipeline(
        SlidingWindow(3, group=group, pad="zero", flatten=True),
        StandardScaler(),
        RandomForestRegressor(n_estimators=10, random_state=0),
    )
    scores = cross_val_score(model, X, y, groups=records, cv=GroupKFold(4))
    # Without its column, windows mix the interleaved records.
    assert np.all(scores > 0.9) if group else np.all(scores < 0.5)


@pytest.mark.parametrize(
    ("params", "X", "message"),
    [
        ({"window_size": 0}, FRAME, "'window_size' parameter"),
        ({"window_size": 2.0}, FRAME, "'window_size' parameter"),
        ({"pad": "reflect"}, FRAME, "'pad' parameter"),
        ({"group": 1.5}, FRAME, "'group' parameter"),
        ({"flatten": "yes"}, FRAME, "'flatten' parameter"),
        ({"group": "touch"}, FRAME, r"group='touch' is the name of no column .*'Fx'"),
        (
            {"group": "a"},
            FRAME.set_axis(["a", "a", "b"], axis=1),
            "unique column names",
        ),
        ({"group": "key"}, CHANNELS, "group='key' is a name, but .* have none"),
        ({"group": 3}, FRAME, r"group=3 is no column of X, which has 3 feature"),
        ({"group": -4}, FRAME, r"group=-4 is no column"),
        ({"group": 0}, FRAME[["key"]], "the group column"),
        ({"group": 0}, [1.0, 2.0], "Expected 2D array"),
        ({}, FRAME, "Column 'key' of X cannot be read as numbers.*'3,4'"),
        (
            {"group": 0},
            [["a", 1.0, "b"], ["a", 2.0, "c"]],
            "Column 2 of X cannot be read as numbers.*'b'",
        ),
        (
            {"group": "key"},
            FRAME.assign(key=["a", None, "a", "b", "b"]),
            r"group='key' of X: .*no label \(None or NaN\) in row 1",
        ),
        (
            {"group": "key"},
            FRAME.assign(key=[1.0, 2.0, np.nan, 1.0, 2.0]),
            "Input X contains NaN, first in row 2, column 'key'",
        ),
        (
            {"group": "key"},
            FRAME.assign(Fy=[1, 2, 3, np.nan, np.nan]),
            r"Input X contains NaN, first in row 3, column 'Fy' .*2 value\(s\)",
        ),
        (
            {"group": 0},
            [[1, 2.0, 3.0], [1, 2.0, np.inf]],
            "Input X contains infinity.* row 1, column 2 ",
        ),
    ],
)
def test_bad_input_is_named(params, X, message):
    with pytest.raises(ValueError, match=message):
        SlidingWindow(**params).fit(X)


def test_bad_input_is_named_in_transform():
    transformer = SlidingWindow(2, group="key").fit(FRAME)
    with pytest.raises(ValueError, match="row 0, column 'Fx'"):
        transformer.transform(FRAME.assign(Fx=np.nan))
    with pytest.raises(ValueError, match="feature names should match"):
        transformer.transform(FRAME.drop(columns="Fy"))
    without_names = SlidingWindow(2, group=0).fit(CHANNELS)
    with pytest.raises(ValueError, match="X has 1 features, but SlidingWindow"):
        without_names.transform(CHANNELS[:, :1])


def test_make_windows_returns_what_it_was_given():
    y = CHANNELS * 2
    windows = make_windows(CHANNELS, window_size=4)
    expected = np.stack([CHANNELS[:4], CHANNELS[1:]])
    np.testing.assert_array_equal(windows, expected)
    _, targets = make_windows(CHANNELS, pd.DataFrame(y), window_size=4)
    np.testing.assert_array_equal(targets, y[3:])
    windows, groups = make_windows(CHANNELS, groups=pd.Series(KEYS), window_size=2)
    np.testing.assert_array_equal(windows, WINDOWS[2:, 1:])
    assert groups.tolist() == ["3,4", "3,4", "0,10"]
    windows, targets, groups = make_windows(
        CHANNELS, list("abcde"), KEYS, window_size=2, stride=2
    )
    np.testing.assert_array_equal(windows, WINDOWS[[2, 4], 1:])
    assert targets.tolist() == ["c", "e"]
    assert groups.tolist() == ["3,4", "0,10"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"window_size": 0}, "'window_size' parameter"),
        ({"stride": 0}, "'stride' parameter"),
        ({"window_size": 6}, r"X has 5 row\(s\), fewer than window_size=6"),
        (
            {"groups": KEYS, "window_size": 3},
            r"Group '0,10' has 2 row\(s\), fewer than window_size=3; so have 1 of 2",
        ),
        ({"groups": KEYS[:4]}, "inconsistent numbers of samples"),
        ({"y": [1, 2]}, "inconsistent numbers of samples"),
        ({"groups": [1, 1, None, 1, 1]}, "no label .* in row 2"),
        ({"X": FRAME}, "Column 'key' of X cannot be read as numbers"),
        ({"X": CHANNELS[0]}, "Expected 2D array"),
        ({"X": np.full((9, 2), np.nan)}, "Input X contains NaN, first in row 0, col"),
    ],
)
def test_make_windows_names_bad_input(arguments, message):
    with pytest.raises(ValueError, match=message):
        make_windows(**{"X": CHANNELS, "window_size": 2, **arguments})
