"""Simulator of deep mutational scans."""

from math import comb
from numbers import Integral, Real

import numpy as np
from scipy.spatial import KDTree
from scipy.special import expit
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from skestimators.utils._mutants import AMINO_ACIDS

# In the order of AMINO_ACIDS: A C D E F G H I K L M N P Q R S T V W Y.
# Hydropathy of Kyte and Doolittle (1982).
_HYDROPATHY = [1.8, 2.5, -3.5, -3.5, 2.8, -0.4, -3.2, 4.5, -3.9, 3.8]
_HYDROPATHY += [1.9, -3.5, -1.6, -3.5, -4.5, -0.8, -0.7, 4.2, -0.9, -1.3]
# Volume in cubic angstrom, Zamyatnin (1972).
_VOLUME = [88.6, 108.5, 111.1, 138.4, 189.9, 60.1, 153.2, 166.7, 168.6, 166.7]
_VOLUME += [162.9, 114.1, 112.7, 143.8, 173.4, 89.0, 116.1, 140.0, 227.8, 193.6]
# Charge at neutral pH.
_CHARGE = [0, 0, -1, -1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0]
# Helix propensity in kcal/mol, Pace and Scholtz (1998).
_HELIX = [0.0, 0.68, 0.69, 0.40, 0.54, 1.0, 0.61, 0.41, 0.26, 0.21]
_HELIX += [0.24, 0.65, 3.16, 0.39, 0.21, 0.50, 0.66, 0.61, 0.49, 0.53]
# Percent of residues in known proteins.
_FREQUENCY = [8.3, 1.4, 5.5, 6.7, 3.9, 7.1, 2.3, 5.9, 5.8, 9.7]
_FREQUENCY += [2.4, 4.1, 4.7, 3.9, 5.5, 6.6, 5.4, 6.9, 1.1, 2.9]

_N_OTHER = len(AMINO_ACIDS) - 1
# Energies in kcal/mol.
_STABILITY, _TEMPERATURE = 2.0, 0.6
_SITE_SCALE, _PAIR_SCALE, _UNEXPLAINED = 1.6, 0.8, 0.3


def _standardized_properties():
    """Return hydropathy, volume, charge and helix propensity, each of unit spread."""
    properties = np.array([_HYDROPATHY, _VOLUME, _CHARGE, _HELIX], dtype=float).T
    return (properties - properties.mean(axis=0)) / properties.std(axis=0)


@validate_params(
    {
        "n_variants": [Interval(Integral, 1, None, closed="left")],
        "length": [Interval(Integral, 2, None, closed="left")],
        "max_mutations": [Interval(Integral, 1, None, closed="left")],
        "n_pool": [Interval(Integral, 0, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
        "return_X_y": ["boolean"],
        "as_frame": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def make_protein_landscape(
    n_variants=1000,
    *,
    length=100,
    max_mutations=2,
    n_pool=0,
    noise=0.1,
    random_state=None,
    return_X_y=False,
    as_frame=False,
):
    """Simulate a deep mutational scan of a protein that does not exist.

    The score of a variant is the share of its molecules that are folded, relative to
    the wild type, as measured with noise:

    - a chain folded into a globule says which sites are buried and which touch;
    - a substitution costs stability by how far its residues lie apart in hydropathy,
      volume, charge and helix propensity, the more so where the site is buried or
      happens to be sensitive;
    - substitutions at touching sites are not additive: changes of volume or charge in
      the same direction cost more together, in opposite directions they make up for
      each other (epistasis);
    - the folded share is a sigmoid of the stability, so that the wild type tolerates
      some loss and large losses make no difference;
    - the noise grows as the score falls, as variants that few cells survive with are
      counted from few reads.

    Parameters
    ----------
    n_variants : int, default=1000
        Number of measured variants, all different.

    length : int, default=100
        Number of residues of the wild type.

    max_mutations : int, default=2
        The largest number of substitutions of a variant. Numbers from 1 to this occur
        equally often as far as there are enough variants.

    n_pool : int, default=0
        Number of further variants without a measured score.

    noise : float, default=0.1
        Standard deviation of the noise of a variant of score .5. It is half as much for
        the wild type, and half as much again for a variant of score 0.

    random_state : int, RandomState instance or None, default=None
        Determines the protein, its landscape, the variants and the noise. Pass an int
        for reproducible output across multiple function calls.

    return_X_y : bool, default=False
        If True, return `(data, target)` instead of a Bunch.

    as_frame : bool, default=False
        If True, `data` is a DataFrame and `target` a Series.

    Returns
    -------
    landscape : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        data : ndarray of shape (n_variants,) or DataFrame of shape (n_variants, 1)
            Mutant codes such as `"A42G:D50K"`, the first position being 1.
        target : ndarray of shape (n_variants,) or Series
            The scores as measured: about 1 for the wild type, 0 for an unfolded one.
        target_true : ndarray of shape (n_variants,)
            The scores without noise.
        target_std : ndarray of shape (n_variants,)
            The standard deviation of the noise of each variant.
        pool : ndarray of shape (n_pool,)
            Codes of variants that are not in `data`.
        pool_true : ndarray of shape (n_pool,)
            Their scores without noise.
        wild_type : str
            The wild-type sequence.
        contacts : ndarray of shape (n_contacts, 2)
            Pairs of positions that touch, the first position being 1.
        feature_names : list of str
            `["mutant"]`.
        target_names : list of str
            `["score"]`.
        frame : DataFrame of shape (n_variants, 2) or None
            `data` and `target`, if `as_frame` is true.

    (data, target) : tuple if `return_X_y` is True
        The two attributes of that name.

    Raises
    ------
    ValueError
        If there are fewer different variants than are asked for.

    See Also
    --------
    read_dms : Read a deep mutational scan from a file.
    skestimators.preprocessing.MutantSequenceBuilder : Build sequences from codes.

    References
    ----------
    .. [1] J. Otwinowski, "Biophysical Inference of Epistasis and the Effects of
           Mutations on Protein Stability and Function", Molecular Biology and Evolution
           35 (2018), 2345-2354.
    .. [2] N. Tokuriki et al., "The Stability Effects of Protein Mutations Appear to be
           Universally Distributed", Journal of Molecular Biology 369 (2007), 1318-1332.

    Examples
    --------
    >>> from skestimators.datasets import make_protein_landscape
    >>> landscape = make_protein_landscape(n_variants=500, random_state=0)
    >>> landscape.data.shape, landscape.target.shape, len(landscape.wild_type)
    ((500,), (500,), 100)
    """
    rng = check_random_state(random_state)
    protein = _Protein(rng, length)
    variants = _draw_variants(rng, n_variants + n_pool, length, max_mutations)
    order = rng.permutation(n_variants + n_pool)
    codes = np.concatenate([protein.codes(*part) for part in variants])[order]
    energy = np.concatenate([protein.energy(*part) for part in variants])[order]
    true = _folded_share(energy) / _folded_share(0.0)
    std = noise * np.clip(1.5 - true[:n_variants], 0.5, None)
    measured = true[:n_variants] + std * rng.normal(size=n_variants)
    landscape = Bunch(
        data=codes[:n_variants],
        target=measured,
        target_true=true[:n_variants],
        target_std=std,
        pool=codes[n_variants:],
        pool_true=true[n_variants:],
        wild_type=protein.wild_type,
        contacts=protein.contacts + 1,
        feature_names=["mutant"],
        target_names=["score"],
        frame=None,
    )
    if as_frame:
        _set_frame(landscape)
    return (landscape.data, landscape.target) if return_X_y else landscape


def _set_frame(landscape):
    """Turn data and target of a landscape into pandas objects."""
    import pandas as pd

    frame = pd.DataFrame({"mutant": landscape.data, "score": landscape.target})
    landscape.update(data=frame[["mutant"]], target=frame["score"], frame=frame)


def _folded_share(energy):
    return expit((_STABILITY - energy) / _TEMPERATURE)


class _Protein:
    """A random wild type with its fold and the energies of its substitutions."""

    def __init__(self, rng, length):
        tree = KDTree(_fold(rng, length))
        self.contacts = _closest_pairs(tree, n_pairs=3 * length)
        neighbours = tree.query_ball_point(tree.data, 12.0, return_length=True)
        # Ranks, so that proteins of every length have a surface and a core.
        burial = np.argsort(np.argsort(neighbours, kind="stable")) / (length - 1)
        self.properties = _standardized_properties()
        self.residues = self._draw_residues(rng, burial)
        self.wild_type = "".join(AMINO_ACIDS[residue] for residue in self.residues)
        self.costs = self._draw_costs(rng, burial)
        self.touching = np.zeros((length, length))
        depth = np.sqrt(burial[self.contacts].prod(axis=1))
        self.touching[tuple(self.contacts.T)] = _PAIR_SCALE * depth

    def _draw_residues(self, rng, burial):
        """Draw the wild type: methionine, then the greasier the deeper."""
        greasy = np.outer(burial - 0.5, self.properties[:, 0])
        weight = np.array(_FREQUENCY) * np.exp(1.5 * greasy)
        cumulative = np.cumsum(weight, axis=1)
        drawn = rng.uniform(size=(len(burial), 1)) * cumulative[:, -1:]
        residues = (drawn > cumulative).sum(axis=1)
        residues[0] = AMINO_ACIDS.index("M")
        return residues

    def _draw_costs(self, rng, burial):
        """Draw what each residue costs at each site, 0 for the wild type."""
        change = self.properties - self.properties[self.residues][:, None]
        ones = np.ones_like(burial)
        # How much hydropathy, volume, charge and helix propensity matter at a site.
        weight = np.stack([burial, burial, 0.5 * ones, 0.4 * ones], axis=1)
        distance = np.sqrt((weight[:, None] * change**2).sum(axis=2))
        sensitivity = (0.1 + 0.9 * burial**2) * rng.lognormal(0, 0.5, size=len(burial))
        costs = _SITE_SCALE * sensitivity[:, None] * distance
        costs += _UNEXPLAINED * rng.normal(size=costs.shape)
        costs[np.arange(len(burial)), self.residues] = 0
        return costs

    def new_residues(self, sites, others):
        """Return the residues that the numbers of other residues stand for."""
        return others + (others >= self.residues[sites])

    def energy(self, sites, others):
        """Return the stability lost by variants of equally many mutations."""
        new = self.new_residues(sites, others)
        energy = self.costs[sites, new].sum(axis=1)
        change = self.properties[new] - self.properties[self.residues[sites]]
        for i in range(sites.shape[1]):
            for j in range(i + 1, sites.shape[1]):
                together = (change[:, i, 1:3] * change[:, j, 1:3]).sum(axis=1)
                energy += self.touching[sites[:, i], sites[:, j]] * together
        return energy

    def codes(self, sites, others):
        """Return the codes of variants of equally many mutations."""
        tokens = np.array(
            [
                [f"{old}{i}{new}" for new in AMINO_ACIDS]
                for i, old in enumerate(self.wild_type, start=1)
            ],
            dtype=object,
        )
        rows = tokens[sites, self.new_residues(sites, others)].tolist()
        codes = np.empty(len(rows), dtype=object)
        codes[:] = [":".join(row) for row in rows]
        return codes


def _fold(rng, length):
    """Return the coordinates, in angstrom, of a chain that stays in a globule."""
    radius = 2.2 * length**0.38
    steps = rng.normal(size=(length, 3))
    coordinates = np.zeros((length, 3))
    direction = np.zeros(3)
    for i in range(1, length):
        direction = direction + steps[i] - 0.8 * coordinates[i - 1] / radius
        direction /= np.linalg.norm(direction)
        coordinates[i] = coordinates[i - 1] + 3.8 * direction
    return coordinates


def _closest_pairs(tree, n_pairs):
    """Return the pairs that are closest in space, of those apart in the chain."""
    pairs = tree.query_pairs(12.0, output_type="ndarray")
    pairs = pairs[pairs[:, 1] - pairs[:, 0] > 3]
    distance = np.linalg.norm(tree.data[pairs[:, 0]] - tree.data[pairs[:, 1]], axis=1)
    pairs = pairs[np.argsort(distance, kind="stable")[:n_pairs]]
    return pairs[np.lexsort(pairs.T[::-1])]


def _draw_variants(rng, n_variants, length, max_mutations):
    """Draw different variants, in one part for each number of mutations.

    A part is two integer arrays of shape (n, n_mutations): sites in ascending order,
    and which of the 19 other residues each gets.
    """
    numbers = range(1, min(max_mutations, length) + 1)
    capacities = [comb(length, k) * _N_OTHER**k for k in numbers]
    if n_variants > sum(capacities):
        raise ValueError(
            f"n_variants and n_pool ask for {n_variants} variants, but a protein of "
            f"length={length} has only {sum(capacities)} with max_mutations="
            f"{max_mutations}."
        )
    parts, left = [], n_variants
    for k, capacity in zip(numbers, capacities, strict=True):
        size = min(capacity, -(-left // (len(numbers) - k + 1)))
        parts.append(_draw_sites(rng, size, length, k))
        left -= size
    return parts


def _draw_sites(rng, size, length, n_mutations):
    """Draw different variants with one number of mutations."""
    if n_mutations == 1:
        drawn = rng.choice(length * _N_OTHER, size, replace=False)[:, None]
        return drawn // _N_OTHER, drawn % _N_OTHER
    drawn = np.empty((0, n_mutations), dtype=int)
    while len(drawn) < size:
        # More than are missing, as some come twice or mutate one site twice.
        more = rng.randint(length * _N_OTHER, size=(size + 100, n_mutations))
        more.sort(axis=1)
        sites = more // _N_OTHER
        more = more[(sites[:, 1:] > sites[:, :-1]).all(axis=1)]
        drawn = np.unique(np.concatenate([drawn, more]), axis=0)
    drawn = drawn[rng.permutation(len(drawn))[:size]]
    return drawn // _N_OTHER, drawn % _N_OTHER
