"""What was saved predicts the same, to the last bit, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import instances
import joblib
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from stored_files import METHODS, outcome

from skestimators import load, save
from skestimators.utils import all_estimators

pytest.importorskip("skops")

CASES = [f"{name}-{how}" for name, _ in all_estimators() for how in ("alone", "piped")]

# Loads the files of a folder, and writes what each makes of its data.
READER = f"""
import sys, warnings
from pathlib import Path
import joblib, numpy as np
from skestimators import load
warnings.simplefilter("ignore")
for path in sorted(Path(sys.argv[1]).glob("*.skestimators")):
    estimator = load(path)
    method = next(name for name in {METHODS} if hasattr(estimator, name))
    outcome = getattr(estimator, method)(joblib.load(path.with_suffix(".data")))
    joblib.dump(outcome, path.with_suffix(".outcome"))
"""


def piped(estimator):
    numbers = not (
        instances.takes_strings(estimator) or instances.takes_interactions(estimator)
    )
    return make_pipeline(
        StandardScaler() if numbers else FunctionTransformer(), estimator
    )


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """Fit and save everything, and let one other process load and run all of it."""
    folder, outcomes = tmp_path_factory.mktemp("saved"), {}
    for case in CASES:
        name, how = case.split("-")
        estimator = instances.make_instance(dict(all_estimators())[name])
        X, y = instances.example_data(estimator)
        if how == "piped":
            estimator = piped(estimator)
        outcomes[case] = outcome(estimator.fit(X, y), X)
        save(estimator, folder / f"{case}.skestimators")
        joblib.dump(X, folder / f"{case}.data")
    environ = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-c", READER, folder], check=True, env=environ)
    return folder, outcomes


@pytest.mark.parametrize("case", CASES)
def test_bit_equal_in_another_process(case, expected):
    folder, outcomes = expected
    found = joblib.load(folder / f"{case}.outcome")
    assert type(found) is type(outcomes[case])
    np.testing.assert_array_equal(found, outcomes[case])


@pytest.mark.parametrize("case", CASES)
def test_all_attributes_come_back(case, expected):
    path = expected[0] / f"{case}.skestimators"
    loaded, again = load(path), Path(path).with_suffix(".again")
    save(loaded, again)
    assert_alike(vars(load(again)), vars(loaded))


def assert_alike(found, wanted):
    assert type(found) is type(wanted)
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for name in wanted:
            assert_alike(found[name], wanted[name])
    elif isinstance(wanted, (list, tuple)):
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            assert_alike(one, other)
    elif isinstance(wanted, np.ndarray):
        np.testing.assert_array_equal(found, wanted, strict=True)
