"""What OptunaSearchCV takes as a storage."""

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from sklearn.datasets import make_regression
from sklearn.linear_model import Ridge

from skestimators.model_selection import OptunaSearchCV

X, y = make_regression(60, 4, noise=30.0, random_state=0)
SPACE = {"alpha": FloatDistribution(1e-3, 1e3, log=True)}


class CountedRidge(Ridge):
    """Counts its fits."""

    n_fits = 0

    def fit(self, X, y):
        type(self).n_fits += 1
        return super().fit(X, y)


@pytest.fixture(autouse=True)
def counter():
    CountedRidge.n_fits = 0


def search_ridge(**params):
    params = {"n_iter": 6, "cv": 3, "random_state": 0, **params}
    return OptunaSearchCV(CountedRidge(), SPACE, **params)


@pytest.mark.parametrize("name", ["search.txt", "search"])
def test_file_name_must_tell_the_format(name, tmp_path):
    with pytest.raises(ValueError, match=r"must be a file name that ends in one of"):
        search_ridge(storage=tmp_path / name).fit(X, y)


def test_bad_storages_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        search_ridge(storage=tmp_path / "no" / "search.db").fit(X, y)
    for name in ["search.db", "search.journal"]:
        path = tmp_path / name
        path.write_bytes(b"this is neither\nSQLite nor a journal\n" * 100)
        with pytest.raises(ValueError, match=rf"{name}'\) cannot be opened"):
            search_ridge(storage=path).fit(X, y)


@pytest.mark.parametrize(
    "content",
    [
        b"my only line, no newline",
        b"one line\n",
        b"one line\nand another\n",
        b"one line\nand another",
        b'{"level": "info"}\n{"level": "warning"}\n',
        b'{"op_code": 0, "worker_id": "a"',
        b'{"op_code": 0, "worker_id": "a"}\nbut then\n',
        b"\n",
        b"\xff\xfe\x00",
    ],
)
def test_files_that_are_no_journal_are_left_as_they_are(content, tmp_path):
    path = tmp_path / "one.log"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"one\.log'\) cannot be opened.* no journal"):
        search_ridge(storage=path).fit(X, y)
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["empty.log", "empty.db"])
def test_an_empty_file_may_become_a_storage(name, tmp_path):
    path = tmp_path / name
    path.touch()
    search_ridge(storage=path, n_iter=2).fit(X, y)
    CountedRidge.n_fits = 0
    search_ridge(storage=path, n_iter=2).fit(X, y)
    assert CountedRidge.n_fits == 1


def test_journal_that_was_cut_in_a_line_is_mended(tmp_path):
    path = tmp_path / "search.journal"
    search_ridge(storage=path).fit(X, y)
    path.write_bytes(path.read_bytes()[:-100])
    CountedRidge.n_fits = 0
    resumed = search_ridge(storage=path).fit(X, y)
    assert CountedRidge.n_fits == 3 + 1
    uninterrupted = search_ridge().fit(X, y)
    assert resumed.cv_results_["params"] == uninterrupted.cv_results_["params"]
    np.testing.assert_array_equal(
        resumed.cv_results_["mean_test_score"],
        uninterrupted.cv_results_["mean_test_score"],
    )
    CountedRidge.n_fits = 0
    search_ridge(storage=path).fit(X, y)
    assert CountedRidge.n_fits == 1


def test_storage_may_be_an_optuna_storage():
    storage = optuna.storages.InMemoryStorage()
    search_ridge(storage=storage, n_iter=4).fit(X, y)
    search_ridge(storage=storage).fit(X, y)
    assert CountedRidge.n_fits == 6 * 3 + 2


def test_password_of_an_url_is_not_shown():
    url = "postgresql://me:secret@nowhere.invalid/db?connect_timeout=1"
    with pytest.raises((ImportError, ValueError)) as caught:
        search_ridge(storage=url).fit(X, y)
    assert "secret" not in str(caught.value)
