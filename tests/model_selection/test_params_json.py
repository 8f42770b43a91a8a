"""Parameters to and from JSON files."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from skestimators.model_selection import load_params, save_params


@pytest.fixture
def path(tmp_path):
    return tmp_path / "best.json"


def test_numpy_values_and_nested_sequences(path):
    params = {
        "alpha": np.float32(0.5),
        "sizes": np.array([1, 2]),
        "pairs": [(1, "a"), (2, None)],
        "weights": {"a": 1.5},
        "flag": np.True_,
    }
    save_params(params, str(path))
    assert load_params(str(path)) == {
        "alpha": 0.5,
        "sizes": (1, 2),
        "pairs": ((1, "a"), (2, None)),
        "weights": {"a": 1.5},
        "flag": True,
    }


@pytest.mark.parametrize(
    ("params", "match"),
    [
        ({"step": {"inner": [Ridge()]}}, r"params\['step'\]\['inner'\]\[0\]=Ridge\(\)"),
        ({"class_weight": {0: 1.0}}, r"params\['class_weight'\] has the key 0"),
        ([("alpha", 1.0)], "must be a dict of parameters, got list"),
    ],
)
def test_what_is_no_json_is_named_and_leaves_the_file(params, match, path):
    save_params({"alpha": 1.0}, path)
    with pytest.raises(TypeError, match=match):
        save_params(params, path)
    assert load_params(path) == {"alpha": 1.0}
    assert [file.name for file in path.parent.iterdir()] == ["best.json"]


@pytest.mark.parametrize("value", [np.nan, float("inf"), np.float32("-inf")])
def test_numbers_that_json_has_not_are_named(value, path):
    message = r"params\['alpha'\]\[1\]=.* cannot be written as JSON.* finite"
    with pytest.raises(ValueError, match=message):
        save_params({"alpha": [1.0, value]}, path)
    assert not path.exists()


def test_byte_order_mark_is_no_content(path):
    path.write_bytes(b'\xef\xbb\xbf{"alpha": 1.0}')
    assert load_params(path, Ridge()) == {"alpha": 1.0}


def test_missing_folder_is_named(path):
    with pytest.raises(FileNotFoundError, match="no-folder"):
        save_params({}, path.parent / "no-folder" / "best.json")


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (
            b'{"alpha": 1.0,\n "tol": }',
            "best.json is not valid JSON.* line 2, column 9",
        ),
        (b"", "best.json is not valid JSON.* line 1, column 1"),
        (b"\xff\xfe{}", "best.json is not valid JSON: it is not UTF-8"),
        (b'{"alpha": 1, "tol": 2, "alpha": 3}', "best.json has 'alpha' twice"),
        (b'{"alpha": {"a": 1, "a": 1}}', "best.json has 'a' twice"),
        (b"[1, 2]", "best.json must hold one JSON object .* holds a list"),
        (b'{"alpha": 1, "beta": 2, "gamma": 3}', "Ridge does not have: beta, gamma"),
    ],
)
def test_wrong_files_are_clear_errors(content, match, path):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=match):
        load_params(path, Ridge())


def test_missing_file_is_named(path):
    with pytest.raises(FileNotFoundError, match=r"best\.json"):
        load_params(path)
