"""Reader of the UCI Robot Execution Failures."""

import os

import numpy as np
from sklearn.utils._param_validation import validate_params

from skestimators.datasets._lines import is_finite_number, read_lines

_STEPS, _AXES = 15, ("Fx", "Fy", "Fz", "Tx", "Ty", "Tz")


@validate_params(
    {"path": [str, os.PathLike]},
    prefer_skip_nested_validation=True,
)
def read_robot_failures(path):
    r"""Read a file of the UCI Robot Execution Failures.

    The data sets LP1 to LP5 [1]_ hold the force and torque at the gripper of a robot in
    the 315 ms after a failure may have happened. An example is a line with its class,
    such as `normal` or `collision`, then 15 lines of `Fx`, `Fy`, `Fz`, `Tx`, `Ty` and
    `Tz`; blank lines stand between the examples.

    Parameters
    ----------
    path : str or path-like
        The file, plain or gzipped (told by its content).

    Returns
    -------
    X : ndarray of shape (n_examples, 15, 6)
        Forces and torques over time, in the units of the file.

    y : ndarray of shape (n_examples,)
        The classes, as str.

    Raises
    ------
    ValueError
        If there are no examples, an example has more or fewer than 15 lines, a line
        more or fewer than 6 values, or a value is no finite number. The message names
        file and line.

    See Also
    --------
    read_kuka_records : Read the records of a KUKA arm.
    make_force_torque : Simulate a robot arm that is touched on a plate.

    References
    ----------
    .. [1] L. Seabra Lopes and L. M. Camarinha-Matos, "Feature Transformation Strategies
           for a Robot Learning Problem", Feature Extraction, Construction and
           Selection, Springer (1998), 375-391.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators.datasets import read_robot_failures
    >>> rows = "\t-1\t-1\t63\t-3\t-1\t0\n" * 15
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "lp1.data")
    ...     _ = path.write_text(f"normal\n{rows}\n\ncollision\n{rows}")
    ...     X, y = read_robot_failures(path)
    >>> X.shape, y.tolist()
    ((2, 15, 6), ['normal', 'collision'])
    """
    examples, labels = [], []
    for number, label, rows in _read_examples(path):
        if len(rows) != _STEPS:
            raise ValueError(
                f"{path}, line {number}: the example {label!r} that starts here has "
                f"{len(rows)} rows of numbers, not {_STEPS}; the file may have been "
                f"cut."
            )
        examples.append(rows)
        labels.append(label)
    if not examples:
        raise ValueError(f"{path}: no examples, the file is empty.")
    return np.array(examples), np.array(labels)


def _read_examples(path):
    """Yield line number of the label, label and rows of each example."""
    start, label, rows = 0, None, []
    for number, line in enumerate(read_lines(path), start=1):
        cells = line.split()
        where = f"{path}, line {number}"
        if len(cells) == 1 and not is_finite_number(cells[0]):
            if label is not None:
                yield start, label, rows
            start, label, rows = number, cells[0], []
        elif cells:
            if label is None or len(rows) == _STEPS:
                raise ValueError(
                    f"{where}: the label of an example should stand here, but this is "
                    f"{line.strip()[:40]!r}."
                )
            rows.append(_read_row(cells, where))
        elif 0 < len(rows) < _STEPS:
            raise ValueError(
                f"{where}: a blank line after {len(rows)} of the {_STEPS} rows of the "
                f"example {label!r}."
            )
    if label is not None:
        yield start, label, rows


def _read_row(cells, where):
    """Return the values of a row."""
    if len(cells) != len(_AXES):
        raise ValueError(
            f"{where}: {len(cells)} values, not the {len(_AXES)} of {', '.join(_AXES)}."
        )
    for axis, cell in zip(_AXES, cells, strict=True):
        if not is_finite_number(cell):
            raise ValueError(f"{where}: {axis} is {cell[:40]!r}, no finite number.")
    return [float(cell) for cell in cells]
