"""The long jobs that are fits of ensembles, with a checkpoint."""

from tempfile import TemporaryDirectory

import numpy as np
from faults.worker import logged


def _rows(n_samples):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n_samples, 12))
    return X, X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=n_samples)


def _fit_job(ensemble, X, y):
    """Return the job that fits an ensemble with its checkpoint in a folder."""
    from sklearn.base import clone

    def job(folder, n_rows=None, **params):
        fitted = clone(ensemble).set_params(checkpoint=folder, **params)
        fitted.fit(X[:n_rows], y[:n_rows])
        mean, std = fitted.predict(X, return_std=True)
        return {"all": fitted.predict_all(X), "mean": mean, "std": std}

    # Much is imported when it is first needed.
    with TemporaryDirectory() as folder:
        job(folder, n_rows=50, n_estimators=4)
    return job


def make_trees(scale, log):
    from sklearn.ensemble import GradientBoostingRegressor

    from skestimators import BootstrapStackedRegressor

    logged(GradientBoostingRegressor, "fit", log)
    long = scale == "long"
    X, y = _rows(300 if long else 60)
    member = GradientBoostingRegressor(n_estimators=15 if long else 3, random_state=0)
    ensemble = BootstrapStackedRegressor(
        member, n_estimators=20 if long else 8, random_state=0
    )
    return _fit_job(ensemble, X, y)


def make_boosters(scale, log):
    from skestimators import BootstrapStackedLGBM
    from skestimators.ensemble._lgbm_members import BinnedRows

    logged(BinnedRows, "new_booster", log)
    long = scale == "long"
    X, y = _rows(3000 if long else 100)
    ensemble = BootstrapStackedLGBM(
        n_estimators=30 if long else 8, max_iter=40 if long else 5, random_state=0
    )
    return _fit_job(ensemble, X, y)
