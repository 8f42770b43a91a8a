import copy
import gc
import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.preprocessing import scale

from skestimators.neural_network import (
    KerasCNNClassifier,
    KerasCNNRegressor,
    KerasFFNNClassifier,
    KerasFFNNRegressor,
)

FFNN = (KerasFFNNRegressor, KerasFFNNClassifier)
CNN = (KerasCNNRegressor, KerasCNNClassifier)
REGRESSORS = (KerasFFNNRegressor, KerasCNNRegressor)
CLASSIFIERS = (KerasFFNNClassifier, KerasCNNClassifier)
ALL = (*FFNN, *CNN)


def small(cls, **params):
    """An instance; few different architectures, as each has to be traced."""
    layers = {"hidden_layer_sizes": (16,)} if cls in FFNN else {"filters": (16,)}
    return cls(
        **{
            **layers,
            "learning_rate": 0.01,
            "max_epochs": 10,
            "random_state": 0,
            **params,
        }
    )


def data_for(cls, n_samples=300):
    """Two targets or three labels, of rows or of windows of 5 steps."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 5, 4)).astype(np.float32)
    features = (X[:, 0] if cls in FFNN else X.mean(axis=1)).astype(float) * 2
    if cls in REGRESSORS:
        y = scale(np.column_stack([features[:, 0], features[:, 1] - features[:, 2]]))
    else:
        y = np.array(["pull", "push", "rest"])[features[:, :3].argmax(axis=1)]
    return (X[:, 0] if cls in FFNN else X), y


def outputs(estimator, X):
    method = "predict_proba" if type(estimator) in CLASSIFIERS else "predict"
    return getattr(estimator, method)(X)


@pytest.mark.parametrize("cls", ALL)
def test_learns(cls):
    X, y = data_for(cls, 900)
    fitted = small(cls, max_epochs=60).fit(X[:600], y[:600])
    assert fitted.score(X[600:], y[600:]) > 0.85
    assert outputs(fitted, X).dtype == np.float64


@pytest.mark.parametrize("cls", [KerasFFNNRegressor, KerasCNNClassifier])
def test_epochs_are_those_of_keras(cls):
    """The same network, trained by keras on the same batches, becomes the same."""
    import keras

    X, y = data_for(cls, 100)
    params = {"batch_size": 30, "max_epochs": 3, "early_stopping": False}
    ours = small(cls, **params).fit(X, y)
    build, layers = ours._builder()
    n_outputs = 2 if cls in REGRESSORS else 3
    network = build(X.shape[1:], n_outputs, seed=ours._seed, **layers)
    network.compile(optimizer=keras.optimizers.Adam(0.01), loss=ours._loss())
    target = y if cls in REGRESSORS else np.searchsorted(ours.classes_, y)
    losses = []
    for epoch in range(3):
        order = np.random.default_rng((ours._seed, epoch)).permutation(100)
        log = network.fit(
            X[order], target[order], batch_size=30, shuffle=False, verbose=0
        )
        losses += log.history["loss"]
    np.testing.assert_allclose(ours.history_["train_loss"], losses, rtol=1e-5)
    for mine, theirs in zip(
        ours.network_.trainable_variables, network.trainable_variables, strict=True
    ):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), atol=1e-6)


@pytest.mark.parametrize("cls", ALL)
def test_fit_is_so_many_epochs_of_partial_fit(cls):
    X, y = data_for(cls)
    params = {"early_stopping": False, "max_epochs": 3, "dropout": 0.2}
    whole = small(cls, **params).fit(X, y)
    pieces = small(cls, **params)
    for _ in range(3):
        classes = {} if cls in REGRESSORS else {"classes": np.unique(y)}
        pieces.partial_fit(X, y, **classes)
        # A break, as between two days of training.
        pieces = pickle.loads(pickle.dumps(pieces))
    np.testing.assert_array_equal(outputs(pieces, X), outputs(whole, X))
    assert pieces.history_ == whole.history_
    assert pieces.n_iter_ == 3
    warm = small(cls, warm_start=True, **{**params, "max_epochs": 1})
    for _ in range(3):
        warm.fit(X, y)
    np.testing.assert_array_equal(outputs(warm, X), outputs(whole, X))


def test_partial_fit_is_one_epoch_on_all_rows_whatever_early_stopping_is():
    X, y = data_for(KerasFFNNRegressor)
    fitted = small(KerasFFNNRegressor, max_epochs=4).fit(X, y)
    n_steps = int(fitted.network_.optimizer.iterations.numpy())
    assert n_steps == 4 * -(-270 // 64)
    fitted.partial_fit(X, y)
    assert fitted.n_iter_ == 5 == len(fitted.history_["valid_loss"])
    assert np.isnan(fitted.history_["valid_loss"][-1])
    assert fitted.network_.optimizer.iterations.numpy() - n_steps == -(-300 // 64)


def test_history_and_best_epoch_are_kept():
    X, y = data_for(KerasFFNNRegressor)
    y = y + np.random.default_rng(1).normal(size=y.shape)
    params = {"learning_rate": 0.05, "n_iter_no_change": 5}
    fitted = small(KerasFFNNRegressor, max_epochs=300, **params).fit(X, y)
    losses = fitted.history_["valid_loss"]
    assert len(losses) == len(fitted.history_["train_loss"]) == fitted.n_iter_ < 300
    assert np.argmin(losses) == len(losses) - 1 - 5
    best = small(KerasFFNNRegressor, max_epochs=int(np.argmin(losses)) + 1, **params)
    np.testing.assert_array_equal(best.fit(X, y).predict(X), fitted.predict(X))


@pytest.mark.parametrize("cls", ALL)
def test_groups_never_straddle_the_held_out_part(cls, monkeypatch):
    from skestimators.utils import _scikeras_engine as engine

    X, y = data_for(cls)
    groups = np.arange(300) // 15
    X = X.copy()
    X.reshape(300, -1)[:, 0] = groups
    seen = []
    original = engine.train

    def spy(network, train, validation, **kwargs):
        seen.extend(
            set(side[0].reshape(len(side[0]), -1)[:, 0]) for side in (train, validation)
        )
        return original(network, train, validation, **kwargs)

    monkeypatch.setattr(engine, "train", spy)
    small(cls, max_epochs=1, validation_fraction=0.25).fit(X, y, groups=groups)
    train, validation = seen
    assert len(validation) == 5
    assert not train & validation
    assert train | validation == set(groups)


def test_classes_keep_their_shares_in_the_held_out_part(monkeypatch):
    from skestimators.utils import _scikeras_engine as engine

    X, _ = data_for(KerasFFNNClassifier)
    y = np.arange(300) % 30 == 0
    held_out = []
    original = engine.train

    def spy(network, train, validation, **kwargs):
        held_out.append(validation[1])
        return original(network, train, validation, **kwargs)

    monkeypatch.setattr(engine, "train", spy)
    small(KerasFFNNClassifier, max_epochs=1).fit(X, y)
    assert (len(held_out[0]), held_out[0].sum()) == (30, 1)


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


@pytest.mark.parametrize("cls", ALL)
def test_rows_do_not_depend_on_company_to_the_last_bit(cls):
    X, y = data_for(cls, 700)
    fitted = small(cls, max_epochs=1).fit(X, y)
    whole = outputs(fitted, X)
    np.testing.assert_array_equal(outputs(fitted, X[::-1])[::-1], whole)
    np.testing.assert_array_equal(outputs(fitted, X[417:418]), whole[417:418])
    np.testing.assert_array_equal(outputs(fitted, X[200:650]), whole[200:650])


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda est: pickle.loads(pickle.dumps(est))]
)
def test_copies_predict_and_go_on_alike(cls, copied):
    X, y = data_for(cls)
    fitted = small(cls, max_epochs=2, dropout=0.2).fit(X, y)
    other = copied(fitted)
    before = outputs(fitted, X)
    np.testing.assert_array_equal(outputs(other, X), before)
    other.partial_fit(X, y)
    np.testing.assert_array_equal(outputs(fitted, X), before)
    fitted.partial_fit(X, y)
    np.testing.assert_array_equal(outputs(other, X), outputs(fitted, X))


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


def test_networks_of_old_fits_are_let_go():
    """Graphs are shared, and nothing holds a network that nobody needs."""
    import keras
    import tensorflow as tf

    from skestimators.utils._keras_program import _program

    def alive():
        gc.collect()
        types = [type(obj) for obj in gc.get_objects()]
        return [
            sum(issubclass(t, kind) for t in types)
            for kind in (keras.Model, tf.Variable)
        ]

    X, y = data_for(KerasFFNNRegressor, 60)
    small(KerasFFNNRegressor, dropout=0.2).fit(X, y).predict(X)
    before, misses = alive(), _program.cache_info().misses
    for seed in range(10):
        params = {"random_state": seed, "learning_rate": 0.01 * (seed + 1)}
        small(
            KerasFFNNRegressor, dropout=0.2, max_epochs=1, batch_size=seed + 8, **params
        ).fit(X[seed:], y[seed:]).predict(X)
    assert alive() == before
    assert _program.cache_info().misses == misses


# Keras reads its own variables in a way that NumPy has deprecated.
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning:keras")
def test_keras_callbacks_see_every_epoch_and_are_copied(tmp_path):
    import keras

    X, y = data_for(KerasFFNNRegressor)
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: seen.append((epoch, sorted(logs)))
    )
    board = keras.callbacks.TensorBoard(tmp_path / "board", histogram_freq=1)
    slower = keras.callbacks.ReduceLROnPlateau(
        monitor="loss", patience=1, min_delta=1e9, factor=0.5
    )
    network = small(
        KerasFFNNRegressor, max_epochs=4, keras_callbacks=[watch, board, slower]
    ).fit(X, y)
    assert seen == [(epoch, ["loss", "val_loss"]) for epoch in range(4)]
    assert list((tmp_path / "board").rglob("*tfevents*"))
    assert float(network.network_.optimizer.learning_rate) < 0.005
    network.partial_fit(X, y)
    assert seen[-1] == (4, ["loss"])
    # Neither the parameter nor the pickle carries what a callback did.
    assert slower.model is None
    network.set_params(keras_callbacks=[board, slower])  # lambdas cannot be pickled
    assert len(pickle.dumps(network)) < 30_000


def test_a_keras_callback_can_stop():
    import keras

    X, y = data_for(KerasFFNNRegressor)
    stop = keras.callbacks.EarlyStopping("loss", patience=1, min_delta=1e9)
    network = small(KerasFFNNRegressor, keras_callbacks=[stop]).fit(X, y)
    assert network.n_iter_ == 2


def test_global_random_states_are_left_alone():
    import random

    import tensorflow as tf

    X, y = data_for(KerasFFNNClassifier)
    random.seed(3)
    tf.random.set_seed(3)
    expected = random.random(), float(tf.random.uniform(()))
    random.seed(3)
    tf.random.set_seed(3)
    small(KerasFFNNClassifier, dropout=0.2, max_epochs=2).fit(X, y)
    assert (random.random(), float(tf.random.uniform(()))) == expected


@pytest.mark.parametrize("cls", REGRESSORS)
def test_ctrl_c_is_not_swallowed(cls):
    class CtrlC:
        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            raise KeyboardInterrupt

    X, y = data_for(cls)
    interrupted = small(cls).set_callbacks(CtrlC())
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(X, y)
    with pytest.raises(NotFittedError):
        interrupted.predict(X)


def test_scoring_monitor_follows_the_epochs():
    from sklearn.callback import ScoringMonitor

    X, y = data_for(KerasFFNNClassifier)
    monitor = ScoringMonitor(scoring="accuracy")
    network = small(KerasFFNNClassifier, max_epochs=30, early_stopping=False)
    network.set_callbacks(monitor).fit(X, y)
    logs = monitor.get_logs().data_as_pandas.query("task_name == 'epoch'")
    assert len(logs) == 30
    assert logs["accuracy"].iloc[-1] > 0.9 > logs["accuracy"].iloc[0]


@pytest.mark.parametrize(
    ("cls", "params", "message"),
    [
        (KerasFFNNRegressor, {"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes must"),
        (KerasCNNRegressor, {"filters": (8.5,)}, "filters must hold positive"),
        (KerasFFNNRegressor, {"device": "gpu:7"}, r"'gpu:7' is not available.*CPU:0"),
        (KerasFFNNRegressor, {"learning_rate": 1e30}, "training loss became"),
        (KerasFFNNRegressor, {"dropout": 1.0}, "dropout"),
        (KerasFFNNClassifier, {"class_weight": {"pul": 2.0}}, "pul"),
        (
            KerasFFNNRegressor,
            {"keras_callbacks": ["TensorBoard"]},
            "keras_callbacks must",
        ),
    ],
)
def test_bad_parameters_are_named(cls, params, message):
    with pytest.raises(ValueError, match=message):
        small(cls, **params).fit(*data_for(cls))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_targets_are_refused(bad):
    X, y = data_for(KerasFFNNRegressor)
    y[7, 1] = bad
    with pytest.raises(ValueError, match=r"y contains (NaN|infinity).*row 7"):
        small(KerasFFNNRegressor).fit(X, y)


def test_a_warm_start_refuses_another_network_or_data():
    X, y = data_for(KerasFFNNRegressor)
    network = small(KerasFFNNRegressor, warm_start=True, max_epochs=1).fit(X, y)
    with pytest.raises(ValueError, match="built for 2"):
        network.fit(X, y[:, 0])
    with pytest.raises(ValueError, match="expecting 4 features"):
        network.fit(X[:, :3], y)
    with pytest.raises(ValueError, match=r"built with .*\(16,\).*\(8,\)"):
        network.set_params(hidden_layer_sizes=(8,)).fit(X, y)
    network.set_params(warm_start=False).fit(X, y[:, 0])
    assert network.n_iter_ == 1


def test_no_rows_to_hold_out():
    X, y = data_for(KerasFFNNRegressor)
    with pytest.raises(
        ValueError, match=r"hold out validation_fraction=0.1 of 1 group"
    ):
        small(KerasFFNNRegressor).fit(X, y, groups=np.zeros(300))
    with pytest.raises(ValueError, match="early_stopping=False"):
        small(KerasFFNNRegressor).fit(X[:1], y[:1])


def test_another_backend_of_keras_is_named(tmp_path):
    import subprocess
    import sys

    code = (
        "import skestimators as s; s.KerasFFNNRegressor().fit([[1.], [2.]], [1., 2.])"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"PATH": "", "KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert "ImportError: keras runs on 'torch'" in done.stderr


def test_a_failed_new_fit_leaves_no_network_for_other_data():
    X, y = data_for(KerasFFNNClassifier)
    network = small(KerasFFNNClassifier).fit(X, y)
    with pytest.raises(ValueError, match="hold out"):
        network.fit(X, np.where(y == "push", "air", y), groups=np.zeros(300))
    with pytest.raises(NotFittedError):
        network.predict(X)


@pytest.mark.parametrize("cls", REGRESSORS)
@pytest.mark.parametrize("how", ["diverges", "interrupted"])
def test_a_failed_warm_start_loses_nothing(cls, how):
    class CtrlC:
        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            if context.task_id == 1:
                raise KeyboardInterrupt

    X, y = data_for(cls)
    params = {"warm_start": True, "early_stopping": False, "dropout": 0.2}
    network = small(cls, max_epochs=2, **params).fit(X, y)
    untouched = copy.deepcopy(network)
    if how == "diverges":
        with pytest.raises(ValueError, match="training loss became"):
            network.set_params(learning_rate=1e30).fit(X, y)
        with pytest.raises(ValueError, match="training loss became"):
            network.partial_fit(X, y * 1e25)
        network.set_params(learning_rate=0.01)
    else:
        with pytest.raises(KeyboardInterrupt):
            copy.deepcopy(network).set_callbacks(CtrlC()).fit(X, y)
        interrupted = network.set_params(max_epochs=5).set_callbacks(CtrlC())
        with pytest.raises(KeyboardInterrupt):
            interrupted.fit(X, y)
    np.testing.assert_array_equal(network.predict(X), untouched.predict(X))
    assert network.history_ == untouched.history_
    # Nor has it lost anything of what it needs to go on.
    network.partial_fit(X, y)
    np.testing.assert_array_equal(
        network.predict(X), untouched.partial_fit(X, y).predict(X)
    )


def test_numpy_numbers_are_numbers():
    """As a search over arrays or distributions hands them over."""
    X, y = data_for(KerasCNNRegressor)
    plain = small(KerasCNNRegressor, max_epochs=2, batch_size=32).fit(X, y)
    numbers = {
        "filters": np.array([16]),
        "kernel_size": np.int64(3),
        "max_epochs": np.int64(2),
        "batch_size": np.int64(32),
        "learning_rate": np.float64(0.01),
        "dropout": np.float64(0),
    }
    for params in (numbers, {"max_epochs": 2, "batch_size": 32}):
        fitted = small(KerasCNNRegressor, **params).fit(X, y)
        np.testing.assert_array_equal(fitted.predict(X), plain.predict(X))
    small(KerasFFNNRegressor, hidden_layer_sizes=np.array([16]), max_epochs=1).fit(
        X[:, 0], y
    )


def test_batches_larger_than_the_data_are_all_rows():
    X, y = data_for(KerasFFNNRegressor, 50)
    params = {"early_stopping": False, "max_epochs": 2}
    all_rows, huge = (
        small(KerasFFNNRegressor, batch_size=size, **params).fit(X, y).predict(X)
        for size in (None, 2**40)
    )
    np.testing.assert_array_equal(all_rows, huge)


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


def test_class_weights_that_leave_nothing_or_are_negative():
    X, y = data_for(KerasFFNNClassifier)
    with pytest.raises(ValueError, match="class_weight must not be negative"):
        small(KerasFFNNClassifier, class_weight={"push": -1.0}).fit(X, y)
    nothing = dict.fromkeys(["push", "pull", "rest"], 0.0)
    with pytest.raises(ValueError, match="All rows have weight zero"):
        small(KerasFFNNClassifier, class_weight=nothing).fit(X, y)
    with pytest.raises(ValueError, match="'balanced' needs all rows"):
        small(KerasFFNNClassifier, class_weight="balanced").partial_fit(
            X, y, classes=["push", "pull", "rest"]
        )
    # A class without weight is still a class.
    without = small(KerasFFNNClassifier, class_weight={"push": 0.0}).fit(X, y)
    assert without.predict_proba(X).shape == (300, 3)
    assert "push" not in without.predict(X)


def test_a_warm_start_holds_out_the_same_rows(monkeypatch):
    from skestimators.utils import _scikeras_engine as engine

    X, y = data_for(KerasFFNNRegressor)
    held_out = []
    original = engine.train

    def spy(network, train, validation, **kwargs):
        held_out.append(validation[0])
        return original(network, train, validation, **kwargs)

    monkeypatch.setattr(engine, "train", spy)
    network = small(
        KerasFFNNRegressor, random_state=None, warm_start=True, max_epochs=1
    )
    network.fit(X, y).fit(X, y)
    np.testing.assert_array_equal(*held_out)


def test_a_network_comes_back_on_a_machine_without_its_device():
    X, y = data_for(KerasFFNNRegressor)
    network = small(KerasFFNNRegressor, max_epochs=1).fit(X, y)
    state = network.__getstate__()
    other = KerasFFNNRegressor()
    other.__setstate__({**state, "device_": "GPU:9"})
    assert other.device_ == network.device_
    np.testing.assert_array_equal(other.predict(X), network.predict(X))


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
