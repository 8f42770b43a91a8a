import copy
import pickle

import numpy as np
import pytest
from keras_instances import (
    ALL,
    REGRESSORS,
    data_for,
    outputs,
    small,
)

from skestimators.neural_network import (
    KerasCNNClassifier,
    KerasCNNRegressor,
    KerasFFNNClassifier,
    KerasFFNNRegressor,
)


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
    network = ours._new_network()
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


def test_scoring_monitor_follows_the_epochs():
    from sklearn.callback import ScoringMonitor

    X, y = data_for(KerasFFNNClassifier)
    monitor = ScoringMonitor(scoring="accuracy")
    network = small(KerasFFNNClassifier, max_epochs=30, early_stopping=False)
    network.set_callbacks(monitor).fit(X, y)
    logs = monitor.get_logs().data_as_pandas.query("task_name == 'epoch'")
    assert len(logs) == 30
    assert logs["accuracy"].iloc[-1] > 0.9 > logs["accuracy"].iloc[0]


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


def test_a_network_comes_back_on_a_machine_without_its_device():
    X, y = data_for(KerasFFNNRegressor)
    network = small(KerasFFNNRegressor, max_epochs=1).fit(X, y)
    state = network.__getstate__()
    other = KerasFFNNRegressor()
    other.__setstate__({**state, "device_": "GPU:9"})
    assert other.device_ == network.device_
    np.testing.assert_array_equal(other.predict(X), network.predict(X))
