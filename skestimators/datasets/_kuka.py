"""Reader of the records of a KUKA arm that touches points of a plate."""

import csv
import math
import os
import re
from pathlib import Path

import numpy as np
from sklearn.utils._param_validation import validate_params

from skestimators.datasets._lines import is_finite_number, most_unpacked, read_lines
from skestimators.utils._optional import import_optional

_JOINTS = range(1, 8)
_NAMES = ["t_Sec", "t_nSec"]
_NAMES += [f"{torque}_A{i}" for torque in ("exT", "msT") for i in _JOINTS]
_NAMES += [f"{axis}{copy}" for axis in ("Fx", "Fy", "Fz") for copy in ("", "1")]
_NAMES += [f"{axis}{copy}" for axis in ("Tx", "Ty", "Tz") for copy in ("", "1")]
_NAMES += [f"{angle}_A{i}" for angle in ("cur", "comd") for i in _JOINTS]
_NAMES += [f"{place}_{axis}" for place in ("curCart", "comdCart") for axis in "xyz"]

_RECORD = re.compile(r"(?:.*_)?(-?\d+)_(-?\d+)_demoRecord")
_KEY = re.compile(r"\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*")


@validate_params(
    {"folder": [str, os.PathLike]},
    prefer_skip_nested_validation=True,
)
def read_kuka_records(folder):
    r"""Read the records of a KUKA arm that touches the points of a grid.

    A record is what the arm and a force-torque sensor measured while one point was
    touched. It is a text file `*_I_J_demoRecord.txt`, where `I` and `J` are the indices
    of the point: a header line, then lines of 48 numbers separated by blanks, which are
    in this order

    - `t_Sec`, `t_nSec`: the time, in seconds and nanoseconds;
    - `exT_A1` to `exT_A7`: external torques of the joints, in Nm;
    - `msT_A1` to `msT_A7`: measured torques of the joints, in Nm;
    - `Fx`, `Fx1`, `Fy`, `Fy1`, `Fz`, `Fz1`: forces, in N;
    - `Tx`, `Tx1`, `Ty`, `Ty1`, `Tz`, `Tz1`: torques, in Nm;
    - `cur_A1` to `cur_A7`, `comd_A1` to `comd_A7`: angles of the joints, current and
      commanded;
    - `curCart_x`, `curCart_y`, `curCart_z`, `comdCart_x`, `comdCart_y`, `comdCart_z`:
      position of the tool, current and commanded, in mm.

    The numbers go by their order. The header may name them otherwise, but where it uses
    one of these names, this must stand in its place.

    Feather and Parquet files, `*.feather` and `*.parquet`, need these columns in any
    order, and others are left out. A column `key` of `"I,J"` says which rows are of
    which point, as in the table that this function returns; without it, the file is one
    record and named like those of text. Other files in the folder are not looked at.

    Parameters
    ----------
    folder : str or path-like
        The folder of the files.

    Returns
    -------
    records : pandas.DataFrame of shape (n_rows, 49)
        Column `key`, the touch point as `"I,J"`, and the 48 columns above of dtype
        float64. Records are ordered by `I` and `J` as numbers, the rows of a record by
        time, as they are in its file.

    Raises
    ------
    ValueError
        If there are no records, a file is empty or lacks columns, its header has a name
        in the wrong place, a line has more or fewer than 48 numbers, the last one has
        no line end, as in a file that was cut, a value is no finite number, time goes
        backwards, or there are two records of a point. The message names file and
        line; rows of Feather and Parquet files are counted from 0.

    ImportError
        If there are Feather or Parquet files, but `pyarrow` is not installed.

    See Also
    --------
    make_force_torque : Simulate such records.
    read_robot_failures : Read the UCI Robot Execution Failures.

    Examples
    --------
    Torques and forces as input, and the position on the plate as target; the touch
    points are the groups that must not be split between training and test:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators.datasets import read_kuka_records
    >>> rows = [" ".join(str(t + k) for k in range(48)) for t in range(3)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for key in ["10_2", "9_2"]:
    ...         path = Path(folder, f"plate_{key}_demoRecord.txt")
    ...         _ = path.write_text("\n".join(["time ...", *rows, ""]))
    ...     records = read_kuka_records(folder)
    >>> X = records.filter(regex=r"^(exT|msT)_A\d$|^[FT][xyz]$")
    >>> y = records[["curCart_x", "curCart_y"]] + [-578.6, 261.4]
    >>> X.shape, y.shape, records["key"].unique().tolist()
    ((6, 20), (6, 2), ['9,2', '10,2'])
    """
    import pandas as pd

    records = {}
    for path in sorted(Path(folder).iterdir()):
        for key, values in _read_file(path):
            if key in records:
                raise ValueError(
                    f"{path}: a second record of touch point '{_name(key)}', which "
                    f"{records[key][0]} has."
                )
            records[key] = path, values
    if not records:
        raise ValueError(
            f"{folder}: no records. They are files *_I_J_demoRecord.txt, I and J being "
            f"the indices of the touch point, or *.feather or *.parquet."
        )
    keys = sorted(records)
    values = [records[key][1] for key in keys]
    frame = pd.DataFrame(np.concatenate(values), columns=_NAMES)
    names = np.repeat([_name(key) for key in keys], [len(rows) for rows in values])
    frame.insert(0, "key", names)
    return frame


def _name(key):
    return f"{key[0]},{key[1]}"


def _read_file(path):
    """Return the keys and values of the records in a file, which may be none."""
    match = _RECORD.fullmatch(path.stem)
    key = (int(match[1]), int(match[2])) if match else None
    if path.name.startswith("."):
        # What a system hides next to a file may be named after it.
        return []
    if path.suffix in (".feather", ".parquet"):
        return _read_arrow(path, key)
    return [(key, _read_text(path))] if match and path.suffix == ".txt" else []


def _go_back(values):
    """Return for each row but the first whether it is earlier than the one before."""
    seconds, nanoseconds = np.diff(values[:, :2], axis=0).T
    return (seconds < 0) | ((seconds == 0) & (nanoseconds < 0))


def _read_text(path):
    """Return the values of a text file."""
    import pandas as pd

    _check_header(path, next(read_lines(path), ""))
    reason = "not a text file of records"
    try:
        values = pd.read_csv(
            path,
            sep=r"\s+",
            header=None,
            skiprows=1,
            dtype=np.float64,
            compression=None,
            quoting=csv.QUOTE_NONE,
        ).to_numpy()
    except ValueError as error:
        reason = error
    else:
        fine = values.shape[1] == len(_NAMES) and np.isfinite(values).all()
        if fine and not _go_back(values).any():
            _check_end(path)
            return values
    # The fast parser does not say where, so that the lines are gone through again.
    _check_lines(path)
    raise ValueError(f"{path}: {reason}.")


def _check_header(path, header):
    """Refuse a header that is none or has one of the names in the wrong place."""
    if not header:
        raise ValueError(f"{path}: no rows, the file is empty.")
    names = header.lstrip("#% ").split()
    if all(is_finite_number(name) for name in names):
        raise ValueError(
            f"{path}, line 1: a record starts with a line of column names, but this is "
            f"{header[:40]!r}."
        )
    for place, name in enumerate(_NAMES, start=1):
        if name in names and names.index(name) + 1 != place:
            raise ValueError(
                f"{path}, line 1: column {names.index(name) + 1} is {name!r}, which "
                f"should be column {place}; columns are missing or in another order."
            )


def _check_end(path):
    """Refuse a file that may have been cut in its last number."""
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        if file.read() != b"\n":
            raise ValueError(
                f"{path}: the last line has no line end: the file seems to be cut "
                f"short; if it is whole, add one."
            )


def _check_lines(path):
    """Refuse the first line of a text file that is wrong."""
    before = (-math.inf, -math.inf)
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split()
        if number == 1 or not cells:
            continue
        if len(cells) != len(_NAMES):
            raise ValueError(
                f"{path}, line {number}: {len(cells)} values, but a record has "
                f"{len(_NAMES)} columns; the file may have been cut."
            )
        for name, cell in zip(_NAMES, cells, strict=True):
            if not is_finite_number(cell):
                raise ValueError(
                    f"{path}, line {number}, column {name!r}: {cell[:40]!r} is no "
                    f"finite number."
                )
        time = float(cells[0]), float(cells[1])
        if time < before:
            raise ValueError(
                f"{path}, line {number}: time goes backwards, from {before} to {time} "
                f"(s, ns)."
            )
        before = time
    if math.isinf(before[0]):
        raise ValueError(f"{path}: no rows, the file is empty.")


def _read_arrow(path, key):
    """Return the keys and values of the records in a Feather or Parquet file."""
    import_optional("pyarrow", extra="arrow", caller="read_kuka_records")
    try:
        table = _read_table(path)
    # Damage shows in errors of any type.
    except Exception as error:
        raise ValueError(f"{path}: not a file of this format ({error}).") from error
    keyed = "key" in table.columns
    missing = [name for name in _NAMES if name not in table.columns]
    missing += [] if keyed or key else ["key"]
    if missing:
        raise ValueError(f"{path}: no column {', '.join(map(repr, missing))}.")
    if table.empty:
        raise ValueError(f"{path}: no rows.")
    values = _to_numbers(path, table)
    keys = _row_keys(path, table["key"]) if keyed else {key: np.arange(len(table))}
    for rows in keys.values():
        for row in rows[1:][_go_back(values[rows])]:
            raise ValueError(f"{path}, row {row}: time goes backwards.")
    return [(key, values[rows]) for key, rows in keys.items()]


def _read_table(path):
    """Return the table in a file, after checks that Arrow leaves to its user."""
    from pyarrow import feather, parquet

    if path.suffix == ".feather":
        table = feather.read_table(path)
    else:
        with parquet.ParquetFile(path) as file:
            n_rows = file.metadata.num_rows
            if 8 * len(_NAMES) * n_rows > most_unpacked(path):
                raise ValueError(f"it announces {n_rows} rows, far more than fit in it")
            table = file.read()
    # Texts may lie outside of the file, or be no text.
    table.validate(full=True)
    return table.to_pandas()


def _to_numbers(path, table):
    """Return the values of a table, if all are finite numbers."""
    for name in _NAMES:
        if table[name].dtype.kind not in "fiu":
            raise ValueError(
                f"{path}, column {name!r}: of type {table[name].dtype}, not numbers."
            )
    values = table[_NAMES].to_numpy(dtype=np.float64, na_value=np.nan)
    for row, column in np.argwhere(~np.isfinite(values)):
        raise ValueError(
            f"{path}, row {row}, column {_NAMES[column]!r}: {values[row, column]} is "
            f"no finite number."
        )
    return values


def _row_keys(path, column):
    """Return the rows of each touch point."""
    column = column.reset_index(drop=True)
    names = {}
    for row, text in column.drop_duplicates().items():
        match = _KEY.fullmatch(str(text))
        if match is None:
            raise ValueError(
                f"{path}, row {row}, column 'key': {text!r} is not 'I,J', the two "
                f"indices of a touch point."
            )
        names[text] = f"{int(match[1])},{int(match[2])}"
    rows = column.groupby(column.map(names)).indices
    return {tuple(map(int, name.split(","))): rows[name] for name in rows}
