"""Formulas of activations: what they say, and that simpler ones say the same."""

import random
import re

import numpy as np
import pytest
import torch
from matplotlib.mathtext import MathTextParser
from scipy.special import erf, expit, ndtr

from skestimators.neural_network._activation.formulas import (
    BINARY_FORMULAS,
    UNARY_FORMULAS,
    simplify,
    to_latex,
    to_text,
)
from skestimators.neural_network._activation.operations import (
    BINARY,
    LIMIT,
    UNARY,
    Affine,
    Smooth,
)

OPERATIONS = {**UNARY, **BINARY}
GRID = torch.linspace(-8, 8, 801, dtype=torch.float64)
# What the names in a text stand for.
READING = {
    "abs": np.abs,
    "acosh": np.arccosh,
    "asinh": np.arcsinh,
    "atan": np.arctan,
    "cos": np.cos,
    "cosh": np.cosh,
    "erf": erf,
    "exp": np.exp,
    "gelu": lambda x: x * ndtr(x),
    "hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "leaky_relu": lambda x: np.maximum(x, 0.01 * x),
    "log": np.log,
    "max": np.maximum,
    "min": np.minimum,
    "sigmoid": expit,
    "sin": np.sin,
    "sinc": np.sinc,
    "sinh": np.sinh,
    "sqrt": np.sqrt,
    "tanh": np.tanh,
}


class Evaluation:
    """Values of a tree on a grid, by the operations themselves.

    `largest` is the largest value on the way; `inside` says where nothing is clipped.
    """

    def __init__(self, tree, x=GRID):
        self.x = x
        self.largest = 1.0
        self.inside = torch.ones_like(x, dtype=torch.bool)
        self.values = self._of(tree)

    def _of(self, tree):
        if not isinstance(tree, tuple):
            return self.x if tree == "x" else torch.full_like(self.x, tree)
        name, *arguments = tree
        operation = OPERATIONS[name]
        n_inputs = 1 if name in UNARY else 2
        inputs = [self._of(argument) for argument in arguments[:n_inputs]]
        betas = [torch.tensor(b, dtype=torch.float64) for b in arguments[n_inputs:]]
        if isinstance(operation, Smooth):
            self.inside &= (
                inputs[0].clamp(operation.lower, operation.upper) == inputs[0]
            )
        if name == "multiply":
            self.inside &= (inputs[0] * inputs[1]).abs() <= LIMIT
        is_affine = isinstance(operation, Affine)
        evaluate = operation.value if is_affine else operation.evaluate
        values = evaluate(*inputs, *betas)
        self.largest = max(self.largest, values.abs().max().item())
        return values


def _apply(name, *inputs, beta=1.2):
    return (name, *inputs) if OPERATIONS[name].beta is None else (name, *inputs, beta)


def _random_tree(rng):
    """Draw a tree of the space "rnn", with betas that rules care about."""

    def draw(operations, *inputs):
        # With one decimal, products of two are written without rounding.
        beta = rng.choice([-1.0, 0.0, 0.5, 1.0, round(rng.uniform(-3, 3), 1)])
        return _apply(rng.choice(list(operations)), *inputs, beta=beta)

    inner = draw(BINARY, draw(UNARY, "x"), draw(UNARY, "x"))
    return draw(BINARY, draw(UNARY, "x"), draw(UNARY, inner))


def _size(tree):
    if not isinstance(tree, tuple):
        return 1
    n_inputs = 1 if tree[0] in UNARY else 2
    return 1 + sum(_size(argument) for argument in tree[1 : 1 + n_inputs])


def _read(text, x):
    """Evaluate a text as a person would."""
    python = re.sub(r"\|([^|]*)\|", r"abs(\1)", text).replace("^", "**")
    with np.errstate(all="ignore"):
        values = eval(python, {"__builtins__": {}, "x": x, **READING})
    return np.broadcast_to(values, x.shape)


def _assert_reads_as(tree):
    evaluation = Evaluation(tree)
    inside = evaluation.inside.numpy()
    np.testing.assert_allclose(
        _read(to_text(tree), GRID.numpy())[inside],
        evaluation.values.numpy()[inside],
        rtol=0,
        atol=1e-9 * evaluation.largest,
        err_msg=f"{tree}",
    )
    return inside.sum()


def _assert_latex_is_valid(tree):
    MathTextParser("agg").parse(f"${to_latex(tree)}$")


def test_there_is_a_formula_for_every_operation():
    assert list(UNARY_FORMULAS) == list(UNARY)
    assert list(BINARY_FORMULAS) == list(BINARY)


@pytest.mark.parametrize("name", UNARY)
def test_formulas_of_unary_operations(name):
    assert _assert_reads_as(_apply(name, "x")) > 100
    for inner in UNARY:
        _assert_reads_as(_apply(name, _apply(inner, "x", beta=-0.7)))
    for outer in BINARY:
        tree = _apply(outer, _apply(name, "x"), ("sin", "x"))
        _assert_reads_as(tree)
        _assert_latex_is_valid(tree)


@pytest.mark.parametrize("name", BINARY)
def test_formulas_of_binary_operations(name):
    assert _assert_reads_as(_apply(name, "x", ("cos", "x"))) > 100
    for inner in UNARY:
        _assert_reads_as(_apply(name, _apply(inner, "x", beta=-0.7), "x"))
    for inner in BINARY:
        tree = _apply(name, ("sin", "x"), _apply(inner, ("tanh", "x"), "x"))
        _assert_reads_as(tree)
        _assert_latex_is_valid(tree)


def test_formulas_of_whole_activations():
    rng = random.Random(0)
    trees = [_random_tree(rng) for _ in range(300)]
    # Most have a point where nothing is clipped, or this would compare nothing.
    assert sum(_assert_reads_as(tree) > 0 for tree in trees) > 200
    for tree in trees[:60]:
        _assert_latex_is_valid(tree)


@pytest.mark.parametrize(
    ("tree", "text"),
    [
        (("gate", "x", ("relu", "x")), "max(x, 0) * sigmoid(x)"),
        (("gate", ("scale", "x", 1.2), "x"), "x * sigmoid(1.2 * x)"),
        (("rbf", ("sin", "x"), "x", -1.3), "exp(-1.3 * (sin(x) - x)^2)"),
        (("rbf", "x", 0.0, 1.0), "exp(-x^2)"),
        (("laplace", "x", ("negative", ("cos", "x")), 1.0), "exp(-|x + cos(x)|)"),
        (("log", "x"), "log(x + 0.01)"),
        (("divide", "x", ("shift", "x", -0.5)), "x * (x - 0.5) / ((x - 0.5)^2 + 0.01)"),
        (("square", ("negative", "x")), "(-x)^2"),
        (("negative", ("square", "x")), "-x^2"),
        (("square", ("cube", "x")), "(x^3)^2"),
        (("square", ("exp", "x")), "exp(x)^2"),
        (("subtract", "x", ("add", "x", ("sin", "x"))), "x - (x + sin(x))"),
        (("add", "x", ("subtract", "x", ("sin", "x"))), "x + x - sin(x)"),
        (("subtract", "x", ("scale", "x", -2.0)), "x + 2 * x"),
        (("multiply", ("add", "x", 1.0), ("negative", "x")), "(x + 1) * (-x)"),
        (("shift", ("negative", ("sin", "x")), 1.0), "1 - sin(x)"),
        (("blend", "x", ("sin", "x"), 1.25), "1.25 * x - 0.25 * sin(x)"),
        (("abs", ("shift", ("abs", "x"), -1.0)), "abs(|x| - 1)"),
        (("scale", "x", 0.123456), "0.1235 * x"),
        (("scale", "x", -1.0), "-x"),
        (-0.0, "0"),
    ],
)
def test_text(tree, text):
    assert to_text(tree) == text


@pytest.mark.parametrize(
    ("tree", "latex"),
    [
        (("gate", "x", ("relu", "x")), r"\max(x, 0)\,\sigma(x)"),
        (("divide", "x", ("sin", "x")), r"\frac{x\,\sin(x)}{\sin(x)^2 + 0.01}"),
        (("gaussian", "x"), "e^{-x^2}"),
        (("square", ("exp", "x")), "(e^{x})^2"),
        (("sqrt", ("shift", "x", -1.5)), r"\sqrt{x - 1.5}"),
        (("erf", "x"), r"\operatorname{erf}(x)"),
        (("abs", ("abs", "x")), r"\left|\left|x\right|\right|"),
        (
            ("sin", ("divide", "x", "x")),
            r"\sin\left(\frac{x\,x}{x^2 + 0.01}\right)",
        ),
        (("multiply", 2.0, ("scale", "x", 0.5)), r"2 \cdot 0.5\,x"),
        (("scale", "x", -2.5e-7), r"-2.5 \cdot 10^{-7}\,x"),
    ],
)
def test_latex(tree, latex):
    assert to_latex(tree) == latex
    _assert_latex_is_valid(tree)


SIN = ("sin", "x")


@pytest.mark.parametrize(
    ("tree", "simple"),
    [
        (("identity", SIN), SIN),
        (("zero", SIN), 0.0),
        (("constant", SIN, 0.3), 0.3),
        (("negative", ("negative", "x")), "x"),
        (("add", ("zero", "x"), "x"), "x"),
        (("add", "x", "x"), ("scale", "x", 2.0)),
        (("add", "x", ("scale", "x", -0.25)), ("scale", "x", 0.75)),
        (("subtract", "x", ("identity", "x")), 0.0),
        (("subtract", ("zero", "x"), "x"), ("negative", "x")),
        (("subtract", ("add", SIN, "x"), SIN), "x"),
        (("subtract", ("add", SIN, "x"), ("add", "x", SIN)), 0.0),
        (("shift", ("scale", ("shift", "x", 1.0), 2.0), -2.0), ("scale", "x", 2.0)),
        (("scale", "x", 0.0), 0.0),
        (("abs", ("negative", "x")), ("abs", "x")),
        (("cos", ("shift", ("negative", "x"), -1.0)), ("cos", ("shift", "x", 1.0))),
        (("negative", ("tanh", ("negative", "x"))), ("tanh", "x")),
        (("relu", ("relu", "x")), ("relu", "x")),
        (("relu", ("gate", "x", ("sigmoid", "x"))), ("gate", "x", ("sigmoid", "x"))),
        (("abs", ("negative_part", "x")), ("negative", ("negative_part", "x"))),
        (("hardswish", ("shift", ("cosh", "x"), 2.0)), ("shift", ("cosh", "x"), 2.0)),
        (("sqrt", ("negative", ("exp", "x"))), 0.001**0.5),
        (("maximum", ("zero", "x"), "x"), ("relu", "x")),
        (("maximum", SIN, ("shift", SIN, 1.0)), ("shift", SIN, 1.0)),
        (("maximum", SIN, ("constant", "x", 2.0)), 2.0),
        (("minimum", "x", ("negative", "x")), ("negative", ("abs", "x"))),
        (("multiply", "x", "x"), ("square", "x")),
        (("multiply", "x", 0.0), 0.0),
        (("multiply", SIN, 3.0), ("scale", SIN, 3.0)),
        (("divide", "x", ("zero", "x")), 0.0),
        (("gate", ("zero", "x"), "x"), ("scale", "x", 0.5)),
        (("rbf", SIN, SIN, 1.2), 1.0),
        (("rbf", ("negative", SIN), ("negative", "x"), 1.2), ("rbf", "x", SIN, 1.2)),
        (("laplace", ("shift", "x", 2.0), "x", 0.0), 1.0),
        (("blend", SIN, SIN, 0.3), SIN),
        (("blend", SIN, 0.0, 0.3), ("scale", SIN, 0.3)),
    ],
)
def test_simplified(tree, simple):
    assert simplify(tree) == simple


@pytest.mark.parametrize(
    "tree",
    [
        # A product is clipped, a scale is not.
        ("multiply", 1.0, "x"),
        # The divisor is never zero, so the quotient is not one.
        ("divide", "x", "x"),
        ("sqrt", ("square", "x")),
        ("abs", ("hardswish", "x")),
        ("maximum", SIN, 0.5),
    ],
)
def test_not_simplified_where_it_would_not_be_exact(tree):
    assert simplify(tree) == tree


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_on_numbers_are_evaluated(name):
    n_inputs = 1 if name in UNARY else 2
    for inputs in [(-30.0, 2.5), (-0.4, -0.4), (0.0, 1e-4), (0.7, 0.0), (50.0, 40.0)]:
        tree = _apply(name, *inputs[:n_inputs])
        expected = Evaluation(tree, GRID[:1]).values.item()
        assert simplify(tree) == pytest.approx(expected, rel=1e-9, abs=1e-15)


def test_simplified_activations_have_the_same_values():
    rng = random.Random(1)
    n_smaller = 0
    for _ in range(600):
        tree = _random_tree(rng)
        simple = simplify(tree)
        expected = Evaluation(tree)
        # Rounding is relative to what is added and subtracted on the way.
        np.testing.assert_allclose(
            Evaluation(simple).values,
            expected.values,
            rtol=0,
            atol=1e-9 * expected.largest,
            err_msg=f"{tree} -> {simple}",
        )
        assert _size(simple) <= _size(tree)
        assert simplify(simple) == simple
        n_smaller += _size(simple) < _size(tree)
    assert n_smaller > 300
