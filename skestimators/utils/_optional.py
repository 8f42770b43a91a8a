"""Import optional dependencies, or say which extra brings them."""

import importlib
from contextlib import suppress


def import_optional(module, *, extra, caller):
    """Import an optional dependency.

    Parameters
    ----------
    module : str
        Name of the module, as in an import statement.

    extra : str
        The extra of skestimators that installs it.

    caller : object or str
        What needs the module: an estimator, or the name of a function.

    Returns
    -------
    module : module
        The imported module.

    Raises
    ------
    ImportError
        If the module cannot be imported; the message names the extra to install.
    """
    try:
        if module == "tensorflow":
            _import_triton()
        return importlib.import_module(module)
    except ImportError as error:
        name = caller if isinstance(caller, str) else type(caller).__name__
        raise ImportError(
            f"{name} needs {module!r}, which cannot be imported ({error}). "
            f"Install it with: pip install 'skestimators[{extra}]'"
        ) from error


def _import_triton():
    # Torch for GPUs imports it when it first trains. Where TensorFlow came before, that
    # ends the process: both bring LLVM, which does not bear being loaded so.
    with suppress(ImportError):
        importlib.import_module("triton")
