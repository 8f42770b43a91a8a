"""Parameters to and from JSON files."""

import json
import math
import os
from pathlib import Path

import numpy as np


def save_params(params, path):
    """Write parameters of an estimator to a JSON file.

    Parameters
    ----------
    params : dict of str to object
        Parameters, such as `search.best_params_`. Values may be None, bool, int, finite
        float, str, sequences and dicts of these, and numpy's equivalents.

    path : str or path
        The file. It is replaced as a whole: another process sees either the old or
        the new one.

    Raises
    ------
    TypeError
        If a value cannot be written as JSON.

    ValueError
        If a value is nan or infinite, for which JSON has no numbers.

    See Also
    --------
    load_params : Read them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators.model_selection import load_params, save_params
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "best.json"
    ...     save_params({"hidden_layer_sizes": (20, 64), "dropout": 0.0}, path)
    ...     load_params(path)
    {'hidden_layer_sizes': (20, 64), 'dropout': 0.0}
    """
    if not isinstance(params, dict):
        raise TypeError(
            f"params must be a dict of parameters, got {type(params).__name__}."
        )
    text = json.dumps(_to_json(params, "params"), indent=2, allow_nan=False) + "\n"
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def _to_json(value, where):
    """Reduce a value to what JSON has, or say where it cannot be."""
    if isinstance(value, (np.generic, np.ndarray)):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_to_json(item, f"{where}[{i}]") for i, item in enumerate(value)]
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(
                    f"{where} has the key {key!r}, but keys in JSON are strings."
                )
        return {key: _to_json(item, f"{where}[{key!r}]") for key, item in value.items()}
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(
            f"{where}={value!r} cannot be written as JSON, in which numbers are finite."
        )
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise TypeError(
        f"{where}={value!r} cannot be written as JSON; it must be None, a bool, number "
        "or string, or a sequence or dict of such."
    )


def load_params(path, estimator=None):
    """Read parameters of an estimator from a JSON file.

    Parameters
    ----------
    path : str or path
        A file that :func:`save_params`, or a person, has written: one JSON object
        with names of parameters as keys.

    estimator : estimator object or None, default=None
        If given, the names are compared with its parameters.

    Returns
    -------
    params : dict of str to object
        For `estimator.set_params(**params)`. Arrays are read as tuples.

    Raises
    ------
    ValueError
        If the file is no JSON, no object, nested too deeply, has a number that is not
        finite, a name twice, or names that the estimator does not.

    See Also
    --------
    save_params : Write them.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.linear_model import Ridge
    >>> from skestimators.model_selection import load_params
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "best.json"
    ...     _ = path.write_text('{"alpha": 0.5}')
    ...     Ridge().set_params(**load_params(path, Ridge()))
    Ridge(alpha=0.5)
    """
    path = Path(path)
    params = _read_json(path)
    if not isinstance(params, dict):
        kind = "list" if isinstance(params, tuple) else type(params).__name__
        raise ValueError(
            f"{path} must hold one JSON object with names of parameters as keys, but "
            f"it holds a {kind}."
        )
    if estimator is not None:
        _check_names(params, estimator, path)
    return params


def _read_json(path):
    """Return what a JSON file holds, arrays as tuples."""
    try:
        # Editors of Windows write a byte-order mark.
        text = path.read_text(encoding="utf-8-sig")
        value = json.loads(
            text,
            object_pairs_hook=lambda pairs: _to_dict(pairs, path),
            parse_float=lambda number: _to_number(float, number, path),
            parse_int=lambda number: _to_number(int, number, path),
            parse_constant=lambda number: _to_number(float, number, path),
        )
        return _to_tuples(value)
    except json.JSONDecodeError as error:
        raise ValueError(
            f"{path} is not valid JSON: {error.msg} in line {error.lineno}, column "
            f"{error.colno}."
        ) from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not valid JSON: it is not UTF-8 text.") from error
    except RecursionError as error:
        raise ValueError(f"{path} nests arrays or objects too deeply.") from error


def _to_number(convert, text, path):
    """Return a number that JSON has: Python reads NaN, 1e999 and the like as well."""
    # Python refuses to read longer integers.
    if len(text) > 4300 or (convert is float and not math.isfinite(float(text))):
        raise ValueError(
            f"{path} has the number {text[:40]}, but numbers must be finite."
        )
    return convert(text)


def _to_dict(pairs, path):
    """Return a JSON object as a dict, if it has no name twice."""
    found = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{path} has {name!r} twice in one object.")
        found[name] = value
    return found


def _check_names(params, estimator, path):
    known = estimator.get_params(deep=True)
    unknown = sorted(params.keys() - known.keys())
    if unknown:
        raise ValueError(
            f"{path} has parameters that {type(estimator).__name__} does not have: "
            f"{', '.join(unknown)}. It has {', '.join(sorted(known))}."
        )


def _to_tuples(value):
    if isinstance(value, list):
        return tuple(map(_to_tuples, value))
    if isinstance(value, dict):
        return {key: _to_tuples(item) for key, item in value.items()}
    return value
