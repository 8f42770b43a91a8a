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
TRANSFORMERS = [est for est in STRING_ESTIMATORS if hasattr(est, "transform")]


def _each(estimators):
    return pytest.mark.parametrize(
        "estimator", estimators, ids=lambda est: type(est).__name__
    )


each_estimator = _each(STRING_ESTIMATORS)
each_transformer = _each(TRANSFORMERS)
# Their output is no table whose columns could have names.
NO_TABLE = {"MagnetogramReader"}
each_table_maker = _each(
    [est for est in TRANSFORMERS if type(est).__name__ not in NO_TABLE]
)


def _fitted(estimator, X=None):
    example, y = example_data(estimator)
    X = example if X is None else X
    return clone(estimator).fit(X, y), X


def _output(fitted, X):
    """Return what it makes of X."""
    return np.asarray(getattr(fitted, _method(fitted))(X))


def _params(estimator):
    """Return the parameters, those of estimators in them instead of these."""
    params = estimator.get_params()
    return {k: v for k, v in params.items() if not hasattr(v, "get_params")}


def _method(estimator):
    return "transform" if hasattr(estimator, "transform") else "predict_proba"


@each_estimator
def test_tags_say_what_it_takes(estimator):
    tags = get_tags(estimator)
    assert not tags.input_tags.two_d_array or tags.input_tags.string
    assert not tags.no_validation


@each_estimator
def test_clone_keeps_parameters_and_drops_the_rest(estimator):
    fitted, _ = _fitted(estimator)
    copy = clone(fitted)
    assert _params(copy) == _params(estimator)
    with pytest.raises(NotFittedError):
        _output(copy, example_data(estimator)[0])


@each_estimator
def test_set_params_round_trip_and_unknown_name(estimator):
    params = estimator.get_params()
    assert clone(estimator).set_params(**params).get_params() == params
    with pytest.raises(ValueError, match="Invalid parameter 'no_such'"):
        clone(estimator).set_params(no_such=1)


@each_estimator
def test_fit_returns_self_changes_no_parameter_and_no_input(estimator):
    X, y = example_data(estimator)
    copy = clone(estimator)
    params, before = dict(copy.get_params()), X.copy()
    assert copy.fit(X, y) is copy
    assert copy.get_params() == params
    _output(copy, X)
    np.testing.assert_array_equal(X, before)


@each_estimator
def test_fit_twice_is_fit_once(estimator):
    fitted, X = _fitted(estimator)
    once = _output(fitted, X)
    np.testing.assert_array_equal(
        _output(fitted.fit(*example_data(estimator)), X), once
    )


@each_transformer
def test_fit_transform_is_fit_then_transform(estimator):
    fitted, X = _fitted(estimator)
    np.testing.assert_array_equal(
        clone(estimator).fit_transform(X), fitted.transform(X)
    )


def _assert_same(actual, expected):
    if np.asarray(expected).dtype == object:
        np.testing.assert_array_equal(actual, expected)
    else:
        atol = 1e-5 * max(1, np.abs(expected).max())
        np.testing.assert_allclose(actual, expected, atol=atol)


@each_estimator
def test_rows_do_not_depend_on_order_or_company(estimator):
    fitted, X = _fitted(estimator)
    whole = _output(fitted, X)
    _assert_same(_output(fitted, X[::-1])[::-1], whole)
    alone = np.concatenate([_output(fitted, X[[i]]) for i in range(len(X))])
    _assert_same(alone, whole)


@each_estimator
def test_containers_of_one_column_are_all_the_same(estimator):
    fitted, X = _fitted(estimator)
    expected = _output(fitted, X)
    series = pd.Series(X, index=range(10, 10 + len(X)))
    for container in (
        list(X),
        X.astype(str),
        X.reshape(-1, 1),
        series,
        series.astype("string"),
        series.to_frame("column"),
    ):
        fitted_again, _ = _fitted(estimator, container)
        np.testing.assert_array_equal(_output(fitted_again, container), expected)


@each_table_maker
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


@each_table_maker
def test_set_output_pandas(estimator):
    X, _ = example_data(estimator)
    frame = pd.DataFrame({"code": X}, index=list("abcde"))
    plain = np.asarray(clone(estimator).fit(frame).transform(frame))
    framed = clone(estimator).set_output(transform="pandas").fit_transform(frame)
    assert isinstance(framed, pd.DataFrame)
    assert list(framed.index) == list("abcde")
    np.testing.assert_array_equal(framed.to_numpy(), plain.reshape(len(X), -1))


@each_estimator
def test_not_fitted(estimator):
    X, _ = example_data(estimator)
    with pytest.raises(NotFittedError):
        _output(clone(estimator), X)


@each_table_maker
def test_no_names_before_fit(estimator):
    with pytest.raises(NotFittedError):
        clone(estimator).get_feature_names_out()


@each_estimator
def test_pickle(estimator):
    fitted, X = _fitted(estimator)
    expected = _output(fitted, X)
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(_output(loaded, X), expected)


@each_transformer
def test_composes_in_a_pipeline_with_metadata_routing(estimator):
    X, y = example_data(estimator)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(
            FunctionTransformer(), clone(estimator), FunctionTransformer()
        )
        out = pipeline.fit(X, y).transform(X)
        assert estimator.get_metadata_routing() is not None
    np.testing.assert_array_equal(out, _fitted(estimator)[0].transform(X))


@pytest.mark.parametrize("fitting", [True, False], ids=["fit", "use"])
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
@each_estimator
def test_bad_input_is_named(estimator, fitting, bad, message):
    fitted, X = _fitted(estimator)
    if isinstance(bad, list) and bad:
        bad = [X[0], *bad]
    with pytest.raises((ValueError, TypeError), match=f"(?i){message}"):
        fitted.fit(bad, np.arange(len(bad))) if fitting else _output(fitted, bad)
