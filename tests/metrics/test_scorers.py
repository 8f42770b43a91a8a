import copy
import pickle

import numpy as np
import pytest
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.datasets import make_classification, make_regression
from sklearn.dummy import DummyRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    TunedThresholdClassifierCV,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skestimators.metrics import (
    hss_scorer,
    spearman_score,
    spearman_scorer,
    top_k_recall,
    true_skill_statistic,
    tss_scorer,
    ucb_spearman_scorer,
)

SCORERS = {
    "spearman": spearman_scorer,
    "ucb": ucb_spearman_scorer,
    "tss": tss_scorer,
    "hss": hss_scorer,
}


class UCBRidge(RegressorMixin, BaseEstimator):
    """A regressor whose upper bounds rank otherwise than its predictions."""

    def __init__(self, alpha=1.0, beta=1.0):
        self.alpha = alpha
        self.beta = beta

    def fit(self, X, y):
        self.ridge_ = Ridge(alpha=self.alpha).fit(X, y)
        return self

    def predict(self, X):
        return self.ridge_.predict(X)

    def predict_ucb(self, X):
        return self.predict(X) + self.beta * 100 * np.abs(np.asarray(X)[:, 0])


@pytest.fixture(scope="module")
def data():
    return make_regression(n_samples=60, n_features=4, noise=10, random_state=0)


@pytest.mark.parametrize("scorer", SCORERS.values(), ids=SCORERS)
def test_copies_are_equal_and_readable(scorer):
    for same in (pickle.loads(pickle.dumps(scorer)), copy.deepcopy(scorer)):
        assert same == scorer
        assert hash(same) == hash(scorer)
    assert [other == scorer for other in SCORERS.values()].count(True) == 1
    assert scorer._score_func.__name__ in repr(scorer)
    assert clone(GridSearchCV(Ridge(), {}, scoring=scorer)).scoring == scorer


def test_ucb_scorer_says_what_it_calls():
    expected = "make_scorer(spearman_score, response_method='predict_ucb')"
    assert repr(ucb_spearman_scorer) == expected


def test_equality_sees_the_metadata_request():
    with config_context(enable_metadata_routing=True):
        asking = copy.deepcopy(spearman_scorer).set_score_request(sample_weight=True)
        assert asking != spearman_scorer
        assert pickle.loads(pickle.dumps(asking)) == asking


def test_spearman_scorer_scores_predictions(data):
    X, y = data
    model = Ridge().fit(X, y)
    expected = spearman_score(y, model.predict(X))
    assert spearman_scorer(model, X, y) == expected
    weight = np.arange(60)
    weighted = spearman_scorer(model, X, y, sample_weight=weight)
    assert weighted == spearman_score(y, model.predict(X), sample_weight=weight)


def test_a_search_never_ranks_by_nan(data):
    X, y = data
    search = GridSearchCV(
        DummyRegressor(strategy="constant"),
        {"constant": [0.0, 1.0]},
        scoring=spearman_scorer,
    )
    with pytest.warns(UserWarning, match="y_pred is constant"):
        search.fit(X, y)
    assert search.cv_results_["mean_test_score"].tolist() == [0, 0]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda model: model,
        lambda model: make_pipeline(model),
        lambda model: make_pipeline(StandardScaler(), "passthrough", model),
        lambda model: make_pipeline(StandardScaler(), make_pipeline(SelectX(), model)),
        lambda model: GridSearchCV(model, {"alpha": [0.1, 1]}, cv=2),
        lambda model: make_pipeline(
            StandardScaler(), GridSearchCV(model, {"alpha": [0.1, 1]}, cv=2)
        ),
        lambda model: GridSearchCV(
            Pipeline([("scale", StandardScaler()), ("model", model)]),
            {"model__alpha": [0.1, 1]},
            cv=2,
        ),
    ],
)
def test_ucb_scorer_reaches_into_pipelines_and_searches(data, wrap):
    X, y = data
    X = X * [10, 1, 1, 1]
    model = wrap(UCBRidge()).fit(X, y)

    part, Xt = model, X
    while not isinstance(part, UCBRidge):
        if isinstance(part, GridSearchCV):
            part = part.best_estimator_
        else:
            for step in part[:-1] if len(part) > 1 else []:
                Xt = Xt if step == "passthrough" else step.transform(Xt)
            part = part[-1]
    expected = spearman_score(y, part.predict_ucb(Xt))
    assert ucb_spearman_scorer(model, X, y) == pytest.approx(expected)
    assert expected != pytest.approx(spearman_score(y, model.predict(X)))


def SelectX():
    return FunctionTransformer(lambda X: X[:, :3])


def test_ucb_scorer_drives_a_search(data):
    X, y = data
    model = make_pipeline(SelectKBest(f_regression), UCBRidge())
    grid = {"selectkbest__k": [2, 4], "ucbridge__beta": [0.0, 1.0]}
    search = GridSearchCV(model, grid, scoring=ucb_spearman_scorer, cv=3, n_jobs=2)
    search.fit(X, y)
    beta = search.cv_results_["param_ucbridge__beta"].astype(float)
    scores = search.cv_results_["mean_test_score"]
    assert scores[beta == 0].min() > scores[beta == 1].max()
    plain = GridSearchCV(model, grid, scoring=spearman_scorer, cv=3).fit(X, y)
    plain_scores = plain.cv_results_["mean_test_score"]
    np.testing.assert_allclose(plain_scores[beta == 0], scores[beta == 0])


def test_ucb_scorer_beside_others(data):
    X, y = data
    scoring = {"ucb": ucb_spearman_scorer, "mean": spearman_scorer, "r2": "r2"}
    model = make_pipeline(StandardScaler(), UCBRidge())
    scores = cross_validate(model, X, y, scoring=scoring, cv=3)
    for name in ("ucb", "mean"):
        alone = cross_val_score(model, X, y, scoring=scoring[name], cv=3)
        np.testing.assert_array_equal(scores[f"test_{name}"], alone)
    assert not np.allclose(scores["test_ucb"], scores["test_mean"])


@pytest.mark.parametrize("wrap", [lambda model: model, make_pipeline])
def test_without_predict_ucb_the_error_says_so(data, wrap):
    X, y = data
    with pytest.raises(AttributeError, match="predict_ucb method, which Ridge"):
        ucb_spearman_scorer(wrap(Ridge()).fit(X, y), X, y)


@pytest.mark.parametrize("scorer", [spearman_scorer, ucb_spearman_scorer])
def test_weights_are_routed_to_the_scorer(data, scorer):
    X, y = data
    weight = np.random.default_rng(0).integers(1, 5, size=60)
    model = make_pipeline(SelectX(), UCBRidge())
    with config_context(enable_metadata_routing=True):
        asking = copy.deepcopy(scorer).set_score_request(sample_weight=True)
        routed = cross_validate(
            model, X, y, scoring=asking, cv=3, params={"sample_weight": weight}
        )
    folds = np.array_split(np.arange(60), 3)
    expected = []
    for test in folds:
        train = np.setdiff1d(np.arange(60), test)
        fitted = clone(model).fit(X[train], y[train])
        expected.append(scorer(fitted, X[test], y[test], sample_weight=weight[test]))
    np.testing.assert_allclose(routed["test_score"], expected)
    plain = cross_val_score(model, X, y, scoring=scorer, cv=3)
    assert not np.allclose(plain, expected)


def test_tss_scorer_tunes_a_threshold():
    X, y = make_classification(
        n_samples=600, weights=[0.9], flip_y=0.1, class_sep=0.5, random_state=0
    )
    plain = LogisticRegression().fit(X, y)
    tuned = TunedThresholdClassifierCV(LogisticRegression(), scoring=tss_scorer)
    tuned.fit(X, y)
    assert tuned.best_threshold_ < 0.5
    assert tss_scorer(tuned, X, y) > tss_scorer(plain, X, y)
    assert tss_scorer(plain, X, y) == true_skill_statistic(y, plain.predict(X))


def test_functions_make_scorers_too(data):
    X, y = data
    scorer = make_scorer(top_k_recall, k=5)
    scores = cross_val_score(Ridge(), X, y, scoring=scorer, cv=3)
    assert (scores > 0.25).all()
