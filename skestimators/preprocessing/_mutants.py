"""From mutant codes to sequences."""

from numbers import Integral

import numpy as np
from sklearn.base import TransformerMixin, _fit_context
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task
from skestimators.utils._mutants import MutantCodec
from skestimators.utils._strings import check_strings, validate_strings


class MutantSequenceBuilder(TransformerMixin, Estimator):
    """Build the sequences of mutants from their codes.

    A code lists substitutions, each the wild-type residue, its position and the new
    residue: `"A42G"`, or `"A42G:D50K"` for several. `""` and `"WT"` stand for the wild
    type itself. Every code is checked against the wild type, so that sequences are
    never built from a wrong numbering.

    Parameters
    ----------
    wild_type : str
        The wild-type sequence, in capital one-letter codes.

    first_position : int, default=1
        The position that codes give to the first residue of `wild_type`: 1 as is usual,
        0 for codes counted as Python does, or the number at which a fragment starts.

    separator : str, default=":"
        What stands between the substitutions of one code.

    Attributes
    ----------
    n_features_in_ : int
        Number of features seen during `fit`, always 1.

    feature_names_in_ : ndarray of shape (1,)
        Name of the column seen during `fit`. Defined only when `X` is a DataFrame
        whose column name is a string.

    See Also
    --------
    skestimators.datasets.read_dms : Read mutant codes and their scores from a file.

    Notes
    -----
    The output has two dimensions, so that it fits `ColumnTransformer` and `set_output`.
    It has one column of dtype object, named `"sequence"`.

    Examples
    --------
    >>> from skestimators.preprocessing import MutantSequenceBuilder
    >>> builder = MutantSequenceBuilder("MKVLA")
    >>> sequences = builder.fit_transform(["WT", "K2R", "K2R:A5G"])
    >>> sequences
    array([['MKVLA'],
           ['MRVLA'],
           ['MRVLG']], dtype=object)
    >>> builder.inverse_transform(sequences).ravel().tolist()
    ['WT', 'K2R', 'K2R:A5G']
    """

    _parameter_constraints: dict = {
        "wild_type": [str],
        "first_position": [Integral],
        "separator": [str],
    }

    def __init__(self, wild_type, *, first_position=1, separator=":"):
        self.wild_type = wild_type
        self.first_position = first_position
        self.separator = separator

    def _codec(self):
        return MutantCodec(
            self.wild_type,
            first_position=self.first_position,
            separator=self.separator,
        )

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check the parameters and that `X` is one column of strings.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Mutant codes. They are not compared with the wild type before `transform`.

        y : None
            Ignored.

        Returns
        -------
        self : object
            Fitted transformer.

        Raises
        ------
        ValueError
            If the wild type has anything but capital letters, or `X` anything but
            strings.
        """
        with fit_task(self, max_steps=0, X=X):
            self._codec()
            validate_strings(self, X, reset=True)
        return self

    def transform(self, X):
        """Build the sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Mutant codes.

        Returns
        -------
        sequences : ndarray of shape (n_samples, 1) and dtype object
            The sequence of each mutant.

        Raises
        ------
        ValueError
            If a code is malformed, names an unknown residue, a position outside the
            wild type, a position twice, or a residue that is not the wild type's at
            that position. The message names row (from 0) and code.
        """
        check_is_fitted(self)
        codes = validate_strings(self, X, reset=False)
        return _convert(self._codec().to_sequence, codes, "row {}, code {!r}")

    def inverse_transform(self, X):
        """Write the codes of sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Sequences as long as the wild type.

        Returns
        -------
        codes : ndarray of shape (n_samples, 1) and dtype object
            Mutant codes, their substitutions in order of position; `"WT"` for the wild
            type.

        Raises
        ------
        ValueError
            If a sequence has another length than the wild type, or a new residue that
            is no amino acid. The message names the row (from 0).
        """
        check_is_fitted(self)
        sequences = check_strings(X, caller=self)
        return _convert(self._codec().to_code, sequences, "row {}")

    def get_feature_names_out(self, input_features=None):
        """Return the name of the output column.

        Parameters
        ----------
        input_features : array-like of str or None, default=None
            Only checked against `feature_names_in_`.

        Returns
        -------
        feature_names_out : ndarray of shape (1,) and dtype object
            `["sequence"]`.
        """
        check_is_fitted(self)
        _check_feature_names_in(self, input_features)
        return np.array(["sequence"], dtype=object)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.transformer_tags.preserves_dtype = []
        return tags


def _convert(convert, strings, where):
    """Return the converted strings as one column, or say which row is wrong."""
    column = np.empty((len(strings), 1), dtype=object)
    for row, string in enumerate(strings):
        try:
            column[row, 0] = convert(string)
        except ValueError as error:
            raise ValueError(f"{where.format(row, string)}: {error}") from None
    return column
