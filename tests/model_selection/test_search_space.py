"""Search spaces of the library's estimators."""

import json
import pickle

import numpy as np
import optuna
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import VotingRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import ParameterSampler, RandomizedSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators.ensemble import BootstrapStackedLGBM
from skestimators.model_selection import (
    OptunaSearchCV,
    load_params,
    save_params,
    search_space,
)
from skestimators.model_selection._optuna_storage import opened
from skestimators.neural_network import (
    KerasCNNClassifier,
    KerasCNNRegressor,
    KerasFFNNClassifier,
    KerasFFNNRegressor,
    TorchMLPRegressor,
)

KNOWN = [
    KerasFFNNRegressor(),
    KerasFFNNClassifier(),
    KerasCNNRegressor(),
    KerasCNNClassifier(),
    TorchMLPRegressor(),
    BootstrapStackedLGBM(),
]


def draw(estimator, kind, n=200):
    """Draw candidates from a space."""
    space = search_space(estimator, kind)
    if kind == "sklearn":
        return list(ParameterSampler(space, n, random_state=0))
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler)
    return [space(study.ask()) for _ in range(n)]


def values_of(candidates, name):
    return {params[name] for params in candidates}


@pytest.mark.parametrize("kind", ["optuna", "sklearn"])
@pytest.mark.parametrize("estimator", KNOWN, ids=lambda est: type(est).__name__)
def test_candidates_are_parameters_of_the_estimator(estimator, kind):
    for params in draw(estimator, kind, 20):
        estimator.set_params(**params)._validate_params()


@pytest.mark.parametrize("estimator", KNOWN, ids=lambda est: type(est).__name__)
def test_candidates_come_back_equal_from_json(estimator, tmp_path):
    path = tmp_path / "best.json"
    pipeline = make_pipeline(StandardScaler(), estimator)
    sampler = ParameterSampler(search_space(pipeline, "sklearn"), 5, random_state=0)
    trial = optuna.create_study().ask()
    for params in [*sampler, search_space(pipeline)(trial)]:
        save_params(params, path)
        # Also as it is, without the help of save_params.
        assert json.loads(json.dumps(params)) == json.loads(path.read_text())
        loaded = load_params(path, pipeline)
        assert loaded == params
        pipeline.set_params(**loaded)


@pytest.mark.parametrize("kind", ["optuna", "sklearn"])
def test_feed_forward_space(kind):
    candidates = draw(KerasFFNNRegressor(), kind)
    sizes = values_of(candidates, "hidden_layer_sizes")
    assert {len(s) for s in sizes} == {2, 3, 4, 5, 6}
    assert {s[0] for s in sizes} == {20}
    assert {w for s in sizes for w in s[1:]} == set(range(32, 513, 32))
    assert values_of(candidates, "dropout") == {0.0, 0.2}
    assert values_of(candidates, "activation") == {"relu", "tanh"}
    assert values_of(candidates, "batch_size") == {16, 32, 64}
    rates = list(values_of(candidates, "learning_rate"))
    assert 1e-4 <= min(rates) < 2e-4
    assert 5e-3 < max(rates) <= 1e-2
    assert 5e-4 < np.median(rates) < 2e-3


@pytest.mark.parametrize("kind", ["optuna", "sklearn"])
def test_convolutional_space(kind):
    candidates = draw(KerasCNNClassifier(), kind)
    filters = values_of(candidates, "filters")
    assert {len(f) for f in filters} == {2, 3, 4, 5, 6, 7}
    assert {w for f in filters for w in f} == set(range(16, 129, 16))
    assert values_of(candidates, "kernel_size") == {3, 5}
    assert values_of(candidates, "dropout") == {0.0, 0.25}
    assert min(values_of(candidates, "learning_rate")) >= 1e-3


@pytest.mark.parametrize("kind", ["optuna", "sklearn"])
def test_boosting_space(kind):
    candidates = draw(BootstrapStackedLGBM(), kind, 1000)
    for name, low, high in [
        ("num_leaves", 10, 100),
        ("min_child_samples", 5, 50),
        ("max_depth", 3, 10),
    ]:
        assert values_of(candidates, name) == set(range(low, high + 1))
    for name in ["subsample", "colsample_bytree"]:
        values = values_of(candidates, name)
        assert 0.5 <= min(values) < 0.51
        assert 0.99 < max(values) <= 1
    # Without it subsample does nothing.
    assert values_of(candidates, "subsample_freq") == {1}


def test_names_are_prefixed_at_any_depth():
    pipeline = make_pipeline(StandardScaler(), BootstrapStackedLGBM())
    assert "bootstrapstackedlgbm__num_leaves" in search_space(pipeline, "sklearn")
    deep = TransformedTargetRegressor(pipeline)
    space = search_space(deep, "sklearn")
    assert len(space) == 7
    assert set(space) <= set(deep.get_params())
    voting = VotingRegressor(
        [("trees", BootstrapStackedLGBM()), ("net", TorchMLPRegressor())]
    )
    names = set(search_space(voting, "sklearn"))
    assert {"trees__learning_rate", "net__learning_rate"} <= names


def test_subclass_has_the_space_of_its_parent():
    class Mine(BootstrapStackedLGBM):
        pass

    assert set(search_space(Mine(), "sklearn")) == set(
        search_space(BootstrapStackedLGBM(), "sklearn")
    )


def test_unknown_estimator_is_named_with_the_known_ones():
    with pytest.raises(ValueError, match=r"Pipeline .*BootstrapStackedLGBM, KerasCNN"):
        search_space(make_pipeline(Ridge()))
    with pytest.raises(TypeError, match="must be an instance"):
        search_space(BootstrapStackedLGBM)
    with pytest.raises(ValueError, match="kind"):
        search_space(BootstrapStackedLGBM(), kind="hyperopt")


def test_spaces_work_in_searches(tmp_path):
    X = np.random.default_rng(0).normal(size=(600, 3))
    y = X[:, 0]
    lgbm = BootstrapStackedLGBM(n_estimators=2, max_iter=5, random_state=0)
    space = search_space(lgbm)
    assert pickle.loads(pickle.dumps(space))._space == space._space
    search = OptunaSearchCV(
        lgbm, space, n_iter=3, cv=2, storage=tmp_path / "search.db", random_state=0
    ).fit(X, y)
    # A space made anew is known to be the same.
    again = search.set_params(param_distributions=search_space(lgbm)).fit(X, y)
    with opened(tmp_path / "search.db") as storage:
        assert len(optuna.get_all_study_names(storage)) == 1
    assert again.best_estimator_.subsample_freq == 1
    RandomizedSearchCV(
        lgbm, search_space(lgbm, "sklearn"), n_iter=2, cv=2, random_state=0
    ).fit(X, y)
