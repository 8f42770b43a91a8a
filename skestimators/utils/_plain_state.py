"""Nested containers of numbers, text and arrays as bytes that hold no code."""

import json
import sys

import numpy as np

from skestimators.utils._archive import DamagedFileError
from skestimators.utils._optional import import_optional

_TREE = "state.json"
_ARRAYS = "arrays.safetensors"


def to_members(state, *, caller="Saving"):
    """Turn a state into bytes.

    Parameters
    ----------
    state : dict, list, tuple, None, bool, int, float, str, ndarray or torch.Tensor
        Containers hold the others, to any depth. Arrays are of numbers or booleans.
        Tensors may be on any device, and come back on the CPU.

    caller : object or str, default="Saving"
        What needs this, for the error if safetensors is missing.

    Returns
    -------
    members : dict of bytes
        The tree as JSON, and the arrays in safetensors' format.

    Raises
    ------
    TypeError
        If something else is in it.
    """
    numpy_format = import_optional("safetensors.numpy", extra="torch", caller=caller)
    arrays = {}
    tree = _encode(state, arrays)
    return {
        _TREE: json.dumps(tree).encode(),
        _ARRAYS: numpy_format.save(arrays),
    }


def from_members(members, *, caller="Loading"):
    """Turn the bytes of `to_members` into the state again.

    Parameters
    ----------
    members : dict of bytes
        As `to_members` returned them.

    caller : object or str, default="Loading"
        What needs this, for the error if safetensors is missing.

    Returns
    -------
    state : object
        Equal to what was given, to the last bit of the arrays.

    Raises
    ------
    DamagedFileError
        If `to_members` cannot have made them.
    """
    safetensors = import_optional("safetensors", extra="torch", caller=caller)
    numpy_format = import_optional("safetensors.numpy", extra="torch", caller=caller)
    try:
        tree = json.loads(members[_TREE])
        return _decode(tree, numpy_format.load(bytes(members[_ARRAYS])))
    except (
        AttributeError,
        KeyError,
        IndexError,
        RecursionError,
        TypeError,
        ValueError,
        safetensors.SafetensorError,
    ) as error:
        raise DamagedFileError(
            f"The state of a network is damaged ({error})."
        ) from error


def _encode(value, arrays):
    if value is None or type(value) in (bool, int, float, str):
        return value
    if type(value) is list:
        return [_encode(item, arrays) for item in value]
    if type(value) is tuple:
        return {"tuple": [_encode(item, arrays) for item in value]}
    if isinstance(value, dict):
        items = value.items()
        return {"dict": [[_encode(k, arrays), _encode(v, arrays)] for k, v in items]}
    if isinstance(value, np.generic):
        return {"scalar": _store(np.asarray(value), arrays)}
    if isinstance(value, np.ndarray):
        return {"array": _store(value, arrays)}
    # Nobody has a tensor without having imported torch.
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(value, torch.Tensor):
        return {"tensor": _store(value.detach().cpu().numpy(), arrays)}
    raise TypeError(f"A file of numbers cannot hold {value!r}.")


def _store(array, arrays):
    if array.dtype.kind not in "biuf":
        raise TypeError(f"A file of numbers cannot hold an array of {array.dtype}.")
    name = str(len(arrays))
    # Not ascontiguousarray, which gives a number a dimension.
    arrays[name] = np.asarray(array, order="C")
    return name


def _decode(node, arrays):
    if not isinstance(node, dict):
        return [_decode(n, arrays) for n in node] if isinstance(node, list) else node
    [(kind, content)] = node.items()
    match kind:
        case "tuple":
            return tuple(_decode(item, arrays) for item in content)
        case "dict":
            return {_decode(k, arrays): _decode(v, arrays) for k, v in content}
        case "scalar":
            return arrays[content][()]
        case "array":
            return arrays[content].copy()
        case "tensor":
            import torch

            return torch.from_numpy(arrays[content].copy())
    raise ValueError(f"{kind!r} is no kind of value")
