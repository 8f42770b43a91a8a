"""Reader of FASTA files."""

import math
import os
from numbers import Integral

from sklearn.utils._param_validation import validate_params

from skestimators.datasets._lines import read_lines


@validate_params(
    {
        "path": [str, os.PathLike],
        "score_field": [Integral, None],
        "separator": [str],
    },
    prefer_skip_nested_validation=True,
)
def read_fasta(path, *, score_field=None, separator="|"):
    r"""Read a FASTA file, with the scores its headers may hold.

    Sequences are returned in capitals and without the `*` that may end them; line ends
    may be those of Unix or Windows, and blank lines are skipped. Gaps are refused, as
    aligned sequences are no input for a protein model.

    Parameters
    ----------
    path : str or path-like
        The file, plain or gzipped (told by its content).

    score_field : int, default=None
        Which field of every header is a score, counted from 0, or from the end if
        negative. None reads no scores.

    separator : str, default="|"
        What stands between the fields of a header. Only used for `score_field`.

    Returns
    -------
    records : pandas.DataFrame of shape (n_records, 3 or 4)
        Columns `id`, the header up to its first blank; `header`, all of it;
        `sequence`; and, if `score_field` is given, `score` of dtype float64.

    Raises
    ------
    ValueError
        If the file is empty or no text, a sequence comes before the first header, a
        header or sequence is empty, a sequence holds anything but letters, or a score
        is missing or no finite number. The message names file and line.

    See Also
    --------
    read_dms : Read mutant codes and scores from a csv file.

    References
    ----------
    .. [1] W. R. Pearson and D. J. Lipman, "Improved tools for biological sequence
           comparison", PNAS 85 (1988), 2444-2448.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators.datasets import read_fasta
    >>> text = ">0|lactamase_M1V|0.25\nVSIQ\nHF\n>1|lactamase_S2T|1.5\nMTIQHF\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "variants.fasta")
    ...     _ = path.write_text(text)
    ...     variants = read_fasta(path, score_field=-1)
    >>> variants[["sequence", "score"]]
      sequence  score
    0   VSIQHF   0.25
    1   MTIQHF   1.50
    """
    import pandas as pd

    columns = {"id": [], "header": [], "sequence": []}
    scores = []
    for number, header, sequence in _read_records(path):
        columns["id"].append(header.split(maxsplit=1)[0])
        columns["header"].append(header)
        columns["sequence"].append(sequence)
        if score_field is not None:
            where = f"{path}, line {number}"
            scores.append(_read_score(header, score_field, separator, where))
    if score_field is not None:
        columns["score"] = scores
    return pd.DataFrame(columns)


def _read_records(path):
    """Yield line number of the header, header and sequence of each record."""
    number = header_number = 0
    header, parts = None, []
    for number, line in enumerate(read_lines(path), start=1):
        line = line.strip()
        if line.startswith(">"):
            if header is not None:
                yield header_number, header, _join(parts, path, header_number)
            header_number, header, parts = number, line[1:].strip(), []
            if not header:
                raise ValueError(f"{path}, line {number}: a header without a name.")
        elif line:
            if header is None:
                raise ValueError(
                    f"{path}, line {number}: a FASTA file starts with a header line, "
                    f"'>' and a name, but this is {line[:40]!r}."
                )
            parts.append(_check_residues(line, parts, path, number))
    if header is None:
        raise ValueError(f"{path}: no records, the file is empty.")
    yield header_number, header, _join(parts, path, header_number)


def _check_residues(line, parts, path, number):
    """Return the line if it may continue the parts of a sequence."""
    if not parts or not parts[-1].endswith("*"):
        letters = line.removesuffix("*")
        if not letters or (letters.isascii() and letters.isalpha()):
            return line
        bad = next(c for c in letters if not (c.isascii() and c.isalpha()))
    else:
        bad = "*"
    hint = {
        "-": " Remove the gaps of aligned sequences first.",
        ".": " Remove the gaps of aligned sequences first.",
        "*": " It may only end a sequence.",
    }.get(bad, "")
    raise ValueError(f"{path}, line {number}: {bad!r} is no residue.{hint}")


def _join(parts, path, number):
    """Return the sequence of a record from its lines."""
    sequence = "".join(parts).removesuffix("*").upper()
    if not sequence:
        raise ValueError(f"{path}, line {number}: a header without a sequence.")
    return sequence


def _read_score(header, field, separator, where):
    """Return one field of a header as a number."""
    fields = header.split(separator)
    if not -len(fields) <= field < len(fields):
        raise ValueError(
            f"{where}: score_field={field} does not exist in the header {header!r}, "
            f"which has {len(fields)} field(s) separated by {separator!r}."
        )
    try:
        score = float(fields[field])
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise ValueError(
            f"{where}: field {field} of the header {header!r} is {fields[field]!r}, "
            f"which is no finite number."
        )
    return score
