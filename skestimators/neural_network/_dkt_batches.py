"""The batches that the network of deep knowledge tracing takes."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch

from skestimators.preprocessing._interactions import count_up, pack

# Many steps, yet little memory.
STEPS_AT_ONCE = 16384


@dataclass
class Lookup:
    """Rows of a table, each the mean of some of its rows, looked up many times.

    Attributes
    ----------
    members : tensor of int of shape (n_members,)
        Rows of the table, those of the first mean, then those of the second, ...

    offsets : tensor of int of shape (n_distinct,)
        Where the members of each mean begin.

    index : tensor of int of shape (n,)
        The mean that is wanted at each place.
    """

    members: torch.Tensor
    offsets: torch.Tensor
    index: torch.Tensor


@dataclass
class Batch:
    """Sequences side by side, see `pack`, and the rows that are predicted from them.

    Attributes
    ----------
    inputs : Lookup
        Input of each step, in the table of embeddings.

    sequences : tensor of int of shape (n_steps,)
        The sequence that each step belongs to.

    sizes : list of int
        Number of sequences that have a first step, a second, and so on.

    places : tensor of int of shape (n_rows,)
        The step after which each row is predicted.

    targets : Lookup
        Skills of each row, in the table of the output layer.

    rows : ndarray of int of shape (n_rows,)
        Which rows these are.

    n_echoes : int
        How many of these rows, at the end, are not predicted, but are the last answer.
    """

    inputs: Lookup
    sequences: torch.Tensor
    sizes: list
    places: torch.Tensor
    targets: Lookup
    rows: np.ndarray
    n_echoes: int

    def __len__(self):
        # The losses of batches are shares of the loss of an epoch: each counts once.
        return 1


def numbers_of(names, skill_numbers):
    """Return the numbers of some skills.

    Parameters
    ----------
    names : tuple of str
        Names of the skills of one cell.

    skill_numbers : dict of str to int
        Number of each skill, from 0.

    Returns
    -------
    numbers : list of int
        Those of the skills that have one; if none has, the number after the last.
    """
    numbers = [skill_numbers[name] for name in names if name in skill_numbers]
    return numbers or [len(skill_numbers)]


def look_up(rows, device):
    """Look up means of rows, once each.

    Parameters
    ----------
    rows : list of list of int
        The rows of each mean.

    device : str
        Where to.

    Returns
    -------
    lookup : Lookup
        One mean after the other.
    """
    counts = np.array([len(some) for some in rows], dtype=np.int64)
    members = np.array([row for some in rows for row in some], dtype=np.int64)
    arrays = members, np.cumsum(counts) - counts, np.arange(len(rows))
    return Lookup(*(torch.from_numpy(array).to(device) for array in arrays))


def single_sequence(answers, skill_numbers, device):
    """Make a batch of one sequence, with no rows to predict.

    Parameters
    ----------
    answers : sequence of (tuple of str, int) or None
        Skills and response of each step; None is a student's first step.

    skill_numbers : dict of str to int
        Number of each skill.

    device : str
        Where to.

    Returns
    -------
    batch : Batch
        On the device.
    """
    n_rows = len(skill_numbers) + 1
    inputs = [
        [2 * n_rows]
        if answer is None
        else [n + n_rows * answer[1] for n in numbers_of(answer[0], skill_numbers)]
        for answer in answers
    ]
    nothing = torch.zeros(0, dtype=torch.long)
    return Batch(
        inputs=look_up(inputs, device),
        sequences=torch.zeros(len(answers), dtype=torch.long),
        sizes=[1] * len(answers),
        places=nothing,
        targets=Lookup(nothing, nothing, nothing),
        rows=np.zeros(0, dtype=int),
        n_echoes=0,
    )


class StudentData:
    """Interactions whose skills are numbers, ready to be cut into batches.

    Parameters
    ----------
    interactions : Interactions
        The rows.

    sequences : StudentSequences
        Their steps.

    skill_numbers : dict of str to int
        Number of each skill, from 0. A cell without any of these is of the skill after
        the last.

    device : str
        Where batches go.
    """

    def __init__(self, interactions, sequences, skill_numbers, device):
        self.sequences = sequences
        self.n_rows = len(skill_numbers) + 1
        self.device = device
        self.students = interactions.students
        self._cells = interactions.cells
        sets = [numbers_of(names, skill_numbers) for names in interactions.skill_sets]
        self._members = np.concatenate(sets)
        self._counts = np.array([len(members) for members in sets])
        self._begins = np.cumsum(self._counts) - self._counts
        rows = sequences.step_rows
        responses = np.nan_to_num(interactions.responses[rows]).astype(int)
        self._inputs = np.where(rows < 0, -1, 2 * self._cells[rows] + responses)

    def rows_of_tables(self, steps, rows):
        """Return the rows that the inputs of steps, and the skills of rows, are in."""
        inputs = self._look_up_inputs(self._inputs[steps])
        return inputs.members, self.look_up_skills(self._cells[rows]).members

    def batch(self, begins, lengths, *, echo=False):
        """Make a batch of sequences.

        Parameters
        ----------
        begins, lengths : ndarray of int of shape (n_sequences,)
            First step and number of steps of each, longest first.

        echo : bool, default=False
            Whether the row that is the input of a step is one of those to be told from
            the state after it.

        Returns
        -------
        batch : Batch
            On the device.
        """
        steps, sequences, sizes = pack(begins, lengths)
        places, rows = self.sequences.rows_of(steps)
        n_echoes = 0
        if echo:
            last = self.sequences.step_rows[steps]
            echoes = np.flatnonzero(last >= 0)
            n_echoes = len(echoes)
            places = np.concatenate([places, echoes])
            rows = np.concatenate([rows, last[echoes]])
        return Batch(
            inputs=self._look_up_inputs(self._inputs[steps]),
            sequences=self._tensor(sequences),
            sizes=sizes.tolist(),
            places=self._tensor(places),
            targets=self.look_up_skills(self._cells[rows]),
            rows=rows,
            n_echoes=n_echoes,
        )

    def look_up_skills(self, cells):
        """Look up the skills of cells in a table of one row a skill."""
        distinct, index = np.unique(cells, return_inverse=True)
        members, offsets = self._members_of(distinct)
        return self._lookup(members, offsets, index)

    def _look_up_inputs(self, inputs):
        # The table: a row for each skill answered wrong, then for each answered
        # correctly, then the one of the first step.
        distinct, index = np.unique(inputs, return_inverse=True)
        n_first = int(distinct[0] < 0)
        cells, responses = np.divmod(distinct[n_first:], 2)
        members, offsets = self._members_of(cells)
        members = members + self.n_rows * np.repeat(responses, self._counts[cells])
        first = np.full(n_first, 2 * self.n_rows)
        members = np.concatenate([first, members])
        offsets = np.concatenate([np.arange(n_first), offsets + n_first])
        return self._lookup(members, offsets, index)

    def _members_of(self, cells):
        counts = self._counts[cells]
        offsets = np.cumsum(counts) - counts
        places = np.repeat(self._begins[cells], counts) + count_up(counts)
        return self._members[places], offsets

    def _lookup(self, members, offsets, index):
        return Lookup(*(self._tensor(array) for array in (members, offsets, index)))

    def _tensor(self, array):
        return torch.from_numpy(array).to(self.device)


class StudentBatches:
    """Batches of sequences of about the same length.

    Parameters
    ----------
    data : StudentData
        What they are cut from.

    students : ndarray of bool of shape (n_students,)
        Whose sequences.

    labels, weight : ndarray of shape (n_samples,)
        Target and weight of each row of the data.

    batch_size : int, "auto" or None, default=None
        Number of sequences of a batch, on average. Batches are of about the same number
        of steps, so those of short sequences hold more of them. None is for batches
        that are only looked at.

    max_length : int or None, default=None
        Longer sequences are cut.

    shuffle : bool, default=False
        Whether every pass makes other batches, drawn from torch's global generator.

    reconstruction : float, default=0.0
        Weight of the answer that is the input of a step, to be told after it.
    """

    def __init__(
        self,
        data,
        students,
        *,
        labels,
        weight,
        batch_size=None,
        max_length=None,
        shuffle=False,
        reconstruction=0.0,
    ):
        self.data = data
        self.begins, self.lengths = data.sequences.pieces(students, max_length)
        n_sequences = len(self.begins)
        if batch_size == "auto":
            # Else an epoch of few students would be too few steps to tell from its loss
            # whether more would help.
            batch_size = min(64, -(-n_sequences // 32))
        # Without a size, as many as are predicted at once.
        self.n_batches = -(
            -int(self.lengths.sum()) // STEPS_AT_ONCE
            if batch_size is None
            else -n_sequences // batch_size
        )
        self.shuffle = shuffle
        self.reconstruction = reconstruction
        self.labels = labels.astype(np.float32)
        self.weight = (weight / weight[students[data.students]].sum()).astype(
            np.float32
        )

    @property
    def rows_at_once(self):
        """Number of steps of a batch, which only the recurrence takes one by one."""
        return -(-int(self.lengths.sum()) // self.n_batches)

    def rows_of_tables(self):
        """Return the rows of the tables of answers and of skills that are looked up."""
        steps = np.repeat(self.begins, self.lengths) + count_up(self.lengths)
        _, rows = self.data.sequences.rows_of(steps)
        return self.data.rows_of_tables(steps, rows[self.weight[rows] > 0])

    def __iter__(self):
        batches = self._sequences_of_batches()
        for chosen in batches:
            batch = self.data.batch(
                self.begins[chosen], self.lengths[chosen], echo=self.reconstruction > 0
            )
            labels, weight = self.labels[batch.rows], self.weight[batch.rows]
            weight[len(weight) - batch.n_echoes :] *= self.reconstruction
            # Not divided by the weight of this batch, but by that of an average one: a
            # row counts the same whatever batch it is in.
            weight *= len(batches)
            device = self.data.device
            yield (
                batch,
                (
                    torch.from_numpy(labels).to(device),
                    torch.from_numpy(weight).to(device),
                ),
            )

    def _sequences_of_batches(self):
        """Return the sequences of each batch, longest first."""
        lengths = self.lengths
        if self.shuffle:
            # Near enough in length to waste little, other company in every epoch.
            noise = torch.rand(len(lengths)).numpy()
            lengths = lengths * 1.5 ** (noise - 0.5)
        order = np.argsort(-lengths, kind="stable")
        batches = [
            order[begin:end][np.argsort(-self.lengths[order[begin:end]], kind="stable")]
            for begin, end in split_by_steps(self.lengths[order], self.n_batches)
        ]
        if self.shuffle:
            batches = [batches[i] for i in torch.randperm(len(batches))]
        return batches


def split_by_steps(lengths, n_batches):
    """Cut a row of sequences into batches of about the same number of steps.

    Parameters
    ----------
    lengths : ndarray of int of shape (n_sequences,)
        Number of steps of each.

    n_batches : int
        Number of batches; fewer come out if a sequence is longer than a batch.

    Returns
    -------
    batches : list of tuple of int
        First sequence of each batch, and the one after the last.
    """
    ends = np.cumsum(lengths)
    cuts = np.linspace(0, ends[-1], n_batches + 1)[1:-1]
    bounds = np.unique([0, *np.searchsorted(ends, cuts, side="right"), len(lengths)])
    return list(pairwise(bounds.tolist()))
