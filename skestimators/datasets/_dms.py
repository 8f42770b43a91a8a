"""Reader of deep mutational scans."""

import csv
import math
import os
from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import StrOptions, validate_params

from skestimators.datasets._lines import read_lines
from skestimators.utils._mutants import MutantCodec, split_mutant

_MUTANT, _SEQUENCE = "mutant", "mutated_sequence"
_SCORES = ("DMS_score", "score")


@validate_params(
    {
        "path": [str, os.PathLike],
        "wild_type": [str, None],
        "score": [str],
        "first_position": [Integral],
        "separator": [str],
        "duplicates": [StrOptions({"error", "mean", "keep"})],
    },
    prefer_skip_nested_validation=True,
)
def read_dms(
    path,
    *,
    wild_type=None,
    score="auto",
    first_position=1,
    separator=":",
    duplicates="error",
):
    r"""Read a deep mutational scan: a csv file of mutants and their scores.

    The file has a header line, a column `mutant` of codes such as `"A42G:D50K"` (`""`
    or `"WT"` for the wild type) and a column of scores; ProteinGym's substitution files
    are of this form [1]_. Other columns are left out.

    Parameters
    ----------
    path : str or path-like
        The file, plain or gzipped (told by its content).

    wild_type : str, default=None
        The wild-type sequence. If given, every code is checked against it and the
        sequences are built.

    score : str, default="auto"
        Name of the column of scores. `"auto"` takes `DMS_score`, or else `score`.

    first_position : int, default=1
        The position that codes give to the first residue of `wild_type`.

    separator : str, default=":"
        What stands between the substitutions of one code.

    duplicates : {"error", "mean", "keep"}, default="error"
        What to do with a mutant that occurs several times, be it with its substitutions
        in another order: refuse the file, take the first row with the mean of the
        scores, or keep all rows.

    Returns
    -------
    scan : pandas.DataFrame of shape (n_variants, 2 or 3)
        Columns `mutant`, as in the file; `sequence`, if `wild_type` is given or the
        file has a column `mutated_sequence`; and `score` of dtype float64.

    Raises
    ------
    ValueError
        If a column is missing, a code is malformed or does not fit the wild type, a
        sequence in the file is not that of its code, a score is no finite number, or a
        mutant occurs twice. The message names file, line and column.

    See Also
    --------
    read_fasta : Read sequences with scores in their headers.
    make_protein_landscape : Simulate a deep mutational scan.
    skestimators.preprocessing.MutantSequenceBuilder : Build sequences from codes.

    References
    ----------
    .. [1] P. Notin et al., "ProteinGym: Large-Scale Benchmarks for Protein Fitness
           Prediction and Design", NeurIPS 36 (2023), Datasets and Benchmarks.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators.datasets import read_dms
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "scan.csv")
    ...     _ = path.write_text("mutant,score\nK2R,0.5\nK2R:V3A,-1.25\n")
    ...     scan = read_dms(path, wild_type="MKVLA")
    >>> scan
        mutant sequence  score
    0      K2R    MRVLA   0.50
    1  K2R:V3A    MRALA  -1.25
    """
    import pandas as pd

    mutants, scores, sequences = _read_columns(path, score)
    mutations = mutants.convert(lambda code: split_mutant(code, separator=separator))
    scan = {"mutant": mutants.values}
    if wild_type is not None:
        codec = MutantCodec(
            wild_type, first_position=first_position, separator=separator
        )
        scan["sequence"] = mutants.convert(codec.to_sequence)
    if sequences is not None:
        sequences.check(_is_sequence, "is no sequence of capital one-letter residues")
        expected = scan.setdefault("sequence", sequences.values)
        sequences.check(
            lambda sequence, row: sequence == expected[row],
            "is not the wild type with the mutations of column 'mutant' made",
        )
    scan["score"] = scores.convert(_finite_number)
    first = _first_rows(mutations)
    if duplicates == "error":
        mutants.check(
            lambda code, row: first[row] == row,
            "is a mutant that an earlier line has; set duplicates to 'mean' or 'keep' "
            "to accept it",
        )
    scan = pd.DataFrame(scan)
    return _average(scan, first) if duplicates == "mean" else scan


class _Column:
    """A column of a csv file that knows where it stands."""

    def __init__(self, path, name, lines, values):
        self.path = path
        self.name = name
        self.lines = lines
        self.values = values

    def error(self, row, message):
        """Return the error that a cell is wrong."""
        cell = self.values[row]
        cell = cell if len(cell) <= 40 else f"{cell[:37]}..."
        return ValueError(
            f"{self.path}, line {self.lines[row]}, column {self.name!r}: {cell!r} "
            f"{message}"
        )

    def convert(self, function):
        """Return the list of what a function, which may refuse them, makes of cells."""
        converted = []
        for row, value in enumerate(self.values):
            try:
                converted.append(function(value))
            except ValueError as error:
                raise self.error(row, f"is not valid: {error}") from None
        return converted

    def check(self, condition, message):
        """Refuse the first cell for which a condition of cell and row does not hold."""
        for row, value in enumerate(self.values):
            if not condition(value, row):
                raise self.error(row, message)


def _read_columns(path, score):
    """Return the columns of mutants, of scores and, or None, of sequences."""
    text = read_lines(path)
    reader = csv.reader(text, strict=True)
    lines, rows = [], []
    try:
        names = [name.strip() for name in next(reader, [])]
        wanted = [_MUTANT, _score_name(path, names, score)]
        wanted += [_SEQUENCE] * (_SEQUENCE in names)
        indices = [names.index(name) for name in wanted]
        for row in filter(None, reader):
            if len(row) != len(names):
                raise ValueError(
                    f"{path}, line {reader.line_num}: {len(row)} cells, but the header "
                    f"names {len(names)} columns."
                )
            lines.append(reader.line_num)
            rows.append([row[index].strip() for index in indices])
    except csv.Error as error:
        raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error
    finally:
        # Whoever keeps an error would keep the file open.
        text.close()
    if not rows:
        raise ValueError(f"{path}: no variants below the header.")
    columns = [
        _Column(path, name, lines, list(values))
        for name, values in zip(wanted, zip(*rows, strict=True), strict=True)
    ]
    return columns if len(columns) == 3 else [*columns, None]


def _score_name(path, names, score):
    """Return the name of the column of scores, if the header has all it needs."""
    candidates = _SCORES if score == "auto" else (score,)
    present = [name for name in candidates if name in names]
    missing = [] if present else [" or ".join(map(repr, candidates))]
    if _MUTANT not in names:
        missing.insert(0, repr(_MUTANT))
    if missing:
        raise ValueError(
            f"{path}, line 1: no column {' and no column '.join(missing)} among "
            f"{names}."
        )
    return present[0]


def _is_sequence(text, row):
    return text.isascii() and text.isalpha() and text.isupper()


def _finite_number(text):
    """Return a text as a number."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError("a score must be a finite number.")
    return number


def _first_rows(mutations):
    """Return, for each row, the first row with the same mutations."""
    first = {}
    return np.array([first.setdefault(key, row) for row, key in enumerate(mutations)])


def _average(scan, first):
    """Return the first row of each mutant with the mean of its scores."""
    # Their sum could overflow.
    share = scan["score"] / np.bincount(first)[first]
    mean = np.bincount(first, weights=share)[first]
    unique = first == np.arange(len(first))
    return scan.assign(score=mean)[unique].reset_index(drop=True)
