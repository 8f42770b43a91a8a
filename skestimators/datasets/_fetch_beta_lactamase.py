"""Download of a deep mutational scan of beta-lactamase."""

import numpy as np
from sklearn.utils import Bunch
from sklearn.utils._param_validation import validate_params

from skestimators.datasets._fasta import read_fasta
from skestimators.datasets._fetch_files import CONSTRAINTS, RemoteFile, fetch_files

FILE = RemoteFile(
    "beta_lactamase/P62593.fasta",
    "https://raw.githubusercontent.com/facebookresearch/esm/"
    "5536f5db78d0602bd09700d62dfeec67a4fb1ae9/examples/data/P62593.fasta",
    "c5315619b48e13fac8995d13c4582ab74ff6bc8a0dc2105c4d236f473a4223bd",
)

_DESCR = """\
Single substitutions of TEM-1 beta-lactamase (UniProt P62593) and their measured effect.

data: mutant codes, the first position being 1. Codes such as P20P have the sequence of
the wild type.
target: the effect as scaled for Envision; about 1 for the wild type, 0 for no activity.
sequences: the sequence of each variant.
groups: the position that is substituted.
wild_type: the sequence of the wild type.

Gray et al., Cell Systems 6 (2018), 116-124. The file is part of the repository of
fair-esm, whose licence is MIT.
"""


@validate_params(
    {**CONSTRAINTS, "return_X_y": ["boolean"], "as_frame": ["boolean"]},
    prefer_skip_nested_validation=True,
)
def fetch_beta_lactamase(
    *,
    data_home=None,
    download_if_missing=True,
    n_retries=3,
    delay=1.0,
    return_X_y=False,
    as_frame=False,
):
    """Load a deep mutational scan of TEM-1 beta-lactamase.

    The enzyme lets bacteria survive ampicillin. The file has the effects of 5397 single
    substitutions at all of its 286 positions, as they were scaled for Envision [1]_.
    199 of them are silent: their codes, such as `"P20P"`, stand for the sequence of the
    wild type, so that 5199 sequences are different.

    1.8 MB are downloaded at the first call, from a fixed version of the repository of
    fair-esm [2]_ (MIT licence), and checked. Later calls need no internet.

    Parameters
    ----------
    data_home : str or path-like, default=None
        The folder to keep the data in. None is the folder that the environment variable
        `SKESTIMATORS_DATA` names, or else `~/skestimators_data`.

    download_if_missing : bool, default=True
        If False, raise an error if the data are not in `data_home`, instead of trying
        to download them.

    n_retries : int, default=3
        How often to try again when a download fails. Each time, it goes on where it was
        cut, as does a later call.

    delay : float, default=1.0
        Seconds between tries.

    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch.

    as_frame : bool, default=False
        If True, `data` is a DataFrame and `target` a Series.

    Returns
    -------
    variants : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (5397,) or DataFrame of shape (5397, 1)
            Mutant codes such as `"A42G"`, the first position being 1.
        target : ndarray of shape (5397,) or Series
            The effects: about 1 for the wild type, 0 for an enzyme that does not work.
        sequences : ndarray of shape (5397,) and dtype object
            The sequences of the variants.
        groups : ndarray of shape (5397,) and dtype int64
            The positions that are substituted, for
            :class:`~sklearn.model_selection.GroupKFold`.
        wild_type : str
            The wild-type sequence, with its signal peptide.
        feature_names : list of str
            `["mutant"]`.
        target_names : list of str
            `["score"]`.
        frame : DataFrame of shape (5397, 2) or None
            `data` and `target`, if `as_frame` is true.
        DESCR : str
            A description of the data.

    (data, target) : tuple if `return_X_y` is True
        The two attributes of that name.

    Raises
    ------
    OSError
        If the data cannot be downloaded or written, or are damaged. The message says
        how to get them by hand.

    ImportError
        If the data must be downloaded and pooch is not installed.

    See Also
    --------
    make_protein_landscape : Simulate a deep mutational scan.
    read_fasta : Read sequences and scores of other variants.
    skestimators.preprocessing.MutantSequenceBuilder : Build sequences from codes.

    References
    ----------
    .. [1] V. E. Gray et al., "Quantitative Missense Variant Effect Prediction Using
           Large-Scale Mutagenesis Data", Cell Systems 6 (2018), 116-124.
    .. [2] https://github.com/facebookresearch/esm

    Examples
    --------
    ``fetch_beta_lactamase()`` is all it takes where there is internet. Without it, the
    error names the address and the place of the file:

    >>> import tempfile
    >>> from skestimators.datasets import fetch_beta_lactamase
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         fetch_beta_lactamase(data_home=folder, download_if_missing=False)
    ...     except OSError as error:
    ...         print(error)
    fetch_beta_lactamase: the data are not in data_home=...
    To get them by hand, download, without any change:
      https://raw.githubusercontent.com/.../examples/data/P62593.fasta
        to .../beta_lactamase/P62593.fasta
        SHA-256: c5315619...
    """
    import pandas as pd

    [path] = fetch_files(
        [FILE],
        data_home,
        caller="fetch_beta_lactamase",
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
    records = read_fasta(path, score_field=2)
    # A header is "0|beta-lactamase_P20P|1.58".
    codes = [header.split("|")[1].rpartition("_")[2] for header in records["id"]]
    silent = [code[0] == code[-1] for code in codes]
    frame = pd.DataFrame({"mutant": codes, "score": records["score"]})
    variants = Bunch(
        data=frame[["mutant"]] if as_frame else np.array(codes, dtype=object),
        target=frame["score"] if as_frame else frame["score"].to_numpy(),
        sequences=records["sequence"].to_numpy(dtype=object),
        groups=np.array([code[1:-1] for code in codes]).astype(np.int64),
        wild_type=records["sequence"][silent].iloc[0],
        feature_names=["mutant"],
        target_names=["score"],
        frame=frame if as_frame else None,
        DESCR=_DESCR,
    )
    return (variants.data, variants.target) if return_X_y else variants
