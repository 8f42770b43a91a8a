"""The same properties for estimators of strings, which check_estimator cannot feed."""

import pickle

import numpy as np
import pandas as pd
import pytest
import sklearn
from instances import all_instances, example_data, takes_strings
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import get_tags

STRING_ESTIMATORS = [est for est in all_instances() if takes_strings(est)]

pytestmark = pytest.mark.parametrize(
    "estimator", STRING_ESTIMATORS, ids=lambda est: type(est).__name__
)


def _fitted(estimator):
    X, y = example_data(estimator)
    return clone(estimator).fit(X, y), X


def test_tags_say_what_it_takes(estimator):
    tags = get_tags(estimator)
    assert not tags.input_tags.two_d_array or tags.input_tags.string
    assert not tags.no_validation


def test_clone_keeps_parameters_and_drops_the_rest(estimator):
    fitted, _ = _fitted(estimator)
    copy = clone(fitted)
    assert copy.get_params() == estimator.get_params()
    with pytest.raises(NotFittedError):
        copy.transform(example_data(estimator)[0])


def test_set_params_round_trip_and_unknown_name(estimator):
    params = estimator.get_params()
    assert clone(estimator).set_params(**params).get_params() == params
    with pytest.raises(ValueError, match="Invalid parameter 'no_such'"):
        clone(estimator).set_params(no_such=1)


def test_fit_returns_self_changes_no_parameter_and_no_input(estimator):
    X, y = example_data(estimator)
    copy = clone(estimator)
    params, before = dict(copy.get_params()), X.copy()
    assert copy.fit(X, y) is copy
    assert copy.get_params() == params
    copy.transform(X)
    np.testing.assert_array_equal(X, before)


def test_fit_twice_is_fit_once(estimator):
    fitted, X = _fitted(estimator)
    once = fitted.transform(X)
    np.testing.assert_array_equal(fitted.fit(X).transform(X), once)


def test_fit_transform_is_fit_then_transform(estimator):
    fitted, X = _fitted(estimator)
    np.testing.assert_array_equal(
        clone(estimator).fit_transform(X), fitted.transform(X)
    )


def _assert_same(actual, expected):
    if np.asarray(expected).dtype == object:
        np.testing.assert_array_equal(actual, expected)
    else:
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_rows_do_not_depend_on_order_or_company(estimator):
    fitted, X = _fitted(estimator)
    whole = np.asarray(fitted.transform(X))
    _assert_same(np.asarray(fitted.transform(X[::-1]))[::-1], whole)
    alone = np.concatenate(
        [np.asarray(fitted.transform(X[[i]])) for i in range(len(X))]
    )
    _assert_same(alone, whole)


def test_containers_of_one_column_are_all_the_same(estimator):
    fitted, X = _fitted(estimator)
    expected = np.asarray(fitted.transform(X))
    series = pd.Series(X, index=range(10, 10 + len(X)))
    for container in (
        list(X),
        X.astype(str),
        X.reshape(-1, 1),
        series,
        series.astype("string"),
        series.to_frame("column"),
    ):
        fitted_again = clone(estimator).fit(container)
        np.testing.assert_array_equal(fitted_again.transform(container), expected)


def test_feature_names_in_and_out(estimator):
    X, _ = example_data(estimator)
    frame = pd.DataFrame({"code": X})
    fitted = clone(estimator).fit(frame)
    assert fitted.n_features_in_ == 1
    assert list(fitted.feature_names_in_) == ["code"]
    out = fitted.get_feature_names_out()
    assert len(out) == np.asarray(fitted.transform(frame)).reshape(len(X), -1).shape[1]
    with pytest.raises(ValueError, match="feature names"):
        fitted.transform(frame.rename(columns={"code": "other"}))


def test_set_output_pandas(estimator):
    X, _ = example_data(estimator)
    frame = pd.DataFrame({"code": X}, index=list("abcde"))
    plain = np.asarray(clone(estimator).fit(frame).transform(frame))
    framed = clone(estimator).set_output(transform="pandas").fit_transform(frame)
    assert isinstance(framed, pd.DataFrame)
    assert list(framed.index) == list("abcde")
    np.testing.assert_array_equal(framed.to_numpy(), plain.reshape(len(X), -1))


def test_not_fitted(estimator):
    X, _ = example_data(estimator)
    with pytest.raises(NotFittedError):
        clone(estimator).transform(X)
    with pytest.raises(NotFittedError):
        clone(estimator).get_feature_names_out()


def test_pickle(estimator):
    fitted, X = _fitted(estimator)
    expected = fitted.transform(X)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(loaded.transform(X), expected)


def test_composes_in_a_pipeline_with_metadata_routing(estimator):
    X, y = example_data(estimator)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            FunctionTransformer(), clone(estimator), FunctionTransformer()
        )
        out = pipeline.fit(X, y).transform(X)
        assert estimator.get_metadata_routing() is not None
    np.testing.assert_array_equal(out, _fitted(estimator)[0].transform(X))


@pytest.mark.parametrize("method", ["fit", "transform"])
@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ([None], "row"),
        ([np.nan], "row"),
        ([3], "row"),
        ([], "0 sample|empty"),
        (np.full((2, 2), "MK", dtype=object), "column"),
        (np.full((2, 1, 1), "MK", dtype=object), "dim|shape"),
        ("MKTAYIAKQR", "string|scalar"),
    ],
    ids=["None", "nan", "number", "empty", "two-columns", "3-d", "bare-string"],
)
def test_bad_input_is_named(estimator, method, bad, message):
    fitted, X = _fitted(estimator)
    if isinstance(bad, list) and bad:
        bad = [X[0], *bad]
    with pytest.raises((ValueError, TypeError), match=f"(?i){message}"):
        getattr(fitted, method)(bad)
