"""Students, skills and probabilities of a table of interactions."""

from collections import Counter
from numbers import Integral

import numpy as np
from sklearn.utils import check_array

from skestimators.neural_network._dkt_checks import all_skills
from skestimators.utils._skills import SKILL_SEPARATOR, skill_names


def cell_name(cell):
    """Return the name of a skill, or of several of one interaction.

    Parameters
    ----------
    cell : str or number
        `"31~12"` stands for two skills; 12 and 12.0 for the skill `"12"`.

    Returns
    -------
    name : str
        Their names as in the attribute `skills_` of estimators, joined; empty if the
        cell is none.
    """
    return SKILL_SEPARATOR.join(skill_names(cell))


def rows_of_student(students, numbers, student):
    """Find the rows of one student.

    Parameters
    ----------
    students : ndarray of object of shape (n_samples,)
        The student of each row.

    numbers : ndarray of int of shape (n_samples,)
        The same, numbered from 0 in the order of their first rows.

    student : hashable or None
        Whose rows; None if there are no others.

    Returns
    -------
    rows : ndarray of int of shape (n_interactions,)
        Their indices, in order.

    Raises
    ------
    ValueError
        If the student has no rows, or None leaves a choice; the message lists some.
    """
    _, first = np.unique(numbers, return_index=True)
    present = students[first].tolist()
    if student is None and len(present) == 1:
        return np.flatnonzero(numbers == 0)
    if student in present:
        return np.flatnonzero(numbers == present.index(student))
    listed = ", ".join(map(repr, present[:5])) + (", ..." if len(present) > 5 else "")
    listed = f"X has rows of {len(present)} student(s): {listed}."
    if student is None:
        raise ValueError(f"Say whose rows to show with the parameter student. {listed}")
    raise ValueError(f"student={student!r} has no rows in X. {listed}")


def check_mastery(mastery, skill, response, names):
    """Check that probabilities fit the rest.

    Parameters
    ----------
    mastery : array-like of shape (n_interactions, n_skills)
        The probabilities.

    skill, response : array-like of shape (n_interactions,)
        Skill and response of each row.

    names : list of str
        Skill of each column.

    Returns
    -------
    mastery : ndarray of float64 of shape (n_interactions, n_skills)
        The same values.

    Raises
    ------
    ValueError
        If a length differs, a name is there twice or a value is no probability.
    """
    mastery = check_array(mastery, dtype=np.float64, input_name="mastery")
    for parameter, values in (("skill", skill), ("response", response)):
        if np.shape(values) != (len(mastery),):
            raise ValueError(
                f"{parameter} must have shape ({len(mastery)},), a value for each row "
                f"of mastery, but has {np.shape(values)}."
            )
    n_different = len(set(names))
    if not len(names) == n_different == mastery.shape[1]:
        raise ValueError(
            f"skill_names must be {mastery.shape[1]} different names, one for each "
            f"column of mastery; got {len(names)}, {n_different} of them different."
        )
    if mastery.min() < 0 or mastery.max() > 1:
        raise ValueError(
            f"mastery must be probabilities, from 0 to 1, but goes from "
            f"{mastery.min():.3g} to {mastery.max():.3g}."
        )
    return mastery


def skills_asked(cells, names, max_skills):
    """Choose the skills that were asked most often.

    Parameters
    ----------
    cells : list of tuple of str
        Skills of each interaction.

    names : list of str
        Skills to choose from.

    max_skills : int or None
        How many; None takes all that were asked.

    Returns
    -------
    skills : list of str
        In the order in which they were asked first.

    Raises
    ------
    ValueError
        If none was asked, or `max_skills` is no positive whole number.
    """
    whole = isinstance(max_skills, Integral)
    if max_skills is not None and not (whole and max_skills >= 1):
        raise ValueError(
            f"max_skills must be a whole number of at least 1 or None, got "
            f"{max_skills!r}."
        )
    known = set(names)
    counts = Counter(s for cell in cells for s in cell if s in known)
    if not counts:
        raise ValueError(
            f"None of the skills that were asked, such as {cells[0][0]!r}, is among "
            f"the {len(names)} that are known, such as {names[0]!r}."
        )
    kept = dict(counts.most_common(max_skills))
    return [name for name in counts if name in kept]


def check_skills(skills, names):
    """Check a choice of skills.

    Parameters
    ----------
    skills : list of str or number
        The choice.

    names : list of str
        Skills to choose from.

    Returns
    -------
    skills : list of str
        Their names.

    Raises
    ------
    ValueError
        If it is no list, empty, or holds others, several in one cell or one twice.
    """
    if np.ndim(skills) != 1 or not len(skills):
        raise ValueError(f"skills must be a list of skills, got {skills!r}.")
    chosen = all_skills(skills, ()).tolist()
    for name in chosen:
        if name not in names:
            some = ", ".join(map(repr, names[:5])) + (", ..." if names[5:] else "")
            raise ValueError(
                f"skills holds {name!r}, which is none of the {len(names)} that are "
                f"known: {some}."
            )
    return chosen
