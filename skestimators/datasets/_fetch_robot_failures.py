"""Download of the UCI Robot Execution Failures."""

import tempfile
from dataclasses import replace
from pathlib import Path
from shutil import copyfileobj

from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skestimators.datasets._fetch_checks import open_member
from skestimators.datasets._fetch_files import (
    CONSTRAINTS,
    RemoteFile,
    fetch_files,
    trust,
)
from skestimators.datasets._robot_failures import read_robot_failures

FILE = RemoteFile(
    "robot_failures/robot+execution+failures.zip",
    "https://archive.ics.uci.edu/static/public/138/robot+execution+failures.zip",
    members={
        "lp1.data": "e146de5aeaffd864f0e57ce2fe0b58e98582c3e808e6c0e8deb9b25a54ef0cb5",
        "lp2.data": None,
        "lp3.data": None,
        "lp4.data": "f0c901ead751ff3104d7e1aeb23165efb88270b219c1954c43bfff2344a7bb3c",
        "lp5.data": None,
    },
)

_DESCR = """\
Robot Execution Failures, data set {number}: {what}.

data: forces Fx, Fy, Fz and torques Tx, Ty, Tz at the gripper, as whole numbers without
a unit, in 15 steps during the 315 ms after a failure may have happened.
target: what did happen.

L. Lopes and L. Camarinha-Matos, "Robot Execution Failures", UCI Machine Learning
Repository (1998), https://doi.org/10.24432/C5M89N. Licence: CC BY 4.0.
"""
_SUBSETS = {
    "lp1": "failures in approach to grasp position",
    "lp2": "failures in transfer of a part",
    "lp3": "position of a part after a failure in its transfer",
    "lp4": "failures in approach to ungrasp position",
    "lp5": "failures in motion with a part",
}


@validate_params(
    {
        "subset": [StrOptions(set(_SUBSETS))],
        **CONSTRAINTS,
        "sha256": [str, None],
        "return_X_y": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def fetch_robot_failures(
    *,
    subset="lp1",
    data_home=None,
    download_if_missing=True,
    n_retries=3,
    delay=1.0,
    sha256=None,
    return_X_y=False,
):
    r"""Load one of the five data sets of the UCI Robot Execution Failures.

    They hold the force and torque at the gripper of a robot during the 315 ms after a
    failure may have happened, and what it was [1]_.

    =======  ========  ====================================================
    subset   examples  of
    =======  ========  ====================================================
    `"lp1"`  88        failures in approach to grasp position
    `"lp2"`  47        failures in transfer of a part
    `"lp3"`  47        position of a part after a failure in its transfer
    `"lp4"`  117       failures in approach to ungrasp position
    `"lp5"`  164       failures in motion with a part
    =======  ========  ====================================================

    They come in one zip archive of about 60 kB from the UCI Machine Learning Repository
    [2]_ (licence CC BY 4.0), downloaded at the first call. Later calls need no
    internet.

    Parameters
    ----------
    subset : {"lp1", "lp2", "lp3", "lp4", "lp5"}, default="lp1"
        The data set.

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

    sha256 : str, default=None
        The SHA-256 of the archive, in hexadecimal digits, if you know it.

    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch.

    Returns
    -------
    failures : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_examples, 15, 6)
            Forces and torques over time, in the units of the file.
        target : ndarray of shape (n_examples,)
            The classes, as str.
        feature_names : list of str
            `["Fx", "Fy", "Fz", "Tx", "Ty", "Tz"]`, what the last axis of `data` is.
        target_names : list of str
            The classes, sorted.
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
    make_force_torque : Simulate a robot arm that is touched on a plate.
    read_robot_failures : Read one file of the data sets.

    Notes
    -----
    The files do not tell which failures belong together, so there are no groups.

    The checksums of `lp1.data` and `lp4.data` within the archive are known, and always
    checked. That of the archive itself is not: it is trusted at its first use. Its
    SHA-256 is then written beside it, and from then on it must stay the same.

    References
    ----------
    .. [1] L. Seabra Lopes and L. M. Camarinha-Matos, "Feature Transformation Strategies
           for a Robot Learning Problem", Feature Extraction, Construction and
           Selection, Springer (1998), 375-391.
    .. [2] L. Lopes and L. Camarinha-Matos, "Robot Execution Failures", UCI Machine
           Learning Repository (1998), https://doi.org/10.24432/C5M89N.

    Examples
    --------
    ``fetch_robot_failures()`` is all it takes where there is internet. Without it, the
    error names the address and the place of the file:

    >>> import tempfile
    >>> from skestimators.datasets import fetch_robot_failures
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         fetch_robot_failures(data_home=folder, download_if_missing=False)
    ...     except OSError as error:
    ...         print(error)
    fetch_robot_failures: the data are not in data_home=...
    To get them by hand, download, without any change:
      https://archive.ics.uci.edu/static/public/138/robot+execution+failures.zip
        to .../robot_failures/robot+execution+failures.zip
        SHA-256: not known in advance
    """
    archive = replace(FILE, sha256=sha256)
    [path] = fetch_files(
        [archive],
        data_home,
        caller="fetch_robot_failures",
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
    with tempfile.TemporaryDirectory() as folder:
        unpacked = Path(folder, f"{subset}.data")
        with open_member(path, unpacked.name) as packed, open(unpacked, "wb") as file:
            copyfileobj(packed, file)
        try:
            X, y = read_robot_failures(unpacked)
        except ValueError as error:
            message = str(error).replace(str(unpacked), f"{path}, {unpacked.name}")
            raise ValueError(message) from None
    trust(archive, path)
    if return_X_y:
        return X, y
    return Bunch(
        data=X,
        target=y,
        feature_names=["Fx", "Fy", "Fz", "Tx", "Ty", "Tz"],
        target_names=sorted(set(y.tolist())),
        DESCR=_DESCR.format(number=subset.upper(), what=_SUBSETS[subset]),
    )
