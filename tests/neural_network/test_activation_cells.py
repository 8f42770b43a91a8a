"""The mixture of a search and the activation it leads to, against plain ones."""

import copy
import io
import pickle
import warnings

import numpy as np
import pytest
import torch
from activation_reference import OPERATIONS, StraightforwardMixture, evaluate
from torch import nn

from skestimators.neural_network import BinaryEdge, UnaryEdge
from skestimators.neural_network._activation.cells import Architecture, MixedActivation
from skestimators.neural_network._activation.found import (
    Activation,
    PlacedActivation,
    inputs_of,
    mean_activation,
    shape_of,
)
from skestimators.neural_network._activation.space import choices_of, fixed_space

ONE = UnaryEdge(operations=["tanh", "scale", "cube", "zero"])
SPACES = {
    "rnn": "rnn",
    "simple": "simple",
    "complex": "complex",
    "one": ONE,
    "affine": UnaryEdge(operations=["identity", "scale", "shift", "constant"]),
    "curved": UnaryEdge(operations=["tanh", "sin"]),
    # Edges of one input, that share operations or do not.
    "mixed": BinaryEdge(
        ONE, UnaryEdge(operations=["shift", "sin", "tanh"]), ["rbf", "blend", "divide"]
    ),
    "on x": BinaryEdge("x", BinaryEdge("x", ONE), ["rbf", "gate", "minimum"]),
    "twice": BinaryEdge("x", "x"),
    "same": BinaryEdge(ONE, ONE, ["add", "laplace"]),
}


@pytest.fixture(autouse=True)
def _double():
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(0)
    yield
    torch.set_default_dtype(torch.float32)


def make(space, n_channels=3, std=0.5):
    """Make a mixture whose betas differ between channels."""
    mixed = MixedActivation(Architecture(choices_of(space), "cpu", std), n_channels)
    with torch.no_grad():
        for beta in mixed.parameters():
            beta += 0.3 * torch.randn_like(beta)
    return mixed


def assert_equal(mixed, x):
    """Compare value and gradients with those of the straightforward mixture."""
    alphas = list(mixed.architecture.alphas.values())
    tensors = [x.requires_grad_(), *alphas, *mixed.parameters()]
    upstream = torch.randn_like(x)
    values, gradients = [], []
    for module in (mixed, StraightforwardMixture(mixed)):
        value = module(x)
        gradient = torch.autograd.grad(
            (value * upstream).sum(), tensors, materialize_grads=True
        )
        values.append(value)
        gradients.append(gradient)
    torch.testing.assert_close(*values, rtol=1e-10, atol=1e-10)
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("shape", [(7, 3), (4, 3, 2, 5)])
@pytest.mark.parametrize("space", SPACES)
def test_the_mixture_is_that_of_separate_operations(space, shape):
    mixed = make(SPACES[space])
    assert_equal(mixed, 2 * torch.randn(shape))


@pytest.mark.parametrize("power", [0.7, 0.3, 0.0])
@pytest.mark.parametrize("space", ["rnn", "mixed", "same", "affine"])
def test_the_mixture_of_what_is_left(space, power):
    mixed = make(SPACES[space])
    mixed.architecture.shrink(power)
    assert_equal(mixed, torch.randn(7, 3))


def test_alphas_are_shared_by_all_places():
    mixed = make("rnn", 4)
    other = MixedActivation(mixed.architecture, 2)
    network = nn.Sequential(nn.Linear(3, 4), mixed, nn.Linear(4, 2), other)
    alphas = mixed.architecture.alphas
    assert not {id(a) for a in alphas.values()} & {id(p) for p in network.parameters()}
    x = torch.randn(5, 3)
    hidden = mixed(network[0](x))

    def gradients(loss):
        return torch.autograd.grad(loss, list(alphas.values()), retain_graph=True)

    upstream = torch.randn(5, 2)
    through = torch.autograd.grad((network[2:](hidden) * upstream).sum(), hidden)[0]
    first = gradients((mixed(network[0](x)) * through).sum())
    second = gradients((network[2:](hidden.detach()) * upstream).sum())
    both = gradients((network(x) * upstream).sum())
    for a, b, total in zip(first, second, both, strict=True):
        torch.testing.assert_close(total, a + b)


def test_operations_that_were_dropped_get_no_gradient():
    mixed = make("rnn")
    architecture = mixed.architecture
    before = architecture.values()
    architecture.shrink(0.5)
    mixed(torch.randn(5, 3)).sum().backward()
    for choice in architecture.choices:
        left = architecture.left[choice.name]
        assert len(left) == round(len(choice.operations) ** 0.5)
        is_left = np.array([name in left for name in choice.operations])
        values = before[choice.name]
        assert values[is_left].min() > values[~is_left].max()
        after = architecture.values()[choice.name]
        np.testing.assert_array_equal(after, np.where(is_left, values, -np.inf))
        gradient = architecture.alphas[choice.name].grad
        assert not gradient[torch.tensor(~is_left)].any()
        assert gradient[torch.tensor(is_left)].all()
    for name, beta in mixed.betas.items():
        choice, operation = name.split("_")
        is_moved = beta.grad is not None and bool(beta.grad.any())
        assert is_moved == (operation in architecture.left[choice])


def test_shrinking_goes_on_and_ends_with_the_best():
    architecture = make("rnn").architecture
    values = architecture.values()
    best = {c.name: c.operations[values[c.name].argmax()] for c in architecture.choices}
    for power in (2 / 3, 1 / 3, 0):
        before = architecture.left
        architecture.shrink(power)
        for name, left in architecture.left.items():
            assert set(left) < set(before[name])
    assert architecture.left == {name: [winner] for name, winner in best.items()}


@pytest.mark.parametrize("space", SPACES)
def test_the_start_is_near_to_the_mean(space):
    mixed = MixedActivation(Architecture(choices_of(SPACES[space]), "cpu"), 3)
    for choice in mixed.architecture.choices:
        alphas = mixed.architecture.alphas[choice.name]
        assert 0 < alphas.abs().max() < 0.01
    for name, beta in mixed.betas.items():
        assert set(beta.tolist()) == {OPERATIONS[name.split("_")[1]].beta}


def found(space, n_channels=1, seed=0):
    choices = choices_of(space)
    rng = np.random.default_rng(seed)
    chosen = {c.name: str(rng.choice(c.operations)) for c in choices}
    return choices, chosen, PlacedActivation(choices, chosen, n_channels)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("space", ["rnn", "mixed", "on x"])
def test_the_found_activation_is_the_mixture_of_one_each(space, seed):
    choices, chosen, activation = found(SPACES[space], 3, seed)
    mixed = make(SPACES[space])
    with torch.no_grad():
        for choice in choices:
            alphas = mixed.architecture.alphas[choice.name]
            alphas[choice.operations.index(chosen[choice.name])] = 9
    mixed.architecture.shrink(0)
    one = Activation(choices_of(fixed_space(choices, chosen)), chosen, 3)
    with torch.no_grad():
        for module in (mixed, activation, one):
            for beta in module.parameters():
                beta.fill_(0.8)
    x = torch.randn(6, 3)
    torch.testing.assert_close(mixed(x), activation(x))
    torch.testing.assert_close(one(x), activation(x))


@pytest.mark.parametrize("name", OPERATIONS)
def test_single_operations(name):
    if OPERATIONS[name] in tuple(OPERATIONS.values())[:31]:
        space, inputs = UnaryEdge(operations=[name]), 1
    else:
        space, inputs = BinaryEdge("x", "x", [name]), 2
    ((choice,), _, activation) = found(space)
    x = torch.linspace(-9, 9, 31)
    betas = [beta.detach() for beta in activation.parameters()]
    assert len(betas) == (OPERATIONS[name].beta is not None)
    assert len(choice.inputs) == inputs
    torch.testing.assert_close(
        activation(x).detach(), evaluate(name, *[x] * inputs, *betas)
    )


BETAS = BinaryEdge(
    UnaryEdge(operations=["scale"]),
    UnaryEdge(UnaryEdge(operations=["tanh"]), ["shift"]),
    ["blend"],
)


@pytest.mark.parametrize("shape", [(), (5,), (5, 3), (2, 3, 4), (2, 3, 4, 5), (0, 3)])
@pytest.mark.parametrize("space", [BETAS, "rnn", UnaryEdge(operations=["constant"])])
def test_any_shape_goes_in_and_comes_out(space, shape):
    activation = found(space)[2]
    x = torch.randn(shape)
    assert activation(x).shape == shape
    flat = activation(x.reshape(-1))
    torch.testing.assert_close(activation(x).reshape(-1), flat)


def test_betas_of_channels():
    activation = found(BETAS, 3)[2]
    with torch.no_grad():
        for beta in activation.parameters():
            beta.copy_(torch.tensor([0.2, 0.5, 0.9]))
    for x in (torch.randn(4, 3), torch.randn(4, 3, 2), torch.randn(4, 3, 2, 2)):
        beta = torch.tensor([0.2, 0.5, 0.9]).reshape(3, *[1] * (x.dim() - 2))
        expected = beta * (beta * x) + (1 - beta) * (torch.tanh(x) + beta)
        torch.testing.assert_close(activation(x), expected)


def script(activation):
    with warnings.catch_warnings():
        # torch would rather have one export.
        for category in (DeprecationWarning, FutureWarning):
            warnings.simplefilter("ignore", category)
        scripted = torch.jit.script(activation)
        stream = io.BytesIO()
        torch.jit.save(scripted, stream)
        stream.seek(0)
        return torch.jit.load(stream)


@pytest.mark.parametrize(
    "carry", [copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a)), script]
)
def test_copies_of_a_found_activation(carry):
    x = torch.linspace(-5, 5, 24).reshape(8, 3)
    names = list(OPERATIONS)
    # Between them, the activations have all operations.
    for unary, binary in zip(names[:31], names[31:] * 4, strict=False):
        space = BinaryEdge(UnaryEdge(operations=[unary]), "x", [binary])
        activation = found(space)[2]
        with torch.no_grad():
            for beta in activation.parameters():
                beta.fill_(0.37)
        carried = carry(activation)
        torch.testing.assert_close(carried(x), activation(x), rtol=1e-14, atol=1e-14)
        with torch.no_grad():
            for beta in carried.parameters():
                beta += 1
        assert all(beta == 0.37 for beta in activation.parameters())


def test_state_dict_round_trip():
    activation, other = found(BETAS, 3)[2], found(BETAS, 3)[2]
    with torch.no_grad():
        for beta in activation.parameters():
            beta.normal_()
    other.load_state_dict(activation.state_dict())
    assert len(activation.state_dict()) == 3
    x = torch.randn(5, 3)
    torch.testing.assert_close(other(x), activation(x))


@pytest.mark.parametrize("name", [n for n in OPERATIONS if n != "zero"])
def test_double_backward(name):
    if name in list(OPERATIONS)[:31]:
        space = BinaryEdge(UnaryEdge(operations=[name]), "x", ["multiply"])
    else:
        square = UnaryEdge(operations=["square"])
        space = BinaryEdge(square, "x", [name])
    activation = found(space)[2]
    # At no kink.
    x = torch.tensor([-2.3, -0.4, 0.3, 1.7, 3.2], requires_grad=True)
    assert torch.autograd.gradcheck(activation, x)
    assert torch.autograd.gradgradcheck(activation, x)


def test_a_found_activation_trains_in_a_plain_network():
    torch.set_default_dtype(torch.float32)
    activation = found(BETAS)[2]
    network = nn.Sequential(nn.Linear(2, 8), activation, nn.Linear(8, 1))
    x = torch.randn(64, 2)
    y = x[:, :1] * x[:, 1:].tanh()
    before = [beta.item() for beta in activation.parameters()]
    optimizer = torch.optim.Adam(network.parameters(), 0.03)
    losses = []
    for _ in range(60):
        loss = nn.functional.mse_loss(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    for beta, start in zip(activation.parameters(), before, strict=True):
        assert abs(beta.item() - start) > 0.01


def test_the_mean_of_betas():
    choices, chosen, first = found(BETAS, 2)
    second = PlacedActivation(choices, chosen, 4)
    with torch.no_grad():
        for k, beta in enumerate([*first.parameters(), *second.parameters()]):
            beta.copy_(k + torch.arange(len(beta)))
    # A user's own activation of the same kind counts for nothing.
    own = Activation(choices, chosen, 4)
    network = nn.Sequential(first, nn.Linear(2, 4), own, second)
    mean = mean_activation(network, choices, chosen)
    places = zip(first.parameters(), second.parameters(), strict=True)
    expected = [torch.cat(betas).mean().item() for betas in places]
    assert [beta.item() for beta in mean.parameters()] == pytest.approx(expected)
    assert [beta.shape for beta in mean.parameters()] == [(1,)] * 3


def test_inputs_of_the_activations():
    choices, chosen, first = found(BETAS, 4)
    network = nn.Sequential(
        nn.Linear(3, 4), first, PlacedActivation(choices, chosen, 4)
    )
    rows = torch.randn(50, 3)
    values = inputs_of(network, rows, 1000)
    hidden = network[0](rows)
    expected = torch.cat([hidden.flatten(), network[1](hidden).flatten()]).detach()
    np.testing.assert_array_equal(values, expected.float().numpy())
    fewer = inputs_of(network, rows, 90)
    assert 50 < len(fewer) <= 90
    assert np.isin(fewer, values).all()
    # The hooks are gone.
    assert len(inputs_of(network, rows, 1000)) == 400


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (UnaryEdge(operations=["identity"]), True),
        (UnaryEdge(operations=["zero"]), True),
        (UnaryEdge(UnaryEdge(operations=["scale"]), ["shift"]), True),
        (UnaryEdge(operations=["relu"]), False),
        (UnaryEdge(operations=["leaky_relu"]), False),
        (UnaryEdge(operations=["sin"]), False),
        (UnaryEdge(operations=["sqrt"]), False),
        # x again, by way of two that are no lines.
        (UnaryEdge(UnaryEdge(operations=["sinh"]), ["asinh"]), True),
        (BinaryEdge("x", "x", ["minimum"]), True),
        (BinaryEdge("x", "x", ["multiply"]), False),
    ],
)
def test_lines_are_told_from_curves(space, expected):
    assert (not shape_of(found(space)[2])) is expected
