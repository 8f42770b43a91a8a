"""What each operation of an activation computes, and its derivative."""

import numpy as np
import pytest
import torch
from scipy import special

from skestimators.neural_network import BinaryEdge, UnaryEdge
from skestimators.neural_network._activation.cells import _calls, _WeightedSums
from skestimators.neural_network._activation.operations import BINARY, UNARY, Affine

# Formula, and the domain within which an operation follows it.
ALL = (-np.inf, np.inf)
UNARY_FORMULAS = {
    "identity": (lambda x: x, ALL),
    "zero": (lambda x: 0 * x, ALL),
    "negative": (lambda x: -x, ALL),
    "abs": (np.abs, ALL),
    "square": (lambda x: x**2, (-10, 10)),
    "cube": (lambda x: x**3, (-np.cbrt(100), np.cbrt(100))),
    "sqrt": (np.sqrt, (0.001, np.inf)),
    "scale": (lambda x, beta: beta * x, ALL),
    "shift": (lambda x, beta: x + beta, ALL),
    "log": (lambda x: np.log(x + 0.01), (0, np.inf)),
    "exp": (np.exp, (-np.inf, np.log(100))),
    "sin": (np.sin, ALL),
    "cos": (np.cos, ALL),
    "sinh": (np.sinh, (-np.arcsinh(100), np.arcsinh(100))),
    "cosh": (np.cosh, (-np.arcsinh(100), np.arcsinh(100))),
    "tanh": (np.tanh, ALL),
    "asinh": (np.arcsinh, (-1e9, 1e9)),
    "acosh": (np.arccosh, (1.001, 1e9)),
    "atan": (np.arctan, ALL),
    "sinc": (np.sinc, ALL),
    "relu": (lambda x: np.maximum(x, 0), ALL),
    "negative_part": (lambda x: np.minimum(x, 0), ALL),
    "sigmoid": (special.expit, ALL),
    "softplus": (lambda x: np.logaddexp(0, x), ALL),
    "gaussian": (lambda x: np.exp(-(x**2)), ALL),
    "erf": (special.erf, ALL),
    "constant": (lambda x, beta: 0 * x + beta, ALL),
    "leaky_relu": (lambda x: np.where(x > 0, x, 0.01 * x), ALL),
    "hardswish": (lambda x: x * np.clip(x + 3, 0, 6) / 6, ALL),
    "silu": (lambda x: x * special.expit(x), ALL),
    "gelu": (lambda x: x * special.ndtr(x), ALL),
}
BINARY_FORMULAS = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: np.clip(a * b, -100, 100),
    "divide": lambda a, b: a * b / (b**2 + 0.01),
    "minimum": np.minimum,
    "maximum": np.maximum,
    "gate": lambda a, b: special.expit(a) * b,
    "rbf": lambda a, b, beta: np.exp(-abs(beta) * (a - b) ** 2),
    "laplace": lambda a, b, beta: np.exp(-abs(beta) * np.abs(a - b)),
    "blend": lambda a, b, beta: beta * a + (1 - beta) * b,
}
BOUNDED = ["square", "cube", "exp", "sinh", "cosh", "multiply", "rbf", "laplace", "log"]
OPERATIONS = UNARY | BINARY
WITH_BETA = [name for name in OPERATIONS if OPERATIONS[name].beta is not None]
CURVED = [name for name in OPERATIONS if not isinstance(OPERATIONS[name], Affine)]
STARTS = {"scale": 1, "shift": 1, "constant": 1, "rbf": 1, "laplace": 1, "blend": 0.5}
HUGE = [0, 1e-30, -1e-30, 1e9, -1e9, 1e30, -1e30]


def points(name, n_points=40, low=-8.0, high=8.0):
    """Draw arguments, none of which is at a kink; and a beta where there is one."""
    rng = np.random.default_rng(len(name))
    n_inputs = 1 if name in UNARY else 2
    inputs = [rng.uniform(low, high, n_points) for _ in range(n_inputs)]
    return inputs + ([np.array(0.7)] if name in WITH_BETA else [])


def evaluate(name, *arguments):
    operation = OPERATIONS[name]
    is_affine = isinstance(operation, Affine)
    return (operation.value if is_affine else operation.evaluate)(*arguments)


def tensors(arrays, dtype=torch.float64):
    return [torch.tensor(a, dtype=dtype, requires_grad=True) for a in arrays]


def huge(name, beta=None):
    """Return all combinations of extreme arguments, in float32."""
    grid = [HUGE] if name in UNARY else np.meshgrid(HUGE, HUGE)
    arguments = [np.ravel(a) for a in grid]
    if name in WITH_BETA:
        arguments.append(np.full(arguments[0].shape, beta))
    return tensors(arguments, torch.float32)


def test_the_operations_are_those_of_the_design():
    assert set(UNARY_FORMULAS) == set(UNARY)
    assert set(BINARY_FORMULAS) == set(BINARY)
    not_in_all = {"leaky_relu", "hardswish", "silu", "gelu"}
    assert set(UnaryEdge().operation_names()) == set(UNARY_FORMULAS) - not_in_all
    assert set(BinaryEdge("x", "x").operation_names()) == set(BINARY_FORMULAS)
    assert len(UnaryEdge().operation_names()) == 27
    assert len(BinaryEdge("x", "x").operation_names()) == 10
    assert {name: OPERATIONS[name].beta for name in WITH_BETA} == STARTS


@pytest.mark.parametrize("name", UNARY_FORMULAS)
def test_unary_operations_follow_their_formula(name):
    formula, (lower, upper) = UNARY_FORMULAS[name]
    x, *beta = points(name, 400, -20, 20)
    x = np.concatenate([x, np.linspace(-1, 1, 21), [999.0, 1e6, -1e6]])
    x = x[(x >= lower) & (x <= upper)]
    assert len(x) > 50
    values = evaluate(name, *tensors([x, *beta])).detach().numpy()
    np.testing.assert_allclose(values, formula(x, *beta), rtol=1e-12, atol=1e-12)
    single = evaluate(name, *tensors([x, *beta], torch.float32)).detach().numpy()
    x = x.astype(np.float32).astype(float).clip(lower, upper)
    np.testing.assert_allclose(single, formula(x, *beta), rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", BINARY_FORMULAS)
def test_binary_operations_follow_their_formula(name):
    arguments = points(name, 400, -20, 20)
    # Among them are equal ones, and zeros.
    arguments[0][:3], arguments[1][:3] = (5, 0, 2), (5, 0, 0)
    values = evaluate(name, *tensors(arguments)).detach().numpy()
    expected = BINARY_FORMULAS[name](*arguments)
    np.testing.assert_allclose(values, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", UNARY_FORMULAS)
def test_unary_operations_are_constant_beyond_their_domain(name):
    formula, (lower, upper) = UNARY_FORMULAS[name]
    for end, beyond in ((lower, [-1e30, -1e12]), (upper, [1e30, 1e12])):
        if np.isfinite(end):
            x = torch.tensor([*beyond, end * 1.01 + np.sign(beyond[0]), end]).double()
            x.requires_grad_()
            values = evaluate(name, x)
            np.testing.assert_allclose(values.detach(), formula(end), rtol=1e-9)
            values[:3].sum().backward()
            assert not x.grad.any()
            (partial,) = OPERATIONS[name].partials(x.detach(), values.detach())
            assert not partial[:3].any()


@pytest.mark.parametrize("beta", [1.0, -2.0, 0.0, 100.0])
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_are_safe(name, beta):
    if name not in WITH_BETA and beta != 1.0:
        return
    arguments = huge(name, beta)
    values = evaluate(name, *arguments)
    assert values.isfinite().all()
    if name in BOUNDED:
        assert values.abs().max() <= 100.01
    if name != "zero":
        for gradient in torch.autograd.grad(
            values.sum(), arguments, materialize_grads=True
        ):
            assert gradient.isfinite().all()
    if name in CURVED:
        with torch.no_grad():
            for partial in OPERATIONS[name].partials(*arguments, values):
                assert partial.isfinite().all()


@pytest.mark.parametrize("name", OPERATIONS)
def test_derivatives_are_right(name):
    assert torch.autograd.gradcheck(
        lambda *arguments: evaluate(name, *arguments), tensors(points(name))
    )


@pytest.mark.parametrize("name", CURVED)
def test_partials_are_those_of_autograd(name):
    arguments = tensors(points(name, 400, -20, 20))
    values = evaluate(name, *arguments)
    by_each = torch.autograd.grad(values.sum(), arguments)
    partials = OPERATIONS[name].partials(*arguments, values)
    for gradient, partial in zip(by_each, partials, strict=True):
        partial = partial.detach().expand(400).sum_to_size(gradient.shape)
        torch.testing.assert_close(partial, gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CURVED)
def test_partials_at_zero_and_at_equal_arguments(name):
    """At a kink both must choose the same one of the slopes that there are."""
    n_inputs = 1 if name in UNARY else 2
    beta = [np.array(0.7)] if name in WITH_BETA else []
    arguments = tensors([np.array([-2.0, 0.0, 0.01, 3.5])] * n_inputs + beta)
    values = evaluate(name, *arguments)
    by_each = torch.autograd.grad(values.sum(), arguments)
    partials = OPERATIONS[name].partials(*arguments, values)
    for gradient, partial in zip(by_each, partials, strict=True):
        partial = partial.detach().expand(4).sum_to_size(gradient.shape)
        torch.testing.assert_close(partial, gradient, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CURVED)
def test_the_backward_pass_of_weighted_sums(name):
    n_inputs = 1 if name in UNARY else 2
    *inputs, beta = [*points(name, 15), None][: n_inputs + 1]
    # Five rows of three channels, each with a beta; two choices.
    inputs = [values.reshape(5, 3) for values in inputs]
    betas = [] if beta is None else [np.array([[[0.7, 0.2, 1.5]]])]
    arguments = tensors([np.array([[0.3], [0.6]]), *inputs, *betas])

    def weighted_sums(*arguments):
        return _WeightedSums.apply(tuple(_calls([name], n_inputs)), *arguments)

    assert torch.autograd.gradcheck(weighted_sums, arguments)
    expected = arguments[0][:, :, None] * evaluate(name, *arguments[1:])
    torch.testing.assert_close(weighted_sums(*arguments), expected)
