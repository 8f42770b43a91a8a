"""A fit that was cut off goes on after the last epoch, to the same end: Keras."""

import keras_instances as cases
import numpy as np
import pytest
from neural_network.checkpoint_cases import (
    assert_goes_on,
    assert_same,
    fit,
    kill,
    result_of,
)

from skestimators import KerasFFNNRegressor


@pytest.mark.parametrize("cls", cases.ALL)
@pytest.mark.parametrize(
    "params",
    [
        {"n_iter_no_change": 2, "learning_rate": 0.1},
        {"early_stopping": False, "dropout": 0.3, "max_epochs": 4},
    ],
    ids=["stopping", "dropout"],
)
def test_goes_on_and_with_partial_fit(cls, params, tmp_path):
    data = cases.data_for(cls, 150)
    network = cases.small(cls, **params)
    fitted = assert_goes_on(network, data, tmp_path, cuts=[2, 2])
    whole, again = (result_of(one.partial_fit(*data), data[0]) for one in fitted)
    assert_same(again, whole)


def test_learning_rate_that_a_callback_lowered_stays(tmp_path):
    import keras

    class Halve(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            optimizer = self.model.optimizer
            optimizer.learning_rate = float(optimizer.learning_rate) / 2

    data = cases.data_for(KerasFFNNRegressor, 100)
    network = cases.small(KerasFFNNRegressor, max_epochs=5, keras_callbacks=[Halve()])
    assert_goes_on(network, data, tmp_path, cuts=[3])


def test_what_callbacks_do_in_the_end_is_kept(tmp_path):
    import keras

    # Not a number in the class, which would make it another one.
    ends = tmp_path / "ends"

    class Zero(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            with ends.open("a") as file:
                file.write("end ")
            for weight in self.model.trainable_variables:
                weight.assign(0 * weight)

    data = cases.data_for(KerasFFNNRegressor, 100)
    network = cases.small(
        KerasFFNNRegressor,
        max_epochs=2,
        early_stopping=False,
        keras_callbacks=[Zero()],
    )
    fit(network, data, tmp_path / "fits")
    again, n_epochs = fit(network, data, tmp_path / "fits")
    assert (n_epochs, ends.read_text()) == (0, "end ")
    assert not again.predict(data[0]).any()


def test_an_end_that_a_callback_asked_for_is_the_end(tmp_path):
    data = cases.data_for(KerasFFNNRegressor, 100)
    network = cases.small(KerasFFNNRegressor)
    ended, n_epochs = fit(network, data, tmp_path, end=3)
    again, n_again = fit(network, data, tmp_path)
    assert (n_epochs, n_again, again.n_iter_) == (3, 0, 3)
    assert_same(result_of(again, data[0]), result_of(ended, data[0]))


def test_random_state_must_be_an_int_and_warm_start_false(tmp_path):
    data = cases.data_for(KerasFFNNRegressor, 100)
    network = cases.small(KerasFFNNRegressor)
    for params, message in (
        ({"random_state": None}, "needs an int for random_state"),
        ({"random_state": 0, "warm_start": True}, "cannot be used with warm_start"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(network.set_params(**params), data, tmp_path)


IN_A_PROCESS = """
    kill_at(3, written=True)
    import numpy as np
    from skestimators import KerasFFNNRegressor

    X = np.random.default_rng(0).normal(size=(100, 3))
    params = {params}
    KerasFFNNRegressor(**params, checkpoint=sys.argv[1]).fit(X, X[:, 0])
"""


def test_killed_when_the_third_epoch_is_written(tmp_path):
    network = cases.small(KerasFFNNRegressor, dropout=0.2)
    params = {k: v for k, v in network.get_params().items() if k != "checkpoint"}
    kill(IN_A_PROCESS.format(params=params), tmp_path)
    X = np.random.default_rng(0).normal(size=(100, 3))
    data = X, X[:, 0]
    whole, n_whole = fit(network, data, None)
    again, n_epochs = fit(network, data, tmp_path)
    assert n_whole - n_epochs == 3
    assert_same(result_of(again, X), result_of(whole, X))
