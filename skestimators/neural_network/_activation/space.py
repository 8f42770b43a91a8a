"""Search spaces: which operations an activation may be composed of, and how."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import count

import numpy as np

from skestimators.neural_network._activation.formulas import (
    BINARY_FORMULAS,
    UNARY_FORMULAS,
)

# These are compositions of others, for spaces of whole activations.
_NOT_IN_ALL = {"leaky_relu", "hardswish", "silu", "gelu"}


class _Edge:
    """What unary and binary edges share: the check of their operations."""

    def _check(self):
        known = self._known
        for given in self.inputs:
            if not (
                isinstance(given, _Edge) or (isinstance(given, str) and given == "x")
            ):
                raise TypeError(
                    f"The input of {type(self).__name__} must be 'x' or another edge, "
                    f"got {given!r}. Choices are given as operations=[...]."
                )
        names = self.operations
        if isinstance(names, str) and names == "all":
            return
        if (
            isinstance(names, str)
            or not isinstance(names, Sequence | np.ndarray)
            or not all(isinstance(name, str) for name in names)
        ):
            raise TypeError(
                f"operations of {type(self).__name__} must be 'all' or a sequence of "
                f"names, got {names!r}."
            )
        object.__setattr__(self, "operations", tuple(map(str, names)))
        if not self.operations:
            raise ValueError(f"{type(self).__name__} has no operations to choose from.")
        if len(set(self.operations)) < len(self.operations):
            raise ValueError(f"operations names one twice: {self.operations}.")
        for name in self.operations:
            if name not in known:
                near = get_close_matches(name.lower(), known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise ValueError(
                    f"{name!r} is no operation of {type(self).__name__}.{hint} "
                    f"There are {', '.join(known)}."
                )

    def operation_names(self):
        """Return the operations to choose from.

        Returns
        -------
        names : tuple of str
            Their names, also where `operations` is `"all"`.
        """
        if self.operations == "all":
            return tuple(name for name in self._known if name not in _NOT_IN_ALL)
        return self.operations


@dataclass(frozen=True)
class UnaryEdge(_Edge):
    """Choice of an operation on one input, a part of a search space.

    Parameters
    ----------
    input : "x", UnaryEdge or BinaryEdge, default="x"
        What the operation is applied to: the input of the activation, or the outcome
        of another choice.

    operations : "all" or sequence of str, default="all"
        Names of the operations to choose from: "identity" (x), "zero", "negative" (-x),
        "abs", "square", "cube", "sqrt", "scale" (beta x), "shift" (x + beta), "log"
        (of x + 0.01), "exp", "sin", "cos", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atan", "sinc" (sin(pi x) / (pi x)), "relu" (max(x, 0)), "negative_part"
        (min(x, 0)), "sigmoid", "softplus" (log(1 + exp(x))), "gaussian" (exp(-x^2)),
        "erf", "constant" (beta). `"all"` are these; there are also "leaky_relu",
        "hardswish", "silu" and "gelu". beta is trained, with a value for each channel.

    Raises
    ------
    TypeError
        If the input is no edge, or operations are no names.

    ValueError
        If there are no operations, or one is unknown or named twice.

    See Also
    --------
    BinaryEdge : Choice of an operation on two inputs.
    ActivationSearchNet : Searches the space.

    Notes
    -----
    Every operation is finite for every input. Where its formula is not
    defined, too steep or larger than 100, it stays as it is at the end of that domain:
    "square" beyond 10 in size, "cube" beyond 4.64, "exp" above 4.61, "sinh" and "cosh"
    beyond 5.30, "sqrt" below 0.001, "log" below 0, "acosh" below 1.001.

    Examples
    --------
    >>> from skestimators import UnaryEdge
    >>> UnaryEdge(operations=["relu", "tanh"])
    UnaryEdge(input='x', operations=('relu', 'tanh'))
    """

    _known = UNARY_FORMULAS
    input: object = "x"
    operations: object = "all"

    def __post_init__(self):
        self._check()

    @property
    def inputs(self):
        """The input, in a list."""
        return [self.input]


@dataclass(frozen=True)
class BinaryEdge(_Edge):
    """Choice of an operation on two inputs, a part of a search space.

    Parameters
    ----------
    left, right : "x", UnaryEdge or BinaryEdge
        What the operation is applied to, a and b: the input of the activation, or the
        outcome of another choice.

    operations : "all" or sequence of str, default="all"
        Names of the operations to choose from: "add", "subtract", "multiply", "divide",
        "minimum", "maximum", "gate" (sigmoid(a) b), "rbf" (exp(-beta (a - b)^2)),
        "laplace" (exp(-beta abs(a - b))), "blend" (beta a + (1 - beta) b). beta is
        trained, with a value for each channel.

    Raises
    ------
    TypeError
        If an input is no edge, or operations are no names.

    ValueError
        If there are no operations, or one is unknown or named twice.

    See Also
    --------
    UnaryEdge : Choice of an operation on one input.
    ActivationSearchNet : Searches the space.

    Notes
    -----
    Every operation is finite for every input: "divide" is a b / (b^2 + 0.01), which is
    a / b where b is large and 0 where it is 0; "multiply" stays between -100 and 100;
    "rbf" and "laplace" take the absolute value of beta.

    Examples
    --------
    >>> from skestimators import BinaryEdge, UnaryEdge
    >>> BinaryEdge("x", UnaryEdge(operations=["sigmoid", "tanh"]), ["multiply"])
    BinaryEdge(left='x', right=UnaryEdge(...), operations=('multiply',))
    """

    _known = BINARY_FORMULAS
    left: object
    right: object
    operations: object = "all"

    def __post_init__(self):
        self._check()

    @property
    def inputs(self):
        """Both inputs."""
        return [self.left, self.right]


@dataclass(frozen=True)
class Choice:
    """An edge with a name, and the names of what it is applied to.

    Parameters
    ----------
    name : str
        "unary1", "binary1" and so on.

    operations : tuple of str
        The operations to choose from.

    inputs : tuple of str
        One or two names of other choices, or "x".
    """

    name: str
    operations: tuple
    inputs: tuple


_RELUS = ("relu", "hardswish", "leaky_relu", "identity")
_SKIP = UnaryEdge(operations=("identity", "zero"))

SEARCH_SPACES = {
    "simple": UnaryEdge(UnaryEdge("x", _RELUS), _RELUS),
    "complex": BinaryEdge(_SKIP, _SKIP, ("minimum", "maximum")),
    "rnn": BinaryEdge(UnaryEdge(), UnaryEdge(BinaryEdge(UnaryEdge(), UnaryEdge()))),
}


def choices_of(search_space):
    """List the choices in a space, in an order in which they can be evaluated.

    Parameters
    ----------
    search_space : str, UnaryEdge or BinaryEdge
        A key of `SEARCH_SPACES`, or a space.

    Returns
    -------
    choices : tuple of Choice
        Those of `x` first, the one that gives the activation last; from left to right
        where the order does not matter.
    """
    root = SEARCH_SPACES.get(search_space, search_space)
    # An edge that stands in several places is a choice in each: a path tells which.
    edges = sorted(_walk(root, ()), key=lambda found: _height(found[1]))
    kinds = {UnaryEdge: ("unary", count(1)), BinaryEdge: ("binary", count(1))}
    names = {}
    for path, edge in edges:
        kind, numbers = kinds[type(edge)]
        names[path] = f"{kind}{next(numbers)}"
    return tuple(
        Choice(
            names[path],
            edge.operation_names(),
            tuple(names.get((*path, i), "x") for i in range(len(edge.inputs))),
        )
        for path, edge in edges
    )


def _walk(edge, path):
    if edge == "x":
        return
    yield path, edge
    for i, given in enumerate(edge.inputs):
        yield from _walk(given, (*path, i))


def _height(edge):
    return 0 if edge == "x" else 1 + max(map(_height, edge.inputs))


def fixed_space(choices, chosen):
    """Leave to each choice in a space the operation that was chosen.

    Parameters
    ----------
    choices : tuple of Choice
        The choices of the space.

    chosen : dict of str
        Name of the operation of each choice.

    Returns
    -------
    space : UnaryEdge or BinaryEdge
        A space in which nothing is left to be searched.
    """
    made = {"x": "x"}
    for choice in choices:
        edge = UnaryEdge if len(choice.inputs) == 1 else BinaryEdge
        inputs = (made[name] for name in choice.inputs)
        made[choice.name] = edge(*inputs, (chosen[choice.name],))
    return made[choice.name]
