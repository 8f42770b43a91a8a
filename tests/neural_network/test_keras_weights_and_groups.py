import numpy as np
import pytest
from keras_instances import (
    ALL,
    CLASSIFIERS,
    data_for,
    outputs,
    small,
)
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV, GroupKFold

from skestimators.neural_network import (
    KerasFFNNClassifier,
    KerasFFNNRegressor,
)


@pytest.fixture
def sides(monkeypatch):
    """Collect, of every fit, the (X, y, weight) trained on and those held out."""
    from skestimators.utils import _scikeras_engine as engine

    collected, train = [], engine.train

    def spy(network, data, held_out, **kwargs):
        collected.append((data, held_out))
        return train(network, data, held_out, **kwargs)

    monkeypatch.setattr(engine, "train", spy)
    return collected


@pytest.mark.parametrize("cls", ALL)
def test_groups_never_straddle_the_held_out_part(cls, sides):
    X, y = data_for(cls)
    groups = np.arange(300) // 15
    X = X.copy()
    X.reshape(300, -1)[:, 0] = groups
    small(cls, max_epochs=1, validation_fraction=0.25).fit(X, y, groups=groups)
    (train, validation), *_ = [
        [set(side[0].reshape(len(side[0]), -1)[:, 0]) for side in both]
        for both in sides
    ]
    assert len(validation) == 5
    assert not train & validation
    assert train | validation == set(groups)


def test_classes_keep_their_shares_in_the_held_out_part(sides):
    X, _ = data_for(KerasFFNNClassifier)
    y = np.arange(300) % 30 == 0
    small(KerasFFNNClassifier, max_epochs=1).fit(X, y)
    (_, (_, held_out, _)), *_ = sides
    assert (len(held_out), held_out.sum()) == (30, 1)


def test_groups_reach_it_through_a_search():
    import sklearn

    X, y = data_for(KerasFFNNRegressor)
    groups = np.arange(300) // 30
    network = small(KerasFFNNRegressor, max_epochs=3)
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            clone(network).set_fit_request(groups=True),
            {"batch_size": [32]},
            cv=GroupKFold(3),
        ).fit(X, y, groups=groups)
    network.set_params(batch_size=32)
    routed = search.predict(X)
    np.testing.assert_array_equal(routed, network.fit(X, y, groups=groups).predict(X))
    assert not np.array_equal(routed, network.fit(X, y).predict(X))


@pytest.mark.parametrize("cls", ALL)
def test_weight_is_repetition(cls):
    """Full batches without a held-out part: weight 2 is the row twice, 0 is no row."""
    X, y = data_for(cls)
    weight = np.random.default_rng(0).integers(0, 3, 300)
    params = {"batch_size": None, "early_stopping": False, "max_epochs": 40}
    weighted = outputs(small(cls, **params).fit(X, y, sample_weight=weight), X)
    repeated = small(cls, **params).fit(X.repeat(weight, 0), y.repeat(weight, 0))
    np.testing.assert_allclose(weighted, outputs(repeated, X), atol=1e-4)
    plain = outputs(small(cls, **params).fit(X, y), X)
    assert np.abs(weighted - plain).max() > 0.01


@pytest.mark.parametrize("cls", CLASSIFIERS)
def test_class_weight_is_sample_weight(cls):
    X, y = data_for(cls)
    keep = (y != "push") | (np.arange(300) % 8 == 0)
    X, y = X[keep], y[keep]
    labels, counts = np.unique(y, return_counts=True)
    balanced = dict(zip(labels, len(y) / (3 * counts), strict=True))
    by_row = small(cls).fit(X, y, sample_weight=np.vectorize(balanced.get)(y))
    for class_weight in ("balanced", balanced):
        by_class = small(cls, class_weight=class_weight).fit(X, y)
        np.testing.assert_allclose(outputs(by_class, X), outputs(by_row, X), atol=1e-5)
    assert (by_class.predict(X) == "push").sum() > (
        small(cls).fit(X, y).predict(X) == "push"
    ).sum()


@pytest.mark.parametrize(
    "labels",
    [[False, True], [3, -1], ["b", "a"], [1.0, 2.0], np.array(["b", "a"], "O")],
)
def test_labels_of_any_type(labels):
    X, y = make_blobs(100, centers=2, random_state=0)
    y = np.asarray(labels)[y]
    network = small(KerasFFNNClassifier).fit(X, y)
    y_pred = network.predict(X)
    assert y_pred.dtype == y.dtype
    assert set(y_pred) == set(y)
    np.testing.assert_allclose(network.predict_proba(X).sum(axis=1), 1, atol=1e-12)


def test_classes_of_partial_fit():
    X, y = data_for(KerasFFNNClassifier)
    network = small(KerasFFNNClassifier)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        network.partial_fit(X, y)
    first = y != "rest"
    network.partial_fit(X[first], y[first], classes=["push", "rest", "pull"])
    assert network.classes_.tolist() == ["pull", "push", "rest"]
    network.partial_fit(X, y)
    with pytest.raises(ValueError, match=r"y holds \['twist'\], not among the classes"):
        network.partial_fit(X, np.full(len(y), "twist"))
    with pytest.raises(ValueError, match="are not those of the network"):
        network.partial_fit(X, y, classes=["pull", "push"])
    with pytest.raises(ValueError, match="two classes or more"):
        network.fit(X, np.full(len(y), "rest"))


def test_validation_loss_is_the_weighted_mean_over_the_rows_held_out():
    X, y = data_for(KerasFFNNClassifier)
    weight = np.random.default_rng(0).uniform(0, 3, 300)
    class_weight = {"push": 2.0, "pull": 0.5}
    network = small(KerasFFNNClassifier, max_epochs=1, class_weight=class_weight)
    network.fit(X, y, sample_weight=weight)
    from skestimators.utils._validation_split import split_validation

    codes = np.searchsorted(network.classes_, y)
    _, rows = split_validation(
        300,
        validation_fraction=0.1,
        classes=codes,
        random_state=network._split_seed,
    )
    loss = -np.log(network.predict_proba(X)[np.arange(300), codes])
    weight *= np.vectorize(lambda label: class_weight.get(label, 1.0))(y)
    expected = np.average(loss[rows], weights=weight[rows])
    np.testing.assert_allclose(network.history_["valid_loss"], [expected], rtol=1e-5)


def test_a_warm_start_holds_out_the_same_rows(sides):
    X, y = data_for(KerasFFNNRegressor)
    network = small(
        KerasFFNNRegressor, random_state=None, warm_start=True, max_epochs=1
    )
    network.fit(X, y).fit(X, y)
    np.testing.assert_array_equal(*(held_out[0] for _, held_out in sides))
