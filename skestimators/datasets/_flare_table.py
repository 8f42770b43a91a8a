"""Reader of tables that say which magnetogram is of a region that flares."""

import math
import os
import re
from csv import Error as CSVError
from csv import reader as read_csv
from typing import NamedTuple

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from skestimators.datasets._lines import read_lines
from skestimators.utils._paths import resolve_inside
from skestimators.utils._regions import frame_region, region_numbers

_SIZE = re.compile(r"([ABCMX])(\d+(?:\.\d*)?|\.\d+)")
# Of the peak flux in soft X-rays, in W/m^2.
_CLASSES = {"A": 1e-8, "B": 1e-7, "C": 1e-6, "M": 1e-5, "X": 1e-4}
_CLASS_LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
_FORMATS = (
    "A table starts with the names of its columns, 'filename,class', or has lines "
    "'name,flareSize' such as 'image.fits,M1.0' or 'image.fits,0'"
)


class _Row(NamedTuple):
    line: int
    name: str
    # The class or the size of the flare.
    value: str


@validate_params(
    {
        "csv": [str, os.PathLike],
        "root": [str, os.PathLike, None],
        "min_flare": [str, None],
    },
    prefer_skip_nested_validation=True,
)
def read_flare_table(csv, root=None, *, min_flare=None):
    r"""Read a table of magnetograms and the flares of their regions.

    Two forms are told apart by their first line:

    - columns `filename` and `class`, 0 or 1, with these names in the first line. Other
      columns are left out;
    - the label files of the AR-flares data set [1]_: lines `name,flareSize`, with the
      size of the largest flare that follows, such as `M1.0`, or 0 for none, below a
      line that says `name,flareSize` or none. Names
      there have no folder, but the images lie in one for each region:
      `1069_hmi.M_720s.20100505_000000_TAI.1.magnetogram_224.png` becomes
      `1069/1069_hmi...`.

    Parameters
    ----------
    csv : str or path-like
        The table: UTF-8 text, plain or gzipped (told by its content).

    root : str or path-like, default=None
        The folder that the files are in. It is put before their names, and none may
        lead out of it. None keeps the names as they are written. The files need not
        exist.

    min_flare : str, default=None
        The smallest flare that counts, such as `"M1.0"`: images with none but smaller
        ones are labelled 0. None counts any. Only for files with flare sizes.

    Returns
    -------
    table : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes. A file that the table
        names twice, with the same label, is there twice.

        paths : ndarray of shape (n_samples,) and dtype object
            The files, as strings.
        labels : ndarray of shape (n_samples,) and dtype int64
            1 if the region flares, else 0.
        groups : ndarray of shape (n_samples,) and dtype int64
            The number of the region that each image is of, by its name in the table:
            see :func:`~skestimators.preprocessing.active_region_groups`.
        flare_sizes : ndarray of shape (n_samples,) and dtype object, or None
            The sizes as they are written, `"0"` for no flare. None for files with
            classes.

    Raises
    ------
    ValueError
        If the file is empty or no UTF-8 text, or a line has too many or too few fields,
        no file name, a class that is not 0 or 1, no flare size, no region, a name that
        leads out of `root`, or another label than a line before has for the same file.
        The message names the line. Or if `min_flare` is no flare size, or is given for
        a file without sizes.

    See Also
    --------
    make_magnetograms : Simulate magnetograms and write such a table.
    skestimators.preprocessing.active_region_groups : Groups of other files.

    References
    ----------
    .. [1] L. E. Boucheron et al., "Solar Active Region Magnetogram Image Dataset for
           Studies of Space Weather", Scientific Data 10 (2023), 825.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators.datasets import read_flare_table
    >>> text = "11158/0.png,X2.2\n11158/1.png,C1.5\n11166/0.png,0\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "labels.csv")
    ...     _ = path.write_text(text)
    ...     table = read_flare_table(path, min_flare="M1.0")
    >>> table.paths
    array(['11158/0.png', '11158/1.png', '11166/0.png'], dtype=object)
    >>> table.labels, table.groups
    (array([1, 0, 0]), array([11158, 11158, 11166]))
    """
    least = _check_min_flare(min_flare)
    root = None if root is None else os.path.expanduser(root)
    rows, headed = _read_rows(csv)
    if headed and min_flare is not None:
        raise ValueError(
            f"{csv} has classes, no flare sizes: min_flare must be None, but is "
            f"{min_flare!r}."
        )
    values = _parse_values(csv, rows, _parse_class if headed else _parse_size)
    names = [row.name for row in rows]
    _check_agreement(csv, rows, values)
    if root is not None:
        _check_inside(csv, rows, root)
        names = [os.path.join(root, name) for name in names]
    sizes = None if headed else np.array([row.value for row in rows], dtype=object)
    return Bunch(
        paths=np.array(names, dtype=object),
        labels=((values > 0) & (values >= least)).astype(np.int64),
        groups=region_numbers(
            [row.name for row in rows],
            caller="read_flare_table",
            name="csv",
            locate=lambda row: f"{csv}, line {rows[row].line}",
        ),
        flare_sizes=sizes,
    )


def _check_min_flare(min_flare):
    """Return the peak flux of the smallest flare that counts."""
    if min_flare is None:
        return 0.0
    least = _parse_size(min_flare)
    if not least:
        raise ValueError(
            f"min_flare must be a class and a number, such as 'M1.0', or None; got "
            f"{min_flare!r}."
        )
    return least


def _read_rows(csv):
    """Return the rows of a table, and whether it has names of columns."""
    records = iter(list(_read_records(csv)))
    line, fields = next(records, (0, None))
    if fields is None:
        raise ValueError(f"{csv}: the file is empty. {_FORMATS}.")
    columns = [field.lower() for field in fields]
    headed = not {"filename", "class"}.isdisjoint(columns)
    if headed:
        places = [_find_column(csv, columns, name) for name in ("filename", "class")]
        rows = []
    else:
        rows = [] if columns == ["name", "flaresize"] else [(line, fields)]
        places, columns = (0, 1), ("name", "flareSize")
    rows.extend(records)
    if not rows:
        raise ValueError(f"{csv}: no rows below the names of the columns.")
    rows = [_make_row(csv, *row, columns, places) for row in rows]
    return rows if headed else [_in_folder(row) for row in rows], headed


def _read_records(csv):
    """Yield the line and the fields of each record that is not blank."""
    text = read_lines(csv)
    records = read_csv(text, strict=True)
    try:
        for fields in records:
            fields = [field.strip() for field in fields]
            if fields not in ([], [""]):
                yield records.line_num, fields
    except CSVError as error:
        raise ValueError(
            f"{csv}, line {records.line_num}: no table ({error}); quotes must be "
            f"closed, and lines end with a line feed."
        ) from error
    finally:
        # Whoever keeps an error would keep the file open.
        text.close()


def _find_column(csv, columns, name):
    """Return the place of a column."""
    if columns.count(name) != 1:
        raise ValueError(
            f"{csv}: {columns.count(name)} columns are named {name!r}, but it takes "
            f"one; the columns are {', '.join(map(repr, columns))}."
        )
    return columns.index(name)


def _make_row(csv, line, fields, columns, places):
    """Return what is needed of the fields of a line."""
    if len(fields) != len(columns):
        raise ValueError(
            f"{csv}, line {line}: {len(fields)} fields, but it takes {len(columns)}: "
            f"{','.join(columns)}. {_FORMATS}."
        )
    name, value = (fields[place] for place in places)
    # Tables written on Windows are read elsewhere, too.
    name = name.replace("\\", "/")
    if not name:
        raise ValueError(f"{csv}, line {line}: the name of the file is empty.")
    return _Row(line, name, value)


def _in_folder(row):
    """Put the folder of its region before a name that has none."""
    region = frame_region(row.name)
    return row if region is None else row._replace(name=f"{region}/{row.name}")


def _parse_class(text):
    return _CLASS_LABELS.get(text)


def _parse_size(text):
    """Return the peak flux of a flare in W/m^2, 0 for none; or None for no size."""
    if _CLASS_LABELS.get(text) == 0:
        return 0.0
    size = _SIZE.fullmatch(text)
    flux = _CLASSES[size[1]] * float(size[2]) if size else math.inf
    return flux if math.isfinite(flux) else None


def _parse_values(csv, rows, parse):
    """Return the classes or sizes as numbers."""
    parsed = [parse(row.value) for row in rows]
    if None in parsed:
        bad = rows[parsed.index(None)]
        what = "class: 0 or 1" if parse is _parse_class else "flare size"
        raise ValueError(
            f"{csv}, line {bad.line}: {bad.value[:40]!r} is no {what}. {_FORMATS}."
        )
    return np.array(parsed, dtype=np.float64)


def _check_agreement(csv, rows, values):
    """Refuse a file that is named twice and is not the same in both lines."""
    first = {}
    for row, value in zip(rows, values.tolist(), strict=True):
        other, known = first.setdefault(os.path.normpath(row.name), (row, value))
        if known != value:
            raise ValueError(
                f"{csv}, line {row.line}: {row.name!r} is {row.value!r}, but in line "
                f"{other.line} it is {other.value!r}."
            )


def _check_inside(csv, rows, root):
    """Refuse names that lead out of the folder."""
    folders = set()
    for row in rows:
        folder, file = os.path.split(row.name)
        try:
            # Resolving each of a million names would take a minute.
            if folder not in folders:
                resolve_inside(folder, root)
                folders.add(folder)
            if file == ".." or os.path.islink(os.path.join(root, row.name)):
                resolve_inside(row.name, root)
        except ValueError as error:
            raise ValueError(
                f"{csv}, line {row.line}: {row.name!r} leads out of "
                f"root={os.fspath(root)!r}."
            ) from error
