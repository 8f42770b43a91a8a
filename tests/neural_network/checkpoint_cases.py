"""Small fits that may be cut off after any epoch, and what is compared of them."""

import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from sklearn.base import clone


class Epochs:
    """A callback that counts epochs, and that cuts fits off, or ends them."""

    def __init__(self, cut=None, end=None):
        self.cut = cut
        self.end = end
        self.n_epochs = 0

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if "epoch" not in context.task_name:
            return False
        self.n_epochs += 1
        if self.n_epochs == self.cut:
            raise KeyboardInterrupt
        return self.n_epochs == self.end


def fit(estimator, data, folder, **callback):
    """Fit a copy, unless it is cut off; return it and the number of epochs run."""
    epochs = Epochs(**callback)
    fitted = clone(estimator).set_params(checkpoint=folder).set_callbacks(epochs)
    if callback.get("cut"):
        with pytest.raises(KeyboardInterrupt):
            fitted.fit(*data)
    else:
        fitted.fit(*data)
    return fitted, epochs.n_epochs


def result_of(fitted, X):
    """Return all that a fit has come to, predictions included."""
    network = fitted.network_
    weights = getattr(network, "variables", None) or [*network.state_dict().values()]
    method = "predict_proba" if hasattr(fitted, "predict_proba") else "predict"
    skipped = {"network_", "activation_", "classes_"}
    learned = {
        name: getattr(fitted, name)
        for name in dir(fitted)
        if name.endswith("_") and not name.startswith("_") and name not in skipped
    }
    learned = {k: getattr(v, "to_numpy", lambda v=v: v)() for k, v in learned.items()}
    return {
        **learned,
        "weights": [values.numpy() for values in weights],
        "predictions": getattr(fitted, method)(X),
    }


def assert_same(result, expected):
    """Compare results to the last bit."""
    assert result.keys() == expected.keys()
    for name in expected:
        np.testing.assert_equal(result[name], expected[name], err_msg=name)


def assert_goes_on(estimator, data, folder, *, cuts):
    """Cut a fit off again and again, and compare its end with that of a whole one."""
    whole, n_whole = fit(estimator, data, None)
    expected = result_of(whole, data[0])
    n_before = 0
    for cut in cuts:
        _, n_epochs = fit(estimator, data, folder, cut=cut)
        assert n_epochs == cut
        # The epoch that was cut off is run again.
        n_before += n_epochs - 1
    last, n_last = fit(estimator, data, folder)
    assert n_before + n_last == n_whole
    assert_same(result_of(last, data[0]), expected)
    # After the end, there is nothing left to be done.
    again, n_again = fit(estimator, data, folder)
    assert n_again == 0
    assert_same(result_of(again, data[0]), expected)
    return whole, again


KILL = """
    import os, signal, sys
    from skestimators.utils import _archive

    class System:
        def __init__(self, function, at, after):
            self.function, self.left, self.after = function, at, after

        def __call__(self, *args):
            self.left -= 1
            if self.left == 0 and not self.after:
                os.kill(os.getpid(), signal.SIGKILL)
            self.function(*args)
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def kill_at(number, *, written):
        os.replace = System(os.replace, number, written)
"""


def kill(code, *args):
    """Run code, which begins with `kill_at`, to the moment when it is killed."""
    done = subprocess.run(
        [
            sys.executable,
            *("-W", "ignore", "-c"),
            textwrap.dedent(KILL) + textwrap.dedent(code),
            *map(str, args),
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
