"""Files of answers: what layout they have, and their cells as text."""

import csv
import os
import re
from contextlib import closing
from itertools import chain, islice
from typing import NamedTuple

import numpy as np

from skestimators.datasets._lines import (
    BAD_GZIP,
    is_finite_number,
    open_unpacked,
    read_lines,
)

# What programs write for a value that is not known. In other case they are names.
MISSING = {"", "nan", "NaN", "NA", "N/A", "<NA>", "null", "NULL", "None"}

# Of as many digits as a file could have answers.
_COUNT = re.compile(r"\d{1,18}")


class Layout(NamedTuple):
    """The columns of a table, by their names or alternative names."""

    student: tuple
    skill: tuple
    response: tuple
    # Of an interaction: rows that share it are one. Grows with time.
    record: tuple = ()
    # Dates and times.
    clock: tuple = ()
    # What joins the numbers of several skills.
    joint: str = "~"


LAYOUTS = {
    "rows": Layout(
        ("student", "student_id", "user", "user_id"),
        ("skill", "skill_id"),
        ("response", "correct"),
    ),
    "assistments2009": Layout(
        ("user_id",), ("skill_id",), ("correct",), record=("order_id",), joint="_"
    ),
    "assistments2012": Layout(
        ("user_id",),
        ("skill_id", "skill"),
        ("correct",),
        record=("problem_log_id",),
        clock=("start_time",),
    ),
    "assistments2015": Layout(
        ("user_id",), ("sequence_id",), ("correct",), record=("log_id",)
    ),
}


class Cells(NamedTuple):
    """The cells of a file: codes and the texts that they stand for."""

    student: tuple
    skill: tuple
    response: tuple
    # Numbers that grow with time, or None.
    record: np.ndarray | None
    clock: np.ndarray | None
    joint: str
    # From the row and the name of a column to "FILE, line N".
    locate: object


class _Codes(dict):
    """Numbers for texts, in the order of their first use."""

    def __missing__(self, text):
        self[text] = len(self)
        return self[text]

    def encode(self, texts):
        return np.fromiter(map(self.__getitem__, texts), dtype=np.int64)


def read_cells(path, format):
    """Read the cells of a file.

    Parameters
    ----------
    path : str or path-like
        The file.

    format : str
        "auto", "three-line" or a key of `LAYOUTS`.

    Returns
    -------
    cells : Cells
        The cells.
    """
    line, separator, cells = _read_head(path)
    names = [name.strip().lower() for name in cells]
    # Where the last cell is empty, it may be the response or follow a last comma.
    headed = not {"response", "correct"}.isdisjoint(names)
    headed |= not (is_finite_number(cells[-1]) or cells[-1].strip() in MISSING)
    names = names if headed else None
    if format == "auto":
        format = _detect(path, line, cells, names)
    if format == "three-line":
        return _read_three_lines(path)
    if not headed and (format != "rows" or len(cells) != 3):
        raise ValueError(
            f"{path}, line {line}: format {format!r} starts with a line of column "
            f"names{', or has 3 columns' if format == 'rows' else ''}, but this is "
            f"{', '.join(cells)[:60]!r}."
        )
    return _read_table(path, separator, names, LAYOUTS[format])


def _read_head(path):
    """Return the first line that is not blank: its number, separator and cells."""
    with open(path, "rb") as file:
        if file.read(4) == b"PK\x03\x04":
            raise ValueError(f"{path}: a zip archive; unpack the file that is in it.")
    number, text = _find_head(path)
    if not text:
        raise ValueError(f"{path}: no interactions, the file is empty.")
    if len(_split(text)) == 1:
        # The first of three lines may have commas behind its only number.
        text = text.rstrip(", \t")
    separator = "," if "," in text else "\t" if "\t" in text else r"\s+"
    _, cells = next(_split_records(path, [text], separator, number))
    return number, separator, cells


def _find_head(path):
    """Return the number and text of the first line that is not blank."""
    lines = enumerate(read_lines(path, "surrogateescape"), start=1)
    # A tab in front stands behind an empty name.
    lines = ((number, line.rstrip()) for number, line in lines)
    return next(((number, text) for number, text in lines if text), (0, ""))


def _detect(path, line, cells, names):
    """Return the format of a file, by its first line."""
    if names is None:
        if len(cells) == 1:
            return "three-line"
        if len(cells) == 3:
            return "rows"
        raise ValueError(
            f"{path}, line {line}: {len(cells)} columns. A file without column names "
            f"has 3, 'student skill response', or three lines a student, of which the "
            f"first is the number of answers."
        )
    if "user_id" in names:
        for format in ("assistments2009", "assistments2012", "assistments2015"):
            layout = LAYOUTS[format]
            if any(name in names for name in layout.record + layout.clock):
                return format
    return "rows"


def _read_three_lines(path):
    """Return the cells of a file of three lines a student."""
    codes = {"skills": _Codes(), "responses": _Codes()}
    blocks = {"skills": [], "responses": []}
    numbers = []
    # Whoever keeps an error would keep the file open, if it were not closed here.
    with closing(read_lines(path, "surrogateescape")) as text:
        lines = enumerate(text, start=1)
        for number, line in lines:
            head = _split(line)
            if not head:
                continue
            if len(head) != 1 or not _COUNT.fullmatch(head[0]):
                raise ValueError(
                    f"{path}, line {number}: the first of the three lines of a student "
                    f"is the number of answers, but this is {line.strip()[:40]!r}."
                )
            for what in blocks:
                number, line = next(lines, (number + 1, None))
                cells = _check_count(path, number, line, what, int(head[0]))
                blocks[what].append(codes[what].encode(cells))
            numbers.append(number)
    counts = [len(block) for block in blocks["skills"]]
    if not sum(counts):
        raise ValueError(f"{path}: no interactions, no student has answers.")
    students = np.repeat(np.arange(len(counts)), counts)

    def locate(row, column):
        return f"{path}, line {numbers[students[row]] - (column == 'skill')}"

    return Cells(
        student=(students, [str(student) for student in range(len(counts))]),
        skill=(np.concatenate(blocks["skills"]), [_encode(t) for t in codes["skills"]]),
        response=(np.concatenate(blocks["responses"]), list(codes["responses"])),
        record=None,
        clock=None,
        joint="~",
        locate=locate,
    )


def _check_count(path, number, line, what, count):
    """Return the cells of a line, if there are as many as there are answers."""
    if line is None:
        raise ValueError(
            f"{path}, line {number}: the {what} of the last student are missing; the "
            f"file seems to be cut short."
        )
    cells = _split(line)
    if len(cells) != count:
        raise ValueError(
            f"{path}, line {number}: {len(cells)} {what}, but the student has {count} "
            f"answers; they are separated by commas, and the file may have been cut."
        )
    return cells


def _split(line):
    text = line.strip().rstrip(", \t")
    return [cell.strip() for cell in text.split(",")] if text else []


def _find_column(path, names, wanted):
    """Return the place of a column, by the first of its names that there is."""
    for name in wanted:
        if names.count(name) > 1:
            raise ValueError(
                f"{path}: {names.count(name)} columns are named {name!r}; rename all "
                f"but the one to read."
            )
        if name in names:
            return names.index(name)
    raise ValueError(
        f"{path}: no column {' or '.join(map(repr, wanted))}; the columns are "
        f"{', '.join(map(repr, names))}."
    )


def _read_table(path, separator, names, layout):
    """Return the cells of a table."""
    import pandas as pd

    headed = names is not None
    names = names if headed else ["student", "skill", "response"]
    _, first = next(_iterate_records(path, separator, headed), (None, names))
    while not names[-1] and len(names) > len(first):
        # The names end with a comma, but the rows do not.
        names.pop()
    if len(first) > len(names):
        # The parser may leave out the last cells if all rows are too long.
        _check_records(path, separator, names, headed, {0})
    cells = ("student", "skill", "response")
    places = [_find_column(path, names, getattr(layout, name)) for name in cells]
    times = [name for name in layout.record + layout.clock if name in names]
    if layout.record and not times:
        _find_column(path, names, layout.record + layout.clock)
    places += [_find_column(path, names, [name]) for name in times]
    table = _parse(path, separator, names, headed, places)
    if table.empty:
        raise ValueError(f"{path}: no interactions below the column names.")
    table = table[places].set_axis([*cells, *times], axis=1)
    _check_whole(path, separator, names, headed, table["response"])

    def locate(row, column):
        records = _iterate_records(path, separator, headed)
        line, _ = next(islice(records, int(row), None), (f"of row {row + 1}", None))
        return f"{path}, line {line}"

    order = {name: _read_order(table[name], layout, locate) for name in times}
    return Cells(
        *(pd.factorize(table[name]) for name in cells),
        record=order.get(next(iter(layout.record), None)),
        clock=order.get(next(iter(layout.clock), None)),
        joint=layout.joint,
        locate=locate,
    )


def _read_order(texts, layout, locate):
    """Return the numbers, or dates and times, of a column that gives the order."""
    import pandas as pd

    if texts.name in layout.clock:
        kind = "date"
        values = pd.to_datetime(texts, format="ISO8601", errors="coerce", utc=True)
        values = values.dt.tz_convert(None)
    else:
        kind = "number"
        values = pd.to_numeric(texts, errors="coerce")
    for row in np.flatnonzero(values.isna())[:1]:
        raise ValueError(
            f"{locate(row, texts.name)}: {texts.name} is {texts[row][:40]!r}, which is "
            f"no {kind}, but gives the order of the rows."
        )
    return values.to_numpy()


def _parse(path, separator, names, headed, places):
    """Return the columns at some places of a table as Latin-1 text."""
    import pandas as pd

    try:
        with open_unpacked(path) as file:
            return pd.read_csv(
                file,
                sep=separator,
                header=None,
                names=range(len(names)),
                # Without it, lines with too many cells are errors.
                usecols=places if headed else None,
                skiprows=_find_head(path)[0] if headed else 0,
                # Numbers would lose the digits of long ones, and zeros in front.
                dtype=object,
                na_filter=False,
                # What is not UTF-8 would stop the parser; `decode` repairs what is.
                encoding="latin-1",
                compression=None,
            )
    except BAD_GZIP as error:
        raise ValueError(f"{path}: damaged gzip file ({error}).") from error
    except pd.errors.EmptyDataError:
        return pd.DataFrame()
    except ValueError as error:
        _check_records(path, separator, names, headed)
        raise ValueError(f"{path}: {str(error).strip()}.") from error


def _check_whole(path, separator, names, headed, responses):
    """Refuse lines that end before their response, and a last one that was cut."""
    rows = set(np.flatnonzero(responses == ""))
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(-1, os.SEEK_END)
        if not packed and file.read() != b"\n":
            rows.add(len(responses) - 1)
    if rows:
        _check_records(path, separator, names, headed, rows)


def _split_records(path, lines, separator, first=1):
    """Yield the line and cells of each record; quoted cells may have line ends."""
    if separator == r"\s+":
        lines = (re.sub("[ \t]+", " ", line.strip()) for line in lines)
        separator = " "
    # An empty last line is a record without cells, unless a quote is still open.
    reader = csv.reader(chain(lines, [""]), delimiter=separator)
    line, held = first, None
    try:
        for record in reader:
            if held:
                yield held
            held = line, record
            line = first + reader.line_num
    except csv.Error as error:
        raise ValueError(
            f"{path}, line {line}: no table ({error}); lines must end with a line "
            f"feed, and quotes must be closed."
        ) from error
    finally:
        # Closes the file, which whoever keeps the error would keep open.
        del reader, lines
    if record:
        raise ValueError(
            f"{path}, line {held[0]}: a quote is opened, but not closed until the end; "
            f"the file seems to be cut short."
        )


def _iterate_records(path, separator, headed):
    """Yield the line and cells of each record below the names that is not blank."""
    records = _split_records(path, read_lines(path, "surrogateescape"), separator)
    # Of blank lines, only those without blanks have no cell.
    written = (r for r in records if r[1] and (r[1][1:] or not r[1][0].isspace()))
    return islice(written, int(headed), None)


def _check_records(path, separator, names, headed, rows=None):
    """Refuse records with more or fewer cells than there are columns."""
    for row, (line, cells) in enumerate(_iterate_records(path, separator, headed)):
        if len(cells) != len(names) and (rows is None or row in rows):
            raise ValueError(
                f"{path}, line {line}: {len(cells)} values, but there are {len(names)} "
                f"columns; the file may have been cut."
            )


def _encode(text):
    """Return UTF-8 text with surrogates as the Latin-1 text that `decode` takes."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def decode(text):
    """Return Latin-1 text as UTF-8 if it is.

    Parameters
    ----------
    text : str
        Text whose bytes were read as Latin-1.

    Returns
    -------
    text : str
        The text that was meant.
    """
    raw = text.encode("latin-1")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("latin-1")
