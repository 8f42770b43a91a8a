"""The network of deep knowledge tracing."""

from itertools import pairwise

import numpy as np
import torch
from torch.nn.functional import (
    binary_cross_entropy_with_logits,
    embedding,
    embedding_bag,
    linear,
)
from torch.nn.utils.rnn import PackedSequence

from skestimators.neural_network._dkt_batches import (
    STEPS_AT_ONCE,
    look_up,
    numbers_of,
    single_sequence,
    split_by_steps,
)
from skestimators.neural_network._dkt_recurrence import PackedLSTM
from skestimators.utils._torch_threads import threads_for

CELLS = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}


class DKTNetwork(torch.nn.Module):
    """Embedding of answers, recurrent layers, and one logit a skill.

    A row beyond the last skill, in the embedding and in the output layer, stands for
    skills unheard of. In evaluation mode it is the mean of the rows that training saw,
    and so are those of other skills that it did not see.

    Parameters
    ----------
    n_skills : int
        Number of skills.

    hidden_layer_sizes : sequence of int
        Number of units of each recurrent layer.

    cell : {"lstm", "gru", "rnn"}
        Kind of the layers.

    dropout : float
        Share of the units of each layer that a sequence does without in training.

    waviness : tuple of float
        Strengths of the L1 and the L2 penalty of changes of the knowledge state.
    """

    def __init__(self, n_skills, hidden_layer_sizes, *, cell, dropout, waviness):
        super().__init__()
        self.n_skills = n_skills
        self.dropout = dropout
        self.waviness = waviness
        sizes = [hidden_layer_sizes[0], *hidden_layer_sizes]
        # Answered wrong, answered correctly, and the first step, without an answer.
        self.embedding = torch.nn.Embedding(2 * (n_skills + 1) + 1, sizes[0])
        self.layers = torch.nn.ModuleList(
            CELLS[cell](n_in, n_out) for n_in, n_out in pairwise(sizes)
        )
        self.output = torch.nn.Linear(sizes[-1], n_skills + 1)
        self._initialize()
        # Facts of the data, not weights: restoring weights leaves them as they are.
        for name, layer in [("answers", self.embedding), ("skills", self.output)]:
            trained = torch.zeros(len(layer.weight), dtype=torch.bool)
            self.register_buffer(f"trained_{name}", trained, persistent=False)

    @torch.no_grad()
    def _initialize(self):
        # At first all answers are nearly the same, and are told apart only where that
        # helps: with torch's standard deviation of 1 rare skills are learned by heart.
        self.embedding.weight.mul_(0.2)
        for layer in self.layers:
            if isinstance(layer, torch.nn.LSTM):
                # Remember until there is reason to forget.
                _, forget, _, _ = layer.bias_hh_l0.chunk(4)
                forget.fill_(1.0)

    def mark_trained(self, answers, skills):
        """Note the rows of the two tables that training sees."""
        self.trained_answers[answers] = True
        self.trained_skills[skills] = True

    def _answer_table(self, wanted):
        """Return the embeddings, those that were not trained as the mean of others."""
        table = self.embedding.weight
        if self.training or self.trained_answers[wanted].all():
            return table
        wrong, correct = (
            _with_mean(rows, trained)
            for rows, trained in zip(
                table[:-1].chunk(2), self.trained_answers[:-1].chunk(2), strict=True
            )
        )
        return torch.cat([wrong, correct, table[-1:]])

    def _skill_tables(self, wanted):
        """Return weight and bias of the output layer, filled in the same way."""
        tables = self.output.weight, self.output.bias[:, None]
        if self.training or self.trained_skills[wanted].all():
            return tables
        return tuple(_with_mean(table, self.trained_skills) for table in tables)

    def forward(self, batch):
        """Return the logit of each row of a `Batch`, and the penalty in training."""
        on_gpu = batch.places.is_cuda
        with torch.autocast("cuda", torch.bfloat16, enabled=on_gpu):
            # Of recurrent layers, autocast would make float16, which has not the range.
            with torch.autocast("cuda", enabled=False):
                states, _ = self.states(batch)
            rows = embedding(batch.places, states)
            logits = self.logits(rows, batch.targets).float()
            penalty = 0.0
            if self.training and any(self.waviness):
                knowledge = self.all_logits(states).float().sigmoid()
                penalty = _waviness(knowledge, batch.sizes, *self.waviness)
        return logits, penalty

    def states(self, batch, before=None):
        """Run the recurrent layers.

        Parameters
        ----------
        batch : Batch
            The inputs; its sequences are the first of those of `before`.

        before : list of tuple of tensor or None, default=None
            State of each layer to begin with, as returned; None is zero.

        Returns
        -------
        states : tensor of shape (n_steps, n_hidden)
            Output of the last layer after each step.

        after : list of tuple of tensor
            State of each layer, for the sequences that have the last step.
        """
        inputs, index = batch.inputs, batch.inputs.index
        outputs = embedding_bag(
            inputs.members,
            self._answer_table(inputs.members),
            inputs.offsets,
            mode="mean",
        )
        after = []
        for number, layer in enumerate(self.layers):
            state = None if before is None else before[number]
            outputs, state = _run(layer, outputs, index, batch.sizes, state)
            outputs, index = self._drop(outputs, batch), None
            after.append(state)
        return outputs, after

    def _drop(self, outputs, batch):
        # One mask a sequence, not a step: as good a remedy, and far less noise to draw.
        if not (self.training and self.dropout):
            return outputs
        keep = 1 - self.dropout
        shape = batch.sizes[0], outputs.shape[1]
        mask = outputs.new_empty(shape).bernoulli_(keep).div_(keep)
        return outputs * mask[batch.sequences]

    def logits(self, states, skills):
        """Return the mean logit of the skills that go with each state."""
        weight, bias = (
            embedding_bag(skills.members, table, skills.offsets, mode="mean")
            for table in self._skill_tables(skills.members)
        )
        weight, bias = (embedding(skills.index, table) for table in (weight, bias))
        return (states * weight).sum(1) + bias[:, 0]

    def all_logits(self, states):
        """Return a logit for each state and each skill."""
        weight, bias = self._skill_tables(slice(self.n_skills))
        return linear(states, weight[: self.n_skills], bias[: self.n_skills, 0])


def _with_mean(table, trained):
    """Put the mean of the trained rows in the place of the others."""
    if trained.all() or not trained.any():
        return table
    return torch.where(trained[:, None], table, table[trained].mean(0))


class DKTLoss(torch.nn.Module):
    """Sum over rows of cross-entropy times weight, plus the network's penalty."""

    def forward(self, output, targets):
        """Return the scalar loss; `targets` is the pair (labels, weights)."""
        (logits, penalty), (labels, weight) = output, targets
        entropy = binary_cross_entropy_with_logits(
            logits, labels, weight, reduction="sum"
        )
        return entropy + penalty


def _waviness(probabilities, sizes, l1, l2):
    """Penalise changes of the knowledge state from one step to the next."""
    sizes = torch.tensor(sizes)
    if len(sizes) == 1:
        return 0.0
    later = torch.arange(sizes[0], len(probabilities))
    earlier = later - sizes[:-1].repeat_interleave(sizes[1:])
    change = probabilities[sizes[0] :] - probabilities[earlier.to(probabilities.device)]
    return l1 * change.abs().mean() + l2 * change.square().mean()


def _run(layer, inputs, index, sizes, state):
    """Run a recurrent layer over packed sequences, from a state or from zero.

    `index` says which of the inputs each step takes; None is one after the other.
    """
    is_lstm = isinstance(layer, torch.nn.LSTM)
    if state is None:
        state = (inputs.new_zeros(sizes[0], layer.hidden_size),) * (1 + is_lstm)
    state = tuple(part[: sizes[0]] for part in state)
    if is_lstm and not inputs.is_cuda and len(sizes) > 1:
        outputs = _run_lstm(layer, inputs, index, sizes, state)
        return outputs[0], tuple(part[-sizes[-1] :] for part in outputs)
    # By embedding, as the gradient of indexing is summed in any order.
    inputs = inputs if index is None else embedding(index, inputs)
    if is_lstm and len(sizes) == 1:
        # As in a running lesson: one step is not worth preparing anything.
        after = torch.lstm_cell(inputs, state, *layer.all_weights[0])
        return after[0], after
    packed = PackedSequence(inputs, torch.tensor(sizes))
    state = tuple(part[None] for part in state)
    outputs, after = layer(packed, state if is_lstm else state[0])
    after = after if is_lstm else (after,)
    return outputs.data, tuple(part[0, : sizes[-1]] for part in after)


def _run_lstm(layer, inputs, index, sizes, state):
    double = inputs.new_ones(4 * layer.hidden_size, 1)
    double[2 * layer.hidden_size : 3 * layer.hidden_size] = 2
    gates = linear(
        inputs,
        layer.weight_ih_l0 * double,
        (layer.bias_ih_l0 + layer.bias_hh_l0) * double[:, 0],
    )
    # A copy, as the recurrence overwrites it.
    gates = gates.clone() if index is None else embedding(index, gates)
    weight = (layer.weight_hh_l0 * double).t()
    return PackedLSTM.apply(gates, weight, sizes, *state)


# So that little memory is needed whatever the length of a history.
_LENGTH_AT_ONCE = 512


@torch.inference_mode()
def predict_logits(network, data):
    """Predict each row.

    Parameters
    ----------
    network : DKTNetwork
        The network; put into evaluation mode.

    data : StudentData
        The rows.

    Returns
    -------
    logits : ndarray of float64 of shape (n_samples,)
        Log-odds of a correct answer.
    """
    logits = np.empty(len(data.students))
    for batch, states in _states_of_rows(network, data):
        logits[batch.rows] = network.logits(states, batch.targets).cpu().numpy()
    return logits


@torch.inference_mode()
def predict_all_skills(network, data):
    """Predict each skill at each row.

    Parameters
    ----------
    network : DKTNetwork
        The network; put into evaluation mode.

    data : StudentData
        The rows.

    Returns
    -------
    mastery : ndarray of float32 of shape (n_samples, n_skills)
        Probability of a correct answer.
    """
    mastery = np.empty((len(data.students), network.n_skills), dtype=np.float32)
    for batch, states in _states_of_rows(network, data):
        mastery[batch.rows] = network.all_logits(states).sigmoid().cpu().numpy()
    return mastery


def _states_of_rows(network, data):
    """Yield batches, and the state that each of their rows is looked at in."""
    network.eval()
    begins, lengths = data.sequences.pieces()
    order = np.argsort(-lengths, kind="stable")
    begins, lengths = begins[order], lengths[order]
    n_batches = -(-int(lengths.sum()) // STEPS_AT_ONCE)
    for first, last in split_by_steps(lengths, n_batches):
        state = None
        with threads_for(network, last - first):
            for start in range(0, lengths[first], _LENGTH_AT_ONCE):
                left = lengths[first:last] - start
                going_on = slice(first, first + np.count_nonzero(left > 0))
                batch = data.batch(
                    begins[going_on] + start,
                    np.minimum(lengths[going_on] - start, _LENGTH_AT_ONCE),
                )
                states, state = network.states(batch, state)
                yield batch, states[batch.places]


# Histories whose state is remembered, of a few kilobytes each.
_MAX_REMEMBERED = 1024


@torch.inference_mode()
def predict_single(network, answers, candidates, skill_numbers, remembered):
    """Predict the next answer of one student.

    Parameters
    ----------
    network : DKTNetwork
        The network, in evaluation mode.

    answers : tuple of (tuple of str, int)
        Skills and response of each interaction so far.

    candidates : list of tuple of str
        Skills of each candidate for the next one.

    skill_numbers : dict of str to int
        Number of each skill.

    remembered : dict
        States after histories; this one's is added.

    Returns
    -------
    logits : ndarray of float64 of shape (n_candidates,)
        Log-odds of a correct answer.
    """
    device = network.output.weight.device
    state = remembered.get(answers)
    if state is None:
        before = remembered.get(answers[:-1]) if answers else None
        new = (None, *answers) if before is None else answers[-1:]
        batch = single_sequence(new, skill_numbers, device)
        _, state = network.states(batch, before)
        if len(remembered) >= _MAX_REMEMBERED:
            del remembered[next(iter(remembered))]
        # A copy, as the parts are views that keep the states of all steps.
        state = [tuple(part.clone() for part in parts) for parts in state]
        remembered[answers] = state
    h_last_layer = state[-1][0]
    skills = look_up([numbers_of(names, skill_numbers) for names in candidates], device)
    return network.logits(h_last_layer, skills).cpu().double().numpy()
