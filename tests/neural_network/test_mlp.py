import numpy as np
import pytest
import torch
from sklearn.datasets import make_regression
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.neural_network import MLPRegressor
from sklearn.preprocessing import scale

from skestimators.neural_network import TorchMLPRegressor


@pytest.fixture(scope="module")
def data():
    X, y = make_regression(400, 8, noise=5, random_state=0)
    return X.astype(np.float32), scale(y)


def small(**params):
    return TorchMLPRegressor(
        **{
            "hidden_layer_sizes": (32,),
            "learning_rate": 0.01,
            "max_epochs": 60,
            "random_state": 0,
            **params,
        }
    )


def test_learns_as_well_as_scikit_learns_own(data):
    X, y = data
    ours = small(max_epochs=200).fit(X[:300], y[:300]).score(X[300:], y[300:])
    theirs = MLPRegressor(
        hidden_layer_sizes=(32,), learning_rate_init=0.01, random_state=0, max_iter=500
    )
    assert ours > theirs.fit(X[:300], y[:300]).score(X[300:], y[300:]) - 0.01


def test_history_has_one_value_an_epoch_and_best_epoch_is_kept(data):
    X, y = data
    mlp = small(max_epochs=300, n_iter_no_change=5).fit(X, y)
    losses = mlp.history_["valid_loss"]
    assert len(losses) == len(mlp.history_["train_loss"]) == mlp.n_iter_ < 300
    assert np.argmin(losses) == len(losses) - 1 - 5
    # The same fit cut off at its best epoch is the same network.
    cut = small(max_epochs=np.argmin(losses) + 1, n_iter_no_change=5).fit(X, y)
    np.testing.assert_array_equal(cut.predict(X), mlp.predict(X))


def test_groups_never_straddle_the_held_out_part(data, monkeypatch):
    X, y = data
    X = X.copy()
    X[:, 0] = groups = np.arange(400) // 20
    seen = {}
    from skestimators.utils import _skorch_engine as engine

    original = engine.train

    def spy(module, batches, validation, **kwargs):
        seen["train"] = set(batches.inputs[:, 0].tolist())
        seen["validation"] = set(validation.inputs[:, 0].tolist())
        return original(module, batches, validation, **kwargs)

    monkeypatch.setattr(engine, "train", spy)
    small(max_epochs=2, validation_fraction=0.25).fit(X, y, groups=groups)
    assert len(seen["validation"]) == 5
    assert not seen["train"] & seen["validation"]
    assert seen["train"] | seen["validation"] == set(groups)


def test_groups_reach_it_through_a_search(data):
    import sklearn

    X, y = data
    groups = np.arange(400) // 40
    with sklearn.config_context(enable_metadata_routing=True):
        search = GridSearchCV(
            small(max_epochs=3).set_fit_request(groups=True),
            {"dropout": [0.0]},
            cv=GroupKFold(3),
        )
        routed = search.fit(X, y, groups=groups).predict(X)
    direct, ungrouped = small(max_epochs=3), small(max_epochs=3)
    np.testing.assert_array_equal(routed, direct.fit(X, y, groups=groups).predict(X))
    assert not np.array_equal(routed, ungrouped.fit(X, y).predict(X))


def test_weight_is_repetition(data):
    """Full batches without a held-out part: weight 2 is the row twice, 0 is no row."""
    X, y = data
    weight = np.random.default_rng(0).integers(0, 3, 400)
    params = {"batch_size": None, "early_stopping": False, "max_epochs": 100}
    weighted = small(**params).fit(X, y, sample_weight=weight)
    repeated = small(**params).fit(X.repeat(weight, 0), y.repeat(weight))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), atol=1e-4)
    plain = small(**params).fit(X, y)
    assert np.abs(weighted.predict(X) - plain.predict(X)).max() > 0.01


def test_rows_of_weight_zero_are_left_out(data):
    X, y = data
    weight = (np.arange(400) % 10 == 0).astype(float)
    zeros = small(validation_fraction=0.2).fit(X, y, sample_weight=weight)
    without = small(validation_fraction=0.2).fit(X[::10], y[::10])
    np.testing.assert_array_equal(zeros.predict(X), without.predict(X))
    assert zeros.history_ == without.history_


def test_rows_do_not_depend_on_company_to_the_last_bit(data):
    X, y = data
    mlp = small(hidden_layer_sizes=(300, 77), max_epochs=2).fit(X, y)
    X = np.random.default_rng(0).normal(size=(1000, 8))
    whole = mlp.predict(X)
    np.testing.assert_array_equal(mlp.predict(X[::-1])[::-1], whole)
    np.testing.assert_array_equal(mlp.predict(X[417:418]), whole[417:418])
    np.testing.assert_array_equal(mlp.predict(X[300:650]), whole[300:650])


def test_several_targets(data):
    X, y = data
    Y = np.column_stack([y, -y])
    mlp = small(max_epochs=200).fit(X, Y)
    assert mlp.n_outputs_ == 2
    assert mlp.predict(X).shape == (400, 2)
    assert mlp.score(X, Y) > 0.9


def test_dropout_and_activation(data):
    X, y = data
    mlp = small(dropout=0.3, activation=torch.nn.Softplus).fit(X, y)
    kinds = [type(layer).__name__ for layer in mlp.network_]
    assert kinds == ["Linear", "Softplus", "Dropout", "Linear"]
    # Dropout is off when predicting.
    np.testing.assert_array_equal(mlp.predict(X), mlp.predict(X))


def test_torch_global_state_is_left_alone(data):
    X, y = data
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    small(max_epochs=2).fit(X, y)
    assert torch.equal(torch.rand(3), expected)


def test_a_callback_can_stop_and_ctrl_c_is_not_swallowed(data):
    X, y = data

    class Stop:
        def setup(self, estimator, context):
            pass

        teardown = on_fit_task_begin = setup

        def on_fit_task_end(self, estimator, context):
            return context.task_id == 3 and context.task_name == "epoch"

    class CtrlC(Stop):
        def on_fit_task_end(self, estimator, context):
            raise KeyboardInterrupt

    assert small().set_callbacks(Stop()).fit(X, y).n_iter_ == 4
    interrupted = small().set_callbacks(CtrlC())
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(X, y)
    with pytest.raises(NotFittedError):
        interrupted.predict(X)


def test_scoring_monitor_follows_the_epochs(data):
    from sklearn.callback import ScoringMonitor

    X, y = data
    monitor = ScoringMonitor(scoring="r2")
    small(max_epochs=30, early_stopping=False).set_callbacks(monitor).fit(X, y)
    scores = monitor.get_logs().data_as_pandas.query("task_name == 'epoch'")["r2"]
    assert len(scores) == 30
    assert scores.iloc[-1] > 0.9 > scores.iloc[0]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden_layer_sizes": (8, 0)}, "hidden_layer_sizes must hold positive"),
        ({"hidden_layer_sizes": (8.5,)}, "hidden_layer_sizes must hold positive"),
        ({"device": "gpu"}, "device='gpu' is no torch device"),
        ({"learning_rate": 1e30}, "training loss became"),
        ({"dropout": 1.0}, "dropout"),
    ],
)
def test_bad_parameters_are_named(data, params, message):
    with pytest.raises(ValueError, match=message):
        small(**params).fit(*data)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_absent_device_is_named(data):
    with pytest.raises(ValueError, match="device='cuda' is not available"):
        small(device="cuda").fit(*data)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_bad_targets_are_refused(data, bad):
    X, y = data
    y = y.copy()
    y[7] = bad
    with pytest.raises(ValueError, match=r"y contains (NaN|infinity).*row 7"):
        small().fit(X, y)


def test_too_few_rows_to_hold_out(data):
    X, y = data
    with pytest.raises(ValueError, match="early_stopping=False"):
        small().fit(X[:1], y[:1])
    with pytest.raises(ValueError, match="hold out validation_fraction"):
        small().fit(X, y, groups=np.zeros(400))
    with pytest.raises(ValueError, match="inconsistent"):
        small(early_stopping=False).fit(X, y, groups=np.zeros(399))
    assert len(small(early_stopping=False).fit(X[:1], y[:1]).predict(X)) == 400
