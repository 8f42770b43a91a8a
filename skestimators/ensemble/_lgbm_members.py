"""LightGBM boosters on bootstrap resamples of rows binned once."""

from threading import Lock

import lightgbm
import numpy as np

from skestimators.utils._parallel import SentOnce

_BINNING = Lock()


class BinnedRows(SentOnce):
    """Training rows, binned once in each process that fits members.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Training rows.

    y : ndarray of shape (n_samples,)
        Targets.

    sample_weight : ndarray of shape (n_samples,) or None
        Weights. Rows of weight zero take no part in the bins either.

    counts : ndarray of int of shape (n_members, n_samples)
        How often each row was drawn for each member.

    seeds : ndarray of int of shape (n_members,)
        The seeds of the members.

    params : dict
        LightGBM's parameters.

    **common : object
        What else members have in common.
    """

    _binned = None

    def __getstate__(self):
        state = self.__dict__.copy()
        # It lives in the memory of LightGBM. Bins depend on the rows alone, so that
        # those made elsewhere are the same.
        state.pop("_binned", None)
        return state

    def _bin(self):
        """Return the rows that take part, and their data set."""
        usable = slice(None)
        if self.sample_weight is not None:
            usable = np.flatnonzero(self.sample_weight)
        with _BINNING:
            if self._binned is None:
                self._binned = lightgbm.Dataset(
                    self.X[usable],
                    self.y[usable],
                    params=self.params,
                    free_raw_data=True,
                ).construct()
        return usable, self._binned

    def new_booster(self, index):
        """Return the booster of a member, before its first round.

        Parameters
        ----------
        index : int
            The number of the member.

        Returns
        -------
        booster : lightgbm.Booster
            Its `update` does one round and returns True when no leaf can be split.
        """
        usable, binned = self._bin()
        weight = self.counts[index, usable]
        if self.sample_weight is not None:
            sample_weight = self.sample_weight[usable]
            weight = weight * (sample_weight / sample_weight.mean())
        rows = np.flatnonzero(weight)
        resample = binned.subset(rows).construct()
        resample.set_weight(weight[rows].astype(np.float32))
        return lightgbm.Booster(
            {**self.params, "seed": int(self.seeds[index])}, resample
        )


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
