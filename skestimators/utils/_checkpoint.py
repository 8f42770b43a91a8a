"""What a fit has come to, kept in files so that a killed one goes on from there."""

import numbers
import tempfile
from importlib import import_module
from pathlib import Path

import joblib

from skestimators.utils._archive import DamagedFileError, read_archive, write_archive
from skestimators.utils._description import IRRELEVANT, describe
from skestimators.utils._optional import import_optional
from skestimators.utils._plain_state import from_members, to_members
from skestimators.utils._warnings import warn_user

_KIND = "checkpoint"
# A fit may go on elsewhere, and with what it needs from another place.
_IRRELEVANT = IRRELEVANT | {"cache", "device"}
# Part of every fingerprint: to be raised with a change of what fits compute or write.
_FORMAT = 1


class Checkpoint:
    """The folder of one fit, with a file for each part of it.

    Every file is replaced in one instant, so that at any time, and with any number of
    processes that run the same fit, there is a whole one.

    Parameters
    ----------
    folder : Path
        The folder.
    """

    def __init__(self, folder):
        self.folder = folder

    def read(self, name):
        """Return what was written last under a name.

        Parameters
        ----------
        name : str
            The name of the part.

        Returns
        -------
        state : object or None
            As it was given to `write`; None if there is nothing.

        Warns
        -----
        UserWarning
            If the file is damaged. It is then deleted, and None returned.
        """
        path = self._path(name)
        try:
            return from_members(read_archive(path, kind=_KIND))
        except FileNotFoundError:
            return None
        except DamagedFileError as error:
            path.unlink(missing_ok=True)
            warn_user(f"{path} is damaged. What it was to spare begins anew. ({error})")
            return None

    def write(self, name, state):
        """Put a state in the place of what was written before.

        Parameters
        ----------
        name : str
            The name of the part.

        state : object
            What `to_members` takes: containers of numbers, text, arrays and tensors.

        Raises
        ------
        OSError
            If it cannot be written. What was written before is still there.
        """
        try:
            # Who tidies up meanwhile does not end the fit.
            self.folder.mkdir(parents=True, exist_ok=True)
            write_archive(self._path(name), to_members(state), kind=_KIND)
        except OSError as error:
            raise _not_writable(self.folder.parent, error) from error

    def _path(self, name):
        return self.folder / f"{name}.zip"


def open_checkpoint(estimator, data, *, packages=()):
    """Find the folder of a fit by all that decides what comes out of it.

    Parameters
    ----------
    estimator : estimator instance
        Its parameter `checkpoint` is the folder that has one for each fit, or None. Its
        class and its parameters are part of what decides, but for those that say how,
        where and with how much talk to compute.

    data : dict
        The rest, by any names: arrays, tables, text, containers of these.

    packages : sequence of str, default=()
        The packages that compute, as they are imported: another version need not have
        the same results.

    Returns
    -------
    checkpoint : Checkpoint or None
        None without the parameter.

    Raises
    ------
    ImportError
        If safetensors is missing.

    TypeError
        If a parameter is nothing that another process could recognise.

    ValueError
        If `random_state` is no int, or `warm_start` is True.

    OSError
        If the folder cannot be written to.
    """
    if estimator.checkpoint is None:
        return None
    import_optional("safetensors", extra="save", caller=estimator)
    _check_repeatable(estimator)
    modules = map(import_module, ("skestimators", "numpy", *packages))
    what = [
        _FORMAT,
        *(f"{module.__name__} {module.__version__}" for module in modules),
        describe([estimator, data], needed_by="checkpoint", irrelevant=_IRRELEVANT),
    ]
    root = Path(estimator.checkpoint).expanduser().absolute()
    folder = root / f"{type(estimator).__name__}-{joblib.hash(what, coerce_mmap=True)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Before the long work, not after.
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _not_writable(root, error) from error
    return Checkpoint(folder)


def _check_repeatable(estimator):
    random_state = estimator.random_state
    if not isinstance(random_state, numbers.Integral):
        raise ValueError(
            f"checkpoint needs an int for random_state, got {random_state!r}: to go on "
            "where it was cut off, the same call must draw the same numbers."
        )
    if getattr(estimator, "warm_start", False):
        raise ValueError(
            "checkpoint cannot be used with warm_start=True: whether a call is the "
            "same would depend on the calls before it. Choose one of them."
        )


def _not_writable(root, error):
    return type(error)(
        error.errno,
        f"checkpoint={str(root)!r} must be a folder that can be written to, with room "
        f"({error.strerror}). What was written before is still there.",
    )
