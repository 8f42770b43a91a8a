"""Simplify trees of operations by rules that are exact for their safe forms.

A tree is the input `"x"`, a number, or a tuple of the name of an operation, the trees
that it is applied to, and the value of its beta if it has one.
"""

import math

from skestimators.neural_network._activation.intervals import (
    EPSILON,
    VALUES,
    clip,
    interval,
    product,
    sigmoid,
)


def _larger(a, b):
    """Return the one of two trees that is never below the other; None if neither is."""
    lowest, highest = interval(simplify(("subtract", a, b)))
    if lowest >= 0:
        return a
    return b if highest <= 0 else None


def _smaller(a, b):
    larger = _larger(a, b)
    return None if larger is None else (b if larger == a else a)


def _combined(a, m, b, n):
    """Return m * a + n * b where both are multiples of one tree, else None."""
    (p, base), (q, other) = factor_and_base(a), factor_and_base(b)
    return ("scale", base, m * p + n * q) if base == other else None


def _without_minus(tree):
    """Return minus the tree where that has one minus less, else None."""
    factor, base = factor_and_base(tree)
    if factor < 0:
        return simplify(("scale", base, -factor))
    if isinstance(tree, tuple) and tree[0] == "shift":
        turned = _without_minus(tree[1])
        return turned and ("shift", turned, -tree[2])
    return None


def _even(name):
    def turn(a):
        turned = _without_minus(a)
        return turned and (name, turned)

    return [((name, "a"), turn), ((name, ("abs", "a")), (name, "a"))]


def _odd(name, mirrored):
    return [((name, ("negative", "a")), ("negative", (mirrored, "a")))]


def _odd_in_both(name, mirrored, *beta):
    both_turned = (name, ("negative", "a"), ("negative", "b"), *beta)
    return [(both_turned, ("negative", (mirrored, "a", "b", *beta)))]


def _of_difference(name):
    def constant(a, b, m):
        difference = simplify(("subtract", a, b))
        if not _is_number(difference):
            return None
        return VALUES[name](difference, 0.0, m)

    turned = (name, ("negative", "a"), ("negative", "b"), "m")
    return [
        ((name, "a", "b", 0.0), 1.0),
        ((name, "a", "b", "m"), constant),
        (turned, (name, "a", "b", "m")),
    ]


def _where(name, lowest, highest, replacement):
    """Return the rule for an argument that lies in an interval."""

    def replace(a):
        ends = interval(a)
        is_inside = lowest <= ends[0] and ends[1] <= highest
        return _filled(replacement, {"a": a}) if is_inside else None

    return [((name, "a"), replace)]


def _scale_if_unclipped(a, m):
    ends = product(interval(a), (m, m))
    return ("scale", a, m) if tuple(map(clip, ends)) == ends else None


# Pairs of a pattern and what it is replaced by: a pattern again, or a function of what
# was found, which returns None where the rule does not apply. In patterns, a and b are
# trees, m and n numbers. A minus moves outwards; what is affine becomes a shift of a
# scale; no rule makes a tree larger.
_RULES = [
    (("identity", "a"), "a"),
    # Affine operations.
    (("negative", ("negative", "a")), "a"),
    (("negative", ("scale", "a", "m")), lambda a, m: ("scale", a, -m)),
    (("negative", ("shift", "a", "m")), lambda a, m: ("shift", ("negative", a), -m)),
    (("negative", ("subtract", "a", "b")), ("subtract", "b", "a")),
    (("scale", "a", 1.0), "a"),
    (("scale", "a", -1.0), ("negative", "a")),
    (("scale", ("negative", "a"), "m"), lambda a, m: ("scale", a, -m)),
    (("scale", ("scale", "a", "m"), "n"), lambda a, m, n: ("scale", a, m * n)),
    (
        ("scale", ("shift", "a", "m"), "n"),
        lambda a, m, n: ("shift", ("scale", a, n), m * n),
    ),
    (("shift", "a", 0.0), "a"),
    (("shift", ("shift", "a", "m"), "n"), lambda a, m, n: ("shift", a, m + n)),
    # Sums.
    (("add", "a", "m"), ("shift", "a", "m")),
    (("subtract", "a", "m"), lambda a, m: ("shift", a, -m)),
    (("subtract", "m", "a"), ("shift", ("negative", "a"), "m")),
    (("add", ("shift", "a", "m"), "b"), ("shift", ("add", "a", "b"), "m")),
    (("subtract", ("shift", "a", "m"), "b"), ("shift", ("subtract", "a", "b"), "m")),
    (
        ("subtract", "a", ("shift", "b", "m")),
        lambda a, b, m: ("shift", ("subtract", a, b), -m),
    ),
    (("add", "a", "b"), lambda a, b: _combined(a, 1.0, b, 1.0)),
    (("subtract", "a", "b"), lambda a, b: _combined(a, 1.0, b, -1.0)),
    *_odd_in_both("add", "add"),
    (("add", "a", ("negative", "b")), ("subtract", "a", "b")),
    (("subtract", "a", ("negative", "b")), ("add", "a", "b")),
    (("subtract", ("negative", "a"), "b"), ("negative", ("add", "a", "b"))),
    (
        ("add", "a", ("scale", "b", "m")),
        lambda a, b, m: ("subtract", a, ("scale", b, -m)) if m < 0 else None,
    ),
    (
        ("subtract", "a", ("scale", "b", "m")),
        lambda a, b, m: ("add", a, ("scale", b, -m)) if m < 0 else None,
    ),
    (("add", ("subtract", "a", "b"), "b"), "a"),
    (("subtract", ("add", "a", "b"), "b"), "a"),
    (("subtract", "a", ("add", "a", "b")), ("negative", "b")),
    (("subtract", "a", ("subtract", "a", "b")), "b"),
    (("subtract", ("subtract", "a", "b"), "a"), ("negative", "b")),
    (("add", ("relu", "a"), ("negative_part", "a")), "a"),
    (("subtract", ("relu", "a"), ("negative_part", "a")), ("abs", "a")),
    # Products. Squares and cubes are clipped where products are.
    (("multiply", "a", "m"), _scale_if_unclipped),
    (("multiply", "a", "a"), ("square", "a")),
    (("multiply", "a", ("square", "a")), ("cube", "a")),
    (("multiply", "a", ("negative", "b")), ("negative", ("multiply", "a", "b"))),
    (("divide", ("negative", "a"), "b"), ("negative", ("divide", "a", "b"))),
    (("divide", "a", ("negative", "b")), ("negative", ("divide", "a", "b"))),
    (("gate", "a", ("negative", "b")), ("negative", ("gate", "a", "b"))),
    (("gate", "a", "a"), ("silu", "a")),
    (("gate", "m", "b"), lambda b, m: ("scale", b, sigmoid(m))),
    (("gate", "a", "m"), ("scale", ("sigmoid", "a"), "m")),
    (("divide", "a", "m"), lambda a, m: ("scale", a, m / (m * m + EPSILON))),
    # Extremes.
    (("maximum", "a", ("negative", "a")), ("abs", "a")),
    (("minimum", "a", ("negative", "a")), ("negative", ("abs", "a"))),
    (("maximum", "a", "b"), _larger),
    (("minimum", "a", "b"), _smaller),
    (("maximum", "a", 0.0), ("relu", "a")),
    (("minimum", "a", 0.0), ("negative_part", "a")),
    (("maximum", "a", ("relu", "a")), ("relu", "a")),
    (("minimum", "a", ("relu", "a")), "a"),
    (("maximum", "a", ("negative_part", "a")), "a"),
    (("minimum", "a", ("negative_part", "a")), ("negative_part", "a")),
    *_odd_in_both("maximum", "minimum"),
    *_odd_in_both("minimum", "maximum"),
    # Averages and likenesses.
    (("blend", "a", "b", "m"), lambda a, b, m: _combined(a, m, b, 1 - m)),
    (("blend", "a", "b", 1.0), "a"),
    (("blend", "a", "b", 0.0), "b"),
    (
        ("blend", "a", "n", "m"),
        lambda a, m, n: ("shift", ("scale", a, m), (1 - m) * n),
    ),
    (
        ("blend", "n", "b", "m"),
        lambda b, m, n: ("shift", ("scale", b, 1 - m), m * n),
    ),
    *_odd_in_both("blend", "blend", "m"),
    *_of_difference("rbf"),
    *_of_difference("laplace"),
    # Symmetries, and arguments of one sign.
    *(
        rule
        for name in ("abs", "square", "cos", "cosh", "sinc", "gaussian")
        for rule in _even(name)
    ),
    *(
        rule
        for name in ("cube", "sin", "sinh", "tanh", "asinh", "atan", "erf")
        for rule in _odd(name, name)
    ),
    *_odd("relu", "negative_part"),
    *_odd("negative_part", "relu"),
    *_where("abs", 0, math.inf, "a"),
    *_where("abs", -math.inf, 0, ("negative", "a")),
    *_where("relu", 0, math.inf, "a"),
    *_where("negative_part", -math.inf, 0, "a"),
    *_where("leaky_relu", 0, math.inf, "a"),
    *_where("leaky_relu", -math.inf, 0, ("scale", "a", 0.01)),
    *_where("hardswish", 3, math.inf, "a"),
    *_where("hardswish", -math.inf, -3, 0.0),
]

_COMMUTATIVE = {"add", "multiply", "minimum", "maximum", "rbf", "laplace"}


def simplify(tree):
    """Return a simpler tree with the same values.

    Parameters
    ----------
    tree : tuple, float or "x"
        The tree.

    Returns
    -------
    tree : tuple, float or "x"
        A tree with no more operations and leaves. Its values are those of the safe
        forms of the operations, up to rounding, for every finite input.

    Examples
    --------
    >>> from skestimators.neural_network._activation.simplification import simplify
    >>> simplify(("maximum", ("identity", "x"), ("negative", ("zero", "x"))))
    ('relu', 'x')
    """
    if not isinstance(tree, tuple):
        return tree
    tree = _ordered((tree[0], *map(simplify, tree[1:])))
    lowest, highest = interval(tree)
    if lowest == highest:
        return lowest
    for pattern, replacement in _RULES:
        for found in _matches(pattern, tree, {}):
            simpler = _filled(replacement, found)
            if simpler is not None:
                return simplify(simpler)
    return tree


def _ordered(tree):
    """Return a tree in which arguments that may be exchanged have one order."""
    name, *arguments = tree
    if name not in _COMMUTATIVE:
        return tree
    # Numbers come last, but before what they multiply.
    first, second = sorted(
        arguments[:2],
        key=lambda a: (_is_number(a) == (name != "multiply"), _size(a), repr(a)),
    )
    return name, first, second, *arguments[2:]


def _is_number(tree):
    return not isinstance(tree, tuple | str)


def _size(tree):
    return 1 + sum(map(_size, tree[1:])) if isinstance(tree, tuple) else 1


def _matches(pattern, tree, found):
    """Yield what the names in a pattern stand for, for each way that it matches."""
    if isinstance(pattern, str):
        is_right = pattern in "ab" or _is_number(tree)
        if is_right and found.get(pattern, tree) == tree:
            yield {**found, pattern: tree}
    elif not isinstance(pattern, tuple):
        if pattern == tree:
            yield found
    elif isinstance(tree, tuple) and tree[0] == pattern[0]:
        name, first, *others = tree
        orders = [(first, *others)]
        if name in _COMMUTATIVE:
            orders.append((others[0], first, *others[1:]))
        for arguments in orders:
            ways = [found]
            for part, argument in zip(pattern[1:], arguments, strict=True):
                ways = [new for old in ways for new in _matches(part, argument, old)]
            yield from ways


def _filled(replacement, found):
    if callable(replacement):
        return replacement(**found)
    if isinstance(replacement, tuple):
        name, *parts = replacement
        return name, *(_filled(part, found) for part in parts)
    return found[replacement] if isinstance(replacement, str) else replacement


def factor_and_base(tree):
    """Split a tree into a number and the tree that it is a multiple of.

    Parameters
    ----------
    tree : tuple, float or "x"
        The tree.

    Returns
    -------
    factor : float
        1 where the tree is neither a scale nor a negative.

    base : tuple, float or "x"
        The tree without them.
    """
    if isinstance(tree, tuple) and tree[0] == "negative":
        return -1.0, tree[1]
    if isinstance(tree, tuple) and tree[0] == "scale":
        return tree[2], tree[1]
    return 1.0, tree
