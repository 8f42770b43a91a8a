import numpy as np
import pytest
from keras_instances import (
    ALL,
    CNN,
    FFNN,
    data_for,
    outputs,
    small,
)
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV


@pytest.mark.parametrize("cls", CNN)
def test_windows_in_two_dimensions_are_the_same_windows(cls):
    X, y = data_for(cls)
    windows = small(cls, max_epochs=2).fit(X, y)
    flat = X.reshape(len(X), -1)
    for shape in ((5, 4), (-1, 4), [5, -1]):
        rows = small(cls, max_epochs=2, window_shape=shape).fit(flat, y)
        assert rows.window_shape_ == windows.window_shape_ == (5, 4)
        np.testing.assert_array_equal(outputs(rows, flat), outputs(windows, X))
    assert small(cls, max_epochs=1).fit(flat, y).window_shape_ == (1, 20)


@pytest.mark.parametrize("cls", CNN)
def test_bad_windows_are_named(cls):
    X, y = data_for(cls)
    fitted = small(cls, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match=r"windows of shape \(5, 3\).*\(5, 4\)"):
        fitted.predict(X[:, :, :3])
    with pytest.raises(ValueError, match=r"windows of shape \(3, 4\).*\(5, 4\)"):
        fitted.predict(X[:, :3])
    with pytest.raises(ValueError, match="Found array with dim 4"):
        small(cls).fit(X[..., None], y)
    for shape in [(5,), (0, 4), (-1, -1), ("5", 4), (2.5, 4)]:
        with pytest.raises(ValueError, match="window_shape must be"):
            small(cls, window_shape=shape).fit(X, y)
    with pytest.raises(ValueError, match=r"Rows of 20 features .*\(6, 4\)"):
        small(cls, window_shape=(6, 4)).fit(X.reshape(300, -1), y)
    with pytest.raises(
        ValueError, match=r"windows of shape \(5, 4\), but window_shape"
    ):
        small(cls, window_shape=(10, 2)).fit(X, y)
    X[7, 2, 1] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fitted.predict(X)


@pytest.mark.parametrize("cls", FFNN)
def test_rows_only_for_dense_layers(cls):
    X, y = data_for(cls)
    with pytest.raises(ValueError, match=r"dim 3.*KerasCNN"):
        small(cls).fit(X[:, None], y)


@pytest.mark.parametrize("cls", ALL)
def test_a_search_over_windows_and_rows(cls):
    X, y = data_for(cls)
    search = GridSearchCV(
        small(cls, max_epochs=3), {"learning_rate": [0.001, 0.05]}, cv=2
    ).fit(X, y)
    assert search.best_params_ == {"learning_rate": 0.05}
    np.testing.assert_array_equal(
        search.predict(X),
        small(cls, max_epochs=3, learning_rate=0.05).fit(X, y).predict(X),
    )


@pytest.mark.parametrize("cls", CNN)
def test_windows_keep_the_promises_of_rows(cls):
    X, y = data_for(cls)
    network = small(cls, max_epochs=2)
    with pytest.raises(NotFittedError):
        network.predict(X)
    first = outputs(network.fit(X, y), X)
    np.testing.assert_array_equal(outputs(network.fit(X, y), X), first)
    ones = network.fit(X, y, sample_weight=np.ones(300))
    np.testing.assert_array_equal(outputs(ones, X), first)
    assert network.n_features_in_ == 5
    with pytest.raises(ValueError, match="empty windows"):
        network.fit(X[:, :, :0], y)
