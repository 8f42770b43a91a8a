"""Today's version reads the files of all earlier ones."""

import warnings
import zipfile

import instances
import numpy as np
import pytest
import stored_files

from skestimators import load
from skestimators.utils import all_estimators
from skestimators.utils._archive import FORMAT_VERSION

pytest.importorskip("skops")

CASES = [
    (archive, name.removesuffix(".skestimators"))
    for archive in sorted(stored_files.FOLDER.glob("format_*.zip"))
    for name in zipfile.ZipFile(archive).namelist()
    if name.endswith(".skestimators")
]


def _draws_the_same_weights(estimator):
    """Tell whether this version of torch is trusted to make the same random VGG16."""
    if not hasattr(estimator, "_stored_digest"):
        return True
    import torch

    return repr(str(torch.__version__)) in estimator._stored_digest


@pytest.mark.parametrize(
    ("archive", "name"), CASES, ids=[f"{a.stem}-{name}" for a, name in CASES]
)
def test_stored_files_are_read_and_predict_the_same(archive, name, tmp_path):
    content, expected = stored_files.read(archive, name)
    (tmp_path / "model").write_bytes(content)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".* was saved with")
        estimator = load(tmp_path / "model")
    _, X, _ = stored_files.example(type(estimator))
    if not _draws_the_same_weights(estimator):
        with pytest.raises(ValueError, match="not the frozen layers that fit used"):
            estimator.predict(X)
        return
    found = np.asarray(stored_files.outcome(estimator, X))
    if found.dtype.kind == "f":
        # Processors round sums differently.
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    else:
        np.testing.assert_array_equal(found, expected)
    today = instances.make_instance(type(estimator)).get_params(deep=False)
    assert estimator.get_params(deep=False).keys() == today.keys()


def test_this_format_has_files_of_every_estimator():
    names = {name for path, name in CASES if path.stem == f"format_{FORMAT_VERSION}"}
    assert names == {name for name, _ in all_estimators()}
