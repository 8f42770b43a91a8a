"""Checks of what `DKTClassifier` is given, beside the table itself."""

from collections import Counter

import numpy as np
from sklearn.utils import check_consistent_length, column_or_1d

from skestimators.utils._skills import skill_names, skill_order
from skestimators.utils._validation import check_groups
from skestimators.utils._validation_split import split_validation


def check_target(y, responses, response):
    """Check that a target is the column of responses, where these are known.

    Parameters
    ----------
    y : array-like of shape (n_samples,)
        The target.

    responses : ndarray of float of shape (n_samples,)
        1, 0, or NaN where not known.

    response : str or int
        What errors call the column.

    Returns
    -------
    y : ndarray of shape (n_samples,)
        Of 0 and 1, as bool, int or float.

    Raises
    ------
    ValueError
        If it holds anything else, or another value than the responses.
    """
    y = column_or_1d(y)
    check_consistent_length(y, responses)
    valid = np.isin(y, (0, 1))
    if not valid.all():
        row = int(np.argmin(valid))
        raise ValueError(
            f"y must be 1 (correct) or 0 (wrong), but is {y.tolist()[row]!r} in row "
            f"{row}, counted from 0. Leave out rows without an answer."
        )
    y = y if y.dtype.kind in "biuf" else y.astype(int)
    differs = ~np.isnan(responses) & (responses != y)
    if differs.any():
        row = int(np.argmax(differs))
        raise ValueError(
            f"y differs from the column response={response!r} of X in "
            f"{np.count_nonzero(differs)} row(s), first in row {row}, counted from 0: "
            f"pass that column as y, and the rows of both in the same order."
        )
    return y


def all_skills(skills, skill_sets):
    """Return the names of all skills.

    Parameters
    ----------
    skills : "auto" or array-like of (str or int)
        The estimator's parameter.

    skill_sets : list of tuple of str
        The skills of the training data.

    Returns
    -------
    names : ndarray of str objects of shape (n_skills,)
        Those of the training data, sorted, or the given ones.

    Raises
    ------
    ValueError
        If a given one is no skill, or there twice.
    """
    if isinstance(skills, str):
        names = {name for names in skill_sets for name in names}
        return np.array(sorted(names, key=skill_order), dtype=object)
    names = skills_of_candidates(skills)
    for skill, count in Counter(names).items():
        if len(skill) > 1 or count > 1:
            raise ValueError(
                f"skills must hold single skills, each once, but holds "
                f"{'~'.join(skill)!r} {count} time(s)."
            )
    return np.array([name for (name,) in names], dtype=object)


def skills_of_candidates(skills):
    """Return the names of the skills in each cell of a parameter `skills`.

    Parameters
    ----------
    skills : array-like of (str or int) of shape (n_cells,)
        The cells.

    Returns
    -------
    skill_sets : list of tuple of str
        Names of the skills of each.

    Raises
    ------
    ValueError
        If a cell names no skill.
    """
    skills = np.asarray(skills, dtype=object)
    cells = column_or_1d(skills, input_name="skills").tolist()
    names = [skill_names(cell) for cell in cells]
    if () in names:
        place = names.index(())
        raise ValueError(
            f"skills holds {cells[place]!r} at place {place}, counted from 0: a skill "
            f"is a number or text."
        )
    return names


def check_known(skill_sets, skills, input_name):
    """Check that all skills are among those of the network.

    Parameters
    ----------
    skill_sets : list of tuple of str
        Skills in the data.

    skills : ndarray of str objects of shape (n_skills,)
        Those of the network.

    input_name : str
        What errors call the data.

    Raises
    ------
    ValueError
        If a skill is not.
    """
    found = {name for names in skill_sets for name in names}
    unknown = sorted(found.difference(skills), key=skill_order)
    if unknown:
        raise ValueError(
            f"{input_name} has {len(unknown)} skill(s) that are not among the "
            f"{len(skills)} of the network, such as {unknown[0]!r}. The parameter "
            f"skills names all for training; handle_unknown='average' predicts others."
        )


def split_students(students, weight, groups, *, validation_fraction, random_state):
    """Choose the students to train on, and those to hold out.

    Parameters
    ----------
    students : ndarray of int of shape (n_samples,)
        Number of the student of each row, from 0.

    weight : ndarray of shape (n_samples,)
        Weights of the rows. Students without any are on neither side.

    groups : array-like of shape (n_samples,) or None
        Students of one group stay on one side.

    validation_fraction : float or None
        Share of the students, or of the groups, that is held out, if any.

    random_state : int
        Decides which.

    Returns
    -------
    train : ndarray of bool of shape (n_students,)
        Those to train on.

    validation : ndarray of bool of shape (n_students,) or None
        Those held out.

    Raises
    ------
    ValueError
        If one side would be empty, or a student is in several groups.
    """
    train = np.bincount(students, weight) > 0
    if not train.any():
        raise ValueError("All rows have weight zero, so there is nothing to learn.")
    if groups is not None:
        groups = _groups_of_students(check_groups(groups, len(students)), students)
    if validation_fraction is None:
        return train, None
    candidates = np.flatnonzero(train)
    _, held_out = split_validation(
        len(candidates),
        validation_fraction=validation_fraction,
        groups=None if groups is None else groups[candidates],
        unit="student",
        random_state=random_state,
    )
    validation = np.zeros_like(train)
    validation[candidates[held_out]] = True
    return train & ~validation, validation


def _groups_of_students(groups, students):
    """Return the group of each student."""
    of_student = np.zeros(students.max() + 1, dtype=groups.dtype)
    of_student[students] = groups
    split = of_student[students] != groups
    if split.any():
        row = int(np.argmax(split))
        raise ValueError(
            f"groups puts the student of row {row}, counted from 0, in several groups. "
            f"A student must be in one."
        )
    return of_student
