"""Steps of ActivationSearchNet that are not finite are not taken, but counted."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from activation_instances import CURVED, PLAIN, X, Y
from torch import nn

from skestimators.neural_network import ActivationSearchNet, UnaryEdge
from skestimators.utils._skorch_engine import WeightedLoss, train


def make_batch(seed, value=None):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(16, 4, generator=generator)
    if value is not None:
        inputs[3] = value
    targets = torch.randint(0, 3, (16,), generator=generator)
    return inputs, (targets, torch.rand(16, generator=generator))


class Batches(list):
    rows_at_once = 16


def train_on(batches):
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 3)
    )
    task = SimpleNamespace(begin_step=lambda name: None, end=lambda *args: False)
    return train(
        module,
        Batches(batches),
        criterion=WeightedLoss(nn.CrossEntropyLoss(reduction="none")),
        max_epochs=2,
        learning_rate=0.1,
        momentum=0.9,
        weight_decay=0.01,
        max_grad_norm=0.5,
        roll_back=True,
        device="cpu",
        seed=0,
        task=task,
        fitted_attributes=lambda network: {},
    )


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_a_step_of_the_training_is_as_if_it_had_not_been(value):
    first, bad, last = make_batch(1), make_batch(2, value), make_batch(3)
    network, history, state = train_on([first, bad, last])
    expected, history_without, state_without = train_on([first, last])
    for ours, theirs in [
        (dict(network.state_dict()), dict(expected.state_dict())),
        (state["optimizer"], state_without["optimizer"]),
    ]:
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)
    assert history["train_loss"] == history_without["train_loss"]
    assert history["n_rolled_back"] == [1, 1]
    assert history_without["n_rolled_back"] == [0, 0]


class Glitch(nn.Module):
    """In training, spoil what goes through at some calls."""

    def __init__(self, period):
        super().__init__()
        self.period = period
        self.n_calls = self.n_spoilt = 0

    def forward(self, x):
        if not self.training:
            return x
        self.n_calls += 1
        if self.n_calls % self.period == 0:
            self.n_spoilt += 1
            return x * torch.nan
        return x


class GlitchyNetworks:
    """A factory of networks, which remembers what spoils them."""

    def __init__(self, period):
        self.period = period
        self.glitches = []

    def __call__(self, input_shape, n_outputs, activation):
        self.glitches.append(Glitch(self.period))
        return nn.Sequential(
            nn.Linear(*input_shape, 8),
            nn.BatchNorm1d(8),
            activation(8),
            self.glitches[-1],
            nn.Linear(8, n_outputs),
        )


def test_roll_backs_are_counted():
    networks = GlitchyNetworks(7)
    net = ActivationSearchNet(CURVED, module=networks, **PLAIN).fit(X, Y)
    in_search, in_training = networks.glitches
    history = net.search_history_
    counts = history["n_rolled_back"], history["n_arch_rolled_back"]
    # Three passes, over three batches for the weights and three for the alphas.
    assert in_search.n_calls == 18
    assert sum(map(sum, counts)) == in_search.n_spoilt == 2
    assert sum(net.history_["n_rolled_back"]) == in_training.n_spoilt == 1
    assert all(np.isfinite(values).all() for values in history.values())
    for tensor in net.network_.state_dict().values():
        assert tensor.isfinite().all()
    for alphas in net.alphas_.values():
        assert np.isfinite(alphas).all()


def test_an_epoch_without_a_step_is_an_error():
    net = ActivationSearchNet(CURVED, module=GlitchyNetworks(1), **PLAIN)
    with pytest.raises(ValueError, match=r"loss became nan in epoch 1.*learning_rate"):
        net.fit(X, Y)
    assert not net.__sklearn_is_fitted__()
    # Nothing is left to search here: it is the final training that fails.
    net.set_params(search_space=UnaryEdge(operations=["relu"]))
    with pytest.raises(ValueError, match="loss became nan in epoch 1"):
        net.fit(X, Y)


def test_large_learning_rates_make_no_nan():
    net = ActivationSearchNet("rnn", **{**PLAIN, "search_epochs": 8})
    net.set_params(learning_rate=0.25, arch_learning_rate=3e-3, n_candidates=8)
    net.fit(100 * X, Y)
    assert np.isfinite(net.predict_proba(100 * X)).all()
    for alphas in net.alphas_.values():
        assert np.isfinite(alphas).all()


def test_a_candidate_that_cannot_be_trained_is_not_taken():
    class Networks(GlitchyNetworks):
        def __call__(self, *args):
            # The first candidate: the network of the search was made before it.
            self.period = 1 if len(self.glitches) == 1 else 10**9
            return super().__call__(*args)

    networks = Networks(1)
    net = ActivationSearchNet(CURVED, module=networks, **PLAIN)
    with_one = net.set_params(module=None).fit(X, Y).expression_
    net.set_params(module=networks, n_candidates=2).fit(X, Y)
    assert [glitch.n_spoilt > 0 for glitch in networks.glitches] == [0, 1, 0, 0]
    assert net.expression_ != with_one


class BlindAtFirst(nn.Module):
    """In evaluation, give NaN until a number of calls in training."""

    def __init__(self, n_calls):
        super().__init__()
        self.n_calls = n_calls

    def forward(self, x):
        self.n_calls -= self.training
        return x if self.training or self.n_calls < 0 else x * torch.nan


@pytest.mark.parametrize("n_calls", [6, 10**9])
def test_a_validation_loss_that_is_not_finite(n_calls):
    """Ten epochs of six batches, of which the first is not told from a bad one."""

    def module(input_shape, n_outputs, activation):
        return nn.Sequential(
            nn.Linear(*input_shape, 8),
            activation(8),
            BlindAtFirst(n_calls),
            nn.Linear(8, n_outputs),
        )

    net = ActivationSearchNet(UnaryEdge(operations=["tanh"]), module=module, **PLAIN)
    net.set_params(early_stopping=True, max_epochs=10)
    if n_calls > 60:
        with pytest.raises(ValueError, match="validation loss"):
            net.fit(X, Y)
        return
    losses = net.fit(X, Y).history_["valid_loss"]
    assert np.isfinite(losses).tolist() == [False] + [True] * 9
    assert np.isfinite(net.predict_proba(X)).all()
