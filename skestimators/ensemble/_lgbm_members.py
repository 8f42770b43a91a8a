"""LightGBM boosters on bootstrap resamples of rows binned once."""

import lightgbm
import numpy as np


def bin_rows(X, y, params):
    """Bin all training rows, for every member to take its resample from.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows.

    y : ndarray of shape (n_samples,)
        Targets.

    params : dict
        LightGBM's parameters.

    Returns
    -------
    binned : lightgbm.Dataset
        The constructed data set.
    """
    return lightgbm.Dataset(X, y, params=params, free_raw_data=True).construct()


def new_booster(binned, rows, weight, params):
    """Return a booster for some of the binned rows, before its first round.

    Parameters
    ----------
    binned : lightgbm.Dataset
        All training rows.

    rows : ndarray of int of shape (n_rows,)
        The rows of the resample, each once.

    weight : ndarray of shape (n_rows,)
        How often each was drawn, times its sample weight.

    params : dict
        LightGBM's parameters, the seed among them.

    Returns
    -------
    booster : lightgbm.Booster
        Its `update` does one round and returns True when no leaf can be split.
    """
    resample = binned.subset(rows).construct()
    resample.set_weight(weight.astype(np.float32))
    return lightgbm.Booster(params, resample)


def read_trees(booster):
    """Return the trees of a booster.

    Parameters
    ----------
    booster : lightgbm.Booster
        Booster of numerical features without missing values.

    Returns
    -------
    trees : list of tuple of ndarray
        As `BoostedForest` takes them.
    """
    text = booster.model_to_string()
    blocks = text[text.index("\nTree=") : text.index("end of trees")].split("\nTree=")
    return [_read_tree(block) for block in blocks[1:]]


def _read_tree(block):
    """Read one tree of LightGBM's text format."""
    lines = (line.split("=", 1) for line in block.splitlines() if "=" in line)
    fields = {name: value.split() for name, value in lines}
    integers = ("split_feature", "left_child", "right_child")
    feature, left, right = (
        np.array(fields.get(name, []), dtype=np.int32) for name in integers
    )
    threshold = np.array(fields.get("threshold", []), dtype=np.float64)
    value = np.array(fields["leaf_value"], dtype=np.float64)
    return feature, threshold, left, right, value
