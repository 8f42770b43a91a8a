"""The network, its recurrence and its batches do what plain torch would."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from instances import make_interactions
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.nn.utils.rnn import PackedSequence

from skestimators.neural_network._dkt_batches import StudentBatches, StudentData
from skestimators.neural_network._dkt_network import DKTLoss, DKTNetwork, _run
from skestimators.preprocessing._interactions import (
    StudentSequences,
    read_interactions_table,
)

SIZES = [4, 4, 3, 1, 1]
SKILLS = {"add": 0, "subtract": 1}


def _lstm_results(run):
    """Return outputs and gradients of one LSTM layer, computed by `run`."""
    torch.manual_seed(0)
    layer = torch.nn.LSTM(5, 7).double()
    inputs = torch.randn(6, 5, dtype=torch.double, requires_grad=True)
    index = torch.randint(0, 6, (sum(SIZES),))
    state = tuple(torch.randn(2, 4, 7, dtype=torch.double))
    outputs, after = run(layer, inputs, index, state)
    (outputs * torch.randn_like(outputs)).sum().backward()
    return [outputs, *after, inputs.grad, *(p.grad for p in layer.parameters())]


def test_fast_lstm_is_that_of_torch():
    def fast(layer, inputs, index, state):
        return _run(layer, inputs, index, SIZES, state)

    def slow(layer, inputs, index, state):
        packed = PackedSequence(inputs[index], torch.tensor(SIZES))
        outputs, after = layer(packed, tuple(part[None] for part in state))
        return outputs.data, tuple(part[0, : SIZES[-1]] for part in after)

    for ours, theirs in zip(_lstm_results(fast), _lstm_results(slow), strict=True):
        torch.testing.assert_close(ours, theirs)


def _data(frame=None, **kwargs):
    frame = make_interactions() if frame is None else frame
    columns = {"student": 0, "skill": 1, "response": 2}
    interactions = read_interactions_table(frame, **columns, estimator="test")
    data = StudentData(interactions, StudentSequences(interactions), SKILLS, "cpu")
    students = np.ones(interactions.students.max() + 1, dtype=bool)
    labels = np.nan_to_num(interactions.responses)
    params = {"labels": labels, "weight": np.ones(len(frame)), **kwargs}
    return StudentBatches(data, students, **params)


def _network(cell="lstm", sizes=(6,), waviness=(0.0, 0.0)):
    torch.manual_seed(0)
    network = DKTNetwork(2, sizes, cell=cell, dropout=0.0, waviness=waviness)
    network.mark_trained(slice(None), slice(0, 2))
    return network


def _slow_probabilities(network, frame):
    """Run one student after the other, step by step, and return all knowledge states.

    The rows of the table of embeddings are: wrong answers to each skill and to an
    unknown one, correct ones, and the first step.
    """
    table, n_rows = network.embedding.weight, network.n_skills + 1
    states = {}
    for _, own in frame.groupby("student"):
        inputs = [table[2 * n_rows]]
        for skill, response in zip(own["skill"], own["response"], strict=True):
            members = [SKILLS[s] + n_rows * response for s in skill.split("~")]
            inputs.append(table[members].mean(0))
        outputs = torch.stack(inputs)[:, None]
        for layer in network.layers:
            outputs, _ = layer(outputs)
        for step, row in enumerate(own.index):
            states[row] = outputs[step, 0]
    states = torch.stack([states[row] for row in sorted(states)])
    return network.output(states)[:, : network.n_skills]


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
@pytest.mark.parametrize("sizes", [(6,), (6, 5)])
def test_logits_and_gradients_are_those_of_plain_torch(cell, sizes):
    frame = make_interactions()
    network = _network(cell, sizes)
    (batch, (labels, weight)), *more = _data(frame, batch_size=100)
    assert not more
    logits, _ = network(batch)
    loss = DKTLoss()((logits, 0.0), (labels, weight))
    loss.backward()
    ours = [p.grad.clone() for p in network.parameters()]
    network.zero_grad()
    members = [[SKILLS[s] for s in skill.split("~")] for skill in frame["skill"]]
    each = _slow_probabilities(network, frame)
    slow = torch.stack([each[row, some].mean() for row, some in enumerate(members)])
    torch.testing.assert_close(logits, slow[batch.rows], atol=1e-6, rtol=1e-5)
    target = torch.tensor(frame["response"].to_numpy(), dtype=torch.float32)
    slow_loss = binary_cross_entropy_with_logits(slow, target)
    torch.testing.assert_close(loss, slow_loss)
    slow_loss.backward()
    for gradient, parameter in zip(ours, network.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("max_length", [None, 3, 8])
def test_every_row_is_in_one_batch_and_padding_in_none(max_length):
    batches = _data(batch_size=2, max_length=max_length, shuffle=True)
    torch.manual_seed(0)
    for _ in range(2):
        epoch = list(batches)
        assert len(epoch) > 1
        rows = np.concatenate([batch.rows for batch, _ in epoch])
        np.testing.assert_array_equal(np.sort(rows), np.arange(48))
        assert max(len(batch.sizes) for batch, _ in epoch) <= (max_length or 8)
        n_steps = sum(sum(batch.sizes) for batch, _ in epoch)
        assert n_steps == 48


def test_batches_differ_from_epoch_to_epoch():
    batches = _data(batch_size=2, max_length=4, shuffle=True)
    torch.manual_seed(0)
    first, second = ([batch.rows.tolist() for batch, _ in batches] for _ in range(2))
    assert first != second


def test_loss_of_an_epoch_is_the_mean_over_rows_whatever_the_batches():
    weight = np.random.default_rng(0).random(48)
    network = _network()
    losses = []
    for batch_size in (1, 2, 100):
        batches = _data(batch_size=batch_size, weight=weight)
        losses.append(
            np.mean([DKTLoss()(network(x), targets).item() for x, targets in batches])
        )
    assert losses[0] == pytest.approx(losses[2], rel=1e-5)
    assert losses[1] == pytest.approx(losses[2], rel=1e-5)


def test_reconstruction_is_the_entropy_of_the_answer_just_given():
    frame = make_interactions()
    network = _network()
    losses = []
    for strength in (0.0, 0.5):
        ((batch, targets),) = _data(frame, batch_size=100, reconstruction=strength)
        losses.append(DKTLoss()(network(batch), targets).item())
    each = _slow_probabilities(network, frame).detach()
    entropies = []
    for _, own in frame.groupby("student"):
        # The state in which a row is predicted is the one after the row before it.
        for before, row in pairwise(own.index):
            members = [SKILLS[s] for s in frame["skill"][before].split("~")]
            label = torch.tensor(float(frame["response"][before]))
            logit = each[row, members].mean()
            entropies.append(binary_cross_entropy_with_logits(logit, label).item())
    # Of the last answer of a student, training sees no state.
    added = 0.5 * np.sum(entropies) / len(frame)
    assert losses[1] - losses[0] == pytest.approx(added, rel=1e-4)


def test_waviness_is_the_mean_change_of_the_knowledge_state():
    frame = make_interactions()
    ((batch, _),) = _data(frame, batch_size=100)
    each = _slow_probabilities(_network(), frame).detach().sigmoid().numpy()
    changes = [
        each[row] - each[before]
        for _, own in frame.groupby("student")
        for before, row in pairwise(own.index)
    ]
    network = _network(waviness=(2.0, 3.0))
    _, penalty = network(batch)
    expected = 2 * np.abs(changes).mean() + 3 * np.square(changes).mean()
    assert penalty.item() == pytest.approx(expected, rel=1e-4)
    assert network.eval()(batch)[1] == 0.0


def test_unknown_and_untrained_skills_are_the_mean_of_trained_ones():
    network = DKTNetwork(4, (6,), cell="lstm", dropout=0.0, waviness=(0.0, 0.0))
    # Skills 1 and 3, the latter never answered wrong; there are 5 rows of each kind.
    network.mark_trained([1, 6, 8], [1, 3])
    weight, bias = network.output.weight, network.output.bias
    answers = network.embedding.weight
    network.eval()
    everything = slice(None)
    table = network._answer_table(everything)
    weights, biases = network._skill_tables(everything)
    for row in (0, 2, 4):
        torch.testing.assert_close(weights[row], weight[[1, 3]].mean(0))
        torch.testing.assert_close(biases[row, 0], bias[[1, 3]].mean())
        torch.testing.assert_close(table[row], answers[1])
        torch.testing.assert_close(table[5 + row], answers[[6, 8]].mean(0))
    torch.testing.assert_close(table[3], answers[1])
    for row in (1, 6, 8, 10):
        torch.testing.assert_close(table[row], answers[row])
    torch.testing.assert_close(weights[[1, 3]], weight[[1, 3]])
