"""Values of operations on numbers, and intervals that the values of trees lie in.

The values are those of the safe forms, without torch.
"""

import math

# Where values end.
LIMIT = 100.0
# Added to the argument of the logarithm, and to the square of a divisor.
EPSILON = 0.01


def clip(value, lowest=-LIMIT, highest=LIMIT):
    """Return the nearest number in an interval."""
    return min(max(value, lowest), highest)


def sigmoid(a):
    """Return the value of the operation of that name."""
    # Neither exponential overflows.
    return math.exp(min(a, 0)) / (1 + math.exp(-abs(a)))


def _sinc(a):
    return math.sin(math.pi * a) / (math.pi * a) if a else 1.0


def _within(value, lowest=-math.inf, highest=math.inf):
    return lambda a: value(clip(a, lowest, highest))


_SINH_END = math.asinh(LIMIT)

# The safe forms, for numbers. The first table holds what only rises, so that its ends
# of an interval are the values at the ends.
_RISING = {
    "identity": lambda a: a,
    "cube": _within(lambda a: a**3, -math.cbrt(LIMIT), math.cbrt(LIMIT)),
    "sqrt": _within(math.sqrt, 0.001),
    "log": _within(lambda a: math.log(a + EPSILON), 0.0),
    "exp": _within(math.exp, highest=math.log(LIMIT)),
    "sinh": _within(math.sinh, -_SINH_END, _SINH_END),
    "tanh": math.tanh,
    "asinh": _within(math.asinh, -1e9, 1e9),
    "acosh": _within(math.acosh, 1.001, 1e9),
    "atan": math.atan,
    "relu": lambda a: max(a, 0.0),
    "negative_part": lambda a: min(a, 0.0),
    "sigmoid": sigmoid,
    "softplus": lambda a: a if a > 20 else math.log1p(math.exp(a)),
    "erf": math.erf,
    "leaky_relu": lambda a: max(a, 0.01 * a),
}
VALUES = {
    **_RISING,
    "zero": lambda a: 0.0,
    "negative": lambda a: -a,
    "abs": abs,
    "square": _within(lambda a: a * a, -math.sqrt(LIMIT), math.sqrt(LIMIT)),
    "scale": lambda a, beta: a * beta,
    "shift": lambda a, beta: a + beta,
    "constant": lambda a, beta: beta,
    "sin": math.sin,
    "cos": math.cos,
    "cosh": _within(math.cosh, -_SINH_END, _SINH_END),
    "sinc": _sinc,
    "gaussian": lambda a: math.exp(-a * a),
    "hardswish": lambda a: a * clip(a + 3, 0, 6) / 6,
    "silu": lambda a: a * sigmoid(a),
    "gelu": lambda a: 0.5 * a * math.erfc(-a / math.sqrt(2)),
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: clip(a * b),
    "divide": lambda a, b: a * b / (b * b + EPSILON),
    "minimum": min,
    "maximum": max,
    "gate": lambda a, b: sigmoid(a) * b,
    "rbf": lambda a, b, beta: math.exp(-abs(beta) * (a - b) * (a - b)),
    "laplace": lambda a, b, beta: math.exp(-abs(beta) * abs(a - b)),
    "blend": lambda a, b, beta: beta * a + (1 - beta) * b,
}

# Intervals that values lie in, whatever the argument.
_ENDS = {
    "zero": (0.0, 0.0),
    "abs": (0.0, math.inf),
    "square": (0.0, LIMIT),
    "sin": (-1.0, 1.0),
    "cos": (-1.0, 1.0),
    "cosh": (1.0, math.cosh(_SINH_END)),
    "sinc": (-0.22, 1.0),
    "gaussian": (0.0, 1.0),
    "hardswish": (-0.375, math.inf),
    "silu": (-0.28, math.inf),
    "gelu": (-0.17, math.inf),
    "rbf": (0.0, 1.0),
    "laplace": (0.0, 1.0),
}


def _sum(a, b):
    return a[0] + b[0], a[1] + b[1]


def product(a, b):
    """Return the interval of products of numbers from two intervals."""
    # Infinity stands for a finite number of any size, so 0 times it is 0.
    corners = [p * q if p and q else 0.0 for p in a for q in b]
    return min(corners), max(corners)


def _quotient(a, b):
    # Of what a is multiplied by, the largest value is at the square root of epsilon.
    steepest = 0.5 / math.sqrt(EPSILON)
    return product(a, (-steepest * (b[0] < 0), steepest * (b[1] > 0)))


_INTERVALS = {
    "negative": lambda a: (-a[1], -a[0]),
    "scale": product,
    "shift": _sum,
    "constant": lambda a, beta: beta,
    "add": _sum,
    "subtract": lambda a, b: (a[0] - b[1], a[1] - b[0]),
    "multiply": lambda a, b: tuple(map(clip, product(a, b))),
    "divide": _quotient,
    "minimum": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "maximum": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "gate": lambda a, b: product(tuple(map(sigmoid, a)), b),
    "blend": lambda a, b, beta: _sum(
        product(a, beta), product(b, (1 - beta[0], 1 - beta[1]))
    ),
}


def interval(tree):
    """Return the ends of an interval that the values of a tree lie in."""
    if not isinstance(tree, tuple):
        return (-math.inf, math.inf) if tree == "x" else (tree, tree)
    name, *arguments = tree
    intervals = [interval(argument) for argument in arguments]
    if all(lowest == highest for lowest, highest in intervals):
        value = VALUES[name](*(lowest for lowest, _ in intervals))
        return value, value
    if name in _RISING:
        return tuple(map(_RISING[name], *intervals))
    return _ENDS[name] if name in _ENDS else _INTERVALS[name](*intervals)
