"""What `DKTClassifier` does behind its face: reading, training and going on."""

import copy

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.validation import (
    _check_sample_weight,
    check_is_fitted,
    validate_data,
)

from skestimators.neural_network._dkt_checks import (
    all_skills,
    check_known,
    check_target,
    split_students,
)
from skestimators.preprocessing._interactions import (
    StudentSequences,
    check_column_order,
    read_interactions_table,
)
from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task
from skestimators.utils._checkpoint import open_checkpoint
from skestimators.utils._optional import import_optional
from skestimators.utils._packed_network import PackedNetworkMixin
from skestimators.utils._seeding import draw_seed, torch_seed
from skestimators.utils._validation import check_layer_sizes


class KnowledgeTracer(PackedNetworkMixin, Estimator):
    """Train a recurrent network on students, and run it over them."""

    def _fit(
        self,
        X,
        y,
        sample_weight,
        groups=None,
        *,
        max_epochs,
        early_stopping,
        checkpointed=False,
    ):
        import_optional("torch", extra="torch", caller=self)
        import_optional("skorch", extra="torch", caller=self)
        from skestimators.utils._device import resolve_device

        go_on = self.__sklearn_is_fitted__()
        interactions = self._read(X, reset=not go_on)
        y = check_target(y, interactions.responses, self.response)
        weight = _check_sample_weight(sample_weight, y, ensure_non_negative=True)
        weight = weight / weight.max() * compute_sample_weight(self.class_weight, y)
        if weight.min() < 0:
            raise ValueError(f"class_weight={self.class_weight} must not be negative.")
        check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        if len(self.hidden_layer_sizes) == 0:
            raise ValueError("hidden_layer_sizes must have at least one layer.")
        if not go_on:
            random_state = check_random_state(self.random_state)
            self._seed, self._split_seed = (draw_seed(random_state) for _ in range(2))
            self.classes_ = np.array([0, 1], dtype=y.dtype)
            self.skills_ = all_skills(self.skills, interactions.skill_sets)
            self.device_ = resolve_device(self.device)
        check_known(interactions.skill_sets, self.skills_, "The training data")
        parts = split_students(
            interactions.students,
            weight,
            groups,
            validation_fraction=self.validation_fraction if early_stopping else None,
            random_state=self._split_seed,
        )
        checkpoint = None
        if checkpointed:
            data = {**vars(interactions), "y": y, "weight": weight, "groups": groups}
            checkpoint = open_checkpoint(self, data, packages=("torch", "skorch"))
        with (
            fit_task(
                self,
                max_steps=max_epochs,
                X=X,
                y=y,
                metadata={"sample_weight": sample_weight},
            ) as task,
            torch_seed(self._seed),
        ):
            self._train(interactions, y, weight, parts, max_epochs, checkpoint, task)
        return self

    def _read(self, X, *, reset, input_name="X"):
        """Return the interactions of X, which has the columns that fit saw."""
        validate_data(self, X=X, reset=reset, skip_check_array=True)
        columns = {
            "student": self.student,
            "skill": self.skill,
            "response": self.response,
        }
        if reset:
            check_column_order(X, **columns)
        return read_interactions_table(
            X, **columns, estimator=self, input_name=input_name
        )

    def _train(self, interactions, y, weight, parts, max_epochs, checkpoint, task):
        from skestimators.neural_network._dkt_batches import StudentBatches, StudentData
        from skestimators.neural_network._dkt_network import DKTLoss
        from skestimators.utils import _skorch_engine as engine

        train, validation = parts
        sequences = StudentSequences(interactions)
        data = StudentData(interactions, sequences, self._numbers(), self.device_)
        network, state, n_before = self._network()
        common = {"data": data, "labels": y, "weight": weight}
        batches = StudentBatches(
            students=train,
            max_length=self.max_length,
            batch_size=self.batch_size or len(y),
            shuffle=True,
            reconstruction=self.reconstruction,
            **common,
        )
        network.mark_trained(*batches.rows_of_tables())
        held_out = None
        if validation is not None:
            held_out = StudentBatches(students=validation, **common)
        network, history, state = engine.train(
            network,
            batches,
            held_out,
            criterion=DKTLoss(),
            max_epochs=max_epochs,
            learning_rate=self.learning_rate,
            learning_rate_decay=self.learning_rate_decay,
            averaging=self.averaging,
            max_grad_norm=self.max_grad_norm,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            device=self.device_,
            seed=self._seed,
            first_epoch=n_before,
            past_losses=self._past_losses(n_before),
            state=state,
            checkpoint=checkpoint,
            task=task,
            fitted_attributes=lambda network: {"network_": network},
        )
        self._record(network.eval(), history, state, n_before)

    def _network(self):
        """Return the network to train, the state of training and past epochs."""
        layers = {
            "hidden_layer_sizes": tuple(self.hidden_layer_sizes),
            "cell": self.cell,
        }
        if not self.__sklearn_is_fitted__():
            self._layers = layers
            return self._new_network(), None, 0
        if layers != self._layers:
            raise ValueError(
                f"The network was built with {self._layers}, but the parameters are "
                f"now {layers}. Only fit can build another."
            )
        # A copy, so that an interruption leaves the network there is as it was.
        network = copy.deepcopy(self.network_)
        vars(network).update(self._regularisers())
        return network, self._training_state, self.n_iter_

    def _new_network(self):
        from skestimators.neural_network._dkt_network import DKTNetwork

        return DKTNetwork(len(self.skills_), **self._layers, **self._regularisers())

    def _regularisers(self):
        return {
            "dropout": self.dropout,
            "waviness": (self.waviness_l1, self.waviness_l2),
        }

    def _past_losses(self, n_before):
        losses = self.history_.get("valid_loss", ()) if n_before else ()
        return [loss for loss in losses if np.isfinite(loss)]

    def _record(self, network, history, state, n_before):
        from skestimators.utils._skorch_engine import joined_history

        before = self.history_ if n_before else {}
        self.history_ = joined_history(before, n_before, history)
        self.n_iter_ = len(self.history_["train_loss"])
        self._training_state = state
        self.network_ = network
        self._states = {}

    def _answers(self, history):
        """Return what one student answered, a tuple of (skills, response)."""
        if history is None or len(history) == 0:
            return ()
        interactions = self._read(history, reset=False, input_name="history")
        if interactions.students.any():
            raise ValueError(
                f"history holds {interactions.students.max() + 1} students in column "
                f"student={self.student!r}, but must be of one."
            )
        self._check_unknown(interactions.skill_sets, "history")
        return tuple(
            (interactions.skill_sets[cell], int(response))
            for cell, response in zip(
                interactions.cells.tolist(),
                interactions.responses.tolist(),
                strict=True,
            )
            if response == response
        )

    def _data(self, X, *, after=False):
        """Return the sequences in X, to be read before or after each row."""
        check_is_fitted(self)
        from skestimators.neural_network._dkt_batches import StudentData

        interactions = self._read(X, reset=False)
        self._check_unknown(interactions.skill_sets, "X")
        sequences = StudentSequences(interactions, after=after)
        device = next(self.network_.parameters()).device
        return StudentData(interactions, sequences, self._numbers(), device)

    def _check_unknown(self, skill_sets, input_name):
        if self.handle_unknown == "error":
            check_known(skill_sets, self.skills_, input_name)

    def _numbers(self):
        return {name: number for number, name in enumerate(self.skills_)}

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __getstate__(self):
        state = super().__getstate__()
        return {**state, "_states": {}} if "_states" in state else state

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        return tags
