"""Changes to JSON that leave it JSON."""

import json
import random

# No event of the interpreter may ever speak of it.
CANARY = "skestimators_canary"

_VALUES = (None, True, -1, 0, 2**40, 2**70, 0.5, 1e308, "", "a", CANARY, [], {})


def make_mutator(words):
    """Return a function that changes JSON, as atheris takes it.

    Parameters
    ----------
    words : sequence of JSON values
        What is put into it, beside values of every type.

    Returns
    -------
    mutate : callable
        From bytes, their largest number and a seed to bytes.
    """

    def mutate(data, max_size, seed):
        rng = random.Random(seed)
        try:
            tree = json.loads(data)
            for _ in range(rng.randint(1, 4)):
                _change(tree, rng, words)
            changed = json.dumps(tree).encode()
        except (ValueError, RecursionError):
            return data[:max_size]
        return changed if len(changed) <= max_size else data[:max_size]

    return mutate


def _places(tree):
    """Return each container and key in a tree."""
    places, containers = [], [tree]
    for node in containers:
        keys = node if isinstance(node, dict) else range(len(node))
        places += [(node, key) for key in keys]
        children = (node[key] for key in keys)
        containers += [child for child in children if isinstance(child, dict | list)]
    return places


def _change(tree, rng, words):
    if not isinstance(tree, dict | list) or not tree:
        return
    places = _places(tree)
    (node, key), (other, other_key) = rng.choice(places), rng.choice(places)

    def renumber(part):
        # Two objects of the same number would be refused before they are looked at.
        return {**part, "__id__": rng.randrange(2**40)} if "__id__" in part else part

    copied = json.loads(json.dumps(other[other_key]), object_hook=renumber)
    match rng.randrange(7):
        case 0:
            node[key] = rng.choice(_VALUES)
        case 1 | 2:
            node[key] = json.loads(json.dumps(rng.choice(words)))
        case 3:
            node[key] = copied
        case 4:
            del node[key]
        case 5 if isinstance(node, dict):
            node[str(rng.choice([CANARY, other_key]))] = node.pop(key)
        case 5:
            node.insert(key, copied)
        case 6:
            for _ in range(rng.choice([1, 1, 5, 300])):
                node[key] = [node[key]]
