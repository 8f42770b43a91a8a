"""What makes a search another one, and what does not."""

import subprocess
import sys
import textwrap
from functools import partial

import numpy as np
import optuna
import pytest
from optuna.samplers import RandomSampler, TPESampler
from sklearn import config_context
from sklearn.base import clone
from sklearn.datasets import make_regression
from sklearn.decomposition import PCA
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import Ridge
from sklearn.metrics import get_scorer, make_scorer, r2_score
from sklearn.pipeline import make_pipeline

from skestimators.model_selection import OptunaSearchCV

X, y = make_regression(40, 4, noise=30.0, random_state=0)
WEIGHT = np.linspace(1, 2, len(X))


def run(storage, *, data=(X, y), estimator=None, fit_params=None, **params):
    """Run a search of one candidate under a name of its own."""
    params = {"param_distributions": {}, "study_name": "mine", **params}
    estimator = estimator or Ridge()
    search = OptunaSearchCV(estimator, n_iter=1, cv=2, random_state=0, **params)
    return search.set_params(storage=storage).fit(*data, **(fit_params or {}))


@pytest.fixture
def storage():
    return optuna.storages.InMemoryStorage()


def projected(rows):
    return make_pipeline(FrozenEstimator(PCA(2).fit(X[rows])), Ridge())


def test_frozen_estimators_are_known_by_what_they_learned(storage):
    run(storage, estimator=projected(slice(0, 20)))
    run(storage, estimator=projected(slice(0, 20)))
    with pytest.raises(ValueError, match="of another estimator, or of one with other"):
        run(storage, estimator=projected(slice(20, 40)))


def test_metadata_requests_are_part_of_estimator_and_scorer(storage):
    scorer = get_scorer("r2")
    with config_context(enable_metadata_routing=True):
        kwargs = {"fit_params": {"sample_weight": WEIGHT}}

        def run_with(fit, score):
            run(
                storage,
                estimator=Ridge().set_fit_request(sample_weight=fit),
                scoring=clone(scorer, safe=False).set_score_request(
                    sample_weight=score
                ),
                **kwargs,
            )

        run_with(True, True)
        run_with(True, True)
        with pytest.raises(ValueError, match="is another search: it is of another est"):
            run_with(False, True)
        with pytest.raises(ValueError, match=r"is another search: .* other scoring"):
            run_with(True, False)


@pytest.mark.parametrize(
    ("make", "other"),
    [
        (lambda: TPESampler(n_startup_trials=2), TPESampler(n_startup_trials=99)),
        (lambda: RandomSampler(seed=3), RandomSampler(seed=4)),
        (lambda: TPESampler(seed=3), TPESampler(seed=3, n_ei_candidates=9)),
    ],
    ids=["number", "seed", "other"],
)
def test_sampler_instances_are_known_by_their_settings(make, other, storage):
    sampler = make()
    run(storage, sampler=sampler)
    run(storage, sampler=sampler)
    run(storage, sampler=make())
    with pytest.raises(ValueError, match="another sampler or pruner"):
        run(storage, sampler=other)


def test_pruner_instances_are_known_by_their_settings(storage):
    run(storage, pruner=optuna.pruners.PercentilePruner(25))
    run(storage, pruner=optuna.pruners.PercentilePruner(25))
    with pytest.raises(ValueError, match="another sampler or pruner"):
        run(storage, pruner=optuna.pruners.PercentilePruner(30))


FACTOR = 1.0
OFFSETS = {"low": [0.0, 1.0]}
METRIC = r2_score
CALLS = 0


def helper(estimator, X, y):
    return FACTOR * METRIC(y, estimator.predict(X)) + OFFSETS["low"][0]


def score(estimator, X, y):
    global CALLS
    CALLS += 1
    return sum(helper(estimator, part, y) for part in [X]) + np.float64(0)


class Score:
    """Calls a function whose globals count, as a bound method does."""

    def score(self, estimator, X, y):
        return score(estimator, X, y)


def negative(y, z):
    return -1.0


def positive(y, z):
    return 1.0


@pytest.mark.parametrize(
    "scoring",
    [score, partial(score), Score().score, {"only": score}],
    ids=["function", "partial", "method", "dict"],
)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("FACTOR", 2.0),
        ("OFFSETS", {"low": [0.5, 1.0]}),
        ("METRIC", negative),
        ("METRIC", make_scorer),
        ("helper", lambda estimator, X, y: 0.0),
    ],
)
def test_globals_that_a_function_reads_are_compared(
    scoring, name, value, storage, monkeypatch
):
    refit = "only" if isinstance(scoring, dict) else True
    run(storage, scoring=scoring, refit=refit)
    # What it counts, and what is equal, is not another search.
    monkeypatch.setitem(globals(), "OFFSETS", {"low": [0.0, 1.0]})
    run(storage, scoring=scoring, refit=refit)
    monkeypatch.setitem(globals(), name, value)
    with pytest.raises(ValueError, match="scored with other scoring"):
        run(storage, scoring=scoring, refit=refit)


def test_functions_that_call_themselves(storage):
    def closure(constant):
        def recursive(estimator, X, y, depth=3):
            if depth == 0:
                return constant
            return recursive(estimator, X, y, depth - 1)

        return recursive

    run(storage, scoring=closure(1.0))
    run(storage, scoring=closure(1.0))
    with pytest.raises(ValueError, match="scored with other scoring"):
        run(storage, scoring=closure(2.0))


def test_innocent_forms_of_the_data_are_the_same_search(storage, tmp_path):
    memory = np.memmap(tmp_path / "X", dtype=X.dtype, mode="w+", shape=X.shape)
    memory[:] = X
    for X_form in [X, np.asfortranarray(X), memory, X.tolist(), X[::-1][::-1]]:
        for y_form in [y, y.tolist(), list(y), np.repeat(y, 2)[::2]]:
            run(storage, data=(X_form, y_form))
    with pytest.raises(ValueError, match="scored on other data"):
        run(storage, data=(X[::-1], y))


def test_another_process_knows_what_is_the_same(tmp_path):
    script = """
        import sys
        import sklearn
        from functools import partial
        from optuna.samplers import TPESampler
        from sklearn.datasets import make_regression
        from sklearn.decomposition import PCA
        from sklearn.frozen import FrozenEstimator
        from sklearn.linear_model import Ridge
        from sklearn.metrics import r2_score
        from sklearn.pipeline import make_pipeline
        from skestimators.model_selection import OptunaSearchCV

        NAMES = {"alpha", "beta", "gamma", "delta"}

        def score(estimator, X, y, factor):
            return factor * r2_score(y, estimator.predict(X)) + len(NAMES)

        sklearn.set_config(enable_metadata_routing=True)
        X, y = make_regression(40, 4, noise=30.0, random_state=0)
        ridge = Ridge().set_fit_request(sample_weight=True)
        OptunaSearchCV(
            make_pipeline(FrozenEstimator(PCA(2).fit(X)), ridge),
            {"ridge__alpha": [1.0, 2.0]}, n_iter=1, cv=2, random_state=0,
            sampler=TPESampler(n_startup_trials=3), scoring=partial(score, factor=2),
            pruner="median", storage=sys.argv[1], study_name="mine",
        ).fit(X, y)
    """
    for _ in range(2):
        command = [sys.executable, "-c", textwrap.dedent(script), tmp_path / "a.db"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
