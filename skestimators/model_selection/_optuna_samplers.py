"""Samplers made anew for each trial, so that a resumed search asks the same."""

import copy
import math

import numpy as np
import optuna

from skestimators.model_selection._param_space import DictSpace


class SamplerFactory:
    """Make the sampler of each trial.

    A sampler that lived through the whole search would carry the state of its random
    generator, which no storage keeps. One that is made for each trial, from a seed of
    its own, depends on nothing but the finished trials.

    Parameters
    ----------
    sampler : str, callable or optuna.samplers.BaseSampler
        The parameter of the search.

    suggest : callable
        Function from a trial to parameters.

    seed : int
        Seed of the search.
    """

    def __init__(self, sampler, suggest, seed):
        self._sampler, self._seed = sampler, seed
        self._grid = None
        if sampler == "grid":
            if not isinstance(suggest, DictSpace):
                raise ValueError(
                    "sampler='grid' needs param_distributions to be a dict, as the "
                    "points of a function of the trial cannot be listed."
                )
            self._grid = _ShuffledGrid(suggest.grid(), seed)
        elif isinstance(sampler, optuna.samplers.BaseSampler):
            # Its state changes as it is used; the parameter must stay as it was.
            self._sampler = copy.deepcopy(sampler)

    def limit(self, n_iter):
        """Return how many trials there can be, at most `n_iter`."""
        return n_iter if self._grid is None else min(n_iter, self._grid.n_points)

    def __call__(self, index):
        """Return the sampler of the trial of this index."""
        match self._sampler:
            case "grid":
                # One past the end is asked for when the search is over.
                return _PointSampler(self._grid.point(index % self._grid.n_points))
            case optuna.samplers.BaseSampler():
                return self._sampler
        state = np.random.SeedSequence((self._seed, index)).generate_state(1)
        seed = int(state[0])
        match self._sampler:
            case "qmc":
                return _SobolSampler(index, self._seed, seed)
            case "tpe":
                return optuna.samplers.TPESampler(seed=seed)
            case "gp":
                return optuna.samplers.GPSampler(
                    seed=seed, warn_independent_sampling=False
                )
            case "random":
                return optuna.samplers.RandomSampler(seed=seed)
        return self._sampler(seed)


class _ShuffledGrid:
    """The points of a grid in random order.

    Parameters
    ----------
    grid : dict of str to sequence
        The values of each parameter.

    seed : int
        Seed of the order.
    """

    def __init__(self, grid, seed):
        self._grid = grid
        self._lengths = [len(values) for values in grid.values()]
        self.n_points = math.prod(self._lengths)
        self._rng = np.random.default_rng(seed)
        # Of a grid that no search comes to the end of, points are drawn as needed: it
        # may have more of them than there is memory.
        self._order, self._drawn = [], set()
        if self.n_points <= 100_000:
            order = self._rng.permutation(self.n_points)
            self._order = [np.unravel_index(number, self._lengths) for number in order]

    def point(self, index):
        """Return the point of this index in the order."""
        while len(self._order) <= index:
            places = tuple(self._rng.integers(self._lengths).tolist())
            if places not in self._drawn:
                self._drawn.add(places)
                self._order.append(places)
        items = zip(self._grid.items(), self._order[index], strict=True)
        return {name: values[place] for (name, values), place in items}


class _PointSampler(optuna.samplers.BaseSampler):
    """Give one point of a grid.

    Optuna's GridSampler ends by stopping `Study.optimize`, which is an error where
    trials are asked for one by one.
    """

    def __init__(self, point):
        self._point = point

    def infer_relative_search_space(self, study, trial):
        return {}

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):
        return self._point[param_name]


class _SobolSampler(optuna.samplers.QMCSampler):
    """Give one point of a scrambled Sobol sequence, known by its index.

    Optuna's own counts the points in the study, also those whose trials were killed.
    """

    def __init__(self, index, sequence_seed, trial_seed):
        super().__init__(
            qmc_type="sobol",
            scramble=True,
            seed=sequence_seed,
            # For parameters that only some trials have.
            independent_sampler=optuna.samplers.RandomSampler(seed=trial_seed),
            warn_independent_sampling=False,
        )
        self._index = index

    def _find_sample_id(self, study, search_space):
        return self._index
