"""Ask and tell: the part of a search that talks to Optuna."""

import copy
import numbers

import joblib
import numpy as np
import optuna
from optuna.trial import TrialState

from skestimators.model_selection._folds import mean_score
from skestimators.model_selection._optuna_quiet import quiet
from skestimators.model_selection._optuna_samplers import SamplerFactory
from skestimators.model_selection._optuna_storage import TrialStore, opened
from skestimators.model_selection._param_space import as_function, replay
from skestimators.utils._optional import import_optional
from skestimators.utils._seeding import draw_seed


def run_search(search, score, fingerprint, context):
    """Restore the trials that are stored and ask for the others.

    Parameters
    ----------
    search : OptunaSearchCV
        The search.

    score : FoldScorer
        What scores candidates.

    fingerprint : dict or None
        What the search depends on, None without a storage.

    context : CallbackContext
        The task of the whole search.

    Returns
    -------
    asked : AskTell
        The candidates and their results.
    """
    if search.sampler == "gp":
        import_optional("torch", extra="torch", caller="OptunaSearchCV(sampler='gp')")
    seed = search.random_state
    seed = int(seed) if isinstance(seed, numbers.Integral) else draw_seed(seed)
    if fingerprint is None:
        # Some pruners depend on the name.
        name = search.study_name or "OptunaSearchCV"
        return _ask_and_tell(search, score, context, name, seed, None)
    name = search.study_name or (
        f"OptunaSearchCV-{type(search.estimator).__name__}-"
        f"{joblib.hash(fingerprint)[:16]}"
    )
    with opened(search.storage) as storage:
        store = TrialStore(
            storage, search.storage, study_name=name, fingerprint=fingerprint, seed=seed
        )
        return _ask_and_tell(search, score, context, name, store.seed, store)


def _ask_and_tell(search, score, context, study_name, seed, store):
    suggest = as_function(search.param_distributions)
    new_sampler = SamplerFactory(search.sampler, suggest, seed)
    n_iter, n_folds = new_sampler.limit(search.n_iter), search.n_splits_
    asked = AskTell(study_name, suggest, new_sampler, search.pruner, store)
    asked.restore(n_iter)
    n_new = n_iter - len(asked.params)
    if search.verbose > 0:
        print(
            f"Fitting {n_folds} folds for each of {n_new} candidates, totalling "
            f"{n_folds * n_new} fits; {n_iter - n_new} candidates are restored"
        )
    task = context.subcontext(
        task_name="search", max_subtasks=n_new * n_folds, sequential_subtasks=False
    ).call_on_fit_task_begin(estimator=search)

    def score_folds(params, folds, candidate):
        return score(
            params, folds, candidate=candidate, n_candidates=n_iter, context=task
        )

    asked.run(score_folds, n_iter, n_folds, search._metric_of)
    task.call_on_fit_task_end(estimator=search)
    return asked


class AskTell:
    """One search in memory, of which a store gets every finished trial.

    Parameters
    ----------
    study_name : str
        Name of the study.

    suggest : callable
        Function from a trial to parameters.

    new_sampler : callable
        Function from the index of a trial to its sampler.

    pruner : "median", optuna.pruners.BasePruner or None
        The parameter of the search.

    store : TrialStore or None
        What keeps the trials.
    """

    def __init__(self, study_name, suggest, new_sampler, pruner, store):
        self._suggest, self._new_sampler, self._store = suggest, new_sampler, store
        self._prunes = pruner is not None
        if pruner == "median":
            pruner = optuna.pruners.MedianPruner()
        with quiet():
            self.study = optuna.create_study(
                direction="maximize",
                study_name=study_name,
                # Some change as they are used; the parameter must stay as it was.
                pruner=copy.deepcopy(pruner) or optuna.pruners.NopPruner(),
            )
        self.params, self.results = [], []
        self._attrs = {"system": {}, "user": {}}

    def restore(self, n_iter):
        """Take over the trials that a store has, at most `n_iter`."""
        if self._store is None:
            return
        for stored in self._store.load()[:n_iter]:
            trial = copy.deepcopy(stored)
            self._restore_attrs(trial.user_attrs.pop("study_attrs", {}))
            params = replay(self._suggest, trial)
            if params is None:
                self._store.refuse(["it is of another search space"])
            self.study.add_trial(trial)
            self.params.append(params)
            self.results.append(trial.user_attrs["folds"])

    def _restore_attrs(self, attrs):
        """Set attributes of the study, where some samplers keep what they chose."""
        storage, study_id = self.study._storage, self.study._study_id
        for name, value in attrs.get("system", {}).items():
            storage.set_study_system_attr(study_id, name, value)
        for name, value in attrs.get("user", {}).items():
            self.study.set_user_attr(name, value)
        self._attrs = self._read_attrs()

    def _read_attrs(self):
        system = self.study._storage.get_study_system_attrs(self.study._study_id)
        return copy.deepcopy({"system": system, "user": self.study.user_attrs})

    def _changed_attrs(self):
        """Return the attributes of the study that changed since the last call."""
        before, self._attrs = self._attrs, self._read_attrs()
        return {
            kind: {k: v for k, v in attrs.items() if v != before[kind].get(k)}
            for kind, attrs in self._attrs.items()
            if attrs != before[kind]
        }

    def run(self, score_folds, n_iter, n_folds, metric_of):
        """Ask for trials until there are `n_iter`.

        Parameters
        ----------
        score_folds : callable
            `score_folds(params, folds, candidate)` gives the results of these folds.

        n_iter : int
            Number of trials, those restored included.

        n_folds : int
            Number of folds.

        metric_of : callable
            Function from the results of a trial to the metric that is optimised.
        """
        for candidate in range(len(self.params), n_iter):
            with quiet():
                self.study.sampler = self._new_sampler(candidate)
                trial = self.study.ask()
                params = self._suggest(trial)
            results, pruned = self._score(
                trial,
                lambda folds, params=params, candidate=candidate: score_folds(
                    params, folds, candidate
                ),
                n_folds,
                metric_of,
            )
            score = mean_score(results, metric_of(results))
            self._tell(trial, results, score, pruned)
            self.params.append(params)
            self.results.append(results)
        with quiet():
            # Without what the last sampler has in memory.
            self.study.sampler = self._new_sampler(n_iter)

    def _score(self, trial, score_folds, n_folds, metric_of):
        """Return the results of a trial and whether it was pruned."""
        if not self._prunes:
            return score_folds(range(n_folds)), False
        results = []
        for fold in range(n_folds):
            results += score_folds([fold])
            score = mean_score(results, metric_of(results))
            if np.isnan(score):
                # It stays so, whatever the other folds give.
                break
            if not np.isfinite(score) or fold == n_folds - 1:
                continue
            with quiet():
                trial.report(score, fold)
                if trial.should_prune():
                    return results, True
        return results, False

    def _tell(self, trial, results, score, pruned):
        trial.set_user_attr("index", trial.number)
        trial.set_user_attr("folds", results)
        with quiet():
            if pruned:
                self.study.tell(trial, state=TrialState.PRUNED)
            elif np.isfinite(score):
                self.study.tell(trial, score)
            else:
                self.study.tell(trial, state=TrialState.FAIL)
        if self._store is not None:
            finished = self.study.get_trials()[-1]
            changed = self._changed_attrs()
            if changed:
                finished.user_attrs["study_attrs"] = changed
            self._store.append(finished)
