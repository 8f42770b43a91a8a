"""Tables of interactions, and the sequences of steps that are in them."""

from dataclasses import dataclass

import numpy as np
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _get_feature_names

from skestimators.preprocessing._columns import as_table, column_index
from skestimators.utils._skills import SKILL_SEPARATOR, skill_names


@dataclass
class Interactions:
    """The columns of a table of interactions, one entry a row.

    Attributes
    ----------
    students : ndarray of int of shape (n_samples,)
        Number of the student, from 0.

    cells : ndarray of int of shape (n_samples,)
        Number of the skill cell, an index into `skill_sets`.

    skill_sets : list of tuple of str
        The skills of each distinct cell.

    responses : ndarray of float of shape (n_samples,)
        1 correct, 0 wrong, NaN unknown.
    """

    students: np.ndarray
    cells: np.ndarray
    skill_sets: list
    responses: np.ndarray


def read_interactions_table(X, *, student, skill, response, estimator, input_name="X"):
    """Take students, skills and responses out of a table.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        One row an interaction; other columns may hold anything.

    student, skill, response : str or int
        Name or index of the columns.

    estimator : estimator instance
        What needs the table.

    input_name : str, default="X"
        What errors call `X`.

    Returns
    -------
    interactions : Interactions
        The columns.

    Raises
    ------
    ValueError
        If a column is missing, or a value cannot be used; the message names the row.
    """
    X = as_table(X, estimator=estimator, input_name=input_name)
    columns = {"student": student, "skill": skill, "response": response}
    places = {n: column_index(X, c, parameter=n) for n, c in columns.items()}
    if len(set(places.values())) < len(places):
        raise ValueError(
            f"student={student!r}, skill={skill!r} and response={response!r} must be "
            f"three columns of X, but some are the same."
        )
    values = {n: _safe_indexing(X, place, axis=1) for n, place in places.items()}
    labels = {n: f"{n}={column!r} of {input_name}" for n, column in columns.items()}
    students, _ = _numbered(values["student"], labels["student"])
    cells, distinct = _numbered(values["skill"], labels["skill"])
    sets = [
        _skill_set(value, cells, i, labels["skill"]) for i, value in enumerate(distinct)
    ]
    responses = _as_responses(values["response"], labels["response"])
    return Interactions(students, cells, sets, responses)


def check_column_order(X, **columns):
    """Refuse an index where another column has the very name of what is wanted.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The table.

    **columns : dict of str to (str or int)
        Name or index of the columns `student`, `skill` and `response`.

    Raises
    ------
    ValueError
        If there is such a column.
    """
    names = _get_feature_names(X)
    for role, column in columns.items():
        if names is None or isinstance(column, str) or role not in names:
            continue
        name = names[column_index(X, column, parameter=role)]
        if name != role:
            raise ValueError(
                f"{role}={column} is the column {name!r} of X, which has another one "
                f"named {role!r}. Pass the name of the one you mean."
            )


def _numbered(column, label):
    """Give each distinct value of a column a number."""
    import pandas as pd

    try:
        numbers, distinct = pd.factorize(column)
    except TypeError as error:
        raise ValueError(
            f"Column {label} holds values that cannot be told apart ({error}); "
            f"use numbers or text."
        ) from error
    if (numbers < 0).any():
        row = int(np.flatnonzero(numbers < 0)[0])
        raise ValueError(
            f"Column {label} is missing (None or NaN) in row {row}, counted from 0."
        )
    return numbers, distinct


def _skill_set(value, cells, cell, label):
    """Split a distinct cell into the names of its skills."""
    names = skill_names(value)
    if not names:
        row = int(np.argmax(cells == cell))
        raise ValueError(
            f"Column {label} holds {value!r} in row {row}, counted from 0: a skill is "
            f"a number or text, and several are joined with {SKILL_SEPARATOR!r}."
        )
    return names


def _as_responses(column, label):
    """Read a column of 0, 1 and missing values."""
    values = np.asarray(column)
    if values.dtype.kind in "biuf":
        responses = values.astype(np.float64)
        missing = np.isnan(responses)
    else:
        import pandas as pd

        values = pd.Series(column)
        missing = values.isna().to_numpy()
        numbers = pd.to_numeric(values, errors="coerce")
        responses = numbers.to_numpy(dtype=np.float64, na_value=np.nan)
    bad = ~missing & (responses != 0) & (responses != 1)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        value = values.tolist()[row]
        raise ValueError(
            f"Column {label} holds {value!r} in row {row}, counted from 0; "
            f"a response is 1 (correct), 0 (wrong) or NaN (not known). "
            f"{np.count_nonzero(bad)} row(s) have another value."
        )
    return responses


class StudentSequences:
    """The steps of students, one after the other in one long array.

    The first step of a student has no input, each further one has an interaction whose
    response is known. A row is predicted from the state after the step it points to:
    the one of the last earlier row of its student that has a response. So nothing that
    a row, or a later one, says of its own response can reach its prediction.

    Parameters
    ----------
    interactions : Interactions
        Rows in time order for each student; students may be interleaved.

    after : bool, default=False
        Whether a row points to the step of its own response, to see what its student
        knows after it, instead of the one before.

    Attributes
    ----------
    rows : ndarray of int of shape (n_samples,)
        The rows in the order of students and time.

    row_steps : ndarray of int of shape (n_samples,)
        The step after which each of `rows` is looked at; never decreases.

    begins : ndarray of int of shape (n_students,)
        First step of each student.

    lengths : ndarray of int of shape (n_students,)
        Number of steps of each student.

    step_rows : ndarray of int of shape (n_steps,)
        The row whose skills and response are the input of each step, -1 for the first
        step of a student.
    """

    def __init__(self, interactions, *, after=False):
        students = interactions.students
        self.rows = np.argsort(students, kind="stable")
        students = students[self.rows]
        known = ~np.isnan(interactions.responses[self.rows])
        counts = np.bincount(students[known], minlength=students[-1] + 1)
        self.lengths = counts + 1
        self.begins = np.cumsum(self.lengths) - self.lengths
        # Of all known rows before this one, those of earlier students make the place of
        # the student, those of the same student the place within.
        self.row_steps = np.cumsum(known) - known + students
        self.step_rows = np.full(self.lengths.sum(), -1)
        self.step_rows[self.row_steps[known] + 1] = self.rows[known]
        if after:
            self.row_steps += known
        self._first_row = np.searchsorted(
            self.row_steps, np.arange(len(self.step_rows) + 1)
        )

    def rows_of(self, steps):
        """Find the rows that are predicted from steps.

        Parameters
        ----------
        steps : ndarray of int of shape (n,)
            Some steps.

        Returns
        -------
        places : ndarray of int of shape (m,)
            For each row found, the index into `steps`.

        rows : ndarray of int of shape (m,)
            The rows.
        """
        begins = self._first_row[steps]
        counts = self._first_row[steps + 1] - begins
        places = np.repeat(np.arange(len(steps)), counts)
        return places, self.rows[begins[places] + count_up(counts)]

    def pieces(self, students=slice(None), max_length=None):
        """Cut sequences, leaving out steps at the end that predict nothing.

        Parameters
        ----------
        students : ndarray of bool of shape (n_students,), default=slice(None)
            Whose sequences.

        max_length : int or None, default=None
            Largest number of steps of a piece; None cuts nothing.

        Returns
        -------
        begins, lengths : tuple of ndarray of int of shape (n_pieces,)
            First step and number of steps of each piece.
        """
        begins = self.begins[students]
        last_row = self._first_row[begins + self.lengths[students]] - 1
        lengths = self.row_steps[last_row] + 1 - begins
        if max_length is None:
            return begins, lengths
        counts = -(-lengths // max_length)
        within = count_up(counts)
        begins = np.repeat(begins, counts) + within * max_length
        lengths = np.repeat(lengths, counts) - within * max_length
        return begins, np.minimum(lengths, max_length)


def count_up(counts):
    """Count from 0 up to each of some numbers.

    Parameters
    ----------
    counts : ndarray of int of shape (n,)
        How often to count.

    Returns
    -------
    numbers : ndarray of int of shape (sum(counts),)
        0, 1, ..., counts[0] - 1, 0, 1, ..., counts[1] - 1, and so on.
    """
    begins = np.cumsum(counts) - counts
    return np.arange(counts.sum()) - np.repeat(begins, counts)


def pack(begins, lengths):
    """Lay sequences side by side: all first steps, then all second steps, and so on.

    Parameters
    ----------
    begins, lengths : ndarray of int of shape (n_sequences,)
        First step and number of steps of each sequence, longest first.

    Returns
    -------
    steps : ndarray of int of shape (n_steps,)
        The steps in this order.

    sequences : ndarray of int of shape (n_steps,)
        The sequence of each.

    sizes : ndarray of int of shape (max(lengths),)
        How many sequences have a first step, a second, and so on.
    """
    place = count_up(lengths)
    order = np.argsort(place, kind="stable")
    steps = (np.repeat(begins, lengths) + place)[order]
    sequences = np.repeat(np.arange(len(lengths)), lengths)[order]
    return steps, sequences, np.bincount(place)
