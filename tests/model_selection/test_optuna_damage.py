"""Storages that are damaged, or that there is no room for."""

import sqlite3

import numpy as np
import optuna
import pytest
from optuna.distributions import FloatDistribution
from sklearn.datasets import make_regression
from sklearn.linear_model import Ridge

from skestimators.model_selection import OptunaSearchCV
from skestimators.model_selection._optuna_storage import opened

X, y = make_regression(60, 4, noise=30.0, random_state=0)
SPACE = {"alpha": FloatDistribution(1e-3, 1e3, log=True)}


def search_ridge(path, n_iter=6):
    search = OptunaSearchCV(
        Ridge(), SPACE, n_iter=n_iter, cv=3, random_state=0, storage=path
    )
    return search.fit(X, y)


def change(path, statement):
    """Change a database as a defect of a disk could."""
    connection = sqlite3.connect(path)
    with connection:
        assert connection.execute(statement).rowcount
    connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE trial_values SET value = value + 1e-9 WHERE trial_id = 3",
        "UPDATE trial_params SET param_value = 2 * param_value WHERE trial_id = 3",
        "UPDATE trials SET state = 'FAIL' WHERE trial_id = 3",
        "UPDATE trial_user_attributes SET value_json = replace(value_json, '0.', '1.')"
        " WHERE trial_id = 3 AND key = 'folds'",
        "DELETE FROM trial_user_attributes WHERE trial_id = 3 AND key = 'checksum'",
    ],
)
def test_damaged_candidates_are_scored_again(statement, tmp_path):
    path = tmp_path / "search.db"
    expected = search_ridge(path).cv_results_
    change(path, statement)
    message = r"1 of 6 candidates of study .*search\.db.* are damaged"
    with pytest.warns(UserWarning, match=message):
        mended = search_ridge(path).cv_results_
    for name in ("param_alpha", "split0_test_score", "mean_test_score"):
        np.testing.assert_array_equal(mended[name], expected[name])


def test_damaged_seed_is_refused(tmp_path):
    path = tmp_path / "search.db"
    search_ridge(path)
    change(
        path,
        "UPDATE study_user_attributes "
        """SET value_json = replace(value_json, '"seed": 0', '"seed": 1')""",
    )
    with pytest.raises(ValueError, match=r"search\.db'\) is damaged, or"):
        search_ridge(path)


def test_journal_that_is_damaged_in_the_middle_is_named(tmp_path):
    path = tmp_path / "search.journal"
    search_ridge(path)
    lines = path.read_bytes().splitlines(keepends=True)
    for damaged in (
        b"{\n",
        b'{"op_code": 99, "worker_id": "a"}\n',
        b'{"op_code": 4}\n',
    ):
        path.write_bytes(b"".join([*lines[:3], damaged, *lines[4:]]))
        with pytest.raises(ValueError, match=r"search\.journal'\) cannot be .*damaged"):
            search_ridge(path)


@pytest.mark.parametrize("name", ["search.db", "search.journal"])
def test_full_disk_is_named_and_leaves_the_storage_usable(name, tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / name
    search_ridge(path, n_iter=2)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # A limit on the size of files stands in for the disk.
    limit = path.stat().st_size + 500
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match=rf"{name}'\) cannot be used .*free space"):
            search_ridge(path, n_iter=40)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    mended = search_ridge(path, n_iter=40).cv_results_
    expected = search_ridge(None, n_iter=40).cv_results_
    np.testing.assert_array_equal(
        mended["mean_test_score"], expected["mean_test_score"]
    )


def test_candidates_of_another_study_are_not_taken(tmp_path):
    url = f"sqlite:///{tmp_path / 'search.db'}"
    first = search_ridge(url)
    search = OptunaSearchCV(Ridge(), SPACE, n_iter=6, cv=2, random_state=0, storage=url)
    search.fit(X, y)
    with opened(url) as storage:
        studies = optuna.get_all_study_summaries(storage)
    mine, other = sorted(studies, key=lambda study: study._study_id)
    change(
        tmp_path / "search.db",
        f"UPDATE trials SET study_id = {mine._study_id} "
        f"WHERE study_id = {other._study_id}",
    )
    with pytest.warns(UserWarning, match="candidates of study .* are damaged"):
        again = search_ridge(url).cv_results_
    scores = first.cv_results_["mean_test_score"]
    np.testing.assert_array_equal(again["mean_test_score"], scores)
