"""Searches, estimators of other libraries, and what is left to the user to trust."""

import os
import stat
import sys
import types
import warnings

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix
from scipy.stats import loguniform, randint
from sklearn import config_context
from sklearn.base import BaseEstimator, TransformerMixin, clone
from sklearn.callback import ProgressBar
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import (
    HistGradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
)
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    StandardScaler,
)

from skestimators import (
    BootstrapStackedRegressor,
    OptunaSearchCV,
    TorchMLPRegressor,
    load,
    save,
    search_space,
    spearman_scorer,
    tss_scorer,
)
from skestimators.utils._archive import read_archive, write_archive

pytest.importorskip("skops")

X = np.random.default_rng(0).normal(size=(60, 3))
Y = X @ [1.0, 2.0, 3.0] + X[:, 0] ** 2
MLP = TorchMLPRegressor((4,), max_epochs=2, random_state=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skestimators"


def round_trip(estimator, path, **trusted):
    save(estimator, path)
    loaded = load(path, **trusted)
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    return loaded


@pytest.mark.parametrize(
    "estimator",
    [
        GridSearchCV(MLP, {"dropout": [0, 0.2]}, cv=KFold(2), scoring=spearman_scorer),
        GridSearchCV(Ridge(), {"alpha": [1, 2]}, scoring=["r2"], refit="r2"),
        make_pipeline(
            StandardScaler(),
            RandomizedSearchCV(
                Ridge(),
                {"alpha": loguniform(1e-3, scale=1, b=9), "positive": [True, False]},
                n_iter=2,
                random_state=0,
            ),
        ),
        BootstrapStackedRegressor(
            make_pipeline(StandardScaler(), MLP), 2, random_state=0
        ),
        StackingRegressor([("mlp", MLP), ("ridge", Ridge())]),
        GaussianProcessRegressor(RBF() + WhiteKernel()),
    ],
)
def test_searches_and_parts_of_scikit_learn(estimator, path):
    loaded = round_trip(estimator.fit(X, Y), path)
    assert repr(loaded)
    # It can be fitted again, to the same.
    again = loaded.fit(X, Y)
    np.testing.assert_array_equal(again.predict(X), estimator.predict(X))


@pytest.mark.parametrize(
    "transformer",
    [
        SimpleImputer(),
        KBinsDiscretizer(3, encode="ordinal", strategy="uniform"),
        make_column_transformer(
            (StandardScaler(), make_column_selector(dtype_include=np.number))
        ),
    ],
)
def test_transformers_of_scikit_learn(transformer, path):
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    model = make_pipeline(transformer, Ridge()).set_output(transform="pandas")
    save(model.fit(frame, Y), path)
    loaded = load(path)
    np.testing.assert_array_equal(loaded.predict(frame), model.predict(frame))


@pytest.mark.parametrize(
    "weight", [{False: 1.0, True: 2.0}, {np.False_: 1, np.True_: 3}, {0: 1, 1: 4}]
)
def test_keys_that_are_booleans_stay_apart(weight, path):
    model = LogisticRegression(class_weight=weight).fit(X, Y > 0)
    loaded = round_trip(make_pipeline(model), path)[-1]
    assert repr(loaded.class_weight) == repr(weight)
    assert model.class_weight is weight
    with pytest.raises(TypeError, match=r"builtins\.bool"):
        save(FunctionTransformer(kw_args={"a": ({True: 1},)}), path)


def test_sparse_arrays_are_loaded_if_trusted(path):
    model = KNeighborsRegressor(algorithm="brute").fit(csr_matrix(X), Y)
    save(model, path)
    with pytest.raises(TypeError, match=r"scipy\.sparse\._csr\.csr_matrix"):
        load(path)
    loaded = load(path, trusted=["scipy.sparse._csr.csr_matrix"])
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


def test_thresholds_keep_their_scorer(path):
    tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring=tss_scorer)
    loaded = round_trip(tuned.fit(X, Y > 0), path)
    assert loaded.scoring == tss_scorer
    assert loaded.best_threshold_ == tuned.best_threshold_


def test_the_distributions_of_a_search_are_the_same(path):
    space = search_space(MLP, kind="sklearn")
    search = RandomizedSearchCV(MLP, [space, {"dropout": randint(0, 1)}])
    save(make_pipeline(search), path)
    [loaded] = load(path).named_steps.values()
    drawn, expected = (
        {name: d.rvs(random_state=0) for name, d in s.items() if hasattr(d, "rvs")}
        for s in (loaded.param_distributions[0], space)
    )
    assert repr(drawn) == repr(expected)
    assert search.param_distributions[0] is space


def test_the_trials_of_a_search_come_back(path):
    pytest.importorskip("optuna")
    search = OptunaSearchCV(
        MLP, search_space(MLP, kind="optuna"), n_iter=2, cv=2, random_state=0
    ).fit(X, Y)
    loaded = round_trip(search, path)
    for trial, expected in zip(loaded.study_.trials, search.study_.trials, strict=True):
        assert trial.params == expected.params
        assert trial.values == expected.values
        assert trial.datetime_complete == expected.datetime_complete
        assert trial.distributions == expected.distributions
    assert loaded.study_.best_params == search.study_.best_params


@pytest.mark.parametrize(
    ("name", "estimator"),
    [
        ("sklearn.tree._tree.Tree", RandomForestRegressor(2)),
        ("TreePredictor", HistGradientBoostingRegressor(max_iter=2)),
        ("sklearn.neighbors._kd_tree.KDTree", KNeighborsRegressor()),
    ],
)
def test_unchecked_trees_are_loaded_if_trusted(name, estimator, path):
    save(estimator.fit(X, Y), path)
    with pytest.raises(TypeError, match=f"(?s)compiled code.*{name}") as refusal:
        load(path)
    # The error says what to type.
    trusted = eval(str(refusal.value).partition("trusted=")[2].removesuffix("."))
    np.testing.assert_array_equal(
        load(path, trusted=trusted).predict(X), estimator.predict(X)
    )


# LightGBM 4.6 names the columns of an array itself, and then misses the names.
@pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")
def test_boosted_trees_are_in_their_own_format(path):
    xgboost, lightgbm = map(pytest.importorskip, ("xgboost", "lightgbm"))
    for model, booster in [
        (xgboost.XGBRegressor(n_estimators=2), xgboost.Booster),
        (lightgbm.LGBMRegressor(n_estimators=2, verbose=-1), lightgbm.Booster),
    ]:
        ensemble = BootstrapStackedRegressor(model, 2, random_state=0).fit(X, Y)
        save(ensemble, path)
        with pytest.raises(TypeError, match="compiled code"):
            load(path)
        loaded = load(path, trusted=[booster])
        np.testing.assert_array_equal(loaded.predict(X), ensemble.predict(X))


class Doubler(TransformerMixin, BaseEstimator):
    """A transformer of the user's own."""

    def fit(self, X, y=None):
        self.fitted_ = True
        return self

    def transform(self, X):
        return 2 * X


def test_own_types_are_named_when_saved_and_loaded(path, monkeypatch):
    monkeypatch.setitem(sys.modules, Doubler.__module__, sys.modules[__name__])
    model = make_pipeline(Doubler(), Ridge()).fit(X, Y)
    with pytest.raises(TypeError, match=r"Pipeline holds .*Doubler"):
        save(model, path)
    assert not path.exists()
    name = f"{Doubler.__module__}.Doubler"
    save(model, path, trusted=[Doubler])
    with pytest.raises(TypeError, match=f"trusted=\\['{name}'\\]"):
        load(path)
    loaded = load(path, trusted=[name])
    np.testing.assert_array_equal(loaded.predict(X), model.predict(X))


@pytest.mark.parametrize(
    ("estimator", "match"),
    [
        (FunctionTransformer(lambda X: X), "lambda"),
        (FunctionTransformer(kw_args={"a": {(1, 2): 3}}), "tuple"),
        (make_pipeline(FunctionTransformer(open)), "open"),
        (GridSearchCV(Ridge(), {}, cv=(i for i in ())), "generator"),
    ],
)
def test_code_is_refused_when_it_is_saved(estimator, match, path):
    with pytest.raises(TypeError, match=match):
        save(estimator, path)
    assert not path.exists()


def test_what_is_no_estimator_is_refused(path):
    for thing in ({"a": 1}, "text", None):
        with pytest.raises(ValueError, match="estimator"):
            save(thing, path)


def test_callbacks_stay_behind(path):
    mlp = TorchMLPRegressor((4,), max_epochs=2, random_state=0)
    mlp.set_callbacks(ProgressBar()).fit(X, Y)
    loaded = round_trip(make_pipeline(mlp), path)
    assert not hasattr(loaded[-1], "_skl_callbacks")
    assert mlp._skl_callbacks


def test_requests_for_metadata_come_back(path):
    with config_context(enable_metadata_routing=True):
        mlp = clone(MLP).set_fit_request(groups=True, sample_weight="weight")
        search = GridSearchCV(make_pipeline(mlp), {}, cv=GroupKFold(2))
        groups = np.arange(len(X)) // 3
        search.fit(X, Y, groups=groups, weight=np.ones(len(X)))
        loaded = round_trip(search, path)
        assert repr(loaded.get_metadata_routing()) == repr(
            search.get_metadata_routing()
        )
        loaded.fit(X, Y, groups=groups, weight=np.ones(len(X)))
    assert mlp.get_metadata_routing().fit.requests["groups"]


def test_keys_may_have_any_name(path):
    for key in ("__loader__", "__id__", "__class__", "content"):
        save(FunctionTransformer(kw_args={key: {key: 1}}), path)
        assert load(path).kw_args == {key: {key: 1}}


def test_unfitted_estimators_keep_their_parameters(path):
    save(MLP, path)
    assert load(path).get_params() == MLP.get_params()


def test_other_versions_are_told(path, monkeypatch):
    import skestimators.persistence._files as files

    monkeypatch.setattr(files, "installed_versions", lambda: {"scikit-learn": "1.0"})
    save(StandardScaler().fit(X), path)
    monkeypatch.undo()
    with pytest.warns(UserWarning, match=r"saved with scikit-learn 1\.0 \(here 1\."):
        load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save(StandardScaler().fit(X), path)
        load(path)


def test_a_network_of_a_gpu_goes_to_the_cpu(path):
    mlp = TorchMLPRegressor((4,), max_epochs=2, random_state=0).fit(X, Y)
    # As it would be written there; the weights are those of the CPU in any case.
    mlp.device_ = "cuda:7"
    save(mlp, path)
    loaded = load(path)
    assert next(loaded.network_.parameters()).device.type == "cpu"
    np.testing.assert_array_equal(loaded.predict(X), mlp.predict(X))


def test_files_are_as_readable_as_others(path):
    save(MLP, path)
    other = path.with_suffix(".txt")
    other.touch()
    mode = stat.S_IMODE(os.stat(path).st_mode)
    assert mode == stat.S_IMODE(os.stat(other).st_mode)


def test_errors_name_the_path(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        save(MLP, tmp_path / "absent" / "model")
    with pytest.raises(FileNotFoundError, match="absent"):
        load(tmp_path / "absent")
    with pytest.raises(IsADirectoryError):
        save(MLP, tmp_path)


def test_loading_leaves_random_numbers_alone(path):
    torch = pytest.importorskip("torch")
    save(MLP.fit(X, Y), path)
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    load(path)
    assert torch.equal(torch.rand(3), expected)


def test_the_file_is_a_stored_zip_of_known_parts(path):
    save(MLP.fit(X, Y), path)
    assert set(read_archive(path, kind="estimator")) == {
        "about.json",
        "estimator.skops",
    }
    with pytest.raises(ValueError, match="'checkpoint' is needed"):
        read_archive(path, kind="checkpoint")
    write_archive(path, {}, kind="checkpoint")


def test_files_without_a_parameter_that_came_later_take_its_default(path):
    state = MLP.__getstate__()
    del state["weight_decay"]
    older = TorchMLPRegressor()
    older.__getstate__ = lambda: state
    save(older, path)
    assert load(path).get_params() == MLP.get_params()


@pytest.mark.parametrize("function", [lambda X: X, (lambda: lambda X: X)()])
def test_what_has_no_name_is_refused_even_if_trusted(function, path):
    model = make_pipeline(FunctionTransformer(function), Ridge()).fit(X, Y)
    name = f"{function.__module__}.<lambda>"
    for trusted in ([function], [name], [function, name]):
        with pytest.raises(TypeError, match="lambda"):
            save(model, path, trusted=trusted)
    assert not path.exists()


def test_what_is_not_there_is_no_damage(path, monkeypatch):
    module = types.ModuleType("their_module")
    module.Doubler = type("Doubler", (Doubler,), {"__module__": "their_module"})
    monkeypatch.setitem(sys.modules, "their_module", module)
    save(module.Doubler(), path, trusted=["their_module.Doubler"])
    del module.Doubler
    for _ in range(2):
        with pytest.raises(ImportError, match=r"needs \['their_module.Doubler'\]"):
            load(path, trusted=["their_module.Doubler"])
        monkeypatch.delitem(sys.modules, "their_module", raising=False)


def test_what_is_of_a_script_is_warned_of(path, monkeypatch):
    monkeypatch.setattr(Doubler, "__module__", "__main__")
    monkeypatch.setattr(sys.modules["__main__"], "Doubler", Doubler, raising=False)
    with pytest.warns(UserWarning, match="no other process finds it"):
        save(Doubler(), path, trusted=[Doubler])


def test_trusted_holds_types_and_names(path):
    with pytest.raises(TypeError, match="types, functions or their names"):
        save(MLP, path, trusted=[np])
    save(MLP, path)
    with pytest.raises(TypeError, match="types, functions or their names"):
        load(path, trusted=[np])
