"""No probability knows an answer that was not given yet, or another student."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from skestimators.neural_network import DKTClassifier, _dkt_network

RNG = np.random.default_rng(0)
N_STUDENTS, N_ROWS = 7, 90
SKILLS = ["add", "subtract", "divide", "add~subtract", "divide~add"]


def _random_frame():
    response = RNG.integers(0, 2, N_ROWS).astype(float)
    response[RNG.random(N_ROWS) < 0.1] = np.nan
    return pd.DataFrame(
        {
            "student": RNG.integers(0, N_STUDENTS, N_ROWS),
            "skill": RNG.choice(SKILLS, N_ROWS),
            "response": response,
        }
    )


FRAME = _random_frame()


def _networks():
    for cell, sizes in [
        ("lstm", (12,)),
        ("lstm", (12, 8)),
        ("gru", (12,)),
        ("rnn", (8, 8)),
    ]:
        yield pytest.param((cell, sizes), id=f"{cell}-{len(sizes)}")


@pytest.fixture(scope="module", params=_networks())
def dkt(request):
    cell, sizes = request.param
    return DKTClassifier(
        cell=cell,
        hidden_layer_sizes=sizes,
        # Far from zero, so that an answer makes a difference.
        learning_rate=0.1,
        max_epochs=5,
        early_stopping=False,
        random_state=0,
    ).fit(FRAME, FRAME["response"].fillna(1.0))


def _correct(dkt, frame):
    return dkt.predict_proba(frame)[:, 1]


@pytest.mark.parametrize("row", [0, 20, 41, N_ROWS - 1])
def test_a_response_reaches_only_later_rows_of_its_student(dkt, row):
    before = _correct(dkt, FRAME)
    changed = FRAME.copy()
    changed.loc[row, "response"] = 0.0 if FRAME["response"][row] == 1 else 1.0
    moved = np.abs(_correct(dkt, changed) - before)
    later = (FRAME.index > row) & (FRAME["student"] == FRAME["student"][row])
    assert moved[~later].max() < 1e-6
    if later.any():
        assert moved[later].max() > 1e-4


def test_rows_to_come_do_not_matter(dkt):
    whole = _correct(dkt, FRAME)
    for n_rows in (1, 17, 60):
        np.testing.assert_allclose(
            _correct(dkt, FRAME[:n_rows]), whole[:n_rows], atol=1e-6
        )
    changed = FRAME.copy()
    changed.loc[60:, "skill"] = "unheard of"
    np.testing.assert_allclose(_correct(dkt, changed)[:60], whole[:60], atol=1e-6)


def test_students_may_be_interleaved_in_any_way(dkt):
    whole = _correct(dkt, FRAME)
    for seed in range(3):
        # Any order of students that keeps the order of each one's own rows.
        slots = np.random.default_rng(seed).permutation(FRAME["student"])
        order = np.empty(N_ROWS, dtype=int)
        for student in range(N_STUDENTS):
            order[slots == student] = np.flatnonzero(FRAME["student"] == student)
        np.testing.assert_allclose(
            _correct(dkt, FRAME.iloc[order]), whole[order], atol=1e-6
        )


def test_company_does_not_matter(dkt):
    whole = _correct(dkt, FRAME)
    mastery = dkt.predict_mastery(FRAME)
    for student in range(N_STUDENTS):
        own = (FRAME["student"] == student).to_numpy()
        np.testing.assert_allclose(_correct(dkt, FRAME[own]), whole[own], atol=1e-6)
        np.testing.assert_allclose(
            dkt.predict_mastery(FRAME[own]), mastery[own], atol=1e-6
        )


def test_the_name_of_a_student_does_not_matter(dkt):
    renamed = FRAME.assign(student=FRAME["student"].map(lambda number: f"s{-number}"))
    np.testing.assert_allclose(_correct(dkt, renamed), _correct(dkt, FRAME), atol=1e-6)


def test_long_histories_are_run_in_parts(dkt, monkeypatch):
    whole, mastery = _correct(dkt, FRAME), dkt.predict_mastery(FRAME)
    monkeypatch.setattr(_dkt_network, "_LENGTH_AT_ONCE", 3)
    monkeypatch.setattr(_dkt_network, "STEPS_AT_ONCE", 20)
    np.testing.assert_allclose(_correct(dkt, FRAME), whole, atol=1e-6)
    np.testing.assert_allclose(dkt.predict_mastery(FRAME), mastery, atol=1e-6)


def test_predict_next_agrees_row_by_row(dkt):
    whole = _correct(dkt, FRAME)
    for student in range(N_STUDENTS):
        own = np.flatnonzero(FRAME["student"] == student)
        for place, row in enumerate(own):
            (probability,) = dkt.predict_next(
                FRAME.iloc[own[:place]], [FRAME["skill"][row]]
            )
            assert probability == pytest.approx(whole[row], abs=1e-6)


def test_mastery_after_a_row_is_the_probability_of_the_next(dkt):
    whole, mastery = _correct(dkt, FRAME), dkt.predict_mastery(FRAME)
    columns = {skill: number for number, skill in enumerate(dkt.skills_)}
    n_compared = 0
    for student in range(N_STUDENTS):
        own = np.flatnonzero(FRAME["student"] == student)
        for row, following in pairwise(own):
            skill = FRAME["skill"][following]
            if skill in columns:
                n_compared += 1
                assert mastery[row, columns[skill]] == pytest.approx(
                    whole[following], abs=1e-6
                )
    assert n_compared > 20


def test_a_row_without_response_is_not_part_of_the_history(dkt):
    unknown = FRAME["response"].isna().to_numpy()
    assert unknown.any()
    np.testing.assert_allclose(
        _correct(dkt, FRAME[~unknown]), _correct(dkt, FRAME)[~unknown], atol=1e-6
    )


def test_first_rows_are_those_of_a_student_of_whom_nothing_is_known(dkt):
    first = FRAME.drop_duplicates("student").index
    expected = dkt.predict_next(None, FRAME["skill"][first])
    np.testing.assert_allclose(_correct(dkt, FRAME)[first], expected, atol=1e-6)
    assert np.ptp(dkt.predict_next(FRAME[:0], dkt.skills_)) > 0


def test_remembered_states_change_nothing(dkt, monkeypatch):
    own = FRAME[FRAME["student"] == FRAME["student"][0]]
    monkeypatch.setattr(_dkt_network, "_MAX_REMEMBERED", 3)
    dkt._states.clear()
    lesson = [dkt.predict_next(own[:n], dkt.skills_) for n in range(len(own))]
    assert 0 < len(dkt._states) <= 3
    for n in reversed(range(len(own))):
        dkt._states.clear()
        np.testing.assert_allclose(
            dkt.predict_next(own[:n], dkt.skills_), lesson[n], atol=1e-6
        )
