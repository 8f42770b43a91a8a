"""From positions around a centre to sectors."""

from numbers import Integral

import numpy as np
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.validation import (
    _check_feature_names_in,
    check_is_fitted,
    validate_data,
)

from skestimators.preprocessing._columns import (
    as_table,
    column_index,
    numeric_columns,
)
from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task

_CONSTRAINTS = {
    # Two sectors would be half-planes, which no longer lie between two rays.
    "n_sectors": [Interval(Integral, 3, None, closed="left")],
    "origin": [StrOptions({"error"}), Integral],
}
# Where each of the eight sectors begins, going clockwise.
_EIGHT = np.array(
    [[1, 2], [2, 1], [2, -1], [1, -2], [-1, -2], [-2, -1], [-2, 1], [-1, 2]], float
)


def _beginnings(n_sectors):
    """Return the directions, of shape (n_sectors, 2), in which sectors begin."""
    if n_sectors == 8:
        return _EIGHT
    angles = np.pi / 4 + np.pi / n_sectors * (1 - 2 * np.arange(n_sectors))
    # The cosine of a right angle comes out as 6e-17: points on an axis would be
    # decided by chance.
    return np.column_stack([np.cos(angles), np.sin(angles)]).round(15)


def _label(xy, n_sectors, origin):
    """Return the sectors of checked positions."""
    x, y = xy[:, :1], xy[:, 1:]
    ray_x, ray_y = _beginnings(n_sectors).T
    # Infinite differences have the right sign.
    with np.errstate(over="ignore"):
        begun = ray_x * y - ray_y * x <= 0
    # At the origin all sectors have begun, and none is found.
    sectors = (begun & ~np.roll(begun, -1, axis=1)).argmax(axis=1) + 1
    at_origin = (xy == 0).all(axis=1)
    if at_origin.any() and isinstance(origin, str):
        rows = np.flatnonzero(at_origin)
        more = ", ..." if len(rows) > 5 else ""
        raise ValueError(
            f"The position is the origin, which belongs to no sector, in "
            f"{len(rows)} row(s): {', '.join(map(str, rows[:5]))}{more} (counted from "
            f"0). Leave them out, or pass a label for them as `origin`."
        )
    if at_origin.any():
        sectors[at_origin] = origin
    return sectors


@validate_params(
    {"xy": ["array-like"], **_CONSTRAINTS}, prefer_skip_nested_validation=True
)
def sector_labels(xy, n_sectors=8, *, origin="error"):
    """Find the numbered sectors around the origin in which positions lie.

    Sector 1 is that of the first quadrant's diagonal, and the others follow clockwise.
    Of eight sectors, 2 is around the positive x-axis, 4 around the negative y-axis, 6
    around the negative x-axis, 8 around the positive y-axis, and the diagonals have 1,
    3, 5 and 7. Their boundaries are the lines y = 2x, y = x/2, y = -x/2 and y = -2x,
    so that a sector of an axis spans 53.1 degrees and one of a diagonal 36.9.

    Parameters
    ----------
    xy : array-like of shape (n_samples, 2)
        Positions relative to the centre, x and y, in any unit.

    n_sectors : int, default=8
        Number of sectors, at least 3. If it is not 8, all sectors are of equal angle,
        and the first quadrant's diagonal is the middle of sector 1: with 4, the sectors
        are the quadrants.

    origin : int or "error", default="error"
        Label of positions at the origin, which belong to no sector.

    Returns
    -------
    sectors : ndarray of int of shape (n_samples,)
        From 1 to `n_sectors`, or `origin`.

    Raises
    ------
    ValueError
        If a position is the origin and `origin` is `"error"`; if `xy` has not two
        columns, or has values that are not finite. The message names the row.

    See Also
    --------
    SectorLabeler : Do the same with columns of a table, in a pipeline.

    Notes
    -----
    A position on a boundary belongs to the sector that begins there, going clockwise:
    (1, 2) is in sector 1, (2, 1) in sector 2. No angles are computed, so of eight
    sectors, and of the quadrants, this is exact: only the signs of y - 2x and the like
    count, and positions on a grid are not divided by rounding.

    Examples
    --------
    >>> from skestimators.preprocessing import sector_labels
    >>> sector_labels([[1, 1], [1, 0], [1, -1], [0, -1], [-1, 0], [0, 1]])
    array([1, 2, 3, 4, 6, 8])
    >>> sector_labels([[3, 1], [-3, 1], [0, 0]], n_sectors=4, origin=0)
    array([1, 4, 0])
    """
    names = {"estimator": "sector_labels", "input_name": "xy"}
    xy = as_table(xy, **names)
    if xy.shape[1] != 2:
        raise ValueError(
            f"xy must have two columns, x and y, got {xy.shape[1]}. Pass only those."
        )
    xy = numeric_columns(xy, dtype=np.float64, **names)
    return _label(xy, n_sectors, origin)


class SectorLabeler(TransformerMixin, Estimator):
    """Find the numbered sectors around a centre in which positions lie.

    See :func:`sector_labels` for how sectors are numbered and where they end.

    Parameters
    ----------
    n_sectors : int, default=8
        Number of sectors, at least 3.

    columns : array-like of shape (2,), default=(0, 1)
        The columns of `X` that hold x and y, each by its name, if `X` is a DataFrame,
        or its index, which may count from the end. Other columns are not looked at:
        positions in space can be given as they are.

    offset : array-like of shape (2,), default=(0.0, 0.0)
        Added to x and y to make them relative to the centre: minus the position of the
        centre, in the unit of `X`.

    origin : int or "error", default="error"
        Label of positions at the centre, which belong to no sector.

    Attributes
    ----------
    column_indices_ : ndarray of int of shape (2,)
        Indices of the columns `columns` names.

    n_features_in_ : int
        Number of features seen during `fit`.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`. Defined only when `X` has feature names
        that are all strings.

    See Also
    --------
    sector_labels : The same for two columns that are relative to the centre.

    Notes
    -----
    The sectors are commonly a target: `fit_transform(positions).ravel()` is one, and
    learns nothing from the data.

    Adding an `offset` that is not a whole number rounds: 0.3 - 0.1 is less than 0.2. A
    position that should be exactly on a boundary or at the centre may so come to lie
    beside it, and gets the label of a neighbouring sector, or one where `origin` is
    meant. Where this matters, give positions in a unit in which all are whole numbers.

    Examples
    --------
    Positions of a robot's tool in mm, around a centre at (578.6, -261.4):

    >>> import pandas as pd
    >>> from skestimators.preprocessing import SectorLabeler
    >>> positions = pd.DataFrame(
    ...     {"x": [588.6, 588.6, 578.6], "y": [-251.4, -261.4, -281.4], "z": 375.0}
    ... )
    >>> labeler = SectorLabeler(columns=["x", "y"], offset=(-578.6, 261.4))
    >>> labeler.fit_transform(positions)
    array([[1],
           [2],
           [4]])
    """

    _parameter_constraints: dict = {
        **_CONSTRAINTS,
        "columns": ["array-like"],
        "offset": ["array-like"],
    }

    def __init__(
        self, n_sectors=8, *, columns=(0, 1), offset=(0.0, 0.0), origin="error"
    ):
        self.n_sectors = n_sectors
        self.columns = columns
        self.offset = offset
        self.origin = origin

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Find the columns and check the data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Positions.

        y : None
            Ignored.

        Returns
        -------
        self : object
            Fitted transformer.

        Raises
        ------
        ValueError
            If there are no such columns, or they are not numeric or have a value that
            is not finite.
        """
        with fit_task(self, max_steps=0, X=X):
            X = as_table(X, estimator=self)
            validate_data(self, X, skip_check_array=True)
            self._check_offset()
            self.column_indices_ = self._find_columns(X)
            self._positions(X)
        return self

    def transform(self, X):
        """Find the sectors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Positions.

        Returns
        -------
        sectors : ndarray of int of shape (n_samples, 1)
            From 1 to `n_sectors`, or `origin`.

        Raises
        ------
        ValueError
            If a position is the centre and `origin` is `"error"`, or is not finite.
            The message names the row.
        """
        check_is_fitted(self)
        X = as_table(X, estimator=self)
        validate_data(self, X, reset=False, skip_check_array=True)
        xy = self._positions(X) + self._check_offset()
        return _label(xy, self.n_sectors, self.origin)[:, None]

    def _check_offset(self):
        offset = np.asarray(self.offset)
        numeric = offset.dtype.kind in "iuf" and np.isfinite(offset).all()
        if offset.shape != (2,) or not numeric:
            raise ValueError(
                f"offset must be two finite numbers, for x and y, got {self.offset!r}."
            )
        return offset

    def _find_columns(self, X):
        columns = list(self.columns)
        valid = all(isinstance(column, (str, Integral)) for column in columns)
        if len(columns) != 2 or not valid:
            raise ValueError(
                f"columns must be two names or indices, of x and y, got "
                f"{self.columns!r}."
            )
        found = np.array([column_index(X, c, parameter="columns") for c in columns])
        if found[0] == found[1]:
            raise ValueError(f"columns={self.columns!r} is the same column twice.")
        return found

    def _positions(self, X):
        columns = self.column_indices_.tolist()
        return numeric_columns(X, columns, dtype=np.float64, estimator=self)

    def get_feature_names_out(self, input_features=None):
        """Return the name of the output column.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only checked against `feature_names_in_`.

        Returns
        -------
        feature_names_out : ndarray of shape (1,) and dtype object
            `["sector"]`.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features)
        return np.array(["sector"], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = []
        return tags
