import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skestimators.inspection import KnowledgeStateDisplay
from skestimators.neural_network import DKTClassifier

# Ann and Bo in turns. Ann: 31 wrong, 4 right, 31 and 12 right, 4 not yet answered.
FRAME = pd.DataFrame(
    {
        "student": ["Ann", "Bo", "Ann", "Ann", "Bo", "Ann"],
        "skill": ["31", "12", "4", "31~12", "4", "4"],
        "response": [0, 1, 1, 1, 0, np.nan],
    }
)
ANN = FRAME[FRAME["student"] == "Ann"]
MASTERY = np.array([[0.5, 0.4, 0.3], [0.6, 0.4, 0.3], [0.6, 0.5, 0.7], [0.7, 0.5, 0.7]])
PREDICTIONS = {
    "mastery": MASTERY,
    "skill": ["31", "4", "31~12", "4"],
    "response": [0, 1, 1, np.nan],
    "skill_names": ["4", "12", "31"],
}


class ShareCorrect(ClassifierMixin, BaseEstimator):
    """Masters a skill as far as the answers to it, and two of which one is right."""

    def __init__(self, student="student", skill="skill", response="response"):
        self.student = student
        self.skill = skill
        self.response = response

    def fit(self, X, y=None):
        self.classes_ = np.array([0, 1])
        self.skills_ = np.array(["4", "12", "31"])
        return self

    def predict_mastery(self, X):
        # Which columns are whose is what the parameters say.
        names = [self.student, self.skill, self.response]
        if isinstance(names[0], str):
            X = X[names].to_numpy(dtype=object)
        else:
            X = np.asarray(X, dtype=object)[:, names]
        counts, mastery = {}, []
        for student, cell, response in X:
            for skill in str(cell).split("~"):
                right, n = counts.get((student, skill), (1, 2))
                if pd.notna(response):
                    counts[student, skill] = right + response, n + 1
            pairs = [counts.get((student, s), (1, 2)) for s in self.skills_]
            mastery.append([right / n for right, n in pairs])
        return np.array(mastery)


@pytest.fixture(autouse=True)
def _close_figures():
    backend = mpl.get_backend()
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend(backend)


def marks(display):
    """Return the marks of each kind as pairs of interaction, from 1, and skill."""
    return {
        kind: sorted(
            (int(x), display.skill_names[int(y)]) for x, y in points.get_offsets()
        )
        for kind, points in display.markers_.items()
    }


MARKS_OF_ANN = {
    "correct": [(2, "4"), (3, "12"), (3, "31")],
    "wrong": [(1, "31")],
    "unknown": [(4, "4")],
}


def test_colours_are_what_the_estimator_predicts_for_the_student():
    model = ShareCorrect().fit(FRAME)
    display = KnowledgeStateDisplay.from_estimator(model, FRAME, student="Ann")
    mastery = model.predict_mastery(FRAME)[ANN.index]
    assert display.skill_names == ["31", "4", "12"]
    assert_array_equal(display.im_.get_array(), mastery[:, [2, 0, 1]].T)
    assert_array_equal(display.mastery, mastery[:, [2, 0, 1]])
    assert display.im_.get_clim() == (0, 1)


def test_knowledge_of_a_student_as_a_trained_network_sees_it():
    pytest.importorskip("skorch")
    columns = {"student": "student", "skill": "skill", "response": "response"}
    dkt = DKTClassifier(
        **columns,
        hidden_layer_sizes=(8,),
        max_epochs=1,
        early_stopping=False,
        random_state=0,
    ).fit(FRAME, FRAME["response"].fillna(1))
    display = KnowledgeStateDisplay.from_estimator(dkt, FRAME, student="Ann")
    mastery = dkt.predict_mastery(FRAME)[ANN.index]
    assert display.skill_names == ["31", "4", "12"]
    assert dkt.skills_.tolist() == ["4", "12", "31"]
    assert_allclose(display.mastery, mastery[:, [2, 0, 1]], atol=1e-6)
    assert_array_equal(display.im_.get_array(), display.mastery.T)
    assert marks(display) == MARKS_OF_ANN


def test_answers_are_marked_where_they_were_given():
    model = ShareCorrect().fit(FRAME)
    display = KnowledgeStateDisplay.from_estimator(model, FRAME, student="Ann")
    assert marks(display) == MARKS_OF_ANN
    assert display.im_.get_extent() == [0.5, 4.5, 2.5, -0.5]


def test_correct_is_filled_wrong_open_and_unknown_another_shape():
    kinds = KnowledgeStateDisplay.from_predictions(**PREDICTIONS).markers_
    black, white = [0, 0, 0, 1], [1, 1, 1, 1]
    assert_array_equal(kinds["correct"].get_facecolors(), [black])
    assert_array_equal(kinds["wrong"].get_facecolors(), [white])
    paths = {kind: marks.get_paths()[0].vertices.shape for kind, marks in kinds.items()}
    assert paths["correct"] == paths["wrong"] != paths["unknown"]


def test_predictions_give_the_same_plot():
    model = ShareCorrect().fit(FRAME)
    ours = KnowledgeStateDisplay.from_estimator(model, ANN)
    theirs = KnowledgeStateDisplay.from_predictions(
        model.predict_mastery(ANN).tolist(),
        ANN["skill"],
        ANN["response"].reset_index(drop=True),
        skill_names=model.skills_,
    )
    assert_array_equal(ours.im_.get_array(), theirs.im_.get_array())
    assert marks(ours) == marks(theirs) == MARKS_OF_ANN
    assert ours.skill_names == theirs.skill_names


@pytest.mark.parametrize(
    ("X", "columns"),
    [
        (FRAME, (0, 1, -1)),
        (FRAME.to_numpy(dtype=object), (0, 1, 2)),
        (FRAME.to_numpy(dtype=object).tolist(), (0, 1, 2)),
        (FRAME[["response", "student", "skill"]], (1, 2, 0)),
        (FRAME.astype({"student": "category", "response": "Int8"}), (0, 1, 2)),
    ],
)
def test_columns_by_index(X, columns):
    model = ShareCorrect(*columns).fit(X)
    display = KnowledgeStateDisplay.from_estimator(model, X, student="Ann")
    assert marks(display) == MARKS_OF_ANN


def test_numbers_as_students_and_skills():
    X = np.array([[7, 31, 0], [8, 4, 1], [7, 4, 1]], dtype=float)
    model = ShareCorrect(0, 1, 2).fit(X)
    model.skills_ = np.array(["4", "31"])
    display = KnowledgeStateDisplay.from_estimator(model, X, student=7, skills=[4, 31])
    assert marks(display)["correct"] == [(2, "4")]
    assert marks(display)["wrong"] == [(1, "31")]


def test_large_and_negative_whole_numbers_as_skills():
    predictions = {**PREDICTIONS, "skill": [1e16, -0.0, 10**16, "1e+16"]}
    predictions["skill_names"] = ["0", "10000000000000000", "2"]
    display = KnowledgeStateDisplay.from_predictions(**predictions)
    assert display.skill_names == ["10000000000000000", "0"]
    assert marks(display)["unknown"] == [(4, "10000000000000000")]


def test_tuples_as_students():
    X = FRAME.assign(student=[("school", name) for name in FRAME["student"]])
    model = ShareCorrect().fit(X)
    display = KnowledgeStateDisplay.from_estimator(model, X, student=("school", "Ann"))
    assert marks(display) == MARKS_OF_ANN


def test_pipeline_that_ends_with_the_classifier():
    raw = FRAME.rename(columns={"response": "correct"})
    rename = FunctionTransformer(lambda X: X.rename(columns={"correct": "response"}))
    pipeline = make_pipeline(rename, ShareCorrect()).fit(raw)
    display = KnowledgeStateDisplay.from_estimator(pipeline, raw, student="Ann")
    assert marks(display) == MARKS_OF_ANN
    alone = make_pipeline(ShareCorrect()).fit(FRAME)
    display = KnowledgeStateDisplay.from_estimator(alone, FRAME, student="Ann")
    assert marks(display) == MARKS_OF_ANN


def test_chosen_skills_stand_in_the_order_of_choice():
    display = KnowledgeStateDisplay.from_predictions(**PREDICTIONS, skills=["12", 4])
    assert display.skill_names == ["12", "4"]
    assert_array_equal(display.im_.get_array(), MASTERY[:, [1, 0]].T)
    assert [label.get_text() for label in display.ax_.get_yticklabels()] == ["12", "4"]
    assert marks(display)["wrong"] == []


def test_max_skills_keeps_those_asked_most_often():
    predictions = {**PREDICTIONS, "skill": ["12", "4", "31~31", "4"]}
    display = KnowledgeStateDisplay.from_predictions(**predictions, max_skills=1)
    assert display.skill_names == ["4"]
    display = KnowledgeStateDisplay.from_predictions(**predictions, max_skills=2)
    assert display.skill_names == ["12", "4"]
    display = KnowledgeStateDisplay.from_predictions(**predictions, max_skills=None)
    assert display.skill_names == ["12", "4", "31"]


def test_skills_the_estimator_does_not_know_have_no_marks():
    predictions = {**PREDICTIONS, "skill": ["99", "4", "99~4", "4"]}
    display = KnowledgeStateDisplay.from_predictions(**predictions)
    assert marks(display) == {
        "correct": [(2, "4"), (3, "4")],
        "wrong": [],
        "unknown": [(4, "4")],
    }


def test_labels_are_short_but_keep_both_ends():
    labels = {
        4: "Addition and subtraction of positive and negative integers",
        "12": "Addition and subtraction of positive and negative fractions",
        "31": "costs of $5 and $6",
    }
    display = KnowledgeStateDisplay.from_predictions(
        **PREDICTIONS, skill_labels=labels, skills=[4, 12, 31]
    )
    assert display.skill_names == list(labels.values())
    ticks = display.ax_.get_yticklabels()
    shown = [tick.get_text() for tick in ticks]
    assert max(map(len, shown)) <= 32
    assert len(set(shown)) == 3
    assert shown[0].startswith("Addition")
    assert shown[0].endswith("integers")
    assert shown[2] == "costs of $5 and $6"
    assert not ticks[2].get_parse_math()


@pytest.mark.parametrize("response", [[0, 1, 1, np.nan], [True, True, True, True]])
def test_legend_and_colour_bar_say_what_is_shown(response):
    predictions = {**PREDICTIONS, "response": response}
    display = KnowledgeStateDisplay.from_predictions(**predictions)
    shown = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    unknown = ["unknown"] if np.isnan(response).any() else []
    assert shown == ["correct", "wrong", *unknown]
    assert "Probability" in display.im_.colorbar.ax.get_ylabel()
    assert display.ax_.get_xlabel() == "Interaction"
    assert display.ax_.get_ylabel() == "Skill"


def test_plots_on_given_axes_and_leaves_the_rest_alone():
    fig, axes = plt.subplots(1, 2)
    before, params = plt.get_fignums(), dict(mpl.rcParams)
    display = KnowledgeStateDisplay.from_predictions(
        **PREDICTIONS, ax=axes[1], colorbar=False, cmap="viridis"
    )
    assert display.ax_ is axes[1]
    assert display.figure_ is fig
    assert display.im_.get_cmap().name == "viridis"
    assert fig.axes == list(axes)
    assert not axes[0].images
    assert plt.get_fignums() == before
    assert dict(mpl.rcParams) == params
    again = display.plot()
    assert again is display
    assert display.figure_ is not fig
    assert_array_equal(display.im_.get_array(), MASTERY[:, [2, 0, 1]].T)


@pytest.mark.parametrize("layout", [None, "constrained", "tight"])
@pytest.mark.parametrize("width", [3, 7])
def test_label_and_legend_never_overlap(layout, width):
    _, ax = plt.subplots(figsize=(width, 4), layout=layout)
    display = KnowledgeStateDisplay.from_predictions(**PREDICTIONS, ax=ax)
    display.figure_.draw_without_rendering()
    label = display.ax_.xaxis.label.get_window_extent()
    assert not label.overlaps(display.ax_.get_legend().get_window_extent())


@pytest.mark.parametrize("shape", [(1, 1), (12, 3), (200, 20), (400, 60)])
def test_figure_grows_with_what_it_shows_and_all_is_in_it(shape):
    rng = np.random.default_rng(0)
    names = [f"skill {i}" for i in range(shape[1])]
    display = KnowledgeStateDisplay.from_predictions(
        rng.random(shape),
        rng.choice(names, shape[0]),
        rng.integers(0, 2, shape[0]),
        skill_names=names,
        skills=names,
    )
    figure = display.figure_
    width, height = figure.get_size_inches()
    assert 5 < width < 18
    assert 2 < height < 16
    figure.draw_without_rendering()
    page = figure.bbox
    for artist in (display.ax_.get_legend(), display.im_.colorbar.ax, display.ax_):
        box = artist.get_tightbbox()
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (
            {"student": None},
            ValueError,
            r"student\. X.* 2 student\(s\): 'Ann', 'Bo'\.",
        ),
        ({"student": "Cy"}, ValueError, r"student='Cy' has no rows.*: 'Ann', 'Bo'\."),
        ({"model": ShareCorrect()}, NotFittedError, "not fitted"),
        ({"model": make_pipeline(ShareCorrect())}, NotFittedError, "not fitted"),
        ({"model": LogisticRegression()}, TypeError, "LogisticRegression has no"),
        ({"model": ShareCorrect(skill="kc").fit(FRAME)}, ValueError, "skill='kc'"),
        ({"model": ShareCorrect(student=3).fit(FRAME)}, ValueError, "student=3"),
        ({"X": FRAME[:0]}, ValueError, "0 sample"),
        ({"X": FRAME.replace(1, 0.5)}, ValueError, r"response.*0\.5\b.* in row 1"),
        ({"skills": ["31", "x"]}, ValueError, "'x', which is none of the 3"),
    ],
)
def test_estimator_errors(params, error, message):
    params = {"model": ShareCorrect().fit(FRAME), "student": "Ann", "X": FRAME} | params
    with pytest.raises(error, match=message):
        KnowledgeStateDisplay.from_estimator(params.pop("model"), **params)


def test_error_lists_only_some_of_many_students():
    X = FRAME.iloc[[0] * 50].assign(student=range(50))
    with pytest.raises(ValueError, match=r"50 student\(s\): 0, 1, 2, 3, 4, \.\.\."):
        KnowledgeStateDisplay.from_estimator(ShareCorrect().fit(X), X)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"mastery": MASTERY[0]}, "Expected 2D array"),
        ({"mastery": MASTERY * 2}, r"mastery must be probabilities.* 0\.6 to 1\.4"),
        ({"mastery": MASTERY * np.nan}, "mastery contains NaN"),
        ({"mastery": MASTERY[:, :2]}, "skill_names must be 2 different names"),
        ({"skill_names": ["4", "4", "31"]}, "got 3, 2 of them different"),
        ({"skill": ["31", "4"]}, r"skill must have shape \(4,\).* has \(2,\)"),
        ({"response": [[0, 1, 1, 1]]}, r"response must have shape \(4,\)"),
        ({"response": [0, 1, 0.5, 1]}, "response.* 0.5 in row 2.* 1 .correct"),
        ({"response": [0, "yes", 1, 1]}, "response.* 'yes' in row 1.* 1 .correct"),
        ({"skill": ["a", "b", "c", "d"]}, "such as 'a', is among the 3"),
        ({"skill": ["4", "~", "4", "4"]}, "skill.* '~' in row 1"),
        ({"skill": ["4", "4", None, "4"]}, "skill.* missing .* in row 2"),
        ({"skills": "31"}, "skills must be a list"),
        ({"skills": []}, "skills must be a list"),
        ({"skills": 5}, "skills must be a list of skills, got 5"),
        ({"skills": [4, "31", 4.0]}, "single skills, each once, .*'4' 2 time"),
        ({"skills": ["4~31"]}, "single skills.*'4~31'"),
        ({"max_skills": 0}, "max_skills must be a whole number of at least 1"),
        ({"max_skills": 2.5}, r"max_skills must be a whole number .*2\.5"),
    ],
)
def test_prediction_errors(params, message):
    with pytest.raises(ValueError, match=message):
        KnowledgeStateDisplay.from_predictions(**{**PREDICTIONS, **params})


def test_missing_matplotlib_is_named_with_its_extra():
    code = """
import sys
sys.modules["matplotlib"] = None
from skestimators.inspection import KnowledgeStateDisplay
try:
    KnowledgeStateDisplay.from_predictions([[.5]], [4], [1], skill_names=[4])
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "KnowledgeStateDisplay needs 'matplotlib'" in done.stdout, done.stderr
    assert "skestimators[plot]" in done.stdout
