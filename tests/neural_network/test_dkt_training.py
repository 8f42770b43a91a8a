"""How DKTClassifier is trained."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.callback import ScoringMonitor
from sklearn.metrics import log_loss

from skestimators.datasets import make_student_responses
from skestimators.neural_network import DKTClassifier, _dkt_network
from skestimators.neural_network._dkt_checks import split_students
from skestimators.preprocessing._interactions import read_interactions_table

SMALL = {"hidden_layer_sizes": (10,), "random_state": 0}
FIXED = {"early_stopping": False, "max_epochs": 2, **SMALL}
X = make_student_responses(40, n_interactions=12, random_state=0).frame
Y = X["response"].to_numpy()


def _correct(dkt, frame=X):
    return dkt.predict_proba(frame)[:, 1]


def _logit(probability):
    return np.log(probability / (1 - probability))


def test_the_best_epoch_on_held_out_students_is_kept():
    weight = np.random.default_rng(0).random(len(X))
    dkt = DKTClassifier(
        max_epochs=12, learning_rate=0.1, validation_fraction=0.3, **SMALL
    ).fit(X, Y, sample_weight=weight)
    losses = dkt.history_["valid_loss"]
    assert np.argmin(losses) < len(losses) - 1
    table = read_interactions_table(X, student=0, skill=1, response=2, estimator=dkt)
    _, held_out = split_students(
        table.students,
        weight,
        None,
        validation_fraction=0.3,
        random_state=dkt._split_seed,
    )
    rows = held_out[table.students]
    assert held_out.sum() == 12
    loss = log_loss(Y[rows], _correct(dkt)[rows], sample_weight=weight[rows])
    assert loss == pytest.approx(min(losses), rel=1e-5)


def test_partial_fit_goes_on_after_fit_with_the_learning_rate_it_had():
    params = {"learning_rate_decay": 0.01, "averaging": 0, "n_iter_no_change": 3}
    dkt = DKTClassifier(tol=10.0, **params, **SMALL).fit(X, Y)
    before = _correct(dkt)
    # With this tol no epoch but the first is an improvement.
    assert dkt.n_iter_ == 4
    dkt.partial_fit(X, Y)
    # Students who were held out bring skills of their own.
    assert 0 < np.quantile(np.abs(_correct(dkt) - before), 0.9) < 1e-4
    assert np.isnan(dkt.history_["valid_loss"][-1])
    assert dkt.n_iter_ == 5


def test_regularisers_do_what_they_are_for():
    params = {**FIXED, "max_epochs": 12, "learning_rate": 0.03}

    def waves(**regularisers):
        dkt = DKTClassifier(**params, **regularisers).fit(X, Y)
        mastery = pd.DataFrame(dkt.predict_mastery(X))
        changes = mastery.groupby(X["student"].to_numpy()).diff().dropna()
        return changes.abs().to_numpy().mean()

    def echo(**regularisers):
        dkt = DKTClassifier(**params, **regularisers).fit(X, Y)
        columns = {skill: number for number, skill in enumerate(dkt.skills_)}
        asked = [columns[str(skill)] for skill in X["skill"]]
        return log_loss(Y, dkt.predict_mastery(X)[np.arange(len(X)), asked])

    assert waves(waviness_l1=10.0) < 0.7 * waves()
    assert waves(waviness_l2=100.0) < 0.7 * waves()
    assert echo(reconstruction=1.0) < echo()


@pytest.mark.parametrize(
    "params",
    [
        {"early_stopping": True, "max_epochs": 4},
        {"early_stopping": False, "max_epochs": 3},
        {"early_stopping": False, "max_epochs": 3, "averaging": 0.0},
    ],
)
def test_unseen_skills_stay_average_ones(params):
    dkt = DKTClassifier(**SMALL, batch_size=4).set_params(**params)
    watched = clone(dkt).set_callbacks(ScoringMonitor(scoring="roc_auc")).fit(X, Y)
    for fitted in (dkt.fit(X, Y), clone(dkt).partial_fit(X, Y).partial_fit(X, Y)):
        *skills, unseen = fitted.predict_next(None, [*fitted.skills_, "unseen"])
        # Those of held-out students alone are the mean as well, and do not change it.
        mean = _logit(np.array(skills)).mean()
        assert _logit(unseen) == pytest.approx(mean, abs=1e-4)
    for skill in ("unseen", "7"):
        assert watched.predict_next(None, [skill]) == dkt.predict_next(None, [skill])


def test_skills_met_later_are_learned_and_kept():
    later = X.assign(skill=X["skill"] % 5 + 50)
    dkt = DKTClassifier(skills=range(60), **{**FIXED, "learning_rate": 0.05})
    dkt.partial_fit(X, Y)
    before = dkt.predict_next(None, [52, 59, "unseen"])
    assert np.ptp(before) < 1e-6
    for _ in range(3):
        dkt.partial_fit(later, Y)
    learned, never_met, unseen = dkt.predict_next(None, [52, 59, "unseen"])
    assert abs(learned - unseen) > 1e-3
    assert never_met == pytest.approx(unseen, abs=1e-6)
    again = pickle.loads(pickle.dumps(dkt))
    assert again.predict_next(None, [52]) == pytest.approx(learned)


def test_skills_without_weight_are_unseen_ones():
    weight = (X["skill"] != X["skill"][0]).to_numpy(dtype=float)
    dkt = DKTClassifier(**FIXED).fit(X, Y, sample_weight=weight)
    weightless, unseen = dkt.predict_next(None, [X["skill"][0], "unseen"])
    assert weightless == pytest.approx(unseen, abs=1e-6)


def test_skills_of_held_out_students_alone_are_unseen_ones():
    own = "own" + X["student"].astype(str)
    first = ~X["student"].duplicated()
    frame = X.assign(skill=X["skill"].astype(object).where(~first, own))
    dkt = DKTClassifier(max_epochs=2, validation_fraction=0.3, **SMALL).fit(frame, Y)
    *each, unseen = dkt.predict_next(None, [*own[first], "unseen"])
    assert np.isclose(each, unseen, atol=1e-7).sum() == 12


def test_predict_next_knows_the_network_there_is_now():
    dkt = DKTClassifier(**FIXED).fit(X, Y)
    own = np.flatnonzero(X["student"] == 3)
    for _ in range(2):
        (following,) = dkt.predict_next(X.iloc[own[:-1]], [X["skill"][own[-1]]])
        assert following == pytest.approx(_correct(dkt)[own[-1]], abs=1e-6)
        dkt.partial_fit(X, Y)


def _losses(**params):
    dkt = DKTClassifier(**{**FIXED, "max_epochs": 4, "learning_rate": 0.02, **params})
    return dkt.fit(X, Y).history_["train_loss"]


def test_parameters_of_training_reach_it():
    plain = _losses()
    assert plain[-1] < plain[0] - 0.01
    # Clipped to next to nothing, the gradient moves nothing.
    assert _losses(max_grad_norm=1e-14)[-1] > plain[0] - 0.01
    assert _losses(dropout=0.9)[0] > _losses(dropout=0.0)[0]
    for params in ({"batch_size": 20}, {"batch_size": None}, {"max_length": 3}):
        assert _losses(**params)[0] != plain[0]
    assert _losses(batch_size=len(X))[0] == _losses(batch_size=None)[0]


@pytest.mark.parametrize(("cell", "n_interactions"), [("lstm", 1), ("gru", 40)])
def test_fits_in_several_threads_are_bit_equal(cell, n_interactions):
    """Gradients of a row that is looked up often are summed in one order."""
    import torch

    frame = make_student_responses(
        2000 // n_interactions, n_interactions=n_interactions, random_state=0
    ).frame
    frame["skill"] %= 3
    # Wide enough that torch shares the work among threads.
    dkt = DKTClassifier(
        cell=cell,
        batch_size=None,
        **{**FIXED, "max_epochs": 4, "hidden_layer_sizes": (200,)},
    )
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        fits = [clone(dkt).fit(frame, frame["response"]) for _ in range(4)]
    finally:
        torch.set_num_threads(n_threads)
    assert len({tuple(fit.history_["train_loss"]) for fit in fits}) == 1
    for fit in fits[1:]:
        np.testing.assert_array_equal(_correct(fit, frame), _correct(fits[0], frame))


def test_epochs_are_not_all_alike():
    still = _losses(learning_rate=1e-30, dropout=0.5)
    assert len(set(still)) == len(still)


@pytest.mark.parametrize("patience", [2, 4])
def test_patience(patience):
    dkt = DKTClassifier(n_iter_no_change=patience, tol=10.0, **SMALL).fit(X, Y)
    assert dkt.n_iter_ == 1 + patience


def test_dropout_and_regularisers_may_change_between_epochs():
    first = DKTClassifier(**FIXED).partial_fit(X, Y)
    changed = pickle.loads(pickle.dumps(first)).set_params(dropout=0.9)
    wavy = pickle.loads(pickle.dumps(first)).set_params(waviness_l1=5.0)
    losses = [
        dkt.partial_fit(X, Y).history_["train_loss"][-1]
        for dkt in (first, changed, wavy)
    ]
    assert len(set(losses)) == 3
    assert losses[2] > losses[0]


DIVERGING = {"learning_rate": 1e38, "batch_size": None, "max_grad_norm": None, **SMALL}


@pytest.mark.parametrize("early_stopping", [True, False])
@pytest.mark.parametrize("max_epochs", [1, 3])
def test_divergence_is_an_error(early_stopping, max_epochs):
    dkt = DKTClassifier(
        early_stopping=early_stopping, max_epochs=max_epochs, **DIVERGING
    )
    with pytest.raises(ValueError, match=r"training loss became.*Lower learning_rate"):
        dkt.fit(X, Y)
    assert not hasattr(dkt, "network_")
    assert not hasattr(dkt, "history_")


def test_divergence_in_partial_fit_leaves_the_network_as_it_was():
    dkt = DKTClassifier(**FIXED).fit(X, Y)
    before = _correct(dkt)
    dkt.set_params(**DIVERGING)
    with pytest.raises(ValueError, match="Lower learning_rate"):
        dkt.partial_fit(X, Y)
    np.testing.assert_array_equal(_correct(dkt), before)
    assert dkt.n_iter_ == 2


def test_an_interrupted_epoch_leaves_the_network_as_it_was(monkeypatch):
    params = {**FIXED, "batch_size": 10}
    dkt = DKTClassifier(**params).fit(X, Y)
    before = _correct(dkt)
    expected = pickle.loads(pickle.dumps(dkt)).partial_fit(X, Y)
    n_batches = 0

    def interrupt(*args):
        nonlocal n_batches
        n_batches += 1
        if n_batches == 3:
            raise KeyboardInterrupt
        return forward(*args)

    forward = _dkt_network.DKTLoss.forward
    with monkeypatch.context() as patch:
        patch.setattr(_dkt_network.DKTLoss, "forward", interrupt)
        with pytest.raises(KeyboardInterrupt):
            dkt.partial_fit(X, Y)
    assert n_batches == 3
    np.testing.assert_array_equal(_correct(dkt), before)
    np.testing.assert_array_equal(_correct(dkt.partial_fit(X, Y)), _correct(expected))


def test_class_weights_that_cannot_be_used():
    with pytest.raises(ValueError, match=r"class_weight.* must not be negative"):
        DKTClassifier(class_weight={0: -1, 1: 1}, **FIXED).fit(X, Y)
    with pytest.raises(ValueError, match="cannot balance classes"):
        DKTClassifier(class_weight="balanced", **FIXED).partial_fit(X, Y)


def test_huge_weights_are_weights():
    huge = DKTClassifier(**FIXED).fit(X, Y, sample_weight=np.full(len(X), 1e308))
    np.testing.assert_allclose(
        _correct(huge), _correct(DKTClassifier(**FIXED).fit(X, Y)), atol=1e-7
    )
