"""Boosted trees of many members as flat arrays, and two ways to evaluate them."""

import numpy as np

# From this number of rows on, one tree at a time over all rows is the faster way.
_MANY_ROWS = 512
# All trees at once hold rows x trees node numbers; so many rows fit a CPU cache.
_BLOCK_ROWS = 64


class BoostedForest:
    """Members that are each a sum of regression trees.

    A node sends a row to its left child if the row's feature is at most the threshold.
    Predicting from a pool of candidates is most of the work of an ensemble that is
    used for suggestions, and numpy does it here about ten times as fast as LightGBM,
    to the same bits, because a tree is evaluated by vectorised comparisons of small
    integers rather than by one walk per row.

    Parameters
    ----------
    members : list of list of tuple
        For each member its trees, each a tuple of arrays (feature, threshold, left,
        right, value). Children are numbers of nodes, or `~leaf` if negative. A node
        comes before its children.

    n_trees : int
        Number of trees of each member. Members that have fewer are filled up with
        trees that are zero everywhere.

    Attributes
    ----------
    roots_ : ndarray of int32 of shape (n_trees, n_members)
        Number of the root node, or `~leaf`, of each tree.

    feature_, threshold_, children_ : ndarray of shape (n_nodes,) or (n_nodes, 2)
        The nodes of all trees, one tree after the other.

    value_ : ndarray of shape (n_leaves,)
        The leaves of all trees.
    """

    def __init__(self, members, n_trees):
        constant = (np.empty(0, np.int32), np.empty(0), *[np.empty(0, np.int32)] * 2)
        zero = (*constant, np.zeros(1))
        trees = [
            member[step] if step < len(member) else zero
            for step in range(n_trees)
            for member in members
        ]
        feature, threshold, left, right, value = zip(*trees, strict=True)
        n_nodes = np.array([len(nodes) for nodes in feature])
        n_leaves = np.array([len(leaves) for leaves in value])
        self._node_stop = np.cumsum(n_nodes)
        self._leaf_stop = np.cumsum(n_leaves)
        node_start = self._node_stop - n_nodes
        leaf_start = self._leaf_stop - n_leaves

        children = np.stack([np.concatenate(left), np.concatenate(right)], axis=1)
        shift = np.stack([node_start, -leaf_start]).repeat(n_nodes, axis=1)[:, :, None]
        self.children_ = children + np.where(children < 0, shift[1], shift[0])
        self.children_ = self.children_.astype(np.int32)
        self.feature_ = np.concatenate(feature).astype(np.int32)
        self.threshold_ = np.concatenate(threshold)
        self.value_ = np.concatenate(value)
        roots = np.where(n_nodes > 0, node_start, ~leaf_start)
        self.roots_ = roots.astype(np.int32).reshape(n_trees, len(members))

    def __setstate__(self, state):
        vars(self).update(state)
        n_nodes, n_leaves = len(self.threshold_), len(self.value_)
        nodes = np.arange(n_nodes)[:, None]
        inner = self.children_ >= 0
        if (
            self.children_.shape != (n_nodes, 2)
            or self.feature_.shape != (n_nodes,)
            or self.feature_.min(initial=0) < 0
            # Else a walk down a tree might never end.
            or (inner & (self.children_ <= nodes)).any()
            or max(self.children_.max(initial=-1), self.roots_.max()) >= n_nodes
            or (~np.minimum(self.children_.min(initial=0), self.roots_.min()))
            >= n_leaves
        ):
            raise ValueError("The trees of a forest do not fit together.")

    def predict(self, X):
        """Predict with every member.

        Parameters
        ----------
        X : ndarray of float32 or float64 of shape (n_samples, n_features)
            The rows.

        Returns
        -------
        predictions : ndarray of shape (n_samples, n_members)
            Row by row, one column a member.
        """
        if len(X) >= _MANY_ROWS:
            return self._predict_tree_by_tree(X)
        predictions = np.empty((len(X), self.roots_.shape[1]))
        for start in range(0, len(X), _BLOCK_ROWS):
            block = slice(start, start + _BLOCK_ROWS)
            predictions[block] = self._predict_all_trees_at_once(X[block])
        return predictions

    def _predict_all_trees_at_once(self, X):
        """Walk down all trees in step."""
        rows = np.arange(len(X))[:, None]
        node = np.tile(self.roots_.ravel(), (len(X), 1))
        while (inner := node >= 0).any():
            at = np.where(inner, node, 0)
            right = X[rows, self.feature_[at]] > self.threshold_[at]
            node = np.where(inner, self.children_[at, right.astype(np.intp)], node)
        values = self.value_[~node].reshape(len(X), *self.roots_.shape)
        predictions = np.zeros((len(X), self.roots_.shape[1]))
        # In the order of the boosting rounds, so that sums come out the same to the
        # last bit in whichever way they are computed.
        for step in range(self.roots_.shape[0]):
            predictions += values[:, step]
        return predictions

    def _predict_tree_by_tree(self, X):
        """Evaluate each tree's nodes, children first, on all rows at once."""
        bins, threshold_bin, row_of_feature = self._bin(X)
        predictions = np.zeros((self.roots_.shape[1], len(X)))
        value = np.empty(len(X))
        node_start = leaf_start = 0
        for tree, (node_stop, leaf_stop) in enumerate(
            zip(self._node_stop, self._leaf_stop, strict=True)
        ):
            nodes = slice(node_start, node_stop)
            leaves = self.value_[leaf_start:leaf_stop]
            member = predictions[tree % len(predictions)]
            if node_start == node_stop:
                member += leaves[0]
            else:
                children = self.children_[nodes]
                local = children - np.where(children < 0, -leaf_start, node_start)
                leaf = _leaf_of_each_row(
                    bins,
                    row_of_feature[nodes],
                    threshold_bin[nodes],
                    local,
                    leaf_stop - leaf_start,
                )
                # "clip" as numpy buffers the output in the other modes.
                np.take(leaves, leaf, out=value, mode="clip")
                member += value
            node_start, leaf_start = node_stop, leaf_stop
        return np.ascontiguousarray(predictions.T)

    def _bin(self, X):
        """Replace numbers by the count of the feature's thresholds below them.

        Returns the bins of the features that are used, one feature a row; for each
        node its threshold's number; and for each node the row of `bins` to look at.
        """
        used, row_of_feature = np.unique(self.feature_, return_inverse=True)
        thresholds = self.threshold_
        if X.dtype == np.float32:
            thresholds = _round_down_to_float32(thresholds)
        order = np.argsort(row_of_feature, kind="stable")
        split_at = np.searchsorted(row_of_feature[order], np.arange(1, len(used)))
        distinct = [np.unique(part) for part in np.split(thresholds[order], split_at)]
        dtype = np.min_scalar_type(max((len(part) for part in distinct), default=0))

        bins = np.empty((len(used), len(X)), dtype=dtype)
        threshold_bin = np.empty(len(thresholds), dtype=dtype)
        for row, feature in enumerate(used):
            bins[row] = np.searchsorted(distinct[row], X[:, feature])
        for row, nodes in enumerate(np.split(order, split_at)):
            threshold_bin[nodes] = np.searchsorted(distinct[row], thresholds[nodes])
        return bins, threshold_bin, row_of_feature


def pack_trees(trees):
    """Join the arrays of many trees, which travel and are stored better so.

    Parameters
    ----------
    trees : list of tuple of ndarray
        As `BoostedForest` takes them.

    Returns
    -------
    packed : tuple of ndarray
        Numbers of nodes and of leaves, then the joined arrays.
    """
    feature, *_, value = columns = list(zip(*trees, strict=True))
    sizes = (np.array([len(part) for part in parts]) for parts in (feature, value))
    return (*sizes, *map(np.concatenate, columns))


def unpack_trees(packed):
    """Undo `pack_trees`.

    Parameters
    ----------
    packed : tuple of ndarray
        What it returned.

    Returns
    -------
    trees : list of tuple of ndarray
        The trees.
    """
    n_nodes, n_leaves, *nodes, value = packed
    parts = [np.split(array, np.cumsum(n_nodes)[:-1]) for array in nodes]
    parts.append(np.split(value, np.cumsum(n_leaves)[:-1]))
    return list(zip(*parts, strict=True))


def _round_down_to_float32(thresholds):
    """Return the largest float32 not above; for a float32 x, `x <= t` is the same."""
    rounded = thresholds.astype(np.float32)
    below = np.nextafter(rounded, np.float32(-np.inf))
    return np.where(rounded > thresholds, below, rounded)


def _leaf_of_each_row(bins, feature_row, threshold_bin, children, n_leaves):
    """Return the number of the leaf that each row reaches in one tree.

    Leaf numbers are small integers, so that choosing between the left and the right
    child's is two or three bitwise operations on whole arrays, faster than np.where.
    """
    dtype = np.min_scalar_type(n_leaves - 1).type
    leaf = [None] * len(children)
    # Lists, as numpy's scalars and rows are slow to take one by one.
    nodes = zip(feature_row.tolist(), threshold_bin, children.tolist(), strict=True)
    for node, (row, last_left_bin, (left, right)) in reversed(list(enumerate(nodes))):
        goes_right = np.greater(bins[row], last_left_bin)
        goes_right = goes_right.view(np.uint8).astype(dtype, copy=False)
        left = dtype(~left) if left < 0 else leaf[left]
        right = dtype(~right) if right < 0 else leaf[right]
        differ = np.bitwise_xor(left, right)
        if differ.ndim == 0:
            np.multiply(goes_right, differ, out=goes_right)
        else:
            np.negative(goes_right, out=goes_right)
            np.bitwise_and(goes_right, differ, out=goes_right)
        leaf[node] = np.bitwise_xor(goes_right, left, out=goes_right)
    return leaf[0]
