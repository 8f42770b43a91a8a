"""Reader of the answers of students, for knowledge tracing."""

import os
import re
import warnings

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_params

from skestimators.datasets._interaction_files import (
    LAYOUTS,
    MISSING,
    decode,
    read_cells,
)
from skestimators.datasets._lines import is_finite_number
from skestimators.utils._skills import SKILL_SEPARATOR, skill_names, whole_as_int

_NUMBERS_JOINED = re.compile(r"\d+(_\d+)+")
_CANONICAL_WHOLE = re.compile(r"0|-?[1-9]\d{0,17}")


@validate_params(
    {
        "path": [str, os.PathLike],
        "format": [StrOptions({"auto", "three-line", *LAYOUTS})],
        "fractional": [StrOptions({"error", "drop", "round", "wrong"})],
        "missing_skill": [StrOptions({"warn", "drop", "error"})],
    },
    prefer_skip_nested_validation=True,
)
def read_interactions(path, format="auto", *, fractional="error", missing_skill="warn"):
    r"""Read the answers of students to exercises, for knowledge tracing.

    The formats are

    - `"three-line"`: three lines a student, the number of answers, the skills and the
      responses, separated by commas, which may stand at the end, too. Students are
      numbered from 0;
    - `"rows"`: a line an answer, in time order: student, skill and response, separated
      by commas, tabs or blanks. There may be a line of column names first, `student`,
      `skill` and `response`, or `user_id`, `skill_id` and `correct`, in any order and
      with others, which are left out;
    - `"assistments2009"`, `"assistments2012"` and `"assistments2015"`: the exports of
      ASSISTments [1]_ with a line of column names. Needed are `user_id`, `correct` and
      the following.

      ====  ======================  ===================================
      year  skill                   time order
      ====  ======================  ===================================
      2009  `skill_id`              `order_id`
      2012  `skill_id` or `skill`   `start_time`, then `problem_log_id`
      2015  `sequence_id`           `log_id`
      ====  ======================  ===================================

    An exercise that needs several skills is one interaction. The exports of 2009 write
    it as several rows that share student and `order_id`, or as one with the skill
    `12_31`; both become the cell `"12~31"`. Rows that are repeated become one. As rows
    of their own, all but the first would give the answer away: the model has just been
    told it.

    Problems that break others into steps ("scaffolding", `original` of 0) are kept.

    Parameters
    ----------
    path : str or path-like
        The file, plain or gzipped (told by its content). Text is UTF-8; cells that are
        not, as in the export of 2009, are taken for Latin-1.

    format : str, default="auto"
        One of the formats above, or `"auto"`, which tells it by the first line.

    fractional : {"error", "drop", "round", "wrong"}, default="error"
        What to do about responses between 0 and 1, as the exports of 2012 and 2015 have
        them for answers that took hints or attempts: refuse them, leave them out, take
        .5 and more for correct, or take all of them for wrong.

    missing_skill : {"warn", "drop", "error"}, default="warn"
        What to do about interactions without a skill, which are a sixth of the export
        of 2009 and half of that of 2012: leave them out with a warning that counts
        them, leave them out, or refuse them.

    Returns
    -------
    interactions : pandas.DataFrame of shape (n_interactions, 3)
        A row is an interaction.

        - `student`: int64 if all are whole numbers, else str;
        - `skill`: str. Whole numbers are without decimals, `"12"`; several skills are
          joined, each once, numbers by size and before text, `"12~31"`;
        - `response`: 1 if correct, 0 if wrong, of dtype int64. If some are unknown,
          float64 with NaN.

        In the file, an empty cell, `nan`, `NaN`, `NA`, `N/A`, `<NA>`, `null`, `NULL` or
        `None` is an unknown response or no skill; spelled otherwise they are names.

        The rows of a student are in time order. For the exports, they stand together,
        students being in the order of their first row; other files keep their order.

    Raises
    ------
    ValueError
        If there are no interactions, columns are missing or share a name, counts of
        answers disagree, a line or the file is cut short, there is no student, one of
        several skills is missing, a response is no number from 0 to 1, fractional or
        differs between rows of one interaction. The message names file and line.

    Warns
    -----
    UserWarning
        If interactions without a skill are left out and `missing_skill="warn"`.

    See Also
    --------
    make_student_responses : Simulate students who learn.

    References
    ----------
    .. [1] M. Feng, N. T. Heffernan and K. R. Koedinger, "Addressing the assessment
           challenge with an online system that tutors as it assesses", User Modeling
           and User-Adapted Interaction 19 (2009), 243-266.

    Examples
    --------
    Two students with two answers and one:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators.datasets import read_interactions
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "answers.csv")
    ...     _ = path.write_text("2\n7,12\n1,0\n1\n31~12\n1\n")
    ...     interactions = read_interactions(path)
    >>> interactions
       student  skill  response
    0        0      7         1
    1        0     12         0
    2        1  12~31         1
    """
    import pandas as pd

    cells = read_cells(path, format)
    student = _read_students(cells)
    response = _read_responses(cells, fractional)
    rows = np.arange(len(response))
    if fractional == "drop":
        rows = rows[np.isnan(response) | np.isin(response, [0, 1])]
    if cells.record is not None or cells.clock is not None:
        rows = _sort(cells, rows)
    skill = _read_skills(cells)
    if cells.record is not None:
        rows, skill = _merge(cells, rows, skill, response)
    rows = _drop_without_skill(cells, rows, skill, missing_skill)
    response = response[rows]
    unknown = np.isnan(response).any()
    return pd.DataFrame(
        {
            "student": student[rows],
            "skill": pd.Series(skill[rows], dtype=str),
            "response": response if unknown else response.astype(np.int64),
        }
    )


def _first(codes, wanted):
    """Return the first row of which the code is wanted, and how many there are."""
    rows = np.flatnonzero(np.isin(codes, np.flatnonzero(wanted)))
    return rows[0], len(rows)


def _read_students(cells):
    """Return the student of each row."""
    codes, texts = cells.student
    names = [whole_as_int(decode(text).strip()) for text in texts]
    missing = [name in MISSING for name in names]
    if any(missing):
        row, _ = _first(codes, missing)
        where = cells.locate(row, "student")
        raise ValueError(f"{where}: no student, but {names[codes[row]]!r}.")
    if all(map(_CANONICAL_WHOLE.fullmatch, names)):
        return np.array(names).astype(np.int64)[codes]
    return np.array(names, dtype=object)[codes]


def _read_responses(cells, fractional):
    """Return the response of each row, NaN being unknown."""
    codes, texts = cells.response
    values = np.full(len(texts), np.nan)
    for code, text in enumerate(texts):
        if text.strip() in MISSING:
            continue
        if not is_finite_number(text) or not 0 <= float(text) <= 1:
            row, _ = _first(codes, np.arange(len(texts)) == code)
            raise ValueError(
                f"{cells.locate(row, 'response')}: response {text[:40]!r} is no number "
                f"from 0, wrong, to 1, correct; an unknown one is 'nan' or empty."
            )
        values[code] = float(text)
    between = (values > 0) & (values < 1)
    if fractional == "error" and between.any():
        row, count = _first(codes, between)
        raise ValueError(
            f"{cells.locate(row, 'response')}: response {texts[codes[row]]} is neither "
            f"0 nor 1, as {count} of {len(codes)} are. Pass fractional='round' to take "
            f".5 and more for correct, 'wrong' to take them all for wrong, or 'drop' "
            f"to leave them out."
        )
    if fractional == "round":
        values[between] = values[between] >= 0.5
    elif fractional == "wrong":
        values[between] = 0
    return values[codes]


def _sort(cells, rows):
    """Return rows ordered by student, then by time."""
    keys = [key[rows] for key in (cells.record, cells.clock) if key is not None]
    return rows[np.lexsort([*keys, cells.student[0][rows]])]


def _read_skills(cells):
    """Return the canonical cell of skills of each row, empty if there are none."""
    codes, texts = cells.skill
    texts = [decode(text).strip() for text in texts]
    for code, text in enumerate(texts):
        if text in MISSING:
            texts[code] = ""
            continue
        if cells.joint == "_" and _NUMBERS_JOINED.fullmatch(text):
            text = text.replace("_", SKILL_SEPARATOR)
        if any(name.strip() in MISSING for name in text.split(SKILL_SEPARATOR)):
            row, _ = _first(codes, np.arange(len(texts)) == code)
            raise ValueError(
                f"{cells.locate(row, 'skill')}: one of the skills in {text[:40]!r} is "
                f"missing."
            )
        texts[code] = SKILL_SEPARATOR.join(skill_names(text))
    return np.array(texts, dtype=object)[codes]


def _merge(cells, rows, skill, response):
    """Return the first row of each interaction, and skills with those of the others."""
    student, record = cells.student[0][rows], cells.record[rows]
    fresh = np.ones(len(rows), dtype=bool)
    fresh[1:] = (student[1:] != student[:-1]) | (record[1:] != record[:-1])
    interaction = np.cumsum(fresh) - 1
    # The first row stays: one with a known response, if there is any.
    rows = rows[np.lexsort([np.isnan(response[rows]), interaction])]
    first = rows[np.flatnonzero(fresh)[interaction]]
    differ = ~np.isnan(response[rows]) & (response[rows] != response[first])
    for place in np.flatnonzero(differ)[:1]:
        where = cells.locate(rows[place], "response")
        raise ValueError(
            f"{where}: response {response[rows[place]]:g}, but "
            f"{response[first[place]]:g} in {cells.locate(first[place], 'response')}, "
            f"which is of the same student and interaction."
        )
    skill, known = skill.copy(), {}
    several = {}
    for row, start in zip(rows[~fresh], first[~fresh], strict=True):
        several.setdefault(start, {skill[start]}).add(skill[row])
    for start, texts in several.items():
        key = frozenset(texts)
        if key not in known:
            joined = SKILL_SEPARATOR.join(texts - {""})
            known[key] = SKILL_SEPARATOR.join(skill_names(joined))
        skill[start] = known[key]
    return rows[fresh], skill


def _drop_without_skill(cells, rows, skill, missing_skill):
    """Return the rows that have a skill."""
    missing = skill[rows] == ""
    if not missing.any() or missing_skill == "drop":
        return rows[~missing]
    count = f"{missing.sum()} of {len(rows)} interactions have no skill"
    if missing_skill == "error":
        where = cells.locate(rows[missing].min(), "skill")
        raise ValueError(
            f"{where}: no skill; {count}. Pass missing_skill='drop' to leave them out."
        )
    warnings.warn(
        f"{count} and are left out; missing_skill='drop' does so without warning.",
        stacklevel=4,
    )
    return rows[~missing]
