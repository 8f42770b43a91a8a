import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from properties import examples

from skestimators.model_selection import load_params, save_params

finite = st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | finite | st.text()
values = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@examples(80)
@given(st.dictionaries(st.text(), values, max_size=5))
def test_what_was_saved_is_loaded(tmp_path, params):
    path = tmp_path / "best.json"
    save_params(params, path)
    assert repr(load_params(path)) == repr(params)


@examples(30)
@given(st.lists(finite | st.integers(-9, 9), max_size=4))
def test_numbers_of_numpy(tmp_path, numbers):
    path = tmp_path / "best.json"
    array = np.array(numbers, dtype=float)
    save_params({"array": array, "each": list(array)}, path)
    expected = tuple(map(float, numbers))
    assert load_params(path) == {"array": expected, "each": expected}
