"""Download of answers of students in ASSISTments."""

from sklearn.utils import Bunch
from sklearn.utils._param_validation import StrOptions, validate_params

from skestimators.datasets._fetch_files import CONSTRAINTS, RemoteFile, fetch_files
from skestimators.datasets._interactions import read_interactions

_FOLDER = (
    "https://raw.githubusercontent.com/jennyzhang0215/DKVMN/"
    "b2dac2ad06c03d3715938e890e69856a3cbc7e1f/data/assist2009_updated/"
)
FILES = {
    subset: RemoteFile(
        f"assistments2009/assist2009_updated_{subset}.csv",
        f"{_FOLDER}assist2009_updated_{subset}.csv",
        sha256,
    )
    for subset, sha256 in [
        ("train", "5b851c65f665474a0993d86e87901adb1e0916c0d80fe7fce4096e6641924c74"),
        ("test", "2e8f1d7600543aededa31323343f7d762b8f51c53c0caca852e813b67fe4e823"),
    ]
}

_N_TRAINING_STUDENTS = 2921

_DESCR = """\
Answers of students to exercises in mathematics, ASSISTments 2009-2010.

frame: student, skill that the exercise needs (1 to 110, without names) and response
(1 correct, 0 wrong), by student and in time order.

Feng, Heffernan and Koedinger, User Modeling and User-Adapted Interaction 19 (2009),
243-266; prepared by Zhang et al., WWW 2017, 765-774, in whose repository the files are.
It states no licence.
"""


@validate_params(
    {"subset": [StrOptions({"train", "test", "all"})], **CONSTRAINTS},
    prefer_skip_nested_validation=True,
)
def fetch_assistments2009(
    *,
    subset="train",
    data_home=None,
    download_if_missing=True,
    n_retries=3,
    delay=1.0,
):
    """Load the answers of students to exercises, ASSISTments 2009-2010.

    ASSISTments [1]_ is a tutor for mathematics at school. These are its "skill builder"
    answers, as prepared by Zhang et al. [2]_: 325,637 answers of 4151 students to
    exercises of 110 skills. Students are either in the training or in the test set.

    1.6 MB are downloaded at the first call, from a fixed version of the repository of
    [2]_, and checked. It states no licence. Later calls need no internet.

    Parameters
    ----------
    subset : {"train", "test", "all"}, default="train"
        The training set, of 2921 students with 224,218 answers; the test set, of 1230
        with 101,419; or both.

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

    Returns
    -------
    responses : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        frame : DataFrame of shape (n_interactions, 3)
            Columns `student`, numbered from 0 through both sets; `skill`, as str; and
            `response`, 1 if correct and 0 if wrong, of dtype int64. Rows are ordered by
            student, then by time.
        DESCR : str
            A description of the data.

    Raises
    ------
    OSError
        If the data cannot be downloaded or written, or are damaged. The message says
        how to get them by hand.

    ImportError
        If the data must be downloaded and pooch is not installed.

    See Also
    --------
    make_student_responses : Simulate students who learn.
    read_interactions : Read other answers, exports of ASSISTments included.

    References
    ----------
    .. [1] M. Feng, N. T. Heffernan and K. R. Koedinger, "Addressing the assessment
           challenge with an online system that tutors as it assesses", User Modeling
           and User-Adapted Interaction 19 (2009), 243-266.
    .. [2] J. Zhang et al., "Dynamic Key-Value Memory Networks for Knowledge Tracing",
           Proceedings of the 26th International Conference on World Wide Web (2017),
           765-774. https://github.com/jennyzhang0215/DKVMN

    Examples
    --------
    ``fetch_assistments2009()`` is all it takes where there is internet. Without it, the
    error names the address and the place of the file:

    >>> import tempfile
    >>> from skestimators.datasets import fetch_assistments2009
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     try:
    ...         fetch_assistments2009(data_home=folder, download_if_missing=False)
    ...     except OSError as error:
    ...         print(error)
    fetch_assistments2009: the data are not in data_home=...
    To get them by hand, download, without any change:
      https://raw.githubusercontent.com/.../assist2009_updated_train.csv
        to .../assistments2009/assist2009_updated_train.csv
        SHA-256: 5b851c65...
    """
    import pandas as pd

    subsets = ["train", "test"] if subset == "all" else [subset]
    paths = fetch_files(
        [FILES[name] for name in subsets],
        data_home,
        caller="fetch_assistments2009",
        download_if_missing=download_if_missing,
        n_retries=n_retries,
        delay=delay,
    )
    frames = [read_interactions(path, "three-line") for path in paths]
    if subset != "train":
        frames[-1]["student"] += _N_TRAINING_STUDENTS
    return Bunch(frame=pd.concat(frames, ignore_index=True), DESCR=_DESCR)
