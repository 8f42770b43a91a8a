"""Fitting and predicting leave nothing behind."""

import gc
from collections import Counter
from weakref import ReferenceType

import psutil
import pytest
from instances import example_data, make_instance, takes_strings
from sklearn.base import clone

from skestimators.utils import all_estimators

# One of each way to train; the others need more seconds.
QUICK = {"DKTClassifier", "KerasFFNNRegressor", "TorchMLPRegressor"}
NETWORKS = [cls for _, cls in all_estimators() if ".neural_network." in cls.__module__]
# The caches of abstract classes keep these, for as long as they like.
OF_CACHES = (ReferenceType, type(len))


def fit_and_predict(cls, seeds):
    estimator = make_instance(cls).set_params(max_epochs=2)
    X, y = example_data(estimator)
    for seed in seeds:
        if not takes_strings(estimator):  # to make VGG16 anew takes seconds
            estimator = clone(estimator).set_params(random_state=seed)
        clone(estimator).fit(X, y).predict(X)


def count_objects():
    gc.collect()
    return Counter(type(o) for o in gc.get_objects() if type(o) not in OF_CACHES)


@pytest.mark.parametrize(
    "cls",
    [
        pytest.param(cls, marks=[] if cls.__name__ in QUICK else pytest.mark.slow)
        for cls in NETWORKS
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_no_object_outlives_its_estimator(cls):
    fit_and_predict(cls, range(10))
    before = count_objects()
    fit_and_predict(cls, range(10, 20))
    # Other threads may add a few; what leaks is left by each of the ten.
    assert not {k: n for k, n in (count_objects() - before).items() if n >= 10}


@pytest.mark.slow
@pytest.mark.parametrize("cls", NETWORKS)
def test_memory_of_the_process_does_not_grow(cls):
    process = psutil.Process()
    fit_and_predict(cls, range(50))
    gc.collect()
    before = process.memory_info().rss
    fit_and_predict(cls, range(50, 250))
    gc.collect()
    assert process.memory_info().rss - before < 20e6  # bytes: 0.1 MB a fit
