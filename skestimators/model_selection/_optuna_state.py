"""Finished studies as plain containers, for pickles and files."""

from datetime import datetime

import optuna
from optuna.trial import FrozenTrial, TrialState

from skestimators.model_selection._optuna_quiet import quiet


def pack_study(study):
    """Return what there is to know of a study.

    Parameters
    ----------
    study : optuna.study.Study
        A study of one objective, in memory.

    Returns
    -------
    packed : dict
        Name, attributes and trials; the sampler and the pruner are not in it.
    """
    return {
        "name": study.study_name,
        "attributes": study.user_attrs,
        "trials": [_pack_trial(trial) for trial in study.get_trials()],
    }


def _pack_trial(trial):
    return {
        "state": trial.state.name,
        "values": trial.values,
        "start": _as_text(trial.datetime_start),
        "complete": _as_text(trial.datetime_complete),
        "params": trial.params,
        "distributions": trial.distributions,
        "user_attrs": trial.user_attrs,
        "system_attrs": trial.system_attrs,
        "intermediate_values": trial.intermediate_values,
    }


def _as_text(time):
    return None if time is None else time.isoformat()


def unpack_study(packed):
    """Return a study in memory with what `pack_study` has packed.

    Parameters
    ----------
    packed : dict
        As `pack_study` returned it.

    Returns
    -------
    study : optuna.study.Study
        With Optuna's default sampler and pruner.
    """
    with quiet():
        study = optuna.create_study(direction="maximize", study_name=packed["name"])
        for name, value in packed["attributes"].items():
            study.set_user_attr(name, value)
        for number, trial in enumerate(packed["trials"]):
            study.add_trial(_unpack_trial(number, trial))
    return study


def _unpack_trial(number, packed):
    kept = ("params", "distributions", "user_attrs", "system_attrs")
    return FrozenTrial(
        number=number,
        trial_id=number,
        state=TrialState[packed["state"]],
        value=None,
        values=packed["values"],
        datetime_start=_as_time(packed["start"]),
        datetime_complete=_as_time(packed["complete"]),
        intermediate_values=packed["intermediate_values"],
        **{name: packed[name] for name in kept},
    )


def _as_time(text):
    return None if text is None else datetime.fromisoformat(text)
