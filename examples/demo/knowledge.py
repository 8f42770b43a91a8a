"""Knowledge tracing: from a student's answers to what the student knows."""

import numpy as np
from line import ORANGE, compare, draw_scores, new_figure, save, say, strongest
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder
from table import Result

from skestimators import DKTClassifier, KnowledgeStateDisplay, make_student_responses

PIPELINE, DIFFICULTY, PFA, PFA_ALL = (
    "DKTClassifier",
    "regression on the exercise",
    "the same, and on its earlier answers",
    "regression on all earlier answers",
)


def run(output):
    """Predict the answers of students that were left out, each from earlier ones."""
    simulated = make_student_responses(
        600,
        n_exercises=20,
        n_concepts=4,
        n_interactions=60,
        guess=0.1,
        random_state=0,
    )
    X = simulated.frame
    y, students = X["response"], X["student"]
    say("AUC of the next answer, of students left out; earlier answers are known")
    dkt = DKTClassifier(hidden_layer_sizes=(32,), random_state=0)
    models = {
        DIFFICULTY: regression(only_exercise),
        PFA: regression(count_earlier),
        PFA_ALL: regression(count_all_earlier),
        PIPELINE: dkt.set_fit_request(groups=True),
    }
    results = compare(
        {name: (model, X) for name, model in models.items()},
        y,
        cv=GroupKFold(5, shuffle=True, random_state=0),
        groups=students,
        scoring="roc_auc",
    )
    baseline = strongest(results, PIPELINE)
    return Result(
        pipeline=PIPELINE,
        metric="AUC",
        left_out="students",
        scores=results[PIPELINE]["test_score"],
        baseline=baseline,
        baseline_scores=results[baseline]["test_score"],
        figure=save(draw(results, X, simulated), output / "knowledge.png"),
    )


def regression(features):
    """Make a logistic regression on the exercise and on counts."""
    return make_pipeline(
        FunctionTransformer(features),
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["skill"]),
            remainder="passthrough",
        ),
        LogisticRegression(max_iter=1000),
    )


def only_exercise(X):
    """Tell which exercise it is: the regression learns how difficult it is."""
    return X[["skill"]]


def count_earlier(X):
    """Count the earlier right and wrong answers to the exercise, of each student.

    These are the features of performance factors analysis (Pavlik, Cen and Koedinger,
    2009).
    """
    counts = X[["skill"]].copy()
    for name, answers in [("right", X["response"]), ("wrong", 1 - X["response"])]:
        # The sum holds the answer of the row itself, which is not known yet.
        same = answers.groupby([X["student"], X["skill"]])
        counts[name] = same.cumsum() - answers
    return counts


def count_all_earlier(X):
    """Count those to all exercises as well."""
    counts = count_earlier(X)
    for name, answers in [("right", X["response"]), ("wrong", 1 - X["response"])]:
        counts[f"all {name}"] = answers.groupby(X["student"]).cumsum() - answers
    return counts


def draw(results, X, simulated):
    """Draw the scores, and what a held-out student knows."""
    figure, (left, right) = new_figure(
        "Who knows what, and who will be right? 600 simulated students",
        (14, 5),
        ncols=2,
        width_ratios=[2, 3],
    )
    draw_scores(left, results, "AUC of the next answer", pipeline=PIPELINE)
    best = roc_auc_score(X["response"], simulated.probability)
    left.axvline(best, color=ORANGE, ls="--")
    left.annotate(
        "the best possible",
        (best, 1.5),
        (-4, 0),
        textcoords="offset points",
        rotation=90,
        ha="right",
        va="center",
        color=ORANGE,
    )
    found = results[PIPELINE]
    student = X["student"].iloc[found["indices"]["test"][0][0]]
    exercises = np.argsort(simulated.difficulty)
    KnowledgeStateDisplay.from_estimator(
        found["estimator"][0],
        X,
        student=student,
        skills=exercises,
        skill_labels={k: f"exercise {k}" for k in exercises},
        ax=right,
    )
    right.set_title(f"Student {student}, who was left out; the easiest exercise on top")
    return figure
