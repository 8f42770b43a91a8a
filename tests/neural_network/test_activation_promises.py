"""What users rely on beyond the search itself."""

import numpy as np
import pytest
import torch
from sklearn.datasets import make_moons
from torch import nn

from skestimators import (
    ActivationDisplay,
    ActivationSearchNet,
    BinaryEdge,
    TorchMLPRegressor,
    UnaryEdge,
)

X, Y = make_moons(130, noise=0.2, random_state=0)
SPACE = UnaryEdge(operations=["relu", "tanh", "sin"])
SMALL = {
    "hidden_layer_sizes": (8,),
    "search_epochs": 2,
    "max_epochs": 5,
    "random_state": 0,
}


@pytest.mark.parametrize("second_order", [False, True])
def test_frozen_weights_of_a_module_stay_as_they_are(second_order):
    frozen = nn.Linear(2, 8).requires_grad_(False)
    before = frozen.weight.clone()

    def module(input_shape, n_outputs, activation):
        return nn.Sequential(frozen, activation(8), nn.Linear(8, n_outputs))

    ActivationSearchNet(SPACE, module=module, second_order=second_order, **SMALL).fit(
        X, Y
    )
    assert torch.equal(frozen.weight, before)
    assert not frozen.weight.requires_grad


def test_a_module_may_hold_an_activation_found_before():
    other = ActivationSearchNet(UnaryEdge(operations=["scale"]), **SMALL)
    scale = other.fit(X, Y).activation_

    def module(input_shape, n_outputs, activation):
        layers = nn.Linear(2, 8), scale, nn.Linear(8, 8), activation(8)
        return nn.Sequential(*layers, nn.Linear(8, n_outputs))

    net = ActivationSearchNet(UnaryEdge(operations=["shift"]), module=module, **SMALL)
    with torch.no_grad():
        scale.outcome.beta.fill_(7.0)
    beta = net.fit(X, Y).activation_.outcome.beta.item()
    places = net.network_[3].outcome.beta
    assert beta == pytest.approx(places.mean().item(), rel=1e-6)


def test_batch_normalisation_with_a_last_batch_of_one_row():
    """Half of 130 rows are one batch of 64, and one row."""

    def module(input_shape, n_outputs, activation):
        layers = nn.Linear(2, 8), nn.BatchNorm1d(8), activation(8)
        return nn.Sequential(*layers, nn.Linear(8, n_outputs))

    net = ActivationSearchNet(SPACE, module=module, early_stopping=False, **SMALL)
    assert net.fit(X, Y).score(X, Y) > 0.5


def test_a_warm_start_never_keeps_a_worse_network():
    flipped = np.where(np.arange(len(Y)) % 4, Y, 1 - Y)
    net = ActivationSearchNet(UnaryEdge(operations=["tanh"]), warm_start=True, **SMALL)
    net.set_params(learning_rate=0.3, max_epochs=100).fit(X, flipped)
    n_before, best = net.n_iter_, min(net.history_["valid_loss"])
    before = net.predict_proba(X)
    net.set_params(max_epochs=2).fit(X, flipped)
    assert net.n_iter_ == n_before + 2
    assert min(net.history_["valid_loss"][n_before:]) > best
    np.testing.assert_array_equal(net.predict_proba(X), before)


def test_what_was_chosen_is_what_is_shown():
    net = ActivationSearchNet(
        BinaryEdge("x", UnaryEdge(), ["add", "multiply"]), n_candidates=4, **SMALL
    ).fit(X, Y)
    assert net.chosen_.keys() == net.operations_.keys()
    assert all(net.chosen_[edge] in net.operations_[edge] for edge in net.chosen_)
    # Four candidates, two of them twice.
    counts = sorted(map(len, net.candidates_.values()))
    assert counts == [1, 1, 2, 2]
    assert ActivationDisplay.from_estimator(net).chosen == net.chosen_


def test_inputs_are_sampled_from_all_over_sorted_rows():
    features = np.linspace(-1, 1, 2000)[:, None]
    module = torch_identity_network
    net = ActivationSearchNet(SPACE, module=module, **SMALL)
    inputs = net.fit(features, features[:, 0] > 0.2).activation_inputs_
    assert inputs.min() < -0.95
    assert inputs.max() > 0.95


def torch_identity_network(input_shape, n_outputs, activation):
    return nn.Sequential(activation(1), nn.Linear(1, n_outputs))


def test_a_baseline_that_diverges_leaves_the_others():
    net = ActivationSearchNet(UnaryEdge(operations=["tanh"]), **SMALL)
    net.set_params(max_grad_norm=None, learning_rate=1e3).fit(X, Y)
    with pytest.warns(UserWarning, match="Training with 'identity' failed"):
        table = net.compare_baselines(X, Y, baselines=["identity"], n_repeats=1)
    assert np.isnan(table["mean_score"]).tolist() == [False, True]


def test_fits_where_gradients_are_off():
    net = ActivationSearchNet(SPACE, **SMALL)
    expected = net.fit(X, Y).predict_proba(X)
    with torch.no_grad():
        np.testing.assert_array_equal(net.fit(X, Y).predict_proba(X), expected)


def test_a_pickle_holds_no_more_than_it_needs():
    net = ActivationSearchNet(SPACE, **SMALL).fit(X, Y)
    assert net._training_state is None
    assert net.set_params(warm_start=True).fit(X, Y).n_iter_ == 10


def test_spaces_show_what_was_typed():
    assert repr(UnaryEdge()) == "UnaryEdge(input='x', operations='all')"
    assert len(UnaryEdge().operation_names()) == 27
    with pytest.raises(TypeError, match="sequence of names"):
        UnaryEdge(operations={"relu", "tanh"})
    with pytest.raises(TypeError, match=r"given as operations=\[...\]"):
        UnaryEdge(["relu", "tanh"])


def test_integer_masks_are_refused():
    masks = np.random.default_rng(0).integers(0, 2, (60, 8, 8, 1))
    net = ActivationSearchNet(SPACE, **SMALL)
    with pytest.raises(ValueError, match="only 0 and 1"):
        net.fit(masks, Y[:60])
    net.fit(masks.astype(bool), Y[:60])
    with pytest.warns(UserWarning, match="the largest value is 16"):
        net.fit(16 * masks, Y[:60])


def test_a_network_is_no_module_factory():
    with pytest.raises(TypeError, match="module must be a function"):
        ActivationSearchNet(SPACE, module=nn.Linear(2, 2), **SMALL).fit(X, Y)


def test_each_layer_of_an_mlp_trains_its_own_copy():
    activation = ActivationSearchNet(UnaryEdge(operations=["scale"]), **SMALL)
    activation = activation.fit(X, Y).activation_
    before = activation.outcome.beta.item()
    mlp = TorchMLPRegressor((8, 8), activation=activation, max_epochs=3, random_state=0)
    mlp.fit(X, Y)
    betas = [mlp.network_[i].outcome.beta.item() for i in (1, 3)]
    assert len({before, *betas}) == 3
