"""Try the installed package where none of the extras is installed.

Whatever needs no extra must work and pass scikit-learn's checks, all else must name
the extra to install, and the archives must hold the package and nothing else.
"""

import doctest
import importlib.metadata
import inspect
import re
import tarfile
import tempfile
import warnings
import zipfile
from collections import Counter
from pathlib import Path

from instances import all_instances, example_data, takes_strings
from sklearn.base import clone
from sklearn.utils.estimator_checks import check_estimator
from test_common import EXPECTED_FAILURES

import skestimators
from skestimators.utils._discovery import all_estimators, all_public

WANTED = re.compile(r"(skestimators|skestimators-[^/]*\.dist-info)/")
KINDS = {".py", ""}  # METADATA and its like have no suffix


class Runner(doctest.DocTestRunner):
    """Runs the examples of a docstring up to the first error, which it keeps."""

    error = None

    def report_unexpected_exception(self, out, test, example, exc_info):
        """Keep an error."""
        self.error = self.error or exc_info[1]

    def report_failure(self, out, test, example, got):
        """Keep an output that is not the one shown."""
        self.error = self.error or AssertionError(f"{example.source}{got}")


def first_error(name, obj):
    """Return the first error of the examples of a public object."""
    flags = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    runner = Runner(verbose=False, optionflags=flags)
    for test in doctest.DocTestFinder(recurse=False).find(obj, name):
        runner.run(test, out=lambda text: None)
    return runner.error


def verdict(error):
    """Say which extra an error names; one that names none is a fault of ours."""
    if error is None:
        return "runs"
    extra = re.search(r"pip install 'skestimators\[(\w+)\]'", str(error))
    if not (isinstance(error, ImportError) and extra):
        raise error
    known = importlib.metadata.metadata("skestimators").get_all("Provides-Extra")
    assert extra[1] in known, error
    return f"names the extra {extra[1]}"


def check_functions():
    """Run the examples of all that is no estimator."""
    estimators = {name for name, _ in all_estimators()}
    for name, obj in all_public():
        if callable(obj) and name.rpartition(".")[2] not in estimators:
            print(f"{name}: {verdict(first_error(name, obj))}")


def check_downloads():
    """Ask for data that are not there; that needs pooch, before any connection."""
    for name, obj in all_public():
        if callable(obj) and "n_retries" in inspect.signature(obj).parameters:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    obj(data_home=folder)
                except ImportError as error:
                    print(f"{name}: {verdict(error)} to download")
                else:
                    raise AssertionError(name)


def check_estimators():
    """Use every estimator; those that need no extra must pass scikit-learn's checks."""
    for estimator in all_instances():
        name, error = type(estimator).__name__, use(estimator)
        print(f"{name}: {verdict(error)}")
        if error is None and not takes_strings(estimator):
            results = check_estimator(
                estimator, expected_failed_checks=EXPECTED_FAILURES.get(name)
            )
            outcomes = Counter(result["status"] for result in results)
            print(f"    check_estimator: {dict(outcomes)}")


def use(estimator):
    """Return the ImportError that comes of using an estimator, if any."""
    X, y = example_data(estimator)
    try:
        fitted = clone(estimator).fit(X, y)
        getattr(fitted, "transform", getattr(fitted, "predict", None))(X)
    except ImportError as error:
        return error


def check_archives(folder):
    """Print the sizes of the archives; neither may hold anything unwanted."""
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    for name in names:
        assert WANTED.match(name), name
        assert Path(name).suffix in KINDS or ".dist-info/" in name, name
    with tarfile.open(sdist) as archive:
        sources = [member.name.partition("/")[2] for member in archive]
    for name in sources:
        assert re.match(r"skestimators/|docs/changelog\.rst$|[^/]+$", name), name
        assert "__pycache__" not in name, name
    for path, count in [(wheel, len(names)), (sdist, len(sources))]:
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {count} files")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    assert "site-packages" in skestimators.__file__, skestimators.__file__
    check_archives(Path())
    check_functions()
    check_downloads()
    check_estimators()
