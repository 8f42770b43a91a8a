"""Tables of the AR-flares data set."""

import os
from dataclasses import replace

from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skestimators.datasets._fetch_files import (
    CONSTRAINTS,
    RemoteFile,
    fetch_files,
    trust,
)
from skestimators.datasets._flare_table import read_flare_table

FILES = {
    subset: RemoteFile(
        f"ar_flares/{subset.title()}_Data_by_AR_png_224.csv",
        "https://doi.org/10.5061/dryad.jq2bvq898",
    )
    for subset in ("train", "validation", "test")
}

_DESCR = """\
Magnetograms of active regions of the sun, 2010 to 2018, and whether they flare.

paths: the images, 224 x 224 PNG. Get Lat60_Lon60_Nans0_png_224.tar.gz (about 13 GB) at
https://doi.org/10.5281/zenodo.7775776, unpack it, and pass its folder as root.
labels: 1 if the region has a flare of class C1.0 or above within 24 hours, else 0.
groups: the number of the region. The subsets have none in common.

L. E. Boucheron et al., Scientific Data 10 (2023), 825, and Dryad (2023),
https://doi.org/10.5061/dryad.jq2bvq898. Licence: CC0.
"""


@validate_params(
    {
        "subset": [StrOptions(set(FILES))],
        "root": [str, os.PathLike, None],
        "data_home": CONSTRAINTS["data_home"],
        "sha256": [str, None],
    },
    prefer_skip_nested_validation=True,
)
def fetch_flare_tables(*, subset="train", root=None, data_home=None, sha256=None):
    r"""Load a table of the AR-flares data set.

    The data set [1]_ has magnetograms of the active regions of 2010 to 2018, cut from
    those of the Solar Dynamics Observatory, up to 60 degrees from the centre of the
    disk. The tables say whether a region has a flare of class C1.0 or above within 24
    hours, and which images train, validate and test a model. They have no region in
    common.

    **Nothing is downloaded.** Dryad [2]_, where the tables are (licence CC0), gives
    files to browsers and to those who have an account only. The error says what to get
    there, and where to put it. The images are not in there: they come as
    `Lat60_Lon60_Nans0_png_224.tar.gz`, about 13 GB, from Zenodo [3]_.

    Parameters
    ----------
    subset : {"train", "validation", "test"}, default="train"
        The table: `Train_Data_by_AR_png_224.csv`, `Validation_Data_by_AR_png_224.csv`
        or `Test_Data_by_AR_png_224.csv`.

    root : str or path-like, default=None
        The folder with the images, which is put before their names. None keeps the
        names as they are written. The images need not exist.

    data_home : str or path-like, default=None
        The folder that has the tables in its folder `ar_flares`. None is the folder
        that the environment variable `SKESTIMATORS_DATA` names, or else
        `~/skestimators_data`.

    sha256 : str, default=None
        The SHA-256 of the table, in hexadecimal digits, if you know it.

    Returns
    -------
    table : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        paths : ndarray of shape (n_samples,) and dtype object
            The images, as strings.
        labels : ndarray of shape (n_samples,) and dtype int64
            1 if the region flares, else 0.
        groups : ndarray of shape (n_samples,) and dtype int64
            The number of the region.
        flare_sizes : None
            These tables do not have them.
        DESCR : str
            A description of the data.

    Raises
    ------
    OSError
        If the table is not there, or is damaged.

    See Also
    --------
    make_magnetograms : Simulate magnetograms and write such a table.
    read_flare_table : Read tables of other names, or with flare sizes.

    Notes
    -----
    The checksums of the tables are not known to us. A table is trusted at its first
    use: its SHA-256 is then written beside it, and from then on it must stay the same.

    References
    ----------
    .. [1] L. E. Boucheron et al., "Solar Active Region Magnetogram Image Dataset for
           Studies of Space Weather", Scientific Data 10 (2023), 825.
    .. [2] L. E. Boucheron et al., "Active Region Magnetograms for Solar Flare
           Prediction: Reduced Resolution Dataset", Dryad (2023),
           https://doi.org/10.5061/dryad.jq2bvq898.
    .. [3] https://doi.org/10.5281/zenodo.7775776

    Examples
    --------
    Here, a table of two lines stands for the real one, which is put at the same place:

    >>> import tempfile
    >>> from pathlib import Path
    >>> from skestimators.datasets import fetch_flare_tables
    >>> text = "filename,class\n1069/a.png,1\n1072/b.png,0\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "ar_flares", "Test_Data_by_AR_png_224.csv")
    ...     path.parent.mkdir()
    ...     _ = path.write_text(text)
    ...     table = fetch_flare_tables(subset="test", data_home=folder)
    >>> table.paths, table.labels, table.groups
    (array(['1069/a.png', '1072/b.png'], dtype=object), array([1, 0]), array([...]))
    """
    file = replace(FILES[subset], sha256=sha256)
    [path] = fetch_files(
        [file],
        data_home,
        caller="fetch_flare_tables",
        download_if_missing=False,
    )
    table = read_flare_table(path, root)
    trust(file, path)
    return Bunch(**table, DESCR=_DESCR)
