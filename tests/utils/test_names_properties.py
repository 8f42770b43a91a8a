"""Names of skills, and paths that may not leave their folder."""

import os

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from properties import attempt, examples

from skestimators.utils._paths import resolve_inside
from skestimators.utils._skills import skill_names

parts = st.sampled_from(["..", ".", "", "in", "out", "loop", "a.png", "\0", "~", "/"])


@examples(60)
@given(st.text(st.sampled_from("~1.0e+-ab "), max_size=12))
def test_names_are_canonical(cell):
    names = skill_names(cell)
    assert skill_names("~".join(names)) == names
    assert skill_names("~".join(reversed(cell.split("~")))) == names
    assert len(set(names)) == len(names)
    assert all(name and name == name.strip() and "~" not in name for name in names)


@examples(40)
@given(st.integers(-(2**53), 2**53), st.integers(0, 5))
def test_a_whole_number_has_one_name(number, zeros):
    cells = [number, float(number), str(number), f" {number}.0{'0' * zeros}"]
    assert {skill_names(cell) for cell in cells} == {(str(number),)}


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "root"
    (root / "in").mkdir(parents=True)
    (root / "out").symlink_to(tmp_path)
    (root / "in" / "out").symlink_to(tmp_path / "elsewhere")
    (root / "loop").symlink_to(root / "loop")
    return root


@examples(80)
@given(st.lists(parts, max_size=7).map("/".join) | st.text(max_size=9))
@example(path="loop/../out/a.png")
def test_no_path_leaves_the_folder(root, path):
    resolved, refusal = attempt(resolve_inside, path, root)
    if refusal:
        assert repr(path) in str(refusal)
        return
    inside = os.path.realpath(root)
    assert os.path.commonpath([inside, os.path.realpath(resolved)]) == inside
    assert ".." not in resolved.parts
