"""The neighbourhood of a wild type: where suggestions come from."""

from numbers import Integral

import numpy as np
from sklearn.utils._param_validation import validate_params

from skestimators.utils._mutants import AMINO_ACIDS, MutantCodec


@validate_params(
    {"wild_type": [str], "first_position": [Integral]},
    prefer_skip_nested_validation=True,
)
def single_substitutions(wild_type, *, first_position=1):
    """List the codes of all single substitutions of a protein.

    Parameters
    ----------
    wild_type : str
        The wild-type sequence, in capital one-letter codes.

    first_position : int, default=1
        The position that codes give to the first residue of `wild_type`.

    Returns
    -------
    codes : ndarray of shape (19 * length,) and dtype object
        Codes such as `"A42G"`, by position and then by new residue. A wild-type
        residue that is none of the twenty standard ones has 20 substitutions.

    Raises
    ------
    ValueError
        If the wild type is empty or has anything but capital letters.

    See Also
    --------
    MutantSequenceBuilder : Build the sequences of such codes.

    Examples
    --------
    >>> from skestimators.preprocessing import single_substitutions
    >>> codes = single_substitutions("MKV")
    >>> len(codes), codes[0], codes[-1]
    (57, 'M1A', 'V3Y')
    """
    MutantCodec(wild_type, first_position=first_position, separator=":")
    codes = [
        f"{old}{position}{new}"
        for position, old in enumerate(wild_type, start=first_position)
        for new in AMINO_ACIDS
        if new != old
    ]
    return np.array(codes, dtype=object)
