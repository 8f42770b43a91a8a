"""A fit that was cut off goes on with the members that are missing."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from lightgbm import LGBMRegressor
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import make_friedman1
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.tree import DecisionTreeRegressor

from skestimators import BootstrapStackedLGBM, BootstrapStackedRegressor

# LightGBM 4.6 names the columns of an array itself, and then misses the names.
pytestmark = pytest.mark.filterwarnings(
    "ignore:X does not have valid feature names:UserWarning"
)

pytest.importorskip("skops")

X, Y = make_friedman1(120, noise=0.5, random_state=0)
ENSEMBLES = {
    "any": BootstrapStackedRegressor(
        make_pipeline(StandardScaler(), DecisionTreeRegressor()), 5, random_state=0
    ),
    "boosters": BootstrapStackedRegressor(
        LGBMRegressor(n_estimators=3, n_jobs=1, verbose=-1), 5, random_state=0
    ),
    "LightGBM": BootstrapStackedLGBM(5, max_iter=5, random_state=0),
}


class Members:
    """A callback that knows what members were fitted, and may end it all."""

    def __init__(self, stop_after=None):
        self.stop_after = stop_after
        self.fitted = []

    def setup(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        if context.task_name == "member":
            if len(self.fitted) == self.stop_after:
                raise KeyboardInterrupt
            self.fitted.append(context.task_id)

    def teardown(self, estimator, context):
        pass


class Mean(RegressorMixin, BaseEstimator):
    """A member that is the caller's own code."""

    def fit(self, X, y):
        self.mean_ = y.mean()
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def assert_equal(one, other):
    np.testing.assert_array_equal(one.predict_all(X), other.predict_all(X))
    np.testing.assert_array_equal(one.coef_, other.coef_)
    np.testing.assert_array_equal(one.oob_prediction_, other.oob_prediction_)


def watched(ensemble, **params):
    members = Members(params.pop("stop_after", None))
    return clone(ensemble).set_params(**params).set_callbacks(members), members


@pytest.mark.parametrize("name", ENSEMBLES)
def test_a_fit_goes_on_with_missing_members(name, tmp_path):
    whole = clone(ENSEMBLES[name]).fit(X, Y)
    cut, _ = watched(ENSEMBLES[name], checkpoint=tmp_path, stop_after=2)
    with pytest.raises(KeyboardInterrupt):
        cut.fit(X, Y)
    resumed, members = watched(ENSEMBLES[name], checkpoint=tmp_path)
    assert_equal(resumed.fit(X, Y), whole)
    assert members.fitted == [2, 3, 4]
    again, members = watched(ENSEMBLES[name], checkpoint=tmp_path)
    assert_equal(again.fit(X, Y), whole)
    assert members.fitted == []


@pytest.mark.parametrize("name", ["any", "LightGBM"])
def test_a_damaged_file_is_named_and_its_member_fitted_anew(name, tmp_path):
    whole = clone(ENSEMBLES[name]).set_params(checkpoint=tmp_path, n_jobs=2).fit(X, Y)
    path = next(tmp_path.glob("*/member-3.zip"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    repaired, members = watched(ENSEMBLES[name], checkpoint=tmp_path)
    with pytest.warns(UserWarning, match=r"member-3\.zip is damaged"):
        repaired.fit(X, Y)
    assert members.fitted == [3]
    assert_equal(repaired, whole)


@pytest.mark.parametrize("name", ["boosters", "LightGBM"])
def test_other_data_have_members_of_their_own(name, tmp_path):
    ensemble = clone(ENSEMBLES[name]).set_params(checkpoint=tmp_path).fit(X, Y)
    weight = np.arange(120) % 3
    other, members = watched(ensemble)
    other.fit(X, Y, sample_weight=weight)
    assert len(members.fitted) == 5
    plain = clone(other).set_params(checkpoint=None).fit(X, Y, sample_weight=weight)
    assert_equal(other, plain)


def test_members_of_the_callers_own_are_kept(tmp_path):
    ensemble = BootstrapStackedRegressor(Mean(), 5, random_state=0)
    whole = clone(ensemble).fit(X, Y)
    clone(ensemble).set_params(checkpoint=tmp_path).fit(X, Y)
    again, members = watched(ensemble, checkpoint=tmp_path)
    assert_equal(again.fit(X, Y), whole)
    assert members.fitted == []


def test_members_that_cannot_be_kept_are_refused_at_once(tmp_path):
    line = make_pipeline(FunctionTransformer(lambda X: X), DecisionTreeRegressor())
    ensemble, members = watched(
        BootstrapStackedRegressor(line, 5, random_state=0), checkpoint=tmp_path
    )
    with pytest.raises(TypeError, match="checkpoint cannot keep a member"):
        ensemble.fit(X, Y)
    assert members.fitted == []


@pytest.mark.parametrize("name", ["any", "LightGBM"])
def test_random_state_must_be_an_int(name, tmp_path):
    ensemble = clone(ENSEMBLES[name])
    ensemble.set_params(checkpoint=tmp_path, random_state=None)
    with pytest.raises(ValueError, match="checkpoint needs an int for random_state"):
        ensemble.fit(X, Y)


SCRIPT = """
import sys
from sklearn.datasets import make_friedman1
from skestimators import BootstrapStackedLGBM
X, y = make_friedman1(600, noise=0.5, random_state=0)
BootstrapStackedLGBM(
    60, max_iter=40, checkpoint=sys.argv[1], n_jobs=2, random_state=0
).fit(X, y)
"""


def test_a_killed_process_loses_what_it_was_at(tmp_path):
    script = subprocess.Popen([sys.executable, "-c", SCRIPT, tmp_path])
    while len(kept := _kept(tmp_path)) < 5:
        assert script.poll() is None
        time.sleep(0.01)
    script.send_signal(signal.SIGKILL)
    script.wait()
    kept = _kept(tmp_path)
    assert len(kept) < 60
    X, y = make_friedman1(600, noise=0.5, random_state=0)
    ensemble = BootstrapStackedLGBM(60, max_iter=40, random_state=0)
    resumed, members = watched(ensemble, checkpoint=tmp_path)
    resumed.fit(X, y)
    assert {f"member-{index}" for index in members.fitted}.isdisjoint(kept)
    whole = clone(ensemble).fit(X, y)
    np.testing.assert_array_equal(resumed.predict_all(X), whole.predict_all(X))


def _kept(folder):
    return {Path(path).stem for path in folder.glob("*/member-*.zip")}
