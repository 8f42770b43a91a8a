"""The knowledge-tracing line as its users run it, from a file to the next exercise."""

import numpy as np
import pandas as pd
import pytest
import sklearn
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skestimators import (
    DKTClassifier,
    KnowledgeStateDisplay,
    make_student_responses,
    read_interactions,
)

pytest.importorskip("skorch")

COLUMNS = {"student": "student", "skill": "skill", "response": "response"}
SMALL = {"hidden_layer_sizes": (16,), "batch_size": 2, "random_state": 0}


def write_export(path, frame, skills):
    """Write answers as ASSISTments does: a row for each skill, not in time order."""
    rows = frame.assign(
        user_id="pupil " + frame["student"].astype(str),
        order_id=np.arange(len(frame)),
        skill_id=[skills[exercise] for exercise in frame["skill"]],
        correct=frame["response"],
        problem_type="algebra",
    ).explode("skill_id")
    columns = ["order_id", "user_id", "problem_type", "skill_id", "correct"]
    rows[columns].sample(frac=1, random_state=0).to_csv(path, index=False)


@pytest.fixture(scope="module")
def simulated():
    return make_student_responses(
        60, n_exercises=8, n_concepts=2, n_interactions=24, guess=0, random_state=0
    ).frame


@pytest.fixture(scope="module")
def answers(simulated, tmp_path_factory):
    path = tmp_path_factory.mktemp("an export") / "skill builder.csv"
    # The last exercise needs the skills of the two before it.
    skills = [[10 * k] for k in range(7)] + [[60, 50]]
    write_export(path, simulated, skills)
    return read_interactions(path)


@pytest.fixture(scope="module")
def school_class(answers):
    """Return the class of each row's student; there are twelve of five."""
    return answers["student"].str.removeprefix("pupil ").astype(int) // 5


def tracer(**params):
    """Drop a column that only people look at, and trace the rest by column names."""
    return make_pipeline(
        FunctionTransformer(lambda X: X.drop(columns="note")),
        DKTClassifier(**COLUMNS, **SMALL, **params),
    )


def test_a_file_with_several_skills_an_answer(answers, simulated):
    assert len(answers) == len(simulated)
    by_number = answers.sort_values(
        "student",
        key=lambda names: names.str.removeprefix("pupil ").astype(int),
        kind="stable",
    )
    cells = ["0", "10", "20", "30", "40", "50", "60", "50~60"]
    assert by_number["skill"].tolist() == [cells[k] for k in simulated["skill"]]
    assert by_number["response"].tolist() == simulated["response"].tolist()
    dkt = DKTClassifier(**SMALL, max_epochs=1).fit(answers, answers["response"])
    assert dkt.skills_.tolist() == ["0", "10", "20", "30", "40", "50", "60"]


def test_search_by_student_in_a_pipeline(answers):
    X, y, students = answers.assign(note="-"), answers["response"], answers["student"]
    assert pd.api.types.is_string_dtype(students)
    assert pd.api.types.is_string_dtype(answers["skill"])
    search = GridSearchCV(
        tracer(max_epochs=4, early_stopping=False),
        {"dktclassifier__cell": ["lstm", "gru"]},
        cv=GroupKFold(3),
        scoring=["roc_auc", "accuracy", "f1"],
        refit="roc_auc",
        n_jobs=2,
        error_score="raise",
    )
    search.fit(X, y, groups=students)
    assert search.best_score_ == search.cv_results_["mean_test_roc_auc"].max() > 0.8
    for metric in ("accuracy", "f1"):
        assert (search.cv_results_[f"mean_test_{metric}"] > 0.7).all()
    assert search.predict_proba(X).shape == (len(X), 2)


def test_progress_of_a_search_shows_the_classifier(answers, capsys, monkeypatch):
    dkt = DKTClassifier(**SMALL, max_epochs=1, early_stopping=False)
    search = GridSearchCV(
        make_pipeline("passthrough", dkt),
        {"dktclassifier__cell": ["lstm"]},
        cv=GroupKFold(2),
        n_jobs=2,
    )
    monkeypatch.setenv("COLUMNS", "200")
    search.set_callbacks(ProgressBar(max_propagation_depth=None))
    search.fit(answers, answers["response"], groups=answers["student"])
    shown = capsys.readouterr().out
    for name in ("GridSearchCV", "Pipeline", "DKTClassifier", "100%"):
        assert name in shown


def test_coin_flips_are_not_predicted_unless_rows_are_expanded(simulated, tmp_path):
    rng = np.random.default_rng(0)
    flips = simulated.assign(response=rng.integers(0, 2, len(simulated)))
    path = tmp_path / "flips.csv"
    write_export(path, flips, [[k, 10 + k] for k in range(8)])
    joined = read_interactions(path)
    expanded = pd.read_csv(path).sort_values("order_id")
    expanded = expanded[["user_id", "skill_id", "correct"]]
    dkt = DKTClassifier(**SMALL, max_epochs=5, early_stopping=False)
    auc = [
        cross_val_score(
            dkt,
            X,
            X.iloc[:, 2],
            groups=X.iloc[:, 0],
            cv=GroupKFold(2),
            scoring="roc_auc",
        ).mean()
        for X in (joined, expanded)
    ]
    assert auc[0] == pytest.approx(0.5, abs=0.05)
    assert auc[1] > 0.7


def test_groups_reach_the_students_held_out(answers, school_class):
    X, y = answers.assign(note="-"), answers["response"]
    pipeline = tracer(max_epochs=2)
    with sklearn.config_context(enable_metadata_routing=True):
        pipeline[-1].set_fit_request(groups=True)
        found = cross_validate(
            pipeline,
            X,
            y,
            cv=GroupKFold(3),
            params={"groups": school_class},
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
    train, fitted = found["indices"]["train"][0], found["estimator"][0]
    dkt = sklearn.clone(pipeline[-1])
    rows, groups = (answers.iloc[train], y.iloc[train]), school_class.iloc[train]
    by_class = dkt.fit(*rows, groups=groups).history_
    assert fitted[-1].history_ == by_class
    assert dkt.fit(*rows).history_["valid_loss"] != by_class["valid_loss"]


def test_a_student_in_two_groups_is_named(answers):
    classes = np.arange(len(answers)) % 3
    dkt = DKTClassifier(**SMALL)
    with pytest.raises(ValueError, match=r"groups puts the student of row 0"):
        dkt.fit(answers, answers["response"], groups=classes)


def test_scoring_monitor_on_a_step_hears_of_the_epochs_of_a_search(answers):
    pipeline = tracer(max_epochs=5, early_stopping=False)
    monitor = ScoringMonitor(scoring="roc_auc")
    pipeline[-1].set_callbacks(monitor)
    search = GridSearchCV(pipeline, {}, cv=GroupKFold(3), refit=False)
    X = answers.assign(note="-")
    search.fit(X, X["response"], groups=X["student"])
    log = monitor.get_logs().data_as_pandas.query("task_name == 'epoch'")
    fits = log.groupby("parent_task_id_path")["roc_auc"]
    assert fits.size().tolist() == [5, 5, 5]
    assert (fits.last() > fits.first()).all()


def test_a_running_lesson(answers):
    """What is asked next, and what is known, agree with the probabilities of rows."""
    students = answers["student"]
    new = students == "pupil 7"
    dkt = DKTClassifier(**COLUMNS, **SMALL, max_epochs=3)
    dkt.fit(answers[~new], answers.loc[~new, "response"])
    lesson = answers[new]
    probability = dkt.predict_proba(lesson)[:, 1]
    for row in range(len(lesson)):
        (now,) = dkt.predict_next(lesson.head(row), [lesson["skill"].iloc[row]])
        assert now == pytest.approx(probability[row], abs=1e-5)
    display = KnowledgeStateDisplay.from_estimator(dkt, lesson, skills=dkt.skills_)
    plt.close(display.figure_)
    assert_allclose(
        display.mastery[-1], dkt.predict_next(lesson, dkt.skills_), atol=1e-5
    )
    unanswered = pd.DataFrame(
        {"student": "pupil 7", "skill": ["50~60", "brand new"], "response": np.nan}
    )
    both = dkt.predict_proba(pd.concat([lesson, unanswered]))[-2:, 1]
    assert_allclose(both, dkt.predict_next(lesson, unanswered["skill"]), atol=1e-5)


def test_real_answers(real_data):
    answers = read_interactions(real_data("assist2009_updated_train.csv"))
    students = answers["student"]
    train, test = students < 300, (students >= 300) & (students < 400)
    dkt = DKTClassifier(
        **COLUMNS,
        hidden_layer_sizes=(64,),
        batch_size=4,
        max_epochs=2,
        early_stopping=False,
        random_state=0,
    ).fit(answers[train], answers.loc[train, "response"])
    probability = dkt.predict_proba(answers[test])[:, 1]
    assert roc_auc_score(answers.loc[test, "response"], probability) > 0.75
