"""The compositions that a search leaves in question."""

import heapq

from skestimators.neural_network._activation.found import Activation, shape_of

# How many compositions are looked at for each that is wanted, as many are the same.
_EFFORT = 50


def best_compositions(choices, alphas, n_compositions):
    """List the compositions of the largest weights, each function once.

    All linear ones are the same.

    Parameters
    ----------
    choices : tuple of Choice
        The choices of the space.

    alphas : dict of ndarray of shape (n_operations,)
        The alphas of each choice, -inf for operations that were dropped.

    n_compositions : int
        Number of compositions to list at the most.

    Returns
    -------
    compositions : list of dict of str
        The operation of each choice. The first has the largest alpha everywhere.
    """
    found = {}
    for _, chosen in zip(
        range(_EFFORT * n_compositions), _by_weight(choices, alphas), strict=False
    ):
        found.setdefault(shape_of(Activation(choices, chosen)), chosen)
        if len(found) == n_compositions:
            break
    return list(found.values())


def _by_weight(choices, alphas):
    """Yield compositions in the order of their weight, a product of softmax weights."""
    # For each choice the operations from the best to the worst, and what that costs.
    orders = {name: (-values).argsort(kind="stable") for name, values in alphas.items()}
    costs = [
        (alphas[c.name].max() - alphas[c.name][orders[c.name]]).tolist()
        for c in choices
    ]
    start = (0,) * len(choices)
    seen = {start}
    waiting = [(0.0, start)]
    while waiting:
        cost, ranks = heapq.heappop(waiting)
        yield {
            c.name: c.operations[orders[c.name][rank]]
            for c, rank in zip(choices, ranks, strict=True)
        }
        for i, rank in enumerate(ranks):
            worse = (*ranks[:i], rank + 1, *ranks[i + 1 :])
            if rank + 1 < len(costs[i]) and worse not in seen:
                seen.add(worse)
                cost_of_worse = cost - costs[i][rank] + costs[i][rank + 1]
                if cost_of_worse < float("inf"):
                    heapq.heappush(waiting, (cost_of_worse, worse))
