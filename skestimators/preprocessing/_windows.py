"""From rows in time order to windows of rows."""

from numbers import Integral

import numpy as np
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils import _safe_indexing, check_consistent_length
from sklearn.utils._param_validation import Interval, StrOptions, validate_params
from sklearn.utils.metaestimators import available_if
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
from skestimators.utils._validation import check_groups

_FLOATS = [np.float64, np.float32]


def _rows_by_group(numbers):
    """Sort rows by group, keeping the order within each.

    Returns the sorted rows; for each row its place among them; and for each row the
    place at which its group begins.
    """
    order = np.argsort(numbers, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    begins = np.searchsorted(numbers[order], numbers)
    return order, place, begins


def _gives_a_table(transformer):
    return transformer.flatten


class SlidingWindow(TransformerMixin, Estimator):
    """Replace each row by the window of rows that ends with it.

    Rows are in time order. Row `i` of the output holds row `i` of the input and the
    `window_size - 1` rows before it, of the same group. There are as many rows as
    before, so that the target still fits and the transformer can be a step of a
    pipeline.

    Parameters
    ----------
    window_size : int, default=10
        Number of rows in a window.

    group : str, int or None, default=None
        The column of `X` that tells which rows belong together: one record, one run,
        one touch point. Its values may be of any type. A string is the name of a column
        of a DataFrame, an int an index, which may count from the end. No window
        reaches into another group, and the rows of several groups may be interleaved.
        The column is no part of the output. None takes all rows as one group.

    pad : {"edge", "zero"}, default="edge"
        What stands before the first row of a group: that row repeated, or zeros.

    flatten : bool, default=False
        If True, the output has two dimensions and windows are laid out row by row,
        oldest first: `reshape(n_samples, window_size, -1)` gives the windows back.
        Most estimators need this. It also makes `get_feature_names_out` and
        `set_output` available.

    Attributes
    ----------
    group_index_ : int or None
        Index of the column `group` names.

    n_features_in_ : int
        Number of features seen during `fit`, the group column included.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of features seen during `fit`, the group column included. Defined only
        when `X` has feature names that are all strings.

    See Also
    --------
    make_windows : Make windows without padding, which leaves fewer rows.

    Notes
    -----
    A row's output depends on the rows before it. Hand over whole records, in time
    order, in `transform` and `predict` as in `fit`: from a subset, or from shuffled
    rows, come other windows. Overlapping windows share rows, so split by record, with
    :class:`~sklearn.model_selection.GroupKFold`; in a split of shuffled rows, test
    windows are made of rows that training windows hold, too.

    Examples
    --------
    >>> import numpy as np
    >>> from skestimators.preprocessing import SlidingWindow
    >>> X = np.array([[0, 1.0], [9, 5.0], [0, 2.0], [9, 6.0], [0, 3.0]])
    >>> windows = SlidingWindow(3, group=0).fit_transform(X)
    >>> windows.shape
    (5, 3, 1)
    >>> windows[:, :, 0]
    array([[1., 1., 1.],
           [5., 5., 5.],
           [1., 1., 2.],
           [5., 5., 6.],
           [1., 2., 3.]])
    """

    _parameter_constraints: dict = {
        "window_size": [Interval(Integral, 1, None, closed="left")],
        "group": [str, Integral, None],
        "pad": [StrOptions({"edge", "zero"})],
        "flatten": ["boolean"],
    }

    def __init__(self, window_size=10, *, group=None, pad="edge", flatten=False):
        self.window_size = window_size
        self.group = group
        self.pad = pad
        self.flatten = flatten

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Find the group column and check the data.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in time order, numeric but for the group column.

        y : None
            Ignored.

        Returns
        -------
        self : object
            Fitted transformer.

        Raises
        ------
        ValueError
            If there is no such group column, a row has no group, or a column is not
            numeric or has a value that is not finite. The message names the column.
        """
        with fit_task(self, max_steps=0, X=X):
            X = as_table(X, estimator=self)
            validate_data(self, X, skip_check_array=True)
            self.group_index_ = None
            if self.group is not None:
                self.group_index_ = column_index(X, self.group, parameter="group")
            self._channels_and_groups(X)
        return self

    def transform(self, X):
        """Make the windows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows in time order: whole records.

        Returns
        -------
        windows : ndarray of shape (n_samples, window_size, n_channels) or \
                (n_samples, window_size * n_channels)
            The windows, oldest row first; the second shape if `flatten`. The channels
            are the features without the group column. Of dtype float32 if `X` is, else
            float64.

        Raises
        ------
        ValueError
            If a row has no group, or a column is not numeric or has a value that is
            not finite. The message names the column.
        """
        check_is_fitted(self)
        X = as_table(X, estimator=self)
        validate_data(self, X, reset=False, skip_check_array=True)
        channels, numbers = self._channels_and_groups(X)
        order, place, begins = _rows_by_group(numbers)
        places = place[:, None] + np.arange(1 - self.window_size, 1)
        missing = places < begins[:, None]
        np.maximum(places, begins[:, None], out=places)
        windows = channels[order[places]]
        if self.pad == "zero":
            windows[missing] = 0
        return windows.reshape(len(windows), -1) if self.flatten else windows

    def _channels_and_groups(self, X):
        """Return the columns but for the group's, and the numbers of the groups."""
        group, columns = self.group_index_, None
        if group is not None:
            columns = [i for i in range(self.n_features_in_) if i != group]
            if not columns:
                raise ValueError("X has only 1 feature(s), which is the group column.")
        channels = numeric_columns(X, columns, dtype=_FLOATS, estimator=self)
        if group is None:
            return channels, np.zeros(len(channels), dtype=np.intp)
        labels = np.asarray(_safe_indexing(X, group, axis=1))
        if labels.dtype.kind == "f":
            numeric_columns(X, [group], dtype=_FLOATS, estimator=self)
        try:
            return channels, check_groups(labels, len(channels))
        except ValueError as error:
            raise ValueError(f"Column group={self.group!r} of X: {error}") from None

    @available_if(_gives_a_table)
    def get_feature_names_out(self, input_features=None):
        """Return the names of the output columns; only with `flatten=True`.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Names of all input features, the group column included. None takes
            `feature_names_in_` or, if `fit` saw none, `x0`, `x1` and so on.

        Returns
        -------
        feature_names_out : ndarray of str objects
            `"Fx_t-9"` for `Fx` nine rows earlier, ..., `"Fx_t-0"` for the row itself.
        """
        check_is_fitted(self)
        names = _check_feature_names_in(self, input_features).tolist()
        if self.group_index_ is not None:
            del names[self.group_index_]
        lags = range(self.window_size - 1, -1, -1)
        return np.array([f"{name}_t-{lag}" for lag in lags for name in names], object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = self.group is not None
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


@validate_params(
    {
        "X": ["array-like"],
        "y": ["array-like", None],
        "groups": ["array-like", None],
        "window_size": [Interval(Integral, 1, None, closed="left")],
        "stride": [Interval(Integral, 1, None, closed="left")],
    },
    prefer_skip_nested_validation=True,
)
def make_windows(X, y=None, groups=None, *, window_size=10, stride=1):
    """Cut rows in time order into windows, without padding.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_channels)
        Rows in time order, all numeric.

    y : array-like of shape (n_samples,) or (n_samples, n_outputs), default=None
        Target of each row.

    groups : array-like of shape (n_samples,), default=None
        Labels, of any type, of the rows that belong together: one record, one run, one
        touch point. No window reaches into another group, and the rows of several
        groups may be interleaved. None takes all rows as one group.

    window_size : int, default=10
        Number of rows in a window.

    stride : int, default=1
        From one window of a group to the next, the number of rows of that group. The
        first window begins with the first row.

    Returns
    -------
    X_windows : ndarray of shape (n_windows, window_size, n_channels)
        The windows, oldest row first, in the order of their last rows. Of dtype float32
        if `X` is, else float64.

    y_windows : ndarray of shape (n_windows,) or (n_windows, n_outputs)
        Target of each window's last row. Only returned if `y` is given.

    groups_windows : ndarray of shape (n_windows,)
        Group of each window, for :class:`~sklearn.model_selection.GroupKFold`. Only
        returned if `groups` is given.

    Raises
    ------
    ValueError
        If a group has fewer rows than a window, or a row no group; if the lengths
        differ; or if a column of `X` is not numeric or has a value that is not finite.
        The message names group, row or column.

    See Also
    --------
    SlidingWindow : Make windows in a pipeline, one for each row.

    Notes
    -----
    As `train_test_split` does, this returns what it was given: `X_windows` alone if
    neither `y` nor `groups` is given, else a tuple. `y=np.arange(len(X))` gives the
    last row of each window.

    Overlapping windows share rows. If records are split between training and test
    data, a model is tested on what it has seen; pass `groups_windows` to the splitter.

    Examples
    --------
    >>> import numpy as np
    >>> from skestimators.preprocessing import make_windows
    >>> X = np.array([[1.0], [5.0], [2.0], [6.0], [3.0]])
    >>> record = ["a", "b", "a", "b", "a"]
    >>> windows, last_row, group = make_windows(X, np.arange(5), record, window_size=2)
    >>> windows[:, :, 0]
    array([[1., 2.],
           [5., 6.],
           [2., 3.]])
    >>> last_row, group.tolist()
    (array([2, 3, 4]), ['a', 'b', 'a'])
    """
    X = as_table(X, estimator="make_windows")
    X = numeric_columns(X, dtype=_FLOATS, estimator="make_windows")
    check_consistent_length(X, y, groups)
    numbers = np.zeros(len(X), dtype=np.intp)
    if groups is not None:
        groups = np.asarray(groups)
        numbers = check_groups(groups, len(X))
    _check_group_sizes(numbers, groups, window_size)
    order, place, begins = _rows_by_group(numbers)
    earlier = place - begins - (window_size - 1)
    last = np.flatnonzero((earlier >= 0) & (earlier % stride == 0))
    windows = X[order[place[last, None] + np.arange(1 - window_size, 1)]]
    given = [np.asarray(values)[last] for values in (y, groups) if values is not None]
    return (windows, *given) if given else windows


def _check_group_sizes(numbers, groups, window_size):
    """Say which groups have no window."""
    _, first, sizes = np.unique(numbers, return_index=True, return_counts=True)
    short = np.flatnonzero(sizes < window_size)
    if not len(short):
        return
    has = f"has {sizes[short[0]]} row(s), fewer than window_size={window_size}"
    if groups is None:
        raise ValueError(f"X {has}.")
    raise ValueError(
        f"Group {str(groups[first[short[0]]])!r} {has}; so have {len(short)} of "
        f"{len(sizes)} groups. Leave them out or take a smaller window."
    )
