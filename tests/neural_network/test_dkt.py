"""What DKTClassifier promises beside causality."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_score

from skestimators.datasets import make_student_responses, read_interactions
from skestimators.neural_network import DKTClassifier
from skestimators.neural_network._dkt_checks import split_students

SMALL = {"hidden_layer_sizes": (10,), "random_state": 0}
FIXED = {"early_stopping": False, "max_epochs": 2, **SMALL}
RESPONSES = make_student_responses(40, n_interactions=12, random_state=0)
X = RESPONSES.frame.sample(frac=1, random_state=0).sort_index(kind="stable")
Y = X["response"].to_numpy()


def _correct(dkt, frame=X):
    return dkt.predict_proba(frame)[:, 1]


@pytest.fixture(scope="module")
def dkt():
    return DKTClassifier(**FIXED).fit(X, Y)


def test_columns_by_name_by_index_and_in_any_container(dkt):
    expected = _correct(dkt)
    turned = X[["response", "student", "skill"]].assign(note="any")
    turned = turned[["note", *X.columns[::-1]]]
    names = {name: name for name in X.columns}
    by_name = DKTClassifier(**names, **FIXED).fit(turned, Y)
    np.testing.assert_array_equal(_correct(by_name, turned), expected)
    by_index = DKTClassifier(student=-1, skill=2, response=1, **FIXED).fit(turned, Y)
    np.testing.assert_array_equal(_correct(by_index, turned), expected)
    for table in (
        X.to_numpy(),
        X.to_numpy(dtype=float),
        X.to_numpy(dtype=object),
        X.astype({"student": "string", "skill": "category", "response": "boolean"}),
        X.astype(str).to_numpy(),
        X.to_numpy().tolist(),
    ):
        again = DKTClassifier(**FIXED).fit(table, Y)
        np.testing.assert_array_equal(_correct(again, table), expected)
        assert again.n_features_in_ == 3
    assert list(dkt.feature_names_in_) == list(X.columns)
    with pytest.raises(ValueError, match="feature names"):
        dkt.predict(X.rename(columns={"skill": "other"}))
    with pytest.raises(ValueError, match=r"4 features.*3 features"):
        again.predict(X.assign(other=1).to_numpy())


@pytest.mark.parametrize("dtype", [int, float, bool, object])
def test_classes_are_of_the_type_of_the_target(dkt, dtype):
    other = DKTClassifier(**FIXED).fit(X, Y.astype(dtype))
    np.testing.assert_array_equal(_correct(other), _correct(dkt))
    predicted = other.predict(X)
    np.testing.assert_array_equal(predicted, _correct(dkt) > 0.5)
    assert list(other.classes_) == [0, 1]
    if dtype is not object:
        assert predicted.dtype == dtype
        accuracy = np.mean(predicted == Y)
        assert other.score(X, Y.astype(dtype)) == pytest.approx(accuracy)


def test_all_answers_alike_are_two_classes():
    correct = X.assign(response=1)
    proba = DKTClassifier(**FIXED).fit(correct, correct["response"]).predict_proba(X)
    assert proba.shape == (len(X), 2)
    np.testing.assert_allclose(proba.sum(1), 1)


def test_skills_are_text_with_numbers_first():
    frame = X.assign(
        skill=np.resize([10, 9, "b", "a", 1.0, "9~a"], len(X)).astype(object)
    )
    dkt = DKTClassifier(**FIXED).fit(frame, Y)
    assert dkt.skills_.tolist() == ["1", "9", "10", "a", "b"]
    assert dkt.predict_mastery(frame).shape == (len(X), 5)
    assert dkt.predict_mastery(frame).dtype == np.float32
    same = frame.replace({"9~a": " a ~ 9~9"})
    np.testing.assert_array_equal(_correct(dkt, same), _correct(dkt, frame))


def test_a_cell_of_several_skills_has_their_mean_logit(dkt):
    history = X[X["student"] == 3]
    one, two, both, averse = dkt.predict_next(history, [4, "7", "4~7", "7~4"])
    logits = np.log([one / (1 - one), two / (1 - two), both / (1 - both)])
    assert logits[2] == pytest.approx(logits[:2].mean(), abs=1e-5)
    assert both == averse


def test_an_unseen_skill_is_an_average_one(dkt):
    history = X[X["student"] == 3]
    every = dkt.predict_next(history, dkt.skills_)
    unseen, partly, seen = dkt.predict_next(history, ["new", "new~4", "4"])
    logits = np.log(every / (1 - every))
    assert np.log(unseen / (1 - unseen)) == pytest.approx(logits.mean(), abs=1e-4)
    assert partly == seen
    strict = clone(dkt).set_params(handle_unknown="error").fit(X, Y)
    frame = X.replace({"skill": {X["skill"].iloc[0]: "new"}})
    for predict in (strict.predict_proba, strict.predict_mastery):
        with pytest.raises(ValueError, match=r"X has 1 skill.* such as 'new'"):
            predict(frame)
    with pytest.raises(ValueError, match="history has 1 skill"):
        strict.predict_next(frame[frame["student"] == frame["student"].iloc[0]], [4])
    with pytest.raises(ValueError, match="skills has 1 skill"):
        strict.predict_next(history, ["new"])


def test_named_skills_keep_their_order_and_need_not_be_met():
    skills = [60, *sorted(set(X["skill"]), reverse=True)]
    dkt = DKTClassifier(skills=skills, **FIXED).fit(X, Y)
    assert dkt.skills_.tolist() == [str(skill) for skill in skills]
    never_met, unheard_of = dkt.predict_next(X[:0], [60, "unheard of"])
    assert never_met == unheard_of


def test_partial_fit_is_one_epoch_of_fit():
    whole = DKTClassifier(**{**FIXED, "max_epochs": 3}).fit(X, Y)
    parts = DKTClassifier(**FIXED)
    for n_epochs in (1, 2, 3):
        assert parts.partial_fit(X, Y, classes=[0, 1]) is parts
        assert parts.n_iter_ == n_epochs
        parts = pickle.loads(pickle.dumps(parts))
    np.testing.assert_array_equal(_correct(parts), _correct(whole))
    assert parts.history_ == whole.history_


def test_partial_fit_meets_new_students_but_no_new_skills():
    first, second = X["student"] < 20, X["student"] >= 20
    dkt = DKTClassifier(**FIXED, skills=range(50))
    dkt.partial_fit(X[first], Y[first]).partial_fit(X[second], Y[second])
    assert dkt.n_iter_ == 2
    with pytest.raises(ValueError, match=r"1 skill.*such as 'new'.*parameter skills"):
        dkt.partial_fit(X.assign(skill="new"), Y)
    with pytest.raises(ValueError, match="classes must be 0 and 1"):
        dkt.partial_fit(X, Y, classes=[1, 2])
    dkt.set_params(cell="gru")
    with pytest.raises(ValueError, match=r"built with.*lstm.*Only fit"):
        dkt.partial_fit(X, Y)


def test_fits_are_bit_equal_and_leave_the_global_seed_alone(dkt):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    again = DKTClassifier(**FIXED).fit(X, Y)
    assert torch.equal(torch.rand(3), expected)
    np.testing.assert_array_equal(_correct(again), _correct(dkt))
    other = clone(again).set_params(random_state=1).fit(X, Y)
    assert np.abs(_correct(other) - _correct(dkt)).max() > 1e-4


def test_weights_of_one_are_none_and_their_scale_is_nothing(dkt):
    for weight in (np.ones(len(X)), np.full(len(X), 4.0)):
        weighted = DKTClassifier(**FIXED).fit(X, Y, sample_weight=weight)
        np.testing.assert_allclose(_correct(weighted), _correct(dkt), atol=1e-7)


def test_students_without_weight_are_as_if_not_there():
    early = {**FIXED, "early_stopping": True, "validation_fraction": 0.3}
    there = (X["student"] % 3 > 0).to_numpy()
    skills = sorted(set(X["skill"]))
    with_them = DKTClassifier(**early, skills=skills)
    with_them.fit(X, Y, sample_weight=there.astype(float))
    without = DKTClassifier(**early, skills=skills).fit(X[there], Y[there])
    np.testing.assert_allclose(_correct(with_them), _correct(without), atol=1e-6)


def test_rows_without_weight_are_history_and_no_target():
    weight = np.where(X.groupby("student").cumcount() < 6, 0.0, 1.0)
    loss = []
    for frame, own in [(X, weight), (X.assign(response=Y), weight * 3)]:
        dkt = DKTClassifier(**FIXED).fit(frame, Y, sample_weight=own)
        loss.append(dkt.history_["train_loss"])
    assert loss[0] == pytest.approx(loss[1])
    # What is learned of the early rows comes from their place in the history alone.
    shorter = DKTClassifier(**FIXED).fit(X[weight > 0], Y[weight > 0])
    assert shorter.history_["train_loss"] != pytest.approx(loss[0], abs=1e-4)


def test_class_weights_are_sample_weights():
    params = {**FIXED, "max_epochs": 6, "learning_rate": 0.02}
    weighted = DKTClassifier(class_weight={0: 5, 1: 1}, **params).fit(X, Y)
    by_row = DKTClassifier(**params).fit(X, Y, sample_weight=np.where(Y == 0, 5, 1))
    np.testing.assert_allclose(_correct(weighted), _correct(by_row), atol=1e-7)
    balanced = DKTClassifier(class_weight="balanced", **params).fit(X, Y)
    plain = DKTClassifier(**params).fit(X, Y)
    assert _correct(weighted).mean() < _correct(plain).mean() - 0.02
    assert _correct(balanced).mean() < _correct(plain).mean()


def test_groups_are_held_out_whole():
    students = np.repeat(np.arange(12), 5)
    groups = np.repeat(list("abcdef"), 10)
    train, held_out = split_students(
        students, np.ones(60), groups, validation_fraction=0.3, random_state=0
    )
    assert not (train & held_out).any()
    assert (train | held_out).all()
    np.testing.assert_array_equal(held_out[::2], held_out[1::2])
    assert held_out.sum() == 4
    with pytest.raises(ValueError, match=r"student of row 0.*in several groups"):
        DKTClassifier(**SMALL).fit(X, Y, groups=np.arange(len(X)) % 2)


def test_it_learns_and_a_group_k_fold_tells_how_well():
    responses = make_student_responses(150, random_state=0)
    frame, y = responses.frame, responses.frame["response"]
    dkt = DKTClassifier(hidden_layer_sizes=(30,), max_epochs=8, random_state=0)
    scores = cross_val_score(
        dkt, frame, y, groups=frame["student"], cv=GroupKFold(2), scoring="roc_auc"
    )
    ceiling = roc_auc_score(y, responses.probability)
    assert ceiling - 0.12 < scores.min() < scores.max() < ceiling


@pytest.mark.parametrize("cell", ["gru", "rnn"])
def test_other_cells_learn_too(cell):
    dkt = DKTClassifier(cell=cell, **{**FIXED, "max_epochs": 5}).fit(X, Y)
    losses = dkt.history_["train_loss"]
    assert losses[-1] < losses[0]


def test_pickle_clone_and_not_fitted(dkt):
    dkt.predict_next(X[X["student"] == 1], [4])
    assert len(dkt._states) > 0
    loaded = pickle.loads(pickle.dumps(dkt))
    assert loaded._states == {}
    np.testing.assert_array_equal(_correct(loaded), _correct(dkt))
    copy = clone(dkt)
    for call in (copy.predict, copy.predict_proba, copy.predict_mastery):
        with pytest.raises(NotFittedError):
            call(X)
    with pytest.raises(NotFittedError):
        copy.predict_next(X, [4])


def test_inputs_are_left_as_they_were(dkt):
    frame, y = X.copy(), Y.copy()
    clone(dkt).fit(frame, y).predict_mastery(frame)
    pd.testing.assert_frame_equal(frame, X)
    np.testing.assert_array_equal(y, Y)


def test_callbacks_score_every_epoch():
    monitor = ScoringMonitor(scoring="roc_auc")
    dkt = DKTClassifier(**{**FIXED, "max_epochs": 4}).set_callbacks(monitor).fit(X, Y)
    logs = [log for log in monitor.get_logs().data if log["task_name"] == "epoch"]
    assert len(logs) == 4
    # What was scored after the last epoch is what came out.
    assert logs[-1]["roc_auc"] == pytest.approx(roc_auc_score(Y, _correct(dkt)))
    assert logs[0]["roc_auc"] != logs[-1]["roc_auc"]


class _StopAfterTwo:
    """Ask to stop at the end of the second epoch."""

    def setup(self, estimator, context):
        self.n_epochs = 0

    def on_fit_task_begin(self, estimator, context, **kwargs):
        pass

    def on_fit_task_end(self, estimator, context, **kwargs):
        self.n_epochs += context.task_name == "epoch"
        return self.n_epochs == 2

    def teardown(self, estimator, context):
        pass


def test_an_epoch_can_be_the_last():
    dkt = DKTClassifier(**{**FIXED, "max_epochs": 9}).set_callbacks(_StopAfterTwo())
    assert dkt.fit(X, Y).n_iter_ == 2


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_on_a_gpu_it_comes_to_about_the_same(cell):
    params = {**FIXED, "cell": cell, "dropout": 0.0}
    cpu, gpu = (
        DKTClassifier(**params, device=device).fit(X, Y) for device in ("cpu", "cuda")
    )
    np.testing.assert_allclose(_correct(gpu), _correct(cpu), atol=0.05)
    assert gpu.predict_next(X[:0], [4]).shape == (1,)


@pytest.mark.slow
def test_simulated_students_are_predicted_nearly_as_well_as_possible():
    responses = make_student_responses(3000, random_state=0)
    frame, y = responses.frame, responses.frame["response"]
    train = frame["student"] < 2000
    dkt = DKTClassifier(random_state=0).fit(frame[train], y[train])
    ours = roc_auc_score(y[~train], _correct(dkt, frame[~train]))
    assert roc_auc_score(y[~train], responses.probability[~train]) - ours < 0.02


@pytest.mark.slow
def test_assistments_2009(real_data):
    train, test = (
        read_interactions(real_data(f"assist2009_updated_{part}.csv"))
        for part in ("train", "test")
    )
    dkt = DKTClassifier(random_state=0).fit(train, train["response"])
    assert roc_auc_score(test["response"], _correct(dkt, test)) > 0.82
