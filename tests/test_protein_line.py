"""The protein line as its users run it, from raw mutant codes to suggestions."""

import copy
import sqlite3

import numpy as np
import pytest
import sklearn
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.model_selection import GridSearchCV, GroupKFold
from sklearn.pipeline import make_pipeline
from xgboost import XGBRegressor

from skestimators import (
    BootstrapStackedLGBM,
    BootstrapStackedRegressor,
    ESMEmbedder,
    MutantSequenceBuilder,
    TorchMLPRegressor,
    make_protein_landscape,
    read_fasta,
    spearman_scorer,
    ucb_spearman_scorer,
)


@pytest.fixture(scope="module")
def scan():
    return make_protein_landscape(120, length=20, n_pool=60, random_state=0)


@pytest.fixture
def pipeline(scan, tmp_path):
    return make_pipeline(
        MutantSequenceBuilder(scan.wild_type),
        ESMEmbedder(
            weights="random", random_state=0, cache=tmp_path / "a store" / "e.sqlite"
        ),
        BootstrapStackedLGBM(10, max_iter=20, min_child_samples=8, random_state=0),
    )


def test_search_on_raw_codes_with_progress_and_one_embedding_each(
    scan, pipeline, tmp_path, capsys, monkeypatch
):
    search = GridSearchCV(
        pipeline,
        {"bootstrapstackedlgbm__max_depth": [2, 4]},
        scoring={"prediction": spearman_scorer, "ucb": ucb_spearman_scorer},
        refit="prediction",
        cv=3,
        n_jobs=2,
        error_score="raise",
    )
    monkeypatch.setenv("COLUMNS", "200")
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(scan.data, scan.target)
    shown = capsys.readouterr().out
    for name in ("GridSearchCV", "Pipeline", "BootstrapStackedLGBM", "100%"):
        assert name in shown
    assert search.best_score_ > 0.1
    with sqlite3.connect(tmp_path / "a store" / "e.sqlite") as store:
        # Rows are numbered as they are inserted, anew when one is replaced.
        rows = store.execute("SELECT count(*), max(rowid) FROM vectors").fetchone()
    assert rows == (120, 120)


def test_scoring_monitor_on_a_step_hears_of_the_rounds_in_a_search(scan, pipeline):
    monitor = ScoringMonitor(scoring="r2")
    pipeline[-1].set_callbacks(monitor)
    search = GridSearchCV(pipeline, {}, cv=3, n_jobs=2, refit=False)
    search.fit(scan.data, scan.target)
    log = monitor.get_logs().data_as_pandas.query("task_name == 'boosting-round'")
    member = log["parent_task_id_path"]
    assert member.nunique() == 3 * 10
    last_round = log.groupby(member)["r2"].last()
    assert (last_round > log.groupby(member)["r2"].first()).all()


@pytest.mark.parametrize(
    "regressor",
    [
        TorchMLPRegressor((16,), max_epochs=5, random_state=0),
        BootstrapStackedRegressor(
            XGBRegressor(n_estimators=10, n_jobs=1), n_estimators=4, random_state=0
        ),
        BootstrapStackedLGBM(4, max_iter=10, min_child_samples=8, random_state=0),
    ],
    ids=["mlp", "xgboost", "lightgbm"],
)
def test_groups_and_weights_travel_through_the_pipeline(scan, pipeline, regressor):
    groups = np.array([code[1:-1] for code in scan.data])
    weight = np.random.default_rng(0).uniform(0.5, 2, len(groups))
    with sklearn.config_context(enable_metadata_routing=True):
        regressor.set_fit_request(groups=True, sample_weight=True)
        if hasattr(regressor, "estimator"):
            regressor.estimator.set_fit_request(sample_weight=True)
        unweighted = copy.deepcopy(spearman_scorer)
        unweighted.set_score_request(sample_weight=False)
        pipeline = make_pipeline(*pipeline[:-1], regressor)
        search = GridSearchCV(
            pipeline, {}, cv=GroupKFold(3), scoring=unweighted, error_score="raise"
        )
        search.fit(scan.data, scan.target, groups=groups, sample_weight=weight)
        routed = search.predict(scan.pool)
        direct = make_pipeline(*pipeline[:-1]).fit(scan.data)
        regressor.fit(
            direct.transform(scan.data),
            scan.target,
            groups=groups,
            sample_weight=weight,
        )
    np.testing.assert_array_equal(
        routed, regressor.predict(direct.transform(scan.pool))
    )


def test_suggestions_of_the_fitted_pipeline_are_new_and_repeatable(scan, pipeline):
    pipeline.fit(scan.data, scan.target)
    pool = np.concatenate([scan.data, scan.pool])
    X_pool = pipeline[:-1].transform(pool)
    chosen = pipeline[-1].suggest(X_pool, 15, exclude_training=True)
    assert not set(pool[chosen]) & set(scan.data)
    np.testing.assert_array_equal(
        chosen, pipeline[-1].suggest(X_pool, 15, exclude_training=True)
    )


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("{wrong}5A", "row 3.*{wrong}5A.*{right}"),
        ("{right}5J", "row 3.*J"),
        ("A99G", "row 3.*99"),
        ("five", "row 3.*five"),
        (None, "row 3.*None"),
    ],
)
def test_a_bad_code_is_named_by_the_pipeline(scan, pipeline, code, message):
    right = scan.wild_type[4]
    letters = {"right": right, "wrong": "A" if right != "A" else "G"}
    codes = scan.data.copy()
    codes[3] = code.format(**letters) if code else None
    with pytest.raises(ValueError, match=message.format(**letters)):
        pipeline.fit(codes, scan.target)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_bad_target_is_named(scan, pipeline, bad):
    y = scan.target.copy()
    y[5] = bad
    with pytest.raises(ValueError, match=r"y contains (NaN|infinity)"):
        pipeline.fit(scan.data, y)


@pytest.mark.slow
def test_real_variants_rank_above_chance(real_data):
    variants = read_fasta(real_data("beta_lactamase_P62593.fasta"), score_field=-1)
    variants = variants.sample(600, random_state=0)
    wild_type = variants["sequence"].mode()[0]
    codes = MutantSequenceBuilder(wild_type).fit(["WT"])
    codes = codes.inverse_transform(variants["sequence"].to_numpy())[:, 0]
    pipeline = make_pipeline(
        MutantSequenceBuilder(wild_type),
        ESMEmbedder(weights="random", random_state=0, dtype="bfloat16"),
        BootstrapStackedLGBM(20, min_child_samples=10, random_state=0),
    ).fit(codes[:450], variants["score"][:450])
    assert spearman_scorer(pipeline, codes[450:], variants["score"][450:]) > 0.15
