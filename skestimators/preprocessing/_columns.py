"""Columns of a table by name or index, and as numbers."""

import numpy as np
from sklearn.utils import _safe_indexing, check_array
from sklearn.utils.validation import _get_feature_names


def as_table(X, *, estimator, input_name="X"):
    """Return `X` as something of rows and columns.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The table. Lists are made arrays of objects, for their columns may be of several
        types.

    estimator : object or str
        What needs the table: an estimator, or the name of a function.

    input_name : str, default="X"
        What errors call `X`.

    Returns
    -------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        The same values.

    Raises
    ------
    ValueError or TypeError
        If `X` is sparse, complex or empty, or has not two dimensions.
    """
    if not hasattr(X, "shape"):
        X = np.array(X, dtype=object)
    if hasattr(X, "columns") and len(X.shape) == 2 and min(X.shape) > 0:
        # As one array, columns of several types would all become objects.
        return X
    return check_array(
        X,
        dtype=None,
        ensure_all_finite=False,
        estimator=estimator,
        input_name=input_name,
    )


def column_index(X, column, *, parameter):
    """Find a column.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        The table.

    column : str or int
        Name, or index, which may count from the end.

    parameter : str
        What errors call `column`.

    Returns
    -------
    index : int
        From 0.

    Raises
    ------
    ValueError
        If there is no such column.
    """
    n_features = X.shape[1]
    if not isinstance(column, str):
        if -n_features <= column < n_features:
            return int(column) % n_features
        raise ValueError(
            f"{parameter}={column} is no column of X, which has {n_features} "
            f"feature(s), counted from 0."
        )
    names = _get_feature_names(X)
    if names is None:
        raise ValueError(
            f"{parameter}={column!r} is a name, but the columns of X have none. Pass a "
            f"DataFrame whose column names are strings, or the index of the column."
        )
    if column not in names:
        raise ValueError(
            f"{parameter}={column!r} is the name of no column of X, whose columns are "
            f"{names.tolist()}."
        )
    return names.tolist().index(column)


def numeric_columns(X, columns=None, *, dtype, estimator, input_name="X"):
    """Take columns as an array of finite numbers.

    Parameters
    ----------
    X : ndarray or DataFrame of shape (n_samples, n_features)
        The table, as `as_table` returns it. Its other columns may hold anything.

    columns : list of int or None, default=None
        Indices of the columns; None takes all.

    dtype : dtype or list of dtype
        As `check_array` takes it.

    estimator : object or str
        What needs the numbers: an estimator, or the name of a function.

    input_name : str, default="X"
        What errors call `X`.

    Returns
    -------
    values : ndarray of shape (n_samples, n_columns)
        The numbers.

    Raises
    ------
    ValueError or TypeError
        If a value is no number, NaN or infinite; the message names the column.
    """
    names = _get_feature_names(X)
    labels = list(range(X.shape[1])) if names is None else names.tolist()
    if columns is not None:
        X = _safe_indexing(X, columns, axis=1)
        labels = [labels[column] for column in columns]
    checks = {"dtype": dtype, "ensure_all_finite": False, "estimator": estimator}
    try:
        values = check_array(X, input_name=input_name, **checks)
    except (ValueError, TypeError):
        _name_column_without_numbers(X, labels, input_name, checks)
        raise
    _check_finite(values, labels, estimator, input_name)
    return values


def _name_column_without_numbers(X, labels, input_name, checks):
    """Raise the error of the first column that has one of its own."""
    for index, label in enumerate(labels):
        try:
            column = _safe_indexing(X, [index], axis=1)
            check_array(column, **checks)
        except (ValueError, TypeError) as error:
            raise type(error)(
                f"Column {label!r} of {input_name} cannot be read as numbers: {error}"
            ) from None


def _check_finite(values, labels, estimator, input_name):
    """Name the first row and column with a value that is not finite."""
    bad = ~np.isfinite(values)
    if not bad.any():
        return
    row, column = np.argwhere(bad)[0]
    what = f"infinity or a value too large for {values.dtype}"
    if np.isnan(values[row, column]):
        what = "NaN"
    who = estimator if isinstance(estimator, str) else type(estimator).__name__
    raise ValueError(
        f"Input {input_name} contains {what}, first in row {row}, column "
        f"{labels[column]!r} (rows counted from 0); {np.count_nonzero(bad)} value(s) "
        f"are not finite in all. {who} needs finite numbers."
    )
