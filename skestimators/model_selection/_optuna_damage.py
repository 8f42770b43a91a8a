"""What is wrong with a storage, told by name, and checksums of what it keeps."""

import hashlib
import json
import sqlite3
from contextlib import contextmanager

from optuna.distributions import distribution_to_json

CHECKSUM = "checksum"
_KEPT = "The candidates that were finished before are kept"


@contextmanager
def named_errors(label, action="used"):
    """Turn what Optuna and databases raise into errors that name the storage.

    Parameters
    ----------
    label : str
        The storage, as in the parameter.

    action : str, default="used"
        What it cannot be if an error is raised within.

    Raises
    ------
    OSError
        If it cannot be read or written; a full disk is one such case.

    ValueError
        If it is damaged or something else.
    """
    try:
        yield
    except (ImportError, MemoryError):
        raise
    except OSError as error:
        if label in str(error):
            raise
        raise _not_accessible(label, action, error) from error
    except Exception as error:
        raise _named(label, action, error) from error


def _named(label, action, error):
    cause = error
    while cause is not None and not isinstance(cause, sqlite3.Error):
        cause = cause.__cause__ or cause.__context__
    # The kinds of errors have further details in the higher bits.
    code = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return TimeoutError(
            f"storage={label} cannot be {action}: another process has locked it for a "
            f"minute ({cause}). {_KEPT}: run again."
        )
    if code in (
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_READONLY,
    ):
        return _not_accessible(label, action, cause)
    if "://" in label and "sqlite" not in label:
        # A server, of which the connection is the most likely to fail.
        return ValueError(f"storage={label} cannot be {action}: {error}")
    return ValueError(
        f"storage={label} cannot be {action}: it is damaged, or no storage of Optuna "
        f"({type(error).__name__}: {error}). Delete it, or name another; what it kept "
        "will be computed again."
    )


def _not_accessible(label, action, error):
    errno = getattr(error, "errno", None)
    message = (
        f"storage={label} cannot be {action} ({error}). {_KEPT}: see to permissions "
        "and free space, and run again."
    )
    return OSError(message) if errno is None else type(error)(errno, message)


def checksum(*content):
    """Return a checksum of what a storage keeps as JSON."""
    # Tuples come back as lists, and keys as text: as JSON both are the same.
    text = json.dumps(content, sort_keys=True, default=repr)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def trial_checksum(study_name, trial):
    """Return a checksum of all of a trial that a search uses.

    Parameters
    ----------
    study_name : str
        The study it belongs to.

    trial : optuna.trial.FrozenTrial
        The finished trial.

    Returns
    -------
    checksum : str
        It does not depend on the storage that the trial comes from.
    """
    params = {
        name: [
            distribution.to_internal_repr(trial.params[name]),
            distribution_to_json(distribution),
        ]
        for name, distribution in trial.distributions.items()
    }
    attrs = {k: v for k, v in trial.user_attrs.items() if k != CHECKSUM}
    reported = sorted(trial.intermediate_values.items())
    return checksum(
        study_name,
        trial.state.name,
        trial.values,
        params,
        reported,
        attrs,
        trial.system_attrs,
    )
