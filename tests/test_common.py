"""What scikit-learn demands of every estimator, found by discovery."""

import inspect
import pickle

import numpy as np
import pytest
from instances import (
    all_instances,
    example_data,
    takes_interactions,
    takes_strings,
)
from sklearn.base import clone
from sklearn.callback import ProgressBar
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import (
    check_param_validation,
    parametrize_with_checks,
)

INSTANCES = all_instances()
NUMERIC = [
    est for est in INSTANCES if not (takes_strings(est) or takes_interactions(est))
]

# Every check that may fail, and why. Strict: one that passes must be taken out.
_EQUIVALENCE = "check_sample_weight_equivalence_on_dense_data"
_BATCHES = {
    _EQUIVALENCE: "mini-batches and a held-out part depend on the number of rows; "
    "see test_weight_is_repetition of the estimator"
}
_EARLIER_ROWS = (
    "the window of a row is made of the rows before it; "
    "see test_windows.py::test_a_record_alone_gives_the_windows_it_gives_among_others"
)
EXPECTED_FAILURES = {
    "ActivationSearchNet": _BATCHES,
    "KerasCNNClassifier": _BATCHES,
    "KerasCNNRegressor": _BATCHES,
    "KerasFFNNClassifier": _BATCHES,
    "KerasFFNNRegressor": _BATCHES,
    "SlidingWindow": {
        "check_methods_sample_order_invariance": _EARLIER_ROWS,
        "check_methods_subset_invariance": _EARLIER_ROWS,
    },
    "TorchMLPRegressor": _BATCHES,
    "BootstrapStackedRegressor": {
        _EQUIVALENCE: "bootstrap resamples depend on the number of rows; "
        "see test_bootstrap.py"
    },
    "BootstrapStackedLGBM": {
        _EQUIVALENCE: "bootstrap resamples depend on the number of rows; "
        "see test_bootstrap_lgbm.py"
    },
}


def _name(value):
    return type(value).__name__


def test_only_the_allowed_check_may_fail():
    """Windows are made of several rows: no estimator that learns may depend on them."""
    allowed = {name: set(checks) for name, checks in EXPECTED_FAILURES.items()}
    del allowed["SlidingWindow"]
    assert set().union(*allowed.values()) == {_EQUIVALENCE}


@parametrize_with_checks(
    NUMERIC,
    expected_failed_checks=lambda est: EXPECTED_FAILURES.get(_name(est), {}),
    xfail_strict=True,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("estimator", INSTANCES, ids=_name)
def test_every_parameter_is_constrained(estimator):
    check_param_validation(_name(estimator), estimator)


@pytest.mark.parametrize("estimator", INSTANCES, ids=_name)
def test_constructor_is_explicit_and_only_stores(estimator):
    parameters = inspect.signature(type(estimator).__init__).parameters.values()
    kinds = {p.kind for p in parameters}
    assert not kinds & {inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL}
    assert set(vars(estimator)) == set(estimator.get_params(deep=False))


def global_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002


@pytest.mark.parametrize("estimator", INSTANCES, ids=_name)
def test_random_state_makes_fits_bit_equal_and_leaves_global_state(estimator):
    X, y = example_data(estimator)
    method = "transform" if hasattr(estimator, "transform") else "predict"
    before = global_state()
    first, second = (getattr(clone(estimator).fit(X, y), method)(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(global_state(), before)


@pytest.mark.parametrize("estimator", INSTANCES, ids=_name)
def test_sample_weight_of_ones_equals_none(estimator):
    # A search hands on what it is given as `**params`.
    if not {"sample_weight", "params"} & set(
        inspect.signature(estimator.fit).parameters
    ):
        assert not hasattr(estimator, "predict")
        return
    X, y = example_data(estimator)
    plain = clone(estimator).fit(X, y).predict(X)
    ones = clone(estimator).fit(X, y, sample_weight=np.ones(len(X))).predict(X)
    np.testing.assert_array_equal(plain, ones)


@pytest.mark.parametrize("estimator", INSTANCES, ids=_name)
def test_pickle_round_trip_is_bit_equal(estimator):
    X, y = example_data(estimator)
    fitted = clone(estimator).fit(X, y)
    method = "transform" if hasattr(estimator, "transform") else "predict"
    loaded = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(
        getattr(loaded, method)(X), getattr(fitted, method)(X)
    )


class _Recorder:
    """A callback that writes down what it hears and can ask to stop."""

    max_propagation_depth = None

    def __init__(self, stop=False):
        self.stop = stop
        self.heard = []

    def setup(self, estimator, context):
        self.heard.append(("setup", context.task_name))

    def teardown(self, estimator, context):
        self.heard.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context):
        self.heard.append(("begin", context.task_name))

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.heard.append(("end", context.task_name))
        if hasattr(fitted_estimator, "predict") and X is not None:
            assert len(fitted_estimator.predict(X)) == len(X)
        return self.stop


ITERATIVE = [
    est
    for est in INSTANCES
    if {"max_epochs", "max_iter", "n_estimators"} & set(est.get_params(deep=False))
]


def _tasks(heard, event):
    return [name for e, name in heard if e == event]


@pytest.mark.parametrize("estimator", ITERATIVE, ids=_name)
def test_callbacks_hear_every_step_through_a_pipeline(estimator):
    X, y = example_data(estimator)
    recorder = _Recorder()
    pipeline = make_pipeline(clone(estimator)).set_callbacks(recorder)
    pipeline.fit(X, y)
    heard = recorder.heard
    assert _tasks(heard, "setup") == _tasks(heard, "teardown") == ["fit"]
    assert sorted(_tasks(heard, "begin")) == sorted(_tasks(heard, "end"))
    # The pipeline's own tasks are two: the whole and its only step.
    assert len(_tasks(heard, "begin")) > 3
    assert not vars(pipeline[-1]).keys() & {"_callback_fit_ctx", "_parent_callback_ctx"}


@pytest.mark.parametrize("estimator", ITERATIVE, ids=_name)
def test_a_callback_can_end_epochs_and_rounds(estimator):
    X, y = example_data(estimator)
    stopped = clone(estimator).set_callbacks(_Recorder(stop=True)).fit(X, y)
    assert len(stopped.predict(X)) == len(X)
    assert getattr(stopped, "n_iter_", 1) == 1


@pytest.mark.parametrize("estimator", ITERATIVE, ids=_name)
def test_progress_bar_through_a_pipeline(estimator, capsys):
    X, y = example_data(estimator)
    pipeline = make_pipeline(clone(estimator))
    pipeline.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    assert _name(estimator) in capsys.readouterr().out


@pytest.mark.parametrize("estimator", INSTANCES, ids=_name)
def test_every_estimator_supports_callbacks(estimator):
    """A pipeline warns of a step that does not, even of one with nothing to report."""
    X, y = example_data(estimator)
    recorder = _Recorder()
    clone(estimator).set_callbacks(recorder).fit(X, y)
    told = recorder.heard[:2] + recorder.heard[-2:]
    steps = ("setup", "begin", "end", "teardown")
    assert told == [(step, "fit") for step in steps], (
        "fit must be decorated with _fit_context, and work inside `with fit_task(self)`"
    )
