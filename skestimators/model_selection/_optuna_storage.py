"""Finished trials in a storage that outlives the process."""

import json
import re
from contextlib import contextmanager, nullcontext
from pathlib import Path

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from sqlalchemy.pool import NullPool

from skestimators.model_selection._optuna_damage import (
    CHECKSUM,
    checksum,
    named_errors,
    trial_checksum,
)
from skestimators.model_selection._optuna_quiet import quiet
from skestimators.utils._warnings import warn_user

_SQLITE = {".db", ".sqlite", ".sqlite3"}
_JOURNAL = {".journal", ".log"}

# What a part of the fingerprint that differs is called in an error.
_REFUSALS = {
    "data": "its trials were scored on other data (X, y, groups or fit parameters)",
    "splits": "its trials were scored on other cv splits",
    "estimator": "it is of another estimator, or of one with other parameters",
    "scoring": "its trials were scored with other scoring",
    "space": "it is of another search space",
    "sampler": "its trials were drawn by another sampler or pruner",
    "random_state": "its trials were drawn with another random_state",
}


def _describe(storage):
    """Return a storage as text for an error, without its password."""
    return re.sub(r"://[^@/]*@", "://***@", repr(storage))


@contextmanager
def opened(storage):
    """Open what the parameter `storage` names.

    Parameters
    ----------
    storage : str, path or optuna.storages.BaseStorage
        A file, an URL or the storage itself.

    Yields
    ------
    storage : optuna.storages.BaseStorage
        Closed at the end if it was opened here.
    """
    if isinstance(storage, BaseStorage):
        yield storage
        return
    is_url = "://" in str(storage)
    path = None if is_url else _check_path(storage)
    lock = nullcontext() if is_url else _locked(path)
    with quiet(), named_errors(_describe(storage), "opened"), lock:
        if is_url or path.suffix in _SQLITE:
            store = _open_database(str(storage) if is_url else f"sqlite:///{path}")
        else:
            store = _open_journal(path)
    try:
        yield store
    finally:
        if isinstance(store, RDBStorage):
            store.remove_session()
            store.engine.dispose()


def _check_path(storage):
    path = Path(storage).absolute()
    if path.suffix not in _SQLITE | _JOURNAL:
        raise ValueError(
            f"storage={str(storage)!r} must be a file name that ends in one of "
            f"{sorted(_SQLITE)} (SQLite) or {sorted(_JOURNAL)} (journal), an URL such "
            "as 'sqlite:///search.db', or an Optuna storage."
        )
    if not path.parent.is_dir():
        raise FileNotFoundError(
            f"storage={str(storage)!r}: there is no folder {str(path.parent)!r}."
        )
    return path


@contextmanager
def _locked(path):
    """Keep other processes from opening the same file at the same time."""
    lock = JournalFileOpenLock(str(path))
    lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _open_database(url):
    kwargs = {}
    if url.startswith("sqlite"):
        # Other processes may be writing: SQLite itself would wait for 5 seconds only.
        # A pool would keep connections open if Optuna fails in opening the storage.
        kwargs = {"connect_args": {"timeout": 60}, "poolclass": NullPool}
    return RDBStorage(url, engine_kwargs=kwargs)


def _open_journal(path):
    if path.exists():
        _mend_journal(path)
    lock = JournalFileOpenLock(str(path))
    return JournalStorage(JournalFileBackend(str(path), lock_obj=lock))


def _mend_journal(path):
    """Cut off what a killed process left of its last line.

    Optuna would append to it, and then be unable to read the journal. A file that is
    no journal, which a name in `.log` may well be, is left as it is.
    """
    content = path.read_bytes()
    end = content.rfind(b"\n") + 1
    lines = content[:end].splitlines()
    if content and not (lines and _is_operation(lines[0]) and _is_operation(lines[-1])):
        raise ValueError(
            f"{path} is no journal of Optuna, of which each line is a JSON object with "
            "an 'op_code'. It was left as it is; take another name."
        )
    if end < len(content):
        with open(path, "r+b") as file:
            file.truncate(end)


def _is_operation(line):
    try:
        operation = json.loads(line)
    except ValueError:
        return False
    return isinstance(operation, dict) and "op_code" in operation


class TrialStore:
    """The finished trials of one search.

    Trials are written when they are finished, each in one transaction, and never
    before: what a killed process was working on leaves no trace.

    Parameters
    ----------
    storage : optuna.storages.BaseStorage
        Where the trials are.

    parameter : str, path or optuna.storages.BaseStorage
        What the user called it, for errors.

    study_name : str
        Name of the study in the storage.

    fingerprint : dict of str to str
        What the search depends on; see :mod:`._fingerprint`.

    seed : int
        Seed of the search if it is a new one.
    """

    def __init__(self, storage, parameter, *, study_name, fingerprint, seed):
        self._label, self._name = _describe(parameter), study_name
        with quiet(), named_errors(self._label):
            self._study = optuna.create_study(
                storage=storage,
                study_name=study_name,
                direction="maximize",
                load_if_exists=True,
            )
            kept = self._study.user_attrs.get("search")
            is_new = kept is None and not self._study.get_trials(deepcopy=False)
            if is_new:
                kept = {"fingerprint": fingerprint, "seed": seed}
                kept[CHECKSUM] = checksum(study_name, kept)
                self._study.set_user_attr("search", kept)
        self._check(kept, fingerprint)
        self.seed = kept["seed"]

    def _check(self, kept, fingerprint):
        if kept is None:
            self.refuse(["it was not made by OptunaSearchCV"])
        kept = dict(kept) if isinstance(kept, dict) else {}
        if kept.pop(CHECKSUM, None) != checksum(self._name, kept):
            raise ValueError(
                f"Study {self._name!r} in storage={self._label} is damaged, or was "
                "made by an early version of skestimators. Take another storage or "
                "study_name; its candidates will be computed again."
            )
        before = kept["fingerprint"]
        differing = [k for k in fingerprint if fingerprint[k] != before.get(k)]
        if differing:
            self.refuse([_REFUSALS[k] for k in differing])

    def refuse(self, reasons):
        """Raise the error that says why the study is not this search's.

        Parameters
        ----------
        reasons : list of str
            What differs.
        """
        raise ValueError(
            f"Study {self._name!r} in storage={self._label} is another search: "
            f"{'; '.join(reasons)}. Take another study_name, or leave study_name=None: "
            "each search then has a study of its own."
        )

    def load(self):
        """Return the finished trials, in order.

        Returns
        -------
        trials : list of optuna.trial.FrozenTrial
            Trials 0, 1, ... up to the first that is missing or damaged.
        """
        with quiet(), named_errors(self._label):
            stored = self._study.get_trials()
            sums = [trial_checksum(self._name, trial) for trial in stored]
        found, n_damaged = {}, 0
        for trial, known in zip(stored, sums, strict=True):
            if trial.user_attrs.pop(CHECKSUM, None) == known:
                # Two processes that ran the same search wrote the same trials.
                found.setdefault(trial.user_attrs["index"], trial)
            else:
                n_damaged += 1
        if n_damaged:
            warn_user(
                f"{n_damaged} of {len(stored)} candidates of study {self._name!r} in "
                f"storage={self._label} are damaged; they are computed again."
            )
        trials = []
        while len(trials) in found:
            trials.append(found[len(trials)])
        return trials

    def append(self, trial):
        """Write a finished trial, with a checksum."""
        trial.user_attrs[CHECKSUM] = trial_checksum(self._name, trial)
        with quiet(), named_errors(self._label):
            self._study.add_trial(trial)
