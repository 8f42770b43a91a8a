"""What a tree of objects may look like, beyond the types that it names.

skops checks which types a file names, and leaves it to the file what is done with them:
the same name may be looked up, filled with a state, or called with any arguments. Here
each kind of node has the types that skops itself writes it for, so that nothing is
called but what makes containers and arrays.
"""

import json
import zipfile

# The version of skops' format that this library has written so far.
_PROTOCOLS = (2,)
_SCALARS = {
    *("bool", "bool_", "str_", "float16", "float32", "float64"),
    *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
}
_SCALAR_TYPES = {f"numpy.{name}" for name in _SCALARS}
# Not booleans, which skops reads as True whatever they were.
_KEY_TYPES = _SCALAR_TYPES - {"numpy.bool", "numpy.bool_"} | {
    f"builtins.{n}" for n in ("str", "int", "float")
}
_FACTORIES = {"collections.OrderedDict"} | {
    f"builtins.{name}" for name in ("dict", "float", "int", "list", "set", "str")
}
_CONTAINERS = {
    "BytearrayNode": {"builtins.bytearray"},
    "BytesNode": {"builtins.bytes"},
    "DefaultDictNode": {"collections.defaultdict"},
    "DictNode": {
        "builtins.dict",
        "collections.OrderedDict",
        "sklearn.utils._bunch.Bunch",
    },
    "DTypeNode": {"numpy.dtype"},
    "JsonNode": {"builtins.str"},
    "ListNode": {"builtins.list"},
    "MaskedArrayNode": {"numpy.ma.MaskedArray"},
    "NdArrayNode": {"numpy.ndarray", *_SCALAR_TYPES},
    "RandomStateNode": {"numpy.random.mtrand.RandomState"},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "TupleNode": {"builtins.tuple"},
}
# Types by whose names skops decides alone: they are looked up, or filled with a state.
_NAMED = {"FunctionNode", "ObjectNode", "TreeNode", "TypeNode"}
_PATHS = {"pathlib.PosixPath", "pathlib.WindowsPath"}


def read_tree(data):
    """Return the tree of objects of a skops file.

    Parameters
    ----------
    data : bytes
        The file, whose zip structure has been checked.

    Returns
    -------
    tree : dict
        The node at its root.
    """
    with zipfile.ZipFile(data) as archive:
        tree = json.loads(archive.read("schema.json"))
    if tree["protocol"] not in _PROTOCOLS:
        raise ValueError(f"its tree has protocol {tree['protocol']!r}")
    return tree


def called_types(tree):
    """Name the types that a tree would have called, and check all of its nodes.

    Parameters
    ----------
    tree : dict
        The node at its root.

    Returns
    -------
    names : set of str
        What only somebody who trusts the file may let be called.

    Raises
    ------
    ValueError
        If there is a kind of node that skops does not write, or two objects with one
        number, of which skops would take the first for the second.
    """
    called, first = set(), {}
    waiting = [tree]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, dict):
            waiting.extend(value.values())
            # The keys of somebody's dict may have that name, too.
            if isinstance(value.get("__loader__"), str):
                _check_numbered(value, first)
                called |= _called(value)
    return called


def _check_numbered(node, first):
    number = node.get("__id__")
    if number is not None and not _alike(first.setdefault(number, node), node):
        raise ValueError(f"it has two objects with the number {number}")


_OF_THE_ROOT = {"protocol", "_skops_version"}
# An object that is met twice is written twice, and so is what it is written by.
_OF_A_PLACE = {"file", "__id__"}


def _alike(one, other):
    """Compare what two nodes say."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = (one.keys() | other.keys()) - _OF_THE_ROOT
        return one is other or all(
            n in one and n in other and (n in _OF_A_PLACE or _alike(one[n], other[n]))
            for n in names
        )
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    return type(one) is type(other) and one == other


def _called(node):
    """Return the name of the type that a node has called, as a set."""
    loader, name = node["__loader__"], f"{node['__module__']}.{node['__class__']}"
    if loader in _CONTAINERS:
        if name not in _CONTAINERS[loader]:
            return {name}
        return _called_inside(loader, node)
    if loader in _NAMED:
        # What NumPy and Python have is written by the kinds above.
        is_state = loader == "ObjectNode" and name.startswith(("numpy.", "builtins."))
        return {name} if is_state else set()
    match loader:
        case "SparseMatrixNode":
            return set() if name.startswith("scipy.sparse.") else {name}
        case "ConstructorFromReduceNode":
            return {name} - _PATHS
        case "LossNode":
            return set() if _is_plain_loss(node) else {name}
        case "PartialNode" | "RandomGeneratorNode":
            return {name}
    raise ValueError(f"it has a node of the kind {loader!r}")


def _called_inside(loader, node):
    if loader == "DictNode":
        # They are called with the keys.
        types = _content(node["key_types"], "ListNode")
        return {_name_of_type(item) for item in types} - _KEY_TYPES
    if loader == "DefaultDictNode":
        factory = node["content"]["default_factory"]
        if factory["__loader__"] != "JsonNode":
            return {_name_of_type(factory)} - _FACTORIES
    if loader == "RandomStateNode":
        _check_random_state(node)
    return set()


def _content(node, loader):
    """Return the content of a node that must be of one kind."""
    if node["__loader__"] != loader:
        raise ValueError(f"it has a {node['__loader__']} in the place of a {loader}")
    return node["content"]


def _name_of_type(node):
    if node["__loader__"] != "TypeNode":
        raise ValueError(f"it has a {node['__loader__']} in the place of a type")
    return f"{node['__module__']}.{node['__class__']}"


def _check_random_state(node):
    # NumPy reads there without checking.
    state = _content(_content(node["content"], "DictNode")["state"], "DictNode")
    place = json.loads(_content(state["pos"], "JsonNode"))
    if type(place) is not int or not 0 <= place <= 624:
        raise ValueError(f"it has random numbers that are at the place {place!r}")


def _is_plain_loss(node):
    """Tell whether a loss of scikit-learn is made of numbers, and of nothing else."""
    arguments, state = node["__reduce__"]["args"], node["content"]
    return (
        node["__module__"] in ("sklearn._loss._loss", "sklearn.linear_model._sgd_fast")
        and all(
            item["__loader__"] == "JsonNode"
            for item in _content(arguments, "TupleNode")
        )
        and state["__loader__"] in ("DictNode", "TupleNode")
        and not state["content"]
    )
