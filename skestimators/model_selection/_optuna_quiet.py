"""Silence around Optuna."""

import threading
import warnings
from contextlib import contextmanager

import optuna

_lock = threading.Lock()
_state = {"depth": 0, "verbosity": None}


@contextmanager
def quiet():
    """Keep Optuna from logging and from warning of what is experimental.

    Its verbosity is one for the whole process: of several threads the first to come
    turns it down, and the last to leave restores it.

    Yields
    ------
    None
        Control, while Optuna is quiet.
    """
    with _lock:
        if _state["depth"] == 0:
            _state["verbosity"] = optuna.logging.get_verbosity()
            optuna.logging.set_verbosity(optuna.logging.ERROR)
        _state["depth"] += 1
    try:
        with warnings.catch_warnings():
            category = optuna.exceptions.ExperimentalWarning
            warnings.simplefilter("ignore", category)
            yield
    finally:
        with _lock:
            _state["depth"] -= 1
            if _state["depth"] == 0:
                optuna.logging.set_verbosity(_state["verbosity"])
