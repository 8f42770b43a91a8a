"""The operations that an activation is made of, and their derivatives.

Every operation is safe: finite for every finite input, with finite slopes. A unary
operation follows its formula within its domain, and is constant beyond; the domain ends
where the formula is not defined, too steep, or larger than `LIMIT`.

Derivatives are written out, as a search calls many operations on the same input: one
pass then gives the gradients of all of them, and keeps nothing but their values.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional

from skestimators.neural_network._activation.intervals import EPSILON, LIMIT

# Its square is finite in float32; what is beyond is as good as infinite.
_FAR = 1e9


@dataclass(frozen=True)
class Affine:
    """A unary operation `slope * x + offset`, of which one may be beta.

    Parameters
    ----------
    value : callable
        Takes a tensor, and beta if there is one; returns a tensor of the same shape.

    slope, offset : float or None
        The coefficients; None stands for beta.

    beta : float or None, default=None
        What beta starts from.
    """

    value: Callable
    slope: float | None
    offset: float | None
    beta: float | None = None
    lower = -math.inf
    upper = math.inf


@dataclass(frozen=True)
class Smooth:
    """A unary operation with a derivative.

    Parameters
    ----------
    value : callable
        Takes a tensor, returns one of the same shape.

    slope : callable
        Takes the tensor and the value, returns the derivative.

    lower, upper : float
        Ends of the domain.
    """

    value: Callable
    slope: Callable
    lower: float = -math.inf
    upper: float = math.inf
    beta = None

    def evaluate(self, x):
        """Return the value of the safe form."""
        return self.value(x.clamp(self.lower, self.upper) if has_ends(self) else x)

    def partials(self, x, y):
        """Return the derivative of the safe form, given its value, in a tuple."""
        if not has_ends(self):
            return (self.slope(x, y),)
        inside = x.clamp(self.lower, self.upper)
        return (self.slope(inside, y) * (inside == x),)


def has_ends(operation):
    """Tell whether the domain of a unary operation has an end."""
    return math.isfinite(operation.lower) or math.isfinite(operation.upper)


@dataclass(frozen=True)
class Binary:
    """A binary operation with its partial derivatives.

    Parameters
    ----------
    evaluate : callable
        Takes two tensors, and beta if there is one.

    partials : callable
        Takes the same and the value, returns the derivatives by each.

    beta : float or None, default=None
        What beta starts from.
    """

    evaluate: Callable
    partials: Callable
    beta: float | None = None


# Defaults of arguments stand for constants, which TorchScript would not find.


def _identity(x):
    return x


def _scale(x, beta):
    return x * beta


def _shift(x, beta):
    return x + beta


def _constant(x, beta):
    return torch.zeros_like(x) + beta


def _cube(x):
    return x * x * x


def _log(x, epsilon: float = EPSILON):
    return torch.log(x + epsilon)


def _asinh(x):
    # Several times faster than torch's own on a CPU, which is not vectorised.
    a = x.abs()
    square = a * a
    y = torch.copysign(torch.log1p(a + square / (1 + torch.sqrt(1 + square))), x)
    # There the formula is exact too, but would have no slope at 0.
    return torch.where(a < 1e-4, x - x * square / 6, y)


def _acosh(x):
    return torch.log(x + torch.sqrt(x * x - 1))


def _gaussian(x):
    return torch.exp(-x * x)


def _sinc_derivative(x, y):
    # (cos(pi x) - sinc(x)) / x, which is 0 at 0.
    return torch.where(
        x.abs() < 1e-3, -(math.pi**2) / 3 * x, (torch.cos(math.pi * x) - y) / x
    )


def _negative_part(x):
    return torch.clamp(x, max=0)


def _hardswish_derivative(x, y):
    return torch.where(x.abs() < 3, x / 3 + 0.5, (x >= 3).to(x.dtype))


def _silu_derivative(x, y):
    gate = torch.sigmoid(x)
    return gate + y * (1 - gate)


def _gelu_derivative(x, y):
    density = torch.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    return 0.5 * (1 + torch.erf(x / math.sqrt(2))) + x * density


def _add_partials(a, b, y):
    one = torch.ones_like(y)
    return one, one


def _subtract_partials(a, b, y):
    one = torch.ones_like(y)
    return one, -one


def _multiply(a, b, limit: float = LIMIT):
    return torch.clamp(a * b, -limit, limit)


def _multiply_partials(a, b, y):
    inside = y.abs() < LIMIT
    return b * inside, a * inside


def _divide(a, b, epsilon: float = EPSILON, far: float = _FAR):
    b = torch.clamp(b, -far, far)
    return a * (b / (b * b + epsilon))


def _divide_partials(a, b, y):
    near = b.clamp(-_FAR, _FAR)
    square = near * near
    scale = 1 / (square + EPSILON)
    return near * scale, a * ((EPSILON - square) * scale * scale) * (near == b)


def _minimum_partials(a, b, y):
    # Where both are equal, each gets one half, as in torch.
    first = 0.5 * ((a < b).to(a.dtype) + (a <= b))
    return first, 1 - first


def _maximum_partials(a, b, y):
    return _minimum_partials(b, a, y)


def _gate(a, b):
    return torch.sigmoid(a) * b


def _gate_partials(a, b, y):
    gate = torch.sigmoid(a)
    return y * (1 - gate), gate


def _rbf(a, b, beta, far: float = _FAR):
    difference = torch.clamp(a - b, -far, far)
    return torch.exp(-beta.abs() * difference.square())


def _rbf_partials(a, b, beta, y):
    difference = (a - b).clamp(-_FAR, _FAR)
    by_a = -2 * beta.abs() * difference * y
    return by_a, -by_a, -beta.sign() * difference.square() * y


def _laplace(a, b, beta):
    return torch.exp(-beta.abs() * (a - b).abs())


def _laplace_partials(a, b, beta, y):
    difference = a - b
    by_a = -beta.abs() * difference.sign() * y
    return by_a, -by_a, -beta.sign() * difference.abs() * y


def _blend(a, b, beta):
    return torch.lerp(b, a, beta)


def _blend_partials(a, b, beta, y):
    return beta, 1 - beta, a - b


_EXP_END = math.log(LIMIT)
_SINH_END = math.asinh(LIMIT)

UNARY = {
    "identity": Affine(_identity, 1.0, 0.0),
    "zero": Affine(torch.zeros_like, 0.0, 0.0),
    "negative": Affine(torch.neg, -1.0, 0.0),
    "abs": Smooth(torch.abs, lambda x, y: x.sign()),
    "square": Smooth(
        torch.square, lambda x, y: 2 * x, -math.sqrt(LIMIT), math.sqrt(LIMIT)
    ),
    "cube": Smooth(_cube, lambda x, y: 3 * x * x, -math.cbrt(LIMIT), math.cbrt(LIMIT)),
    "sqrt": Smooth(torch.sqrt, lambda x, y: 0.5 / y, lower=0.001),
    "scale": Affine(_scale, None, 0.0, beta=1.0),
    "shift": Affine(_shift, 1.0, None, beta=1.0),
    "log": Smooth(_log, lambda x, y: 1 / (x + EPSILON), lower=0.0),
    "exp": Smooth(torch.exp, lambda x, y: y, upper=_EXP_END),
    "sin": Smooth(torch.sin, lambda x, y: torch.cos(x)),
    "cos": Smooth(torch.cos, lambda x, y: -torch.sin(x)),
    "sinh": Smooth(torch.sinh, lambda x, y: torch.cosh(x), -_SINH_END, _SINH_END),
    "cosh": Smooth(torch.cosh, lambda x, y: torch.sinh(x), -_SINH_END, _SINH_END),
    "tanh": Smooth(torch.tanh, lambda x, y: 1 - y * y),
    "asinh": Smooth(_asinh, lambda x, y: torch.rsqrt(x * x + 1), -_FAR, _FAR),
    "acosh": Smooth(_acosh, lambda x, y: torch.rsqrt(x * x - 1), 1.001, _FAR),
    "atan": Smooth(torch.atan, lambda x, y: 1 / (x * x + 1)),
    "sinc": Smooth(torch.sinc, _sinc_derivative),
    "relu": Smooth(torch.relu, lambda x, y: (x > 0).to(x.dtype)),
    "negative_part": Smooth(_negative_part, lambda x, y: (x <= 0).to(x.dtype)),
    "sigmoid": Smooth(torch.sigmoid, lambda x, y: y * (1 - y)),
    "softplus": Smooth(functional.softplus, lambda x, y: torch.sigmoid(x)),
    "gaussian": Smooth(_gaussian, lambda x, y: -2 * x * y),
    "erf": Smooth(torch.erf, lambda x, y: 2 / math.sqrt(math.pi) * torch.exp(-x * x)),
    "constant": Affine(_constant, 0.0, None, beta=1.0),
    "leaky_relu": Smooth(
        functional.leaky_relu, lambda x, y: 0.01 + 0.99 * (x > 0).to(x.dtype)
    ),
    "hardswish": Smooth(functional.hardswish, _hardswish_derivative),
    "silu": Smooth(functional.silu, _silu_derivative),
    "gelu": Smooth(functional.gelu, _gelu_derivative),
}

BINARY = {
    "add": Binary(torch.add, _add_partials),
    "subtract": Binary(torch.sub, _subtract_partials),
    "multiply": Binary(_multiply, _multiply_partials),
    "divide": Binary(_divide, _divide_partials),
    "minimum": Binary(torch.minimum, _minimum_partials),
    "maximum": Binary(torch.maximum, _maximum_partials),
    "gate": Binary(_gate, _gate_partials),
    "rbf": Binary(_rbf, _rbf_partials, beta=1.0),
    "laplace": Binary(_laplace, _laplace_partials, beta=1.0),
    "blend": Binary(_blend, _blend_partials, beta=0.5),
}
