import copy
import gc

import numpy as np
import pytest
from keras_instances import (
    REGRESSORS,
    data_for,
    small,
)
from sklearn.exceptions import NotFittedError

from skestimators.neural_network import (
    KerasCNNRegressor,
    KerasFFNNClassifier,
    KerasFFNNRegressor,
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


def test_class_weights_that_leave_nothing_or_are_negative():
    X, y = data_for(KerasFFNNClassifier)
    with pytest.raises(ValueError, match=r"class_weight=.* must not be negative"):
        small(KerasFFNNClassifier, class_weight={"push": -1.0}).fit(X, y)
    nothing = dict.fromkeys(["push", "pull", "rest"], 0.0)
    with pytest.raises(ValueError, match=r"class_weight=.* nor zero for all rows"):
        small(KerasFFNNClassifier, class_weight=nothing).fit(X, y)
    with pytest.raises(ValueError, match="'balanced' needs all rows"):
        small(KerasFFNNClassifier, class_weight="balanced").partial_fit(
            X, y, classes=["push", "pull", "rest"]
        )
    # A class without weight is still a class.
    without = small(KerasFFNNClassifier, class_weight={"push": 0.0}).fit(X, y)
    assert without.predict_proba(X).shape == (300, 3)
    assert "push" not in without.predict(X)
