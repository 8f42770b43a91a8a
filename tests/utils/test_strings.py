import re

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator

from skestimators.utils._strings import check_strings, validate_strings

STRINGS = ["MKV", "", "WT"]


@pytest.mark.parametrize(
    "X",
    [
        STRINGS,
        tuple(STRINGS),
        [[s] for s in STRINGS],
        np.array(STRINGS),
        np.array(STRINGS)[:, None],
        np.array(STRINGS, dtype=object),
        np.array(STRINGS, dtype=np.dtypes.StringDType()),
        pd.Series(STRINGS),
        pd.Series(STRINGS, dtype=object, index=[7, 7, 7]),
        pd.Series(STRINGS, dtype="category"),
        pd.DataFrame({"mutant": STRINGS}),
        pd.DataFrame({"mutant": pd.array(STRINGS, dtype="string")}),
    ],
    ids=lambda X: type(X).__name__,
)
def test_every_container_gives_the_same_plain_strings(X):
    strings = check_strings(X, caller="test")
    assert strings.shape == (3,)
    assert strings.dtype == object
    assert [type(s) for s in strings] == [str] * 3
    assert strings.tolist() == STRINGS


@pytest.mark.parametrize(
    "bad", [None, np.nan, pd.NA, 3, b"MKV", ["M"]], ids=lambda bad: repr(bad)
)
def test_what_is_no_string_is_named_by_row(bad):
    with pytest.raises(ValueError, match=re.escape(f"row 1 of X is {bad!r}")):
        check_strings(["MKV", bad, None], caller="test")


def test_missing_values_of_pandas_are_named_by_row():
    with pytest.raises(ValueError, match="row 1 of codes is"):
        check_strings(pd.Series(["MKV", None]), caller="test", name="codes")


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ("MKV", "Put a single string in a list"),
        ([["MKV", "MKV"]], r"shape \(1, 2\)"),
        (pd.DataFrame({"a": ["M"], "b": ["K"]}), r"DataFrame of shape \(1, 2\)"),
        ([], r"0 sample\(s\)"),
        (iter(["MKV"]), r"list_iterator of shape \(\)"),
        ({"MKV"}, r"set of shape \(\)"),
    ],
)
def test_what_is_no_column_is_refused(X, message):
    with pytest.raises(ValueError, match=message):
        check_strings(X, caller="test")


def test_the_caller_is_named_by_class():
    class Embedder(BaseEstimator):
        pass

    with pytest.raises(ValueError, match="Embedder takes strings"):
        check_strings([1], caller=Embedder())


def test_feature_names_and_count_follow_the_last_fit():
    estimator = BaseEstimator()
    frame = pd.DataFrame({"mutant": STRINGS})
    validate_strings(estimator, frame, reset=True)
    assert estimator.n_features_in_ == 1
    assert estimator.feature_names_in_.tolist() == ["mutant"]
    with pytest.raises(ValueError, match="feature names should match"):
        validate_strings(estimator, frame.rename(columns={"mutant": "m"}), reset=False)
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        validate_strings(estimator, STRINGS, reset=False)
    validate_strings(estimator, STRINGS, reset=True)
    assert not hasattr(estimator, "feature_names_in_")
    validate_strings(estimator, pd.Series(STRINGS), reset=False)
