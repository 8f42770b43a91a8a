"""What transformers promise of any input."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from properties import attempt, examples

from skestimators.preprocessing import (
    MutantSequenceBuilder,
    SectorLabeler,
    SlidingWindow,
    active_region_groups,
    make_windows,
    sector_labels,
    single_substitutions,
)

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
coordinates = st.floats(-1e290, 1e290).filter(lambda value: abs(value) > 1e-290)


@examples(40)
@given(st.text(AMINO_ACIDS, min_size=1, max_size=20), st.integers(-9, 999), st.data())
def test_codes_that_come_back_are_canonical(wild_type, first, data):
    builder = MutantSequenceBuilder(wild_type, first_position=first, separator="+")
    sequences = st.text(AMINO_ACIDS, min_size=len(wild_type), max_size=len(wild_type))
    sequences = data.draw(st.lists(sequences, min_size=1, max_size=4))
    codes = builder.fit(["WT"]).inverse_transform(sequences)
    np.testing.assert_array_equal(builder.transform(codes).ravel(), sequences)
    shuffled = ["+".join(data.draw(st.permutations(c.split("+")))) for [c] in codes]
    again = builder.inverse_transform(builder.transform(shuffled))
    np.testing.assert_array_equal(again, codes)


@examples(30)
@given(st.text("ACDXZ", min_size=1, max_size=9), st.integers(-3, 300))
def test_neighbours_differ_in_one_residue(wild_type, first):
    codes = single_substitutions(wild_type, first_position=first)
    builder = MutantSequenceBuilder(wild_type, first_position=first)
    sequences = builder.fit_transform(codes).ravel()
    assert len(set(sequences)) == len(sequences)
    for sequence in sequences:
        assert sum(a != b for a, b in zip(sequence, wild_type, strict=True)) == 1


@examples(40)
@given(st.text(max_size=8), st.text("MKV", min_size=1, max_size=4))
def test_any_text_is_a_mutant_or_refused(text, wild_type):
    builder = MutantSequenceBuilder(wild_type).fit(["WT"])
    sequences, refusal = attempt(builder.transform, [text])
    if refusal:
        assert str(refusal).startswith(f"row 0, code {text!r}: ")
    else:
        assert [len(sequence) for [sequence] in sequences] == [len(wild_type)]


@st.composite
def interleaved(draw):
    """Draw rows of groups, and the same rows in another order of the groups."""
    groups = draw(st.lists(st.sampled_from("abc"), min_size=1, max_size=25))
    place = {name: iter(np.flatnonzero(np.array(groups) == name)) for name in "abc"}
    order = [next(place[name]) for name in draw(st.permutations(groups))]
    values = draw(
        st.lists(st.integers(-9, 9), min_size=len(groups), max_size=len(groups))
    )
    X = pd.DataFrame({"value": np.array(values, float), "group": groups})
    return X, order


@examples(40)
@given(interleaved(), st.integers(1, 6), st.sampled_from(["edge", "zero"]))
def test_windows_do_not_know_of_other_groups(drawn, window_size, pad):
    X, order = drawn
    transformer = SlidingWindow(window_size, group="group", pad=pad).fit(X)
    windows = transformer.transform(X)
    assert windows.shape == (len(X), window_size, 1)
    np.testing.assert_array_equal(windows[:, -1, 0], X["value"])
    # Between the groups, the order of the rows is nothing.
    np.testing.assert_array_equal(transformer.transform(X.iloc[order]), windows[order])
    for _, rows in X.groupby("group"):
        alone = transformer.transform(rows)
        np.testing.assert_array_equal(alone, windows[rows.index])


@examples(40)
@given(interleaved(), st.integers(1, 3), st.integers(1, 3))
def test_made_windows_are_those_of_full_length(drawn, window_size, stride):
    X, _ = drawn
    values = X[["value"]].to_numpy()
    if X["group"].value_counts().min() < window_size:
        with pytest.raises(ValueError, match=r"row\(s\), fewer than window_size"):
            make_windows(values, groups=X["group"], window_size=window_size)
        return
    options = {"window_size": window_size, "stride": stride}
    windows, rows, groups = make_windows(values, X.index, X["group"], **options)
    whole = SlidingWindow(window_size, group="group").fit_transform(X)
    np.testing.assert_array_equal(windows, whole[rows])
    assert list(groups) == X["group"].iloc[rows].tolist()


@examples(60)
@given(coordinates, coordinates, st.integers(-30, 30))
def test_sectors_turn_and_scale(x, y, power):
    [sector] = sector_labels([(x, y)])
    [turned] = sector_labels([(y, -x)])
    assert (turned - sector) % 8 == 2
    # A power of 2 changes no digit.
    assert sector_labels([(x * 2.0**power, y * 2.0**power)])[0] == sector
    frame = pd.DataFrame({"x": [x], "other": ["a"], "y": [y]})
    assert SectorLabeler().fit(frame[["x", "y"]]).transform(frame[["x", "y"]]) == sector


@examples(40)
@given(st.integers(100, 999_999), st.sampled_from("/\\"), st.text("ab/\\.", max_size=8))
def test_region_of_a_folder(number, separator, name):
    # A folder in between may have any name but a number.
    path = separator.join(["2011", str(number), f"{name}.png"])
    assert active_region_groups([path]).tolist() == [number]


@examples(40)
@given(st.text(max_size=30))
def test_any_path_has_a_region_or_is_refused(path):
    numbers, refusal = attempt(active_region_groups, [path])
    if refusal:
        assert "row 0 of paths" in str(refusal)
    else:
        assert 0 <= numbers[0] < 10**6
