"""Bad input of DKTClassifier gets a message that says what is wrong and where."""

import numpy as np
import pandas as pd
import pytest
from instances import make_interactions

from skestimators.neural_network import DKTClassifier

FRAME = make_interactions()
Y = FRAME["response"]
PARAMS = {
    "hidden_layer_sizes": (4,),
    "max_epochs": 1,
    "validation_fraction": 0.4,
    "random_state": 0,
}


@pytest.fixture(scope="module")
def fitted():
    return DKTClassifier(**PARAMS).fit(FRAME, Y)


def _with(column, row, value):
    frame = FRAME.astype(object)
    frame.at[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (_with("response", 5, 2), r"response=2 of X holds 2 in row 5.*1 \(correct\)"),
        (_with("response", 5, 0.5), r"response=2 of X holds 0\.5 in row 5"),
        (_with("response", 5, "yes"), r"holds 'yes' in row 5.*1 row\(s\)"),
        (FRAME.assign(response=Y + 0.5), r"holds 0\.5 in row \d.*48 row\(s\)"),
        (_with("response", 5, np.inf), r"holds inf in row 5"),
        (_with("skill", 7, None), r"skill=1 of X is missing .* in row 7"),
        (_with("skill", 7, np.nan), r"skill=1 of X is missing .* in row 7"),
        (_with("skill", 7, ""), r"skill=1.* of X holds '' in row 7.*joined with '~'"),
        (_with("skill", 7, "add~"), r"skill=1.* of X holds 'add~' in row 7"),
        (
            _with("skill", 7, ("add", "add")),
            r"skill=1.* holds \('add', 'add'\) in row 7",
        ),
        (_with("student", 9, None), r"student=0 of X is missing .* in row 9"),
        (FRAME[:0], r"0 sample\(s\)"),
        (FRAME[["student", "skill"]], "response=2 is no column of X, which has 2"),
    ],
    ids=lambda value: None if isinstance(value, str) else "",
)
def test_bad_rows_are_named(fitted, frame, message):
    with pytest.raises(ValueError, match=message):
        DKTClassifier(**PARAMS).fit(frame, Y[: len(frame)])
    for predict in (fitted.predict, fitted.predict_mastery):
        # Predicting, the number of columns is looked at before the columns.
        with pytest.raises(ValueError, match=f"{message}|2 features|feature names"):
            predict(frame)


def test_an_index_does_not_contradict_a_name():
    turned = FRAME[["skill", "student", "response"]]
    message = "student=0 is the column 'skill' of X.*another one named 'student'"
    with pytest.raises(ValueError, match=message):
        DKTClassifier(**PARAMS).fit(turned, Y)
    DKTClassifier(student="student", skill="skill", **PARAMS).fit(turned, Y)
    DKTClassifier(**PARAMS).fit(turned.to_numpy()[:, [1, 0, 2]], Y)


def test_a_single_column_is_no_table():
    with pytest.raises(ValueError, match="2-dimensional container"):
        DKTClassifier(**PARAMS).fit(Y, Y)


def test_columns_that_are_not_there_or_the_same():
    with pytest.raises(
        ValueError, match=r"skill='topic'.*no column.*'student', 'skill'"
    ):
        DKTClassifier(skill="topic", **PARAMS).fit(FRAME, Y)
    with pytest.raises(ValueError, match="skill='skill' is a name, but"):
        DKTClassifier(skill="skill", **PARAMS).fit(FRAME.to_numpy(), Y)
    with pytest.raises(ValueError, match="three columns of X, but some are the same"):
        DKTClassifier(student="skill", **PARAMS).fit(FRAME, Y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (1 - Y, r"y differs from the column response=2.*48 row\(s\), first in row 0"),
        (Y.where(Y.index != 3, 1 - Y), r"1 row\(s\), first in row 3"),
        (Y.where(Y.index != 3), "y must be 1 .* or 0 .* is nan in row 3"),
        (Y + 1, r"y must be 1 .* or 0 .* is 2 in row"),
        (Y.map({0: "no", 1: "yes"}), "y must be 1 .* or 0"),
        (Y[:-1], "inconsistent numbers of samples"),
        (np.column_stack([Y, Y]), "1d array"),
    ],
)
def test_target_that_is_not_the_responses(y, message):
    with pytest.raises(ValueError, match=message):
        DKTClassifier(**PARAMS).fit(FRAME, y)


def test_target_of_rows_without_response_is_free():
    hidden = FRAME.assign(response=FRAME["response"].where(FRAME.index % 3 > 0))
    dkt = DKTClassifier(**PARAMS).fit(hidden, Y)
    assert dkt.predict_proba(hidden).shape == (48, 2)


def test_one_student_cannot_be_held_out_but_learned_from(fitted):
    one = pd.DataFrame({"student": ["s1"], "skill": ["add"], "response": [1]})
    message = (
        r"hold out validation_fraction=0.4 of 1 student\(s\).*early_stopping=False"
    )
    with pytest.raises(ValueError, match=message):
        DKTClassifier(**PARAMS).fit(one, [1])
    dkt = DKTClassifier(early_stopping=False, **PARAMS).fit(one, [1])
    assert dkt.predict_proba(one).shape == (1, 2)
    assert dkt.predict_mastery(one).shape == (1, 1)
    assert fitted.predict_proba(one).shape == (1, 2)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"hidden_layer_sizes": ()}, "at least one layer"),
        ({"hidden_layer_sizes": (4, 0)}, "positive integers"),
        ({"cell": "transformer"}, "'cell' parameter"),
        ({"skills": ["add", "add"]}, r"single skills, each once.*'add' 2 time"),
        ({"skills": ["add~subtract"]}, "single skills"),
        ({"skills": ["add", None]}, "holds None at place 1"),
        ({"skills": ["add"]}, "1 skill.* such as 'subtract'"),
        ({"student": 1.5}, "'student' parameter"),
        ({"learning_rate_decay": 0.0}, "'learning_rate_decay' parameter"),
        ({"max_length": 0}, "'max_length' parameter"),
        ({"waviness_l1": -1.0}, "'waviness_l1' parameter"),
        ({"device": "abacus"}, "device='abacus'"),
    ],
)
def test_bad_parameters_are_named(params, message):
    with pytest.raises(ValueError, match=message):
        DKTClassifier(**{**PARAMS, **params}).fit(FRAME, Y)


def test_weights_that_cannot_be_used():
    with pytest.raises(ValueError, match="at least one non-zero"):
        DKTClassifier(**PARAMS).fit(FRAME, Y, sample_weight=np.zeros(48))
    with pytest.raises(ValueError, match="All rows have weight zero"):
        DKTClassifier(class_weight={0: 0, 1: 0}, **PARAMS).fit(FRAME, Y)
    with pytest.raises(ValueError, match="Negative values"):
        DKTClassifier(**PARAMS).fit(FRAME, Y, sample_weight=np.full(48, -1.0))
    with pytest.raises(ValueError, match=r"sample_weight.shape|inconsistent"):
        DKTClassifier(**PARAMS).fit(FRAME, Y, sample_weight=np.ones(47))


def test_a_loss_that_diverges_is_an_error_and_no_network():
    dkt = DKTClassifier(**{**PARAMS, "max_epochs": 9, "max_grad_norm": None})
    dkt.fit(FRAME, Y)
    dkt.set_params(learning_rate=1e38)
    with pytest.raises(ValueError, match="training loss became"):
        dkt.fit(FRAME, Y)
    assert not dkt.__sklearn_is_fitted__()


@pytest.mark.parametrize(
    ("history", "skills", "message"),
    [
        (FRAME, ["add"], "history holds 6 students in column student=0"),
        (FRAME[["student", "skill"]], ["add"], "feature names|2 features"),
        (_with("response", 0, 3)[:1], ["add"], "holds 3 in row 0"),
        (None, [""], "skills holds '' at place 0"),
        (None, ["add", None], "skills holds None at place 1"),
        (None, "add", "1d array|1D"),
    ],
)
def test_predict_next_says_what_it_cannot_use(fitted, history, skills, message):
    with pytest.raises(ValueError, match=message):
        fitted.predict_next(history, skills)
    assert fitted.predict_next(None, []).shape == (0,)
