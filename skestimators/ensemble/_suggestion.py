"""Choice of the candidates to measure next."""

from hashlib import blake2b

import numpy as np
from scipy.spatial.distance import cdist


def digest_rows(X):
    """Return a digest of each row; those of different rows differ.

    Parameters
    ----------
    X : ndarray of shape (n_samples, n_features)
        Rows; they are compared as float64, and -0.0 equals 0.0.

    Returns
    -------
    digests : list of bytes
        16 bytes a row.
    """
    rows = np.add(X, 0.0, dtype=np.float64, order="C")
    return [blake2b(row, digest_size=16).digest() for row in rows]


def allowed_candidates(exclude, n_candidates):
    """Turn the `exclude` parameter into a mask of the candidates that may be chosen.

    Parameters
    ----------
    exclude : array-like of int, array-like of bool of shape (n_candidates,) or None
        Indices of the candidates to leave out, or a mask that is True there.

    n_candidates : int
        Size of the pool.

    Returns
    -------
    allowed : ndarray of bool of shape (n_candidates,)
        True where the candidate may be chosen.

    Raises
    ------
    ValueError
        If `exclude` is no such array.
    """
    allowed = np.ones(n_candidates, dtype=bool)
    if exclude is None:
        return allowed
    exclude = np.asarray(exclude)
    if exclude.size == 0:
        return allowed
    if exclude.ndim != 1 or exclude.dtype.kind not in "biu":
        raise ValueError(
            "exclude must be a one-dimensional array of indices or a mask, got "
            f"{exclude.ndim} dimensions of dtype {exclude.dtype}."
        )
    if exclude.dtype.kind == "b":
        if len(exclude) != n_candidates:
            raise ValueError(
                f"exclude is a mask of {len(exclude)} values, but X_pool has "
                f"{n_candidates} rows."
            )
        return ~exclude
    outside = (exclude < -n_candidates) | (exclude >= n_candidates)
    if outside.any():
        raise ValueError(
            f"exclude has index {exclude[outside][0]}, but X_pool has {n_candidates} "
            "rows."
        )
    allowed[exclude] = False
    return allowed


def best_first(scores, ties, k):
    """Return the positions of the k largest scores, best first.

    Parameters
    ----------
    scores : ndarray of shape (n,)
        Larger is better.

    ties : ndarray of shape (n,)
        Of equal scores the one of the smaller value here comes first.

    k : int
        How many to return; all if there are fewer.

    Returns
    -------
    positions : ndarray of int of shape (min(k, n),)
        Positions in `scores`.
    """
    positions = np.arange(len(scores))
    if k < len(scores):
        threshold = np.partition(scores, len(scores) - k)[len(scores) - k]
        positions = np.flatnonzero(scores >= threshold)
    order = np.lexsort((ties[positions], -scores[positions]))
    return positions[order[:k]]


class ThompsonSampler:
    """Let members drawn at random each choose the candidate they hold for best.

    Parameters
    ----------
    n_estimators : int
        Number of members.

    n_suggestions : int
        Number of candidates to choose, each by one draw of a member.

    ties : ndarray of shape (n_candidates,)
        Order among equal predictions.

    random_state : RandomState
        Draws the members.
    """

    def __init__(self, n_estimators, n_suggestions, ties, random_state):
        self._draws = random_state.randint(n_estimators, size=n_suggestions)
        self._ties = ties
        nothing = (np.empty(0, dtype=np.intp), np.empty(0))
        self._best = {int(member): nothing for member in self._draws}

    def update(self, candidates, predictions):
        """Take in the members' predictions of some more candidates."""
        for member, (kept, values) in self._best.items():
            kept = np.concatenate([kept, candidates])
            values = np.concatenate([values, predictions[:, member]])
            best = best_first(values, self._ties[kept], len(self._draws))
            self._best[member] = kept[best], values[best]

    def choose(self):
        """Return the chosen candidates, in the order in which they were drawn."""
        chosen = []
        for member in self._draws:
            ranking = self._best[int(member)][0]
            chosen.append(ranking[np.isin(ranking, chosen, invert=True)][0])
        return np.array(chosen, dtype=np.intp)


def choose_diverse(X, scores, n_suggestions, diversity):
    """Choose greedily by maximal marginal relevance.

    Each step takes the candidate of largest `(1 - diversity) * s + diversity * d`,
    with s the score scaled to [0, 1] over the candidates, and d the distance to the
    nearest candidate already chosen, divided by the largest such distance there is
    after the first choice.

    Parameters
    ----------
    X : ndarray of shape (n_candidates, n_features)
        Candidates, best first.

    scores : ndarray of shape (n_candidates,)
        Their scores.

    n_suggestions : int
        How many to choose.

    diversity : float
        Weight of the distance, in [0, 1].

    Returns
    -------
    positions : ndarray of int of shape (n_suggestions,)
        Positions in `X`, in the order chosen.
    """
    spread = scores[0] - scores.min()
    relevance = (scores - scores.min()) / (spread if spread > 0 else 1.0)
    chosen = [0]
    nearest = cdist(X, X[:1])[:, 0]
    scale = nearest.max() if nearest.max() > 0 else 1.0
    for _ in range(n_suggestions - 1):
        value = (1 - diversity) * relevance + diversity * nearest / scale
        value[chosen] = -np.inf
        chosen.append(int(value.argmax()))
        np.minimum(nearest, cdist(X, X[chosen[-1:]])[:, 0], out=nearest)
    return np.array(chosen)
