"""Simulated students learn, and their true probabilities are true."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from skestimators.datasets import make_student_responses


def test_shapes():
    responses = make_student_responses(
        7, n_exercises=12, n_interactions=9, random_state=0
    )
    assert list(responses.frame) == ["student", "skill", "response"]
    assert responses.frame.shape == (63, 3)
    assert responses.probability.shape == (63,)
    assert sorted(np.bincount(responses.concept)) == [2, 2, 2, 3, 3]
    assert responses.difficulty.shape == (12,)
    assert responses.initial_skill.shape == (7, 5)


@pytest.mark.parametrize("shuffle", [True, False])
def test_exercises_come_again_after_all_others(shuffle):
    responses = make_student_responses(
        4, n_exercises=6, n_interactions=15, shuffle=shuffle, random_state=0
    )
    order = responses.frame["skill"].to_numpy().reshape(4, 15)
    for start in (0, 6):
        assert (np.sort(order[:, start : start + 6]) == np.arange(6)).all()
    assert all(len(set(last)) == 3 for last in order[:, 12:])
    assert (order == order[0]).all() != shuffle


def test_probabilities_are_of_the_model_of_the_paper():
    responses = make_student_responses(
        3, n_exercises=9, n_concepts=2, n_interactions=20, random_state=1
    )
    for student, rows in responses.frame.groupby("student"):
        skill = responses.initial_skill[student].copy()
        for row, exercise in rows["skill"].items():
            concept = responses.concept[exercise]
            margin = skill[concept] - responses.difficulty[exercise]
            expected = 0.25 + 0.75 * expit(margin)
            assert responses.probability[row] == pytest.approx(expected)
            skill[concept] += responses.gain


def test_responses_have_the_probabilities():
    responses = make_student_responses(2000, random_state=0)
    answer, probability = responses.frame["response"], responses.probability
    for low in np.arange(0.25, 1, 0.05):
        near = (low <= probability) & (probability < low + 0.05)
        expected = probability[near].mean()
        error = np.sqrt(expected * (1 - expected) / near.sum())
        assert abs(answer[near].mean() - expected) < 5 * error


def test_students_learn():
    responses = make_student_responses(500, random_state=0)
    probability = responses.probability.reshape(500, 100).mean(axis=0)
    assert probability[-10:].mean() > probability[:10].mean() + 0.15
    skill = responses.initial_skill + responses.gain * 20
    assert skill.mean() == pytest.approx(2, abs=0.2)
    still = make_student_responses(500, learning=0, random_state=0)
    probability = still.probability.reshape(500, 100)
    assert probability[:, -10:].mean() == pytest.approx(
        probability[:, :10].mean(), abs=0.03
    )


def test_guessing_is_the_least():
    for guess in (0, 0.5):
        probability = make_student_responses(guess=guess, random_state=0).probability
        assert guess < probability.min() < guess + 0.01


def test_hidden_state_matters_beyond_the_exercise():
    """Otherwise the best model would be the mean of each exercise."""
    responses = make_student_responses(random_state=0)
    frame = responses.frame
    rate = frame.groupby("skill")["response"].transform("mean")
    auc = roc_auc_score(frame["response"], responses.probability)
    assert auc > roc_auc_score(frame["response"], rate) + 0.03


def test_random_state():
    first, again, other = (
        make_student_responses(20, random_state=seed) for seed in (0, 0, 1)
    )
    assert first.frame.equals(again.frame)
    assert (first.probability == again.probability).all()
    assert not first.frame.equals(other.frame)


@pytest.mark.parametrize(
    "params",
    [
        {"n_students": 0},
        {"n_exercises": 3, "n_concepts": 4},
        {"n_interactions": 0},
        {"guess": 1.0},
        {"learning": -1.0},
        {"shuffle": "yes"},
    ],
)
def test_bad_parameters(params):
    with pytest.raises(ValueError, match=next(reversed(params))):
        make_student_responses(**params)
