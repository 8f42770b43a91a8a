"""Saving and loading."""

import io
import json
import warnings
import zipfile
from importlib import import_module

from sklearn.exceptions import InconsistentVersionWarning
from sklearn.utils._param_validation import HasMethods, validate_params

from skestimators.persistence._audit import called_types, read_tree
from skestimators.persistence._stand_ins import restore, written_form
from skestimators.persistence._trusted import UNCHECKED, qualified, trusted_types
from skestimators.utils._archive import (
    NOT_READABLE,
    DamagedFileError,
    check_members,
    read_archive,
    write_archive,
)
from skestimators.utils._optional import import_optional
from skestimators.utils._show_versions import installed_versions
from skestimators.utils._warnings import warn_user

_KIND = "estimator"
_TREE = "estimator.skops"
_ABOUT = "about.json"
# Distributions on which it depends what the attributes of an estimator mean, beside
# those whose types are in a file.
_CORE = ("skestimators", "scikit-learn")


@validate_params(
    {"estimator": [HasMethods("get_params")], "trusted": ["array-like"]},
    prefer_skip_nested_validation=True,
)
def save(estimator, path, *, trusted=()):
    """Save an estimator to one file that holds no code.

    Every estimator of this library can be saved, fitted or not, and so can pipelines
    and searches made of them and of scikit-learn's estimators, XGBoost's and
    LightGBM's. What a pickle holds as instructions, the file holds as text and numbers:
    parameters and attributes as JSON and arrays [1]_, networks in safetensors' format
    [2]_, boosted trees in their library's own.

    Parameters
    ----------
    estimator : estimator object
        What to save.

    path : str or path-like
        The file. One that exists is replaced in one instant: whenever the process is
        killed, there is the old file or the new one, whole.

    trusted : sequence of (type or str), default=()
        Types and functions of your own that are part of the estimator, or their names,
        such as `"my_package.transformers.Smoother"`. :func:`load` needs the same.

    Raises
    ------
    ImportError
        If skops or safetensors is missing.

    OSError
        If the file cannot be written; one that was there stays as it was.

    TypeError
        If something in the estimator cannot be saved, such as a lambda, or is of a type
        that :func:`load` would refuse.

    Warns
    -----
    UserWarning
        If a type or function that you trust is defined in a script or notebook.

    See Also
    --------
    load : Load it again.

    Notes
    -----
    The estimator must not be used by another thread meanwhile. Callbacks are not saved.
    Networks are saved as they are on the CPU. Files with
    weights, caches and checkpoints that a parameter names stay where they are.

    References
    ----------
    .. [1] https://skops.readthedocs.io/en/stable/persistence.html
    .. [2] https://huggingface.co/docs/safetensors

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from sklearn.datasets import make_regression
    >>> from skestimators import TorchMLPRegressor, load, save
    >>> X, y = make_regression(100, 5, random_state=0)
    >>> mlp = TorchMLPRegressor((8,), max_epochs=2, random_state=0).fit(X, y)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "perceptron.skestimators"
    ...     save(mlp, path)
    ...     bool((load(path).predict(X) == mlp.predict(X)).all())
    True
    """
    write_archive(path, pack_estimator(estimator, trusted), kind=_KIND)


@validate_params({"trusted": ["array-like"]}, prefer_skip_nested_validation=True)
def load(path, *, trusted=()):
    """Load an estimator from a file that :func:`save` wrote.

    Nothing in the file is executed. It names types, which are looked up in a list: all
    of this library, those of scikit-learn, and a few of others. If any is not in the
    list, nothing is loaded at all. The trees of scikit-learn, LightGBM and XGBoost are
    not in it, as compiled code reads their numbers without checking them: to load
    these, say `trusted` as the error tells. Those of :class:`BootstrapStackedLGBM` are.

    Parameters
    ----------
    path : str or path-like
        The file.

    trusted : sequence of (type or str), default=()
        Types and functions, or their names, that you know and trust beside those of the
        list. What you say here can be called with whatever the file says.

    Returns
    -------
    estimator : estimator object
        As it was saved; it predicts the same to the last bit on the same machine.
        Networks that were trained on a GPU are on the CPU if there is none.

    Raises
    ------
    ImportError
        If skops, or something that the estimator needs, cannot be imported.

    OSError
        If the file cannot be read.

    TypeError
        If the file names a type that is not trusted; the message says which.

    ValueError
        If the file is damaged, is a pickle or something else, or has a format of a
        later version.

    Warns
    -----
    UserWarning
        If it was saved with another version of a package that matters.

    See Also
    --------
    save : Save an estimator.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators import SlidingWindow, load, save
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "window.skestimators"
    ...     save(SlidingWindow(window_size=5), path)
    ...     load(path)
    SlidingWindow(window_size=5)
    """
    _refuse_pickle(path)
    return unpack_estimator(read_archive(path, kind=_KIND), trusted, name=str(path))


def _refuse_pickle(path):
    with open(path, "rb") as file:
        start = file.read(2)
    # Of protocols 2 and up; others are no archives either.
    if start[:1] == b"\x80" and start[1:] <= b"\x05":
        raise DamagedFileError(
            f"{path} is a pickle, which can run any code when it is loaded. If you "
            "made it yourself, load it with joblib or pickle, and save it with "
            "skestimators.save."
        )


def pack_estimator(estimator, trusted=()):
    """Turn an estimator into the parts of an archive.

    Parameters
    ----------
    estimator, trusted
        As for `save`.

    Returns
    -------
    members : dict of bytes
        For `write_archive` and `unpack_estimator`.
    """
    trusted = set(map(_name, trusted))
    skops = import_optional("skops.io", extra="save", caller="save")
    errors = import_optional("skops.io.exceptions", extra="save", caller="save")
    try:
        with written_form(estimator):
            tree = skops.dumps(estimator)
        refused = _refused(tree, trusted) - UNCHECKED
    except (
        errors.UnsupportedTypeException,
        AttributeError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise TypeError(
            f"{type(estimator).__name__} cannot be saved without pickle: {error}"
        ) from error
    if refused:
        raise TypeError(
            f"{type(estimator).__name__} holds what load does not know: "
            f"{sorted(refused)}. If you know that code, pass it as trusted to save and "
            "to load; else save without it (of a search, its best_estimator_)."
        )
    _check_names(_unknown(tree))
    about = {
        "estimator": qualified(type(estimator)),
        "versions": installed_versions(),
    }
    return {_ABOUT: json.dumps(about).encode(), _TREE: tree}


def _check_names(names):
    """Check that another process can find what a file names."""
    if missing := _missing(names):
        raise TypeError(
            f"{missing} cannot be saved, as no module has it by that name. Define it "
            "at the top of a module, by a def or class statement."
        )
    if own := [name for name in sorted(names) if name.startswith("__main__.")]:
        warn_user(
            f"{own} is of this script or notebook, where no other process finds it. "
            "Define it in a module that whoever loads the file has, too."
        )


def unpack_estimator(members, trusted=(), *, name):
    """Turn the parts of an archive into an estimator.

    Parameters
    ----------
    members : dict of bytes
        As `pack_estimator` returned them.

    trusted
        As for `load`.

    name : str
        What the file is called in errors.

    Returns
    -------
    estimator : estimator object
        As it was saved.
    """
    # Before anything of the file, whose fault a wrong argument is not.
    trusted = set(map(_name, trusted))
    skops = import_optional("skops.io", extra="save", caller="load")
    tree, about = _parts(members, name)
    try:
        refused = _refused(tree, trusted)
    except Exception as error:
        raise _damaged(name, error) from error
    if refused:
        why = "load does not know"
        if refused <= UNCHECKED:
            why = "compiled code reads without checking, which a crafted file could use"
        raise TypeError(
            f"{name} holds what {why}. Nothing was loaded. If you know who made the "
            f"file and trust them, load it with trusted={sorted(refused)}."
        )
    types = _unknown(tree)
    if missing := _missing(types):
        raise ImportError(
            f"{name} needs {missing}, which cannot be imported here. Install what has "
            "it, in the version that the file was saved with."
        )
    _check_versions(about, types, name)
    try:
        with warnings.catch_warnings():
            # Said above, once for all.
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            estimator = skops.loads(tree, trusted=sorted(types))
        _check_is_estimator(estimator)
        restore(estimator)
    except (ImportError, MemoryError):
        raise
    except Exception as error:
        # What types make of a state that nobody saved can be any error.
        raise _damaged(name, error) from error
    return estimator


def _check_is_estimator(loaded):
    if isinstance(loaded, type) or not hasattr(loaded, "get_params"):
        raise TypeError(f"it holds no estimator, but {loaded!r}")


def _parts(members, name):
    """Return the tree of objects, which is a zip file, and what is said about it."""
    try:
        tree, about = members[_TREE], members[_ABOUT]
        with zipfile.ZipFile(io.BytesIO(tree)) as archive:
            check_members(archive, len(tree))
    except NOT_READABLE as error:
        raise _damaged(name, error) from error
    return tree, about


def _damaged(name, error):
    return DamagedFileError(f"{name} is damaged: {type(error).__name__}: {error}")


def _refused(tree, trusted):
    """Name what a tree holds that is neither in the list nor trusted by the user."""
    called = called_types(read_tree(io.BytesIO(tree)))
    return (_unknown(tree) - trusted_types() | called) - trusted


def _name(trusted):
    if isinstance(trusted, str):
        return trusted
    if not hasattr(trusted, "__qualname__"):
        raise TypeError(
            f"trusted must hold types, functions or their names, got {trusted!r}"
        )
    return qualified(trusted)


def _missing(names):
    """Return those names that no module has."""
    missing = []
    for name in sorted(names):
        module, _, attribute = name.rpartition(".")
        try:
            getattr(import_module(module), attribute)
        except (ImportError, AttributeError):
            missing.append(name)
    return missing


def _unknown(tree):
    """Name what skops does not trust by itself."""
    from skops.io import get_untrusted_types

    return set(get_untrusted_types(data=tree))


def _check_versions(about, types, name):
    """Warn if a package is another one than when the file was saved."""
    try:
        saved = {str(n): str(v) for n, v in json.loads(about)["versions"].items()}
    except (
        AttributeError,
        KeyError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise _damaged(name, error) from error
    roots = {type_name.partition(".")[0] for type_name in types}
    here = installed_versions()
    differing = [
        f"{package} {saved[package]} (here {here.get(package)})"
        for package in sorted(saved)
        if package in _CORE or package in roots
        if _minor(saved[package]) != _minor(here.get(package))
    ]
    if differing:
        warn_user(
            f"{name} was saved with {', '.join(differing)}. What was fitted may mean "
            "something else, or not work: check predictions that you know, or fit "
            "again."
        )


def _minor(version):
    return str(version).split(".")[:2]
