"""What activations look like on paper: text and LaTeX of a tree of operations.

A tree is the input `"x"`, a number, or a tuple of the name of an operation, the trees
that it is applied to, and the value of its beta if it has one.

Formulas are written as they hold within the domains of the operations: where a value is
clipped beyond, the formula does not say so.
"""

from collections.abc import Callable
from dataclasses import dataclass

from skestimators.neural_network._activation.intervals import EPSILON
from skestimators.neural_network._activation.simplification import (
    factor_and_base,
    simplify,
)

__all__ = [
    "BINARY_FORMULAS",
    "UNARY_FORMULAS",
    "Formula",
    "Shorthand",
    "simplify",
    "to_latex",
    "to_text",
]

# What an expression is held together by, from the loosest to the tightest. "signed" is
# one term with a minus before it.
_LEVELS = ("sum", "signed", "product", "power", "atom")


@dataclass(frozen=True)
class Formula:
    """How an operation is written.

    The fields of a template are the arguments `a` and `b`. A format specification names
    the loosest level that stands without parentheses; `call` always sets them, `bars`
    makes an absolute value, and `+`, `-` and `*` write the sign as well.

    Parameters
    ----------
    text, latex : str
        The templates.

    level : str, default="atom"
        What the text is held together by.

    latex_level : str or None, default=None
        The same of the LaTeX form; None stands for `level`.
    """

    text: str
    latex: str
    level: str = "atom"
    latex_level: str | None = None


@dataclass(frozen=True)
class Shorthand:
    """An operation that is written in terms of others.

    Parameters
    ----------
    tree : callable
        Takes what follows the name in a tree, returns the tree that is written instead.
    """

    tree: Callable


@dataclass(frozen=True)
class _Piece:
    """A written expression that knows when it needs parentheses."""

    string: str
    level: str
    in_latex: bool

    def __format__(self, spec):
        if spec == "":
            return self.string
        if spec == "call":
            return self._bracketed()
        if spec == "bars":
            return f"abs({self.string})" if "|" in self.string else f"|{self.string}|"
        if spec == "+":
            is_minus = self.string.startswith("-")
            return f" - {self.string[1:]}" if is_minus else f" + {self.string}"
        if spec == "-":
            is_minus = self.level == "signed"
            return f" + {self.string[1:]}" if is_minus else f" - {self:product}"
        if spec == "*":
            return f"{self._times()}{self:product}"
        is_loose = _LEVELS.index(self.level) < _LEVELS.index(spec)
        return self._bracketed() if is_loose else self.string

    def _bracketed(self):
        if self.in_latex and "\\frac" in self.string:
            return rf"\left({self.string}\right)"
        return f"({self.string})"

    def _times(self):
        if not self.in_latex:
            return " * "
        # Two numbers side by side would read as one.
        return r" \cdot " if self.string[0].isdigit() else r"\,"


def _call(text, latex):
    return Formula(text + "{a:call}", latex + "{a:call}")


def _scaled(a, beta):
    factor, base = factor_and_base(a)
    written = _number(factor * beta)
    if written == "1":
        return base
    return ("negative", base) if written == "-1" else ("multiply", factor * beta, base)


def _shifted(a, beta):
    # 1 - x reads better than -x + 1.
    is_turned = factor_and_base(a)[0] < 0 < beta
    return ("add", beta, a) if is_turned else ("add", a, beta)


def _difference(a, b):
    """Return a - b or b - a, with as few signs as there can be."""
    if a == 0 or (factor_and_base(a)[0] < 0 <= factor_and_base(b)[0]):
        a, b = b, a
    if b == 0:
        return a
    factor, base = factor_and_base(b)
    if factor < 0:
        return ("add", a, ("scale", base, -factor))
    return ("subtract", a, b)


UNARY_FORMULAS = {
    "identity": Shorthand(lambda a: a),
    "zero": Shorthand(lambda a: 0.0),
    "negative": Formula("-{a:product}", "-{a:product}", "signed"),
    "abs": Formula("{a:bars}", r"\left|{a}\right|"),
    "square": Formula("{a:atom}^2", "{a:atom}^2", "power"),
    "cube": Formula("{a:atom}^3", "{a:atom}^3", "power"),
    "sqrt": Formula("sqrt({a})", r"\sqrt{{{a}}}"),
    "scale": Shorthand(_scaled),
    "shift": Shorthand(_shifted),
    "log": Shorthand(lambda a: ("logarithm", ("add", a, EPSILON))),
    "exp": Formula("exp({a})", "e^{{{a}}}", latex_level="power"),
    "sin": _call("sin", r"\sin"),
    "cos": _call("cos", r"\cos"),
    "sinh": _call("sinh", r"\sinh"),
    "cosh": _call("cosh", r"\cosh"),
    "tanh": _call("tanh", r"\tanh"),
    "asinh": _call("asinh", r"\operatorname{{arsinh}}"),
    "acosh": _call("acosh", r"\operatorname{{arcosh}}"),
    "atan": _call("atan", r"\arctan"),
    "sinc": _call("sinc", r"\operatorname{{sinc}}"),
    "relu": Shorthand(lambda a: ("maximum", a, 0.0)),
    "negative_part": Shorthand(lambda a: ("minimum", a, 0.0)),
    "sigmoid": _call("sigmoid", r"\sigma"),
    "softplus": Shorthand(lambda a: ("logarithm", ("add", 1.0, ("exp", a)))),
    "gaussian": Shorthand(lambda a: ("exp", ("negative", ("square", a)))),
    "erf": _call("erf", r"\operatorname{{erf}}"),
    "constant": Shorthand(lambda a, beta: beta),
    "leaky_relu": _call("leaky_relu", r"\operatorname{{LeakyReLU}}"),
    "hardswish": _call("hardswish", r"\operatorname{{hardswish}}"),
    "silu": Shorthand(lambda a: ("gate", a, a)),
    "gelu": _call("gelu", r"\operatorname{{GELU}}"),
}

BINARY_FORMULAS = {
    "add": Formula("{a}{b:+}", "{a}{b:+}", "sum"),
    "subtract": Formula("{a}{b:-}", "{a}{b:-}", "sum"),
    "multiply": Formula("{a:signed}{b:*}", "{a:signed}{b:*}", "product"),
    "divide": Shorthand(
        lambda a, b: (
            "quotient",
            ("multiply", a, b),
            ("add", ("square", b), EPSILON),
        )
    ),
    "minimum": Formula("min({a}, {b})", r"\min({a}, {b})"),
    "maximum": Formula("max({a}, {b})", r"\max({a}, {b})"),
    "gate": Shorthand(lambda a, b: ("multiply", b, ("sigmoid", a))),
    "rbf": Shorthand(
        lambda a, b, beta: (
            "exp",
            ("scale", ("square", _difference(a, b)), -abs(beta)),
        )
    ),
    "laplace": Shorthand(
        lambda a, b, beta: ("exp", ("scale", ("abs", _difference(a, b)), -abs(beta)))
    ),
    "blend": Shorthand(
        lambda a, b, beta: ("add", ("scale", a, beta), ("scale", b, 1 - beta))
    ),
}

_FORMULAS = {
    **UNARY_FORMULAS,
    **BINARY_FORMULAS,
    # Not operations, but parts of how some are written.
    "logarithm": _call("log", r"\log"),
    "quotient": Formula("{a:signed} / {b:power}", r"\frac{{{a}}}{{{b}}}", "product"),
}


def to_text(tree):
    """Return the formula of a tree as text.

    Parameters
    ----------
    tree : tuple, float or "x"
        The tree; it is written as it is, so simplify it before.

    Returns
    -------
    text : str
        The formula, much like Python, but with `^` for powers and bars for absolute
        values. Numbers have at most four significant digits.

    Examples
    --------
    >>> from skestimators.neural_network._activation.formulas import to_text
    >>> to_text(("gate", ("scale", "x", 1.2), "x"))
    'x * sigmoid(1.2 * x)'
    """
    return _written(tree, in_latex=False).string


def to_latex(tree):
    r"""Return the formula of a tree in LaTeX, without dollars.

    Parameters
    ----------
    tree : tuple, float or "x"
        The tree; it is written as it is, so simplify it before.

    Returns
    -------
    latex : str
        The formula, in the part of LaTeX that matplotlib and MathJax both know.

    Examples
    --------
    >>> from skestimators.neural_network._activation.formulas import to_latex
    >>> print(to_latex(("gate", "x", ("relu", "x"))))
    \max(x, 0)\,\sigma(x)
    """
    return _written(tree, in_latex=True).string


def _written(tree, in_latex):
    if not isinstance(tree, tuple):
        return _leaf(tree, in_latex)
    name, *arguments = tree
    formula = _FORMULAS[name]
    if isinstance(formula, Shorthand):
        return _written(formula.tree(*arguments), in_latex)
    pieces = {
        field: _written(argument, in_latex)
        for field, argument in zip("ab", arguments, strict=False)
    }
    string = (formula.latex if in_latex else formula.text).format(**pieces)
    level = (in_latex and formula.latex_level) or formula.level
    if level == "product" and string.startswith("-"):
        level = "signed"
    return _Piece(string, level, in_latex)


def _leaf(leaf, in_latex):
    if leaf == "x":
        return _Piece(leaf, "atom", in_latex)
    string = _number(leaf)
    level = "signed" if string.startswith("-") else "atom"
    if in_latex and "e" in string:
        mantissa, exponent = string.split("e")
        string = rf"{mantissa} \cdot 10^{{{int(exponent)}}}"
        level = "product" if level == "atom" else level
    return _Piece(string, level, in_latex)


def _number(value):
    # Adding 0 makes a negative zero positive.
    return f"{value + 0.0:.4g}"
