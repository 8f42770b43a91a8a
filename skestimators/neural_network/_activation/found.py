"""An activation whose operations are chosen, as a torch module."""

import copy

import torch
from torch import nn

from skestimators.neural_network._activation.formulas import simplify, to_text
from skestimators.neural_network._activation.operations import BINARY, UNARY, has_ends


class Activation(nn.Module):
    """A composition of operations, applied to each element.

    It can be copied, pickled, scripted and differentiated twice. With one channel it
    takes tensors of any shape.

    Parameters
    ----------
    choices : tuple of Choice
        The choices of the space.

    chosen : dict of str
        The operation chosen in each.

    n_channels : int, default=1
        Number of values of each beta: 1, or the size of the second dimension of the
        input.
    """

    def __init__(self, choices, chosen, n_channels=1):
        super().__init__()
        self._made_of = choices, chosen, n_channels
        made = {"x": _Input()}
        for choice in choices:
            name = chosen[choice.name]
            arguments = [made[i] for i in choice.inputs]
            beta = (UNARY | BINARY)[name].beta
            if beta is not None:
                arguments.append(torch.full((n_channels,), beta))
            made[choice.name] = _NODES[len(choice.inputs), beta is None](
                name, *arguments
            )
        self.outcome = made[choice.name]

    def forward(self, x):
        """Return the activation of `x`, of the same shape."""
        return self.outcome(x)

    def __deepcopy__(self, memo):
        # Nothing is to be packed for that.
        memo[id(self)] = same = type(self).__new__(type(self))
        same.__dict__ = copy.deepcopy(self.__dict__, memo)
        return same

    def __getstate__(self):
        from skestimators.utils._torch_state import pack_network

        weight = next(self.parameters(), torch.empty(0))
        state = {"device": str(weight.device), "training": self.training}
        return {**state, "made_of": self._made_of, "weights": pack_network(self)}

    def __setstate__(self, state):
        from skestimators.utils._torch_state import unpack_network

        cls = type(self)
        same = unpack_network(
            lambda: cls(*state["made_of"]), state["weights"], state["device"]
        )
        self.__dict__ = same.train(state["training"]).__dict__

    def tree(self):
        """Return the composition as a tree for `formulas`, with the mean of betas."""
        return self.outcome.tree()

    def extra_repr(self):
        """Show the formula."""
        return to_text(simplify(self.tree()))

    def __repr__(self):
        return f"{type(self).__name__}({self.extra_repr()})"


class PlacedActivation(Activation):
    """The activation at one place of the network that it was found in or trained with.

    Other activations of the same kind may stand in a network that the user made.
    """


def mean_activation(network, choices, chosen):
    """Make one activation for any number of channels out of those of a network.

    Parameters
    ----------
    network : torch.nn.Module
        Has activations.

    choices, chosen
        As for `Activation`.

    Returns
    -------
    activation : Activation
        Each beta is the mean over places and channels.
    """
    mean = Activation(choices, chosen)
    places = (place.parameters() for place in _places(network))
    with torch.no_grad():
        for beta, *of_places in zip(mean.parameters(), *places, strict=True):
            beta.fill_(torch.cat(of_places).mean().item())
    return mean


@torch.no_grad()
def inputs_of(network, rows, n_values):
    """Run a network, and return what its activations are fed with.

    Parameters
    ----------
    network : torch.nn.Module
        Has activations.

    rows : tensor of shape (n_rows, ...)
        Goes into the network.

    n_values : int
        Number of values to return at the most.

    Returns
    -------
    values : ndarray of float32 of shape (n_values,)
        Evenly spaced among all that are finite.
    """
    seen = []
    hooks = [
        place.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        for place in _places(network)
    ]
    network(rows)
    for hook in hooks:
        hook.remove()
    values = torch.cat([x.flatten() for x in seen])
    values = values[values.isfinite()]
    # Rounded up, and odd, so as not to meet the same channel all the time.
    step = -(-len(values) // n_values) | 1
    return values[::step].float().cpu().numpy()


@torch.no_grad()
def shape_of(activation):
    """Return what tells an activation from those of another shape.

    Functions that differ in scale, offset or sign only have the same, as the linear
    layers around an activation make up for these.

    Parameters
    ----------
    activation : Activation
        With one channel.

    Returns
    -------
    shape : tuple of int
        Empty if the function is linear.
    """
    x = torch.linspace(-3, 3, 61, dtype=torch.double)
    y = copy.deepcopy(activation).double().cpu()(x)
    line = torch.lerp(y[0], y[-1], (x + 3) / 6)
    if (y - line).abs().max() <= 1e-6 * (1 + y.abs().max()):
        return ()
    y = (y - y.mean()) / y.std()
    y = y * y[y.abs().argmax()].sign()
    return tuple((y * 1e3).round().int().tolist())


def _places(network):
    return [m for m in network.modules() if isinstance(m, PlacedActivation)]


def _per_channel(beta, x):
    return beta.view(([-1] + [1] * (x.dim() - 2))[: x.dim()])


class _Input(nn.Module):
    def forward(self, x):
        return x

    def tree(self):
        return "x"


class _Unary(nn.Module):
    def __init__(self, name, argument):
        super().__init__()
        operation = UNARY[name]
        self.name = name
        self.value = operation.value
        self.has_ends = has_ends(operation)
        self.lower, self.upper = operation.lower, operation.upper
        self.argument = argument

    def forward(self, x):
        argument = self.argument(x)
        if self.has_ends:
            argument = argument.clamp(self.lower, self.upper)
        return self.value(argument)

    def tree(self):
        return self.name, self.argument.tree()


class _UnaryWithBeta(nn.Module):
    def __init__(self, name, argument, beta):
        super().__init__()
        self.name = name
        self.value = UNARY[name].value
        self.argument = argument
        self.beta = nn.Parameter(beta)

    def forward(self, x):
        return self.value(self.argument(x), _per_channel(self.beta, x))

    def tree(self):
        return self.name, self.argument.tree(), self.beta.mean().item()


class _Binary(nn.Module):
    def __init__(self, name, left, right):
        super().__init__()
        self.name = name
        self.value = BINARY[name].evaluate
        self.left, self.right = left, right

    def forward(self, x):
        return self.value(self.left(x), self.right(x))

    def tree(self):
        return self.name, self.left.tree(), self.right.tree()


class _BinaryWithBeta(nn.Module):
    def __init__(self, name, left, right, beta):
        super().__init__()
        self.name = name
        self.value = BINARY[name].evaluate
        self.left, self.right = left, right
        self.beta = nn.Parameter(beta)

    def forward(self, x):
        return self.value(self.left(x), self.right(x), _per_channel(self.beta, x))

    def tree(self):
        beta = self.beta.mean().item()
        return self.name, self.left.tree(), self.right.tree(), beta


# By the number of inputs, and whether there is no beta.
_NODES = {
    (1, True): _Unary,
    (1, False): _UnaryWithBeta,
    (2, True): _Binary,
    (2, False): _BinaryWithBeta,
}
