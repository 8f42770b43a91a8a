"""The search itself: steps for the alphas, stages, collapse."""

import copy
import warnings
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from activation_instances import CURVED, PLAIN, X, Y
from activation_reference import StraightforwardMixture, straightforward
from sklearn.base import clone
from torch import nn

from skestimators.neural_network import ActivationSearchNet, BinaryEdge, UnaryEdge
from skestimators.neural_network._activation import cells
from skestimators.neural_network._activation.candidates import best_compositions
from skestimators.neural_network._activation.cells import Architecture, MixedActivation
from skestimators.neural_network._activation.found import Activation
from skestimators.neural_network._activation.search import (
    ArchitectureSteps,
    mean_entropy,
    stage_ends,
)
from skestimators.neural_network._activation.space import choices_of
from skestimators.utils import _skorch_engine
from skestimators.utils._skorch_engine import TensorBatches, WeightedLoss, train

SMOOTH = BinaryEdge(
    UnaryEdge(operations=["tanh", "sin", "scale"]),
    UnaryEdge(UnaryEdge(operations=["gaussian", "sigmoid"]), ["shift", "cube"]),
    ["gate", "blend", "rbf"],
)
RATE, MOMENTUM, DECAY = 0.1, 0.9, 0.01


@pytest.fixture
def _double():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def make_net(space=SMOOTH, n_steps=3):
    """Make what skorch would hand over, after a few steps for the weights."""
    torch.manual_seed(0)
    architecture = Architecture(choices_of(space), "cpu", 0.5)
    module = nn.Sequential(
        nn.Linear(4, 5),
        nn.BatchNorm1d(5),
        MixedActivation(architecture, 5),
        nn.Linear(5, 3),
    )
    net = SimpleNamespace(
        module_=module,
        criterion_=WeightedLoss(nn.CrossEntropyLoss(reduction="none")),
        optimizer_=torch.optim.SGD(
            module.parameters(), RATE, MOMENTUM, weight_decay=DECAY
        ),
    )
    for alpha in architecture.alphas.values():
        alpha.requires_grad_(False)
    for seed in range(n_steps):
        inputs, targets = make_batch(10 + seed)
        net.optimizer_.zero_grad()
        net.criterion_(module(inputs), targets).backward()
        net.optimizer_.step()
    return net, architecture


def make_batch(seed, value=None):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(16, 4, generator=generator)
    if value is not None:
        inputs[3] = value
    targets = torch.randint(0, 3, (16,), generator=generator)
    return inputs, (targets, torch.rand(16, generator=generator))


def make_steps(architecture, batches, second_order):
    return ArchitectureSteps(
        architecture,
        batches,
        learning_rate=0.01,
        weight_decay=1e-3,
        second_order=second_order,
        stage_ends={},
    )


def state_of(net):
    """Copy all that a step for the alphas must leave as it is."""
    gradients = [weight.grad for weight in net.module_.parameters()]
    return copy.deepcopy(
        [net.module_.state_dict(), net.optimizer_.state_dict(), gradients]
    )


def assert_same(before, after):
    torch.testing.assert_close(before, after, rtol=0, atol=0, equal_nan=True)


def take_steps(batches, *, second_order=False, weight_batches=None):
    net, architecture = make_net()
    steps = make_steps(architecture, batches, second_order)
    steps.on_epoch_begin(net)
    before = state_of(net)
    for k in range(len(batches)):
        batch = make_batch(50) if weight_batches is None else weight_batches[k]
        steps.on_batch_begin(net, batch=batch, training=True)
        assert_same(before, state_of(net))
        assert all(weight.requires_grad for weight in net.module_.parameters())
    return steps


@pytest.mark.usefixtures("_double")
def test_the_first_order_gradient():
    inputs, targets = make_batch(1)
    net, architecture = make_net()
    alphas = [alpha.requires_grad_() for alpha in architecture.alphas.values()]
    loss = net.criterion_(straightforward(net.module_)(inputs), targets)
    expected = torch.autograd.grad(loss, alphas)
    net, architecture = make_net()
    steps = make_steps(architecture, [(inputs, targets)], second_order=False)
    steps.on_epoch_begin(net)
    steps.on_batch_begin(net, batch=make_batch(2), training=True)
    for alpha, gradient in zip(steps.alphas, expected, strict=True):
        torch.testing.assert_close(alpha.grad, gradient, rtol=1e-9, atol=1e-10)


def gradient_through_a_step(net, alphas, batch, arch_batch):
    """Return the loss's exact gradient after the next step for the weights."""
    plain = straightforward(net.module_)
    weights = dict(plain.named_parameters())
    for alpha in alphas:
        alpha.requires_grad_()
    loss = net.criterion_(plain(batch[0]), batch[1])
    gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
    moved = {}
    for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
        velocity = net.optimizer_.state[weight].get("momentum_buffer", 0)
        step = gradient + DECAY * weight.detach() + MOMENTUM * velocity
        moved[name] = weight.detach() - RATE * step
    outputs = torch.func.functional_call(plain, moved, arch_batch[0])
    return torch.autograd.grad(net.criterion_(outputs, arch_batch[1]), alphas)


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("n_steps", [0, 3])
def test_the_second_order_gradient(n_steps):
    batch, arch_batch = make_batch(1), make_batch(2)
    net, architecture = make_net(n_steps=n_steps)
    alphas = list(architecture.alphas.values())
    exact = gradient_through_a_step(net, alphas, batch, arch_batch)
    found = {}
    for second_order in (False, True):
        net, architecture = make_net(n_steps=n_steps)
        steps = make_steps(architecture, [arch_batch], second_order)
        steps.on_epoch_begin(net)
        steps.on_batch_begin(net, batch=batch, training=True)
        found[second_order] = torch.cat([alpha.grad for alpha in steps.alphas])
    exact = torch.cat(exact)
    # It is a difference of two gradients, not far from each other.
    error = (found[True] - exact).norm()
    assert error < 1e-3 * exact.norm()
    assert error < 0.01 * (found[False] - exact).norm()


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("second_order", [False, True])
def test_a_step_for_the_alphas_moves_nothing_else(second_order):
    steps = take_steps([make_batch(1), make_batch(2)], second_order=second_order)
    assert steps.n_rolled_back == 0
    assert len(steps.losses) == 2
    for alpha in steps.alphas:
        assert alpha.grad.any()
        assert not alpha.requires_grad


@pytest.mark.usefixtures("_double")
@pytest.mark.parametrize("value", [torch.nan, torch.inf])
@pytest.mark.parametrize("second_order", [False, True])
def test_a_step_that_is_not_finite_is_as_if_it_had_not_been(second_order, value):
    first, bad, last = make_batch(1), make_batch(2, value), make_batch(3)
    steps = take_steps([first, bad, last], second_order=second_order)
    expected = take_steps([first, last], second_order=second_order)
    assert (steps.n_rolled_back, expected.n_rolled_back) == (1, 0)
    assert_same(steps.alphas, expected.alphas)
    assert steps.losses == expected.losses


@pytest.mark.usefixtures("_double")
def test_a_bad_batch_of_the_weights_moves_no_alpha():
    good, bad = make_batch(1), make_batch(2, torch.nan)
    steps = take_steps([good], second_order=True, weight_batches=[bad])
    assert steps.n_rolled_back == 1
    assert all(alpha.grad is None for alpha in steps.alphas)


@pytest.mark.parametrize("second_order", [False, True])
@pytest.mark.parametrize("n_search_stages", [1, 3])
def test_the_search_is_that_of_the_straightforward_mixture(
    monkeypatch, second_order, n_search_stages
):
    params = {**PLAIN, "second_order": second_order, "search_epochs": 4}
    net = ActivationSearchNet(
        "rnn", n_search_stages=n_search_stages, arch_learning_rate=0.01, **params
    )
    ours = clone(net).fit(X, Y)
    monkeypatch.setattr(
        cells,
        "MixedActivation",
        lambda *args: StraightforwardMixture(MixedActivation(*args)),
    )
    plain = clone(net).fit(X, Y)
    for name, alphas in ours.alphas_.items():
        np.testing.assert_allclose(alphas, plain.alphas_[name], atol=1e-4)
    assert ours.expression_ == plain.expression_
    for key in ("train_loss", "arch_loss"):
        np.testing.assert_allclose(
            ours.search_history_[key], plain.search_history_[key], rtol=1e-3
        )


def test_ends_of_stages():
    assert stage_ends(1, 50) == {}
    assert stage_ends(3, 9) == {3: pytest.approx(2 / 3), 6: pytest.approx(1 / 3)}
    assert stage_ends(2, 50) == {25: 0.5}


def test_stages_drop_operations():
    net = ActivationSearchNet(
        "rnn", n_search_stages=3, **{**PLAIN, "search_epochs": 6}
    ).fit(X, Y)
    for name, alphas in net.alphas_.items():
        n_operations = len(net.operations_[name])
        assert alphas.shape == (7, n_operations)
        n_left = np.isfinite(alphas).sum(axis=1)
        first, second = (round(n_operations**power) for power in (2 / 3, 1 / 3))
        assert n_left.tolist() == [n_operations] * 2 + [first] * 2 + [second] * 3
        assert (alphas[2:][~np.isfinite(alphas[2:])] == -np.inf).all()
        assert (np.isfinite(alphas[4]) <= np.isfinite(alphas[2])).all()
    entropies = net.search_history_["entropy"]
    assert entropies[0] > 0.99 > entropies[1] > entropies[3] > 0


def test_entropy():
    assert mean_entropy({"a": np.zeros(5), "b": np.zeros(1)}) == pytest.approx(1)
    certain = np.array([0.0, -np.inf])
    assert mean_entropy({"a": certain, "b": np.zeros(3)}) == pytest.approx(0.5)


def test_alphas_learn_from_rows_of_their_own(monkeypatch):
    seen = []
    init = TensorBatches.__init__

    def spy(self, inputs, *args, **kwargs):
        seen.append({tuple(row) for row in inputs.tolist()})
        init(self, inputs, *args, **kwargs)

    monkeypatch.setattr(TensorBatches, "__init__", spy)
    params = {**PLAIN, "early_stopping": True, "arch_fraction": 0.25}
    ActivationSearchNet(CURVED, **params).fit(X, Y)
    for_alphas, for_weights, held_out, final = seen
    assert [len(rows) for rows in seen] == [27, 81, 12, 108]
    assert for_alphas | for_weights == final
    assert not for_alphas & for_weights
    assert not held_out & final


def test_collapse_is_warned_of():
    skip = UnaryEdge(operations=["identity", "zero"])
    with pytest.warns(UserWarning, match=r"collapsed to a linear activation, (x|0):"):
        net = ActivationSearchNet(skip, **PLAIN).fit(X, Y)
    assert net.expression_ in ("x", "0")


@pytest.mark.parametrize("name", ["identity", "zero", "relu"])
def test_what_is_fixed_is_neither_searched_nor_warned_of(name):
    net = ActivationSearchNet(UnaryEdge(operations=[name]), **PLAIN).fit(X, Y)
    assert net.search_history_ == {}
    assert net.alphas_["unary1"].shape == (1, 1)
    assert net.operations_ == {"unary1": (name,)}
    assert net.discretization_.keys() == {"retrained"}


@pytest.mark.slow
def test_a_compiled_search_finds_the_same_alphas():
    space = BinaryEdge(
        UnaryEdge(operations=["relu", "tanh", "scale"]), "x", ["gate", "multiply"]
    )
    # The last batch is smaller than the others.
    params = {**PLAIN, "batch_size": 25}
    eager = ActivationSearchNet(space, **params).fit(X, Y)
    with warnings.catch_warnings():
        # torch's compiler cannot work where its own warnings are errors.
        warnings.simplefilter("ignore")
        compiled = ActivationSearchNet(space, compile=True, **params).fit(X, Y)
    for name, alphas in eager.alphas_.items():
        np.testing.assert_allclose(compiled.alphas_[name], alphas, atol=1e-4)
    assert compiled.expression_ == eager.expression_


def _outcomes(choices, chosen):
    """Return values of a composition, without what a linear layer makes up for."""
    x = torch.linspace(-3, 3, 61, dtype=torch.double)
    with torch.no_grad():
        y = Activation(choices, chosen).double()(x).numpy()
    slope, offset = np.polyfit(x.numpy(), y, 1)
    if np.allclose(y, slope * x.numpy() + offset, atol=1e-6):
        return np.zeros(61)
    y = (y - y.mean()) / y.std()
    return y * np.sign(y[np.abs(y).argmax()])


@pytest.mark.parametrize("n_compositions", [1, 3, 100])
def test_the_best_compositions(n_compositions):
    space = BinaryEdge(
        UnaryEdge(operations=["tanh", "identity", "negative", "cos"]),
        UnaryEdge(operations=["zero", "sin", "relu"]),
        ["add", "subtract", "maximum"],
    )
    choices = choices_of(space)
    rng = np.random.default_rng(0)
    alphas = {c.name: rng.normal(size=len(c.operations)) for c in choices}
    # It was dropped.
    alphas["unary2"][1] = -np.inf
    expected, seen = [], []
    for chosen in sorted(
        product(*(c.operations for c in choices)),
        key=lambda names: (
            -sum(
                alphas[c.name][c.operations.index(name)]
                for c, name in zip(choices, names, strict=True)
            )
        ),
    ):
        chosen = dict(zip(alphas, chosen, strict=True))
        values = _outcomes(choices, chosen)
        is_new = all(np.abs(values - other).max() > 1e-3 for other in seen)
        if "sin" not in chosen.values() and is_new:
            seen.append(values)
            expected.append(chosen)
    found = best_compositions(choices, alphas, n_compositions)
    assert found == expected[:n_compositions]
    assert len(expected) > 5
    assert found[0] == {c.name: c.operations[alphas[c.name].argmax()] for c in choices}


def test_the_better_candidate_is_taken(monkeypatch):
    calls = []

    def spy(network, batches, held_out=None, **params):
        outcome = train(network, batches, held_out, **params)
        if params.get("step_name") == "candidate epoch":
            rows = [
                {tuple(row) for row in part.inputs.tolist()}
                for part in (batches, held_out)
            ]
            calls.append((*rows, outcome[1]["valid_loss"]))
        return outcome

    monkeypatch.setattr(_skorch_engine, "train", spy)
    space = UnaryEdge(operations=["gaussian", "cos", "atan", "tanh", "zero"])
    params = {**PLAIN, "max_epochs": 11, "learning_rate": 0.1, "n_candidates": 2}
    taken = []
    for seed in range(4):
        calls.clear()
        net = ActivationSearchNet(space, **{**params, "random_state": seed}).fit(X, Y)
        alphas = {name: values[-1] for name, values in net.alphas_.items()}
        candidates = best_compositions(choices_of(space), alphas, 2)
        for learned, scored, losses in calls:
            assert len(learned) == len(scored) == 60
            assert not learned & scored
            assert len(losses) == 3
        taken.append(np.argmin([min(losses) for *_, losses in calls]))
        name = candidates[taken[-1]]["unary1"]
        assert net.expression_ == f"{name}(x)".replace("gaussian(x)", "exp(-x^2)")
    # It is not always that of the largest alpha.
    assert set(taken) == {0, 1}
