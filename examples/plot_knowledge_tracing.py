"""
=================================
Who knows what, and what is next?
=================================

Students answer exercises, one after the other. From the answers so far, a recurrent
network tells how likely the next one is correct, for every exercise there is. A
logistic regression on counts is the baseline, and as the students are simulated, their
true probabilities are the best that anything could reach. At the end the network
recommends what to ask next, in two ways, and the truth tells what they are worth.

:func:`~skestimators.datasets.read_interactions` reads the answers of real students.
"""

# %%
# Answers of students
# -------------------
# A thousand students answer sixty exercises each. There are twenty exercises of four
# concepts; each one answered raises the student's skill in its concept. Which exercise
# belongs to which concept is not in the data. A row is an answer, and the rows of a
# student are in the order of time.
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import expit
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder

from skestimators import DKTClassifier, KnowledgeStateDisplay, make_student_responses

GUESS = 0.1
simulated = make_student_responses(
    1000, n_exercises=20, n_concepts=4, n_interactions=60, guess=GUESS, random_state=0
)
X = simulated.frame
y, students = X["response"], X["student"]
X.head()

# %%
# The network, and how to test it
# -------------------------------
# ``X`` has the answers in it, since later rows are predicted from them. The probability
# of a row depends on earlier rows of its student only, so that nothing is given away.
# But a student has to be in one fold as a whole: ``GroupKFold``, with the students as
# groups.
dkt = DKTClassifier(hidden_layer_sizes=(32,), random_state=0)
by_student = {"groups": students, "cv": GroupKFold(3)}
auc = cross_val_score(dkt, X, y, scoring="roc_auc", **by_student)
print("AUC of each fold:", auc.round(3))

# %%
# ``KFold`` takes single rows out of the histories. A third of the answers is left, with
# holes in between, to predict from: the score is that of another, harder task.
holes = cross_val_score(
    dkt, X, y, scoring="roc_auc", cv=KFold(3, shuffle=True, random_state=0)
)
print(f"by student {auc.mean():.3f}, by row {holes.mean():.3f}")

# %%
# A baseline from scikit-learn parts
# ----------------------------------
# Performance factors analysis (Pavlik, Cen and Koedinger, 2009) is a logistic
# regression on which exercise it is, and how often the student got it right and wrong
# before. "Before" is what matters: ``cumsum`` counts the row itself, which has to be
# taken off again. A second version also counts the earlier answers to all exercises.


def count_earlier(X, everything=False):
    """Count the earlier right and wrong answers of each row's student."""
    counts = X[["skill"]].copy()
    for name, answers in [("right", X["response"]), ("wrong", 1 - X["response"])]:
        same = answers.groupby([X["student"], X["skill"]])
        counts[name] = same.cumsum() - answers
        if everything:
            counts[f"all {name}"] = answers.groupby(X["student"]).cumsum() - answers
    return counts


def performance_factors(**counting):
    """Make a logistic regression on counts."""
    return make_pipeline(
        FunctionTransformer(count_earlier, kw_args=counting),
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["skill"]),
            remainder="passthrough",
        ),
        LogisticRegression(max_iter=1000),
    )


models = {
    "PFA": performance_factors(),
    "PFA, all counts": performance_factors(everything=True),
    "DKT": dkt,
}
predicted = {
    name: cross_val_predict(model, X, y, method="predict_proba", **by_student)[:, 1]
    for name, model in models.items()
}
predicted["truth"] = simulated.probability
for name, probability in predicted.items():
    print(f"{name:15s}  AUC {roc_auc_score(y, probability):.3f}")

# %%
# The plain baseline counts each exercise by itself; the network was not told either
# that exercises tell of each other, but found out. A regression that counts them all
# comes close to it: the skills of a simulated student in different concepts are much
# alike. None reaches the truth, which knows the hidden skills.
before = X.groupby("student").cumcount()
stages = np.arange(0, 60, 10)
colors = dict(zip(predicted, ["#e69f00", "#d55e00", "#0072b2", "0.4"], strict=True))
figure, axes = plt.subplots(
    1, 2, figsize=(10, 3.6), layout="constrained", width_ratios=[2, 3]
)
for place, (name, probability) in enumerate(predicted.items()):
    area = roc_auc_score(y, probability)
    axes[0].barh(place, area - 0.5, left=0.5, color=colors[name])
    axes[0].text(area + 0.01, place, f"{area:.3f}", va="center")
    by_stage = [
        roc_auc_score(y[now], probability[now])
        for now in (before // 10 == stage for stage in range(6))
    ]
    axes[1].plot(stages + 5, by_stage, "o-", color=colors[name], label=name)
axes[0].set_yticks(range(len(predicted)), predicted)
axes[0].set(xlabel="AUC", xlim=(0.5, 1))
axes[0].invert_yaxis()
axes[1].set(xlabel="earlier answers of the student", ylabel="AUC", xlim=(0, 60))
axes[1].legend()
for ax in axes:
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# What one student knows
# ----------------------
# Trained on nine hundred students, the network looks at one of the others. A colour is
# the probability of a correct answer to an exercise, were it asked after this answer.
# The easiest exercise is on top; how difficult they are, the network had to find out.
late = students >= 900
dkt.fit(X[~late], y[~late])
exercises = np.argsort(simulated.difficulty)
student = 905
KnowledgeStateDisplay.from_estimator(
    dkt,
    X,
    student=student,
    skills=exercises,
    skill_labels={
        k: f"exercise {k}, concept {simulated.concept[k]}" for k in exercises
    },
)
plt.show()

# %%
# What to ask next
# ----------------
# Half-way, what should be next? That depends on what for. To find out most, take the
# exercise whose answer you know least about: its probability is nearest to one half,
# its entropy the largest. To teach most, take the one that is expected to raise the
# mean mastery most: add it to the history, once wrong and once right, and weigh the two
# by their probabilities. ``predict_next`` has all that is needed.


def expected_gain(history):
    """Return by how much each exercise is expected to raise the mean mastery."""
    now = dkt.predict_next(history, exercises)
    after = np.empty((len(exercises), 2))
    for place, exercise in enumerate(exercises):
        for answer in (0, 1):
            row = history.tail(1).assign(skill=exercise, response=answer)
            longer = pd.concat([history, row])
            after[place, answer] = dkt.predict_next(longer, exercises).mean()
    return (1 - now) * after[:, 0] + now * after[:, 1] - now.mean()


history = X[students == student].head(30)
right = dkt.predict_next(history, exercises)
entropy = -right * np.log2(right) - (1 - right) * np.log2(1 - right)
gain = expected_gain(history)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
for ax, values, label in [
    (axes[0], entropy, "information (bit)"),
    (axes[1], gain, "expected gain of mean mastery"),
]:
    best = values.argmax()
    ax.plot(right, values, "o", color="0.6")
    ax.plot(right[best], values[best], "o", color="#d55e00", ms=10)
    ax.annotate(
        f"exercise {exercises[best]}",
        (right[best], values[best]),
        (0, 10),
        textcoords="offset points",
        ha="center",
    )
    ax.margins(0.2, 0.2)
    ax.set(xlabel="probability of a correct answer", ylabel=label)
    ax.spines[["top", "right"]].set_visible(False)
plt.show()

# %%
# Does it teach?
# --------------
# As the students are simulated, we know by how much each exercise really raises the
# mean probability of a correct answer. Here is what forty students gain from the
# exercises that the two ways recommend, from the best one, and on average.


def true_gain(history):
    """Return by how much each exercise really raises the mean probability."""
    concept = simulated.concept
    skill = simulated.initial_skill[history["student"].iloc[0]].copy()
    np.add.at(skill, concept[history["skill"]], simulated.gain)
    raised = skill + simulated.gain * np.eye(len(skill))[concept[exercises]]
    mean = [
        (GUESS + (1 - GUESS) * expit(s[concept] - simulated.difficulty)).mean()
        for s in (skill, *raised)
    ]
    return np.array(mean[1:]) - mean[0]


growth = {"information": [], "expected gain": [], "best": [], "average": []}
spread = []
for student in range(900, 940):
    history = X[students == student].head(30)
    right, gain = dkt.predict_next(history, exercises), expected_gain(history)
    truth = true_gain(history)
    spread.append([gain.std(), truth.std()])
    growth["information"].append(truth[np.abs(right - 0.5).argmin()])
    growth["expected gain"].append(truth[gain.argmax()])
    growth["best"].append(truth.max())
    growth["average"].append(truth.mean())
for name, values in growth.items():
    print(f"{name:14s} {1000 * np.mean(values):4.1f} thousandths")
expected, true = 1000 * np.mean(spread, axis=0)
print(f"spread over exercises: expected gain {expected:.1f}, true gain {true:.1f}")

# %%
# What is most informative also teaches more than average: a skill shows most in answers
# that could go either way. What has the largest expected gain does not. The network
# predicts answers well, but its gains spread several times as much as the true ones,
# which are much alike as every exercise teaches the same: the largest is the largest
# error. Before you follow expected gains, see on your own students that they come true.
