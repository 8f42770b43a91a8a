"""What a fit of ActivationSearchNet leaves behind, and what it depends on."""

import re

import numpy as np
import pytest
from activation_instances import DIGITS, PIXELS, X, Y, small
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.metrics import log_loss

from skestimators.neural_network import UnaryEdge
from skestimators.neural_network._activation import training

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def net():
    params = {"n_candidates": 1, "max_epochs": 20, "learning_rate": 0.1}
    return small(validation_fraction=0.3, **params).fit(X, Y)


def test_what_a_fit_leaves_behind(net):
    assert net.operations_ == {
        "unary1": ("tanh", "scale"),
        "unary2": ("relu",),
        "binary1": ("blend",),
    }
    assert {name: a.shape for name, a in net.alphas_.items()} == {
        "unary1": (3, 2),
        "unary2": (3, 1),
        "binary1": (3, 1),
    }
    assert net.search_history_.keys() == {
        "train_loss",
        "arch_loss",
        "entropy",
        "n_rolled_back",
        "n_arch_rolled_back",
    }
    assert {len(values) for values in net.search_history_.values()} == {2}
    assert net.history_.keys() == {"train_loss", "valid_loss", "n_rolled_back"}
    assert {len(values) for values in net.history_.values()} == {net.n_iter_}
    assert net.discretization_.keys() == {"mixed", "discretized", "retrained"}
    assert all(0 <= accuracy <= 1 for accuracy in net.discretization_.values())
    assert net.classes_.tolist() == [0, 1]
    assert net.input_shape_ == (2,)
    chosen = net.operations_["unary1"][net.alphas_["unary1"][-1].argmax()]
    assert ("tanh" in net.expression_) == (chosen == "tanh")
    assert net.expression_latex_.count("\\left") == net.expression_latex_.count(
        "\\right"
    )
    assert net.score(X, Y) > 0.8


def test_the_inputs_of_the_activation(net):
    inputs = net.activation_inputs_
    assert inputs.dtype == np.float32
    assert inputs.ndim == 1
    hidden = net.network_[0](torch.tensor(X, dtype=torch.float32)).detach().numpy()
    # Those of the 84 rows that it has learned from.
    assert len(inputs) == 84 * 8
    assert np.abs(inputs[:, None] - hidden.ravel()).min(axis=1).max() < 1e-5


def test_the_activation_is_that_of_the_network(net):
    x = np.linspace(-3, 3, 50, dtype=np.float32)
    mean = net.activation_(torch.from_numpy(x)).detach().numpy()
    channels = net.network_[1](torch.from_numpy(x)[:, None].expand(50, 8))
    # It is linear in the betas of blend, but not in both.
    assert_allclose(mean, channels.detach().numpy().mean(axis=1), atol=0.05)
    if "tanh" in net.expression_:
        beta = net.activation_.state_dict()["outcome.beta"].item()
        expected = beta * np.tanh(x) + (1 - beta) * np.maximum(x, 0)
        assert_allclose(mean, expected, atol=1e-6)


def test_the_best_epoch_is_kept(monkeypatch):
    held_out = []
    split = training.split_validation

    def spy(*args, **kwargs):
        sides = split(*args, **kwargs)
        held_out.append(sides[1])
        return sides

    monkeypatch.setattr(training, "split_validation", spy)
    weight = np.random.default_rng(0).random(len(X)) + 0.1
    flipped = np.where(np.arange(len(Y)) % 5, Y, 1 - Y)
    net = small(max_epochs=60, learning_rate=0.5, n_iter_no_change=8)
    net.fit(X, flipped, sample_weight=weight)
    losses = net.history_["valid_loss"]
    assert net.n_iter_ == np.argmin(losses) + 9 < 60
    rows, _ = held_out
    proba, weight = net.predict_proba(X[rows]), weight[rows] / weight.mean()
    loss = log_loss(flipped[rows], proba, sample_weight=weight) * weight.mean()
    assert loss == pytest.approx(min(losses), rel=1e-4)
    accuracy = net.score(X[rows], flipped[rows])
    assert net.discretization_["retrained"] == pytest.approx(accuracy)


@pytest.mark.parametrize("body", ["table", "image"])
def test_two_threads_and_a_global_state(body):
    data = (np.tile(X, (4, 1)), np.tile(Y, 4)) if body == "table" else (PIXELS, DIGITS)
    # Wide enough that torch shares the work among threads.
    net = small(
        search_space="rnn",
        search_epochs=1,
        max_epochs=1,
        hidden_layer_sizes=(160,),
        n_candidates=1,
        image_shape=None if body == "table" else (8, 8),
        batch_size=None,
    )
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        first = clone(net).fit(*data)
        torch.manual_seed(99)
        before = torch.get_rng_state()
        second = clone(net).fit(*data)
        assert torch.equal(before, torch.get_rng_state())
    finally:
        torch.set_num_threads(n_threads)
    assert_array_equal(first.predict_proba(data[0]), second.predict_proba(data[0]))
    assert first.search_history_ == second.search_history_
    for name, alphas in first.alphas_.items():
        assert_array_equal(alphas, second.alphas_[name])


def test_the_random_state_is_what_decides():
    first, other = (small(random_state=seed).fit(X, Y) for seed in (0, 1))
    assert first.search_history_ != other.search_history_
    assert first.history_ != other.history_


def test_warm_start_goes_on():
    fixed = {"early_stopping": False, "batch_size": 16}
    whole = small(**fixed, max_epochs=5).fit(X, Y)
    parts = small(**fixed, max_epochs=2, warm_start=True).fit(X, Y)
    expression, alphas = parts.operations_, parts.alphas_
    parts.set_params(max_epochs=3).fit(X, Y)
    assert parts.n_iter_ == 5
    assert parts.alphas_ is alphas
    assert parts.operations_ is expression
    assert parts.history_ == whole.history_
    assert_array_equal(parts.predict_proba(X), whole.predict_proba(X))
    assert parts.expression_ == whole.expression_
    parts.set_params(early_stopping=True).fit(X, Y)
    assert np.isnan(parts.history_["valid_loss"][:5]).all()
    assert np.isfinite(parts.history_["valid_loss"][5:]).all()
    again = parts.set_params(warm_start=False, early_stopping=False, max_epochs=5)
    assert_array_equal(again.fit(X, Y).predict_proba(X), whole.predict_proba(X))
    assert again.n_iter_ == 5


def test_groups_are_never_split(monkeypatch):
    splits = []
    split = training.split_validation

    def spy(n_samples, *, groups, **kwargs):
        sides = split(n_samples, groups=groups, **kwargs)
        splits.append([set(groups[side]) for side in sides])
        return sides

    monkeypatch.setattr(training, "split_validation", spy)
    groups = np.array([f"g{k}" for k in np.random.default_rng(0).integers(0, 9, 120)])
    small(validation_fraction=0.3).fit(X, Y, groups=groups)
    (train, held_out), (for_weights, for_alphas) = splits
    assert len(held_out) == 3
    assert len(train) == 6
    assert len(for_weights) == len(for_alphas) == 3
    assert not train & held_out
    assert for_weights | for_alphas == train
    assert not for_weights & for_alphas


def probabilities(**fit_params):
    X_, Y_ = fit_params.pop("X", X), fit_params.pop("y", Y)
    net = small(
        search_space=UnaryEdge(operations=["tanh"]),
        early_stopping=False,
        batch_size=None,
        max_epochs=60,
        **fit_params.pop("params", {}),
    )
    return net.fit(X_, Y_, **fit_params).predict_proba(X)


def test_weight_is_repetition():
    weight = np.random.default_rng(1).integers(0, 4, len(X))
    repeated = probabilities(X=X.repeat(weight, 0), y=Y.repeat(weight))
    assert_allclose(probabilities(sample_weight=weight), repeated, atol=1e-4)
    assert np.abs(probabilities() - repeated).max() > 0.01


def test_rows_of_weight_zero_are_left_out():
    weight = (np.arange(len(X)) % 3 > 0).astype(float)
    kept = weight > 0
    net = small().fit(X, Y, sample_weight=weight)
    expected = small().fit(X[kept], Y[kept])
    assert_array_equal(net.predict_proba(X), expected.predict_proba(X))


def test_class_weight_is_a_weight_of_rows():
    uneven = np.r_[np.flatnonzero(Y == 0), np.flatnonzero(Y == 1)[:15]]
    rows = {"X": X[uneven], "y": Y[uneven]}
    balanced = probabilities(**rows, params={"class_weight": "balanced"})
    by_hand = np.where(Y[uneven] == 0, 75 / 120, 75 / 30)
    assert_allclose(probabilities(**rows, sample_weight=by_hand), balanced, atol=1e-5)
    assert balanced[:, 1].mean() > probabilities(**rows)[:, 1].mean() + 0.05


def test_the_network_there_is_keeps_its_space():
    net = small(warm_start=True).fit(X, Y)
    operations, expression, proba = (
        net.operations_,
        net.expression_,
        net.predict_proba(X),
    )
    net.set_params(search_space="simple", hidden_layer_sizes=(3, 3))
    table = net.compare_baselines(X, Y, baselines=(), n_repeats=1)
    formulas = [re.sub(r"[\d.]+", "", text) for text in (table.iat[0, 0], expression)]
    assert formulas[0] == formulas[1]
    with pytest.raises(ValueError, match="The network was built with"):
        net.fit(X, Y)
    assert net.operations_ == operations
    np.testing.assert_array_equal(net.predict_proba(X), proba)
