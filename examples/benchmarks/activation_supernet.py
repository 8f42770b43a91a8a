"""The straightforward supernet that the benchmark of the activation search is against.

Every operation is a module, which each edge calls on its own; the outputs are stacked,
weighted and summed.
"""

import math

import torch
from torch import nn
from torch.nn import functional

BATCH_SIZE = 64


def clamped(function, low=-math.inf, high=math.inf):
    return lambda x: function(x.clamp(low, high))


LARGEST = 100.0
UNARY = {
    "identity": lambda x: x,
    "zero": torch.zeros_like,
    "negative": torch.neg,
    "abs": torch.abs,
    "square": clamped(torch.square, -math.sqrt(LARGEST), math.sqrt(LARGEST)),
    "cube": clamped(lambda x: x**3, -math.cbrt(LARGEST), math.cbrt(LARGEST)),
    "sqrt": clamped(torch.sqrt, 0.001),
    "scale": lambda x, beta: beta * x,
    "shift": lambda x, beta: x + beta,
    "log": clamped(lambda x: torch.log(x + 0.01), 0.0),
    "exp": clamped(torch.exp, high=math.log(LARGEST)),
    "sin": torch.sin,
    "cos": torch.cos,
    "sinh": clamped(torch.sinh, -math.asinh(LARGEST), math.asinh(LARGEST)),
    "cosh": clamped(torch.cosh, -math.asinh(LARGEST), math.asinh(LARGEST)),
    "tanh": torch.tanh,
    "asinh": torch.asinh,
    "acosh": clamped(torch.acosh, 1.001),
    "atan": torch.atan,
    "sinc": torch.sinc,
    "relu": torch.relu,
    "negative_part": lambda x: x.clamp(max=0),
    "sigmoid": torch.sigmoid,
    "softplus": functional.softplus,
    "gaussian": lambda x: torch.exp(-x.square()),
    "erf": torch.erf,
    "constant": lambda x, beta: beta.expand_as(x),
}
BINARY = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": lambda a, b: (a * b).clamp(-LARGEST, LARGEST),
    "divide": lambda a, b: a * b / (b.square() + 0.01),
    "minimum": torch.minimum,
    "maximum": torch.maximum,
    "gate": lambda a, b: torch.sigmoid(a) * b,
    "rbf": lambda a, b, beta: torch.exp(-beta.abs() * (a - b).square()),
    "laplace": lambda a, b, beta: torch.exp(-beta.abs() * (a - b).abs()),
    "blend": lambda a, b, beta: beta * a + (1 - beta) * b,
}


class Operation(nn.Module):
    """A function and, if it has one, its beta of each channel."""

    def __init__(self, function, beta):
        super().__init__()
        self.function = function
        self.beta = None if beta is None else nn.Parameter(beta.detach().clone())

    def forward(self, *inputs):
        """Apply the function."""
        if self.beta is None:
            return self.function(*inputs)
        return self.function(*inputs, self.beta)


class Edge(nn.Module):
    """The weighted sum of operations."""

    def __init__(self, operations, alpha):
        super().__init__()
        self.operations = nn.ModuleList(operations)
        self.alpha = nn.Parameter(alpha.detach().clone())

    def forward(self, *inputs):
        """Call every operation."""
        outputs = torch.stack([operation(*inputs) for operation in self.operations])
        weights = self.alpha.softmax(0).view(-1, *[1] * inputs[0].dim())
        return (weights * outputs).sum(0)


class Cell(nn.Module):
    """All edges of a space, with the alphas and betas that ours begins with."""

    def __init__(self, choices, alphas, betas):
        super().__init__()
        self.choices = choices
        self.edges = nn.ModuleDict()
        for choice in choices:
            operations = [
                Operation(
                    (UNARY if len(choice.inputs) == 1 else BINARY)[name],
                    betas.get(f"{choice.name}_{name}"),
                )
                for name in choice.operations
            ]
            self.edges[choice.name] = Edge(operations, alphas[choice.name])

    def forward(self, x):
        """Return the activation."""
        values = {"x": x}
        for choice in self.choices:
            inputs = [values[name] for name in choice.inputs]
            values[choice.name] = self.edges[choice.name](*inputs)
        return values[choice.name]


class Straightforward:
    """The supernet with its optimizers; begins with the weights of ours."""

    def __init__(self, network, architecture, *, lean=False, compiled=False, noise=0):
        # Ours may be compiled.
        body = getattr(network, "_orig_mod", network)[1]
        betas = dict(body[5].betas)
        cell = Cell(architecture.choices, architecture.alphas, betas)
        self.network = nn.Sequential(
            nn.Conv2d(3, 6, 5),
            nn.MaxPool2d(2),
            nn.Conv2d(6, 16, 5),
            nn.MaxPool2d(2),
            nn.Flatten(),
            cell,
            nn.Linear(400, 10),
        ).to(body[0].weight.dtype)
        for i in (0, 2, 6):
            self.network[i].load_state_dict(body[i].state_dict())
        self.lean = lean
        self.alphas = [edge.alpha for edge in cell.edges.values()]
        known = {id(alpha) for alpha in self.alphas}
        self.weights = [p for p in self.network.parameters() if id(p) not in known]
        with torch.no_grad():
            for weight in self.weights:
                weight.mul_(1 + noise * torch.randn_like(weight))
        self.adam = torch.optim.Adam(
            self.alphas, 3e-4, betas=(0.5, 0.999), weight_decay=1e-3
        )
        self.sgd = torch.optim.SGD(self.weights, 0.025, 0.9, weight_decay=3e-4)
        if compiled:
            self.network.compile()

    def step(self, arch_batch, weight_batch):
        """Take a step for the alphas, and one for the weights."""
        self._require(self.alphas, self.weights)
        self.adam.zero_grad()
        self._loss(arch_batch).backward()
        self.adam.step()
        self._require(self.weights, self.alphas)
        self.sgd.zero_grad()
        self._loss(weight_batch).backward()
        nn.utils.clip_grad_norm_(self.weights, 5.0)
        self.sgd.step()

    def _loss(self, batch):
        return functional.cross_entropy(self.network(batch[0]), batch[1])

    def _require(self, these, others):
        if self.lean:
            for tensor in these:
                tensor.requires_grad_(True)
            for tensor in others:
                tensor.requires_grad_(False)

    def take_steps(self, X, y, n_steps):
        """Take steps on random batches, the halves of the data apart."""
        halves = torch.arange(len(X)).chunk(2)
        batches = [[], []]
        for _ in range(n_steps):
            for half, left in zip(halves, batches, strict=True):
                left += left or half[torch.randperm(len(half))].split(BATCH_SIZE)
            self.step(*((X[rows], y[rows]) for rows in (b.pop(0) for b in batches)))


def as_tensors(X, y, dtype=torch.float32):
    """Scale images to [-1, 1], channels first."""
    X = 2 * (torch.as_tensor(X).to(dtype) / 255) - 1
    return X.permute(0, 3, 1, 2).contiguous(), torch.as_tensor(y).long()
