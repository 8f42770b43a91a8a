"""What `ActivationSearchNet` does behind its face: search, choice and training."""

import copy
import math
import warnings

import numpy as np
from scipy.special import softmax
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from skestimators.neural_network._activation.formulas import (
    simplify,
    to_latex,
    to_text,
)
from skestimators.neural_network._activation.inputs import check_rows
from skestimators.neural_network._activation.space import choices_of
from skestimators.neural_network._activation.training import NetworkTrainer
from skestimators.utils._callbacks import fit_task
from skestimators.utils._checkpoint import open_checkpoint
from skestimators.utils._classes import weigh_classes
from skestimators.utils._optional import import_optional
from skestimators.utils._packed_network import PackedNetworkMixin
from skestimators.utils._seeding import draw_seed, torch_seed
from skestimators.utils._validation import drop_weightless

# Of the sample of what activations are fed with: rows, and values in the end.
_N_ROWS = 256
_N_INPUTS = 10_000


class ActivationSearcher(PackedNetworkMixin, NetworkTrainer):
    """Search for an activation, and train the network that has it."""

    def _fit(self, X, y, sample_weight, groups):
        import_optional("torch", extra="torch", caller=self)
        import_optional("skorch", extra="torch", caller=self)
        from skestimators.utils._device import resolve_device

        go_on = self.warm_start and self.__sklearn_is_fitted__()
        if go_on and self._architecture() != self._built_with:
            raise ValueError(
                f"The network was built with {self._built_with}, but the parameters "
                f"are now {self._architecture()}. Only a new fit with warm_start=False "
                "can search again."
            )
        if not go_on:
            # If this fit fails, what there is would not fit what is set here.
            for name in [n for n in vars(self) if n.endswith("_") and n[0] != "_"]:
                delattr(self, name)
        rows, y, weight, groups = check_rows(
            self, X, y, sample_weight, groups, reset=not go_on
        )
        weight, rows, y, groups = drop_weightless(weight, rows, y, groups)
        labels = self._encode(y, reset=not go_on)
        factor = weigh_classes(self.class_weight, weight, self.classes_, labels)
        if self.module is None and rows.ndim == 2:
            self._check_layers()
        if not go_on:
            random_state = check_random_state(self.random_state)
            self._seed, self._split_seed = (draw_seed(random_state) for _ in range(2))
            self._built_with = self._architecture()
            self.device_ = resolve_device(self.device)
            self.input_shape_ = rows.shape[1:]
        parts = self._split(labels, groups, search=self._has_choices() and not go_on)
        checkpoint = open_checkpoint(
            self,
            {"X": rows, "y": y, "weight": weight, "groups": groups},
            packages=("torch", "skorch"),
        )
        with (
            fit_task(
                self,
                max_steps=self._max_steps(go_on),
                X=rows,
                y=y,
                metadata={"sample_weight": None if sample_weight is None else weight},
            ) as task,
            torch_seed(self._seed),
        ):
            data = self._tensors(rows, labels, factor / factor.mean())
            if not go_on:
                self._search(data, parts, checkpoint, task)
            self._train(data, parts, checkpoint, task, go_on=go_on)
            self._describe(data, parts, warn=self._has_choices() and not go_on)
        return self

    def _architecture(self):
        """Return the parameters that decide what is built."""
        return {
            "search_space": self.search_space,
            "module": self.module,
            "hidden_layer_sizes": tuple(self.hidden_layer_sizes),
        }

    def _max_steps(self, go_on):
        """Return the number of epochs of all kinds at the most."""
        if go_on or not self._has_choices():
            return self.max_epochs
        # Less than twice as many networks as candidates.
        n_compositions = math.prod(
            len(c.operations) for c in choices_of(self.search_space)
        )
        n_candidates = min(self.n_candidates, n_compositions)
        candidates = 2 * n_candidates * self._n_candidate_epochs()
        return self.search_epochs + candidates + self.max_epochs

    def _has_choices(self):
        return any(len(c.operations) > 1 for c in choices_of(self.search_space))

    def _search(self, data, parts, checkpoint, task):
        """Choose the operations, and note how the search went."""
        from skestimators.neural_network._activation.candidates import (
            best_compositions,
        )
        from skestimators.neural_network._activation.cells import (
            Architecture,
            MixedActivation,
        )

        self._choices = choices = choices_of(self.search_space)
        self.operations_ = {choice.name: choice.operations for choice in choices}
        architecture = Architecture(choices, self.device_)
        self.alphas_ = {n: a[np.newaxis] for n, a in architecture.values().items()}
        self.search_history_, self.discretization_ = {}, {}
        if not self._has_choices():
            self.chosen_ = {c.name: c.operations[0] for c in choices}
            self.candidates_ = {self._expression(self.chosen_): []}
            return
        network = self._build(lambda n: MixedActivation(architecture, n), self._seed)
        self._train_mixed(network, architecture, data, parts, checkpoint, task)
        alphas = {name: alphas[-1] for name, alphas in self.alphas_.items()}
        candidates = best_compositions(choices, alphas, self.n_candidates)
        self.chosen_ = self._choose(candidates, data, parts, checkpoint, task)
        self.discretization_["mixed"] = self._accuracy(network, data, parts)
        architecture.keep({name: [chosen] for name, chosen in self.chosen_.items()})
        self.discretization_["discretized"] = self._accuracy(network, data, parts)

    def _train_mixed(self, network, architecture, data, parts, checkpoint, task):
        """Train weights and alphas of the network with the mixed activation."""
        import torch

        from skestimators.neural_network._activation.search import (
            ArchitectureSteps,
            stage_ends,
        )

        steps = ArchitectureSteps(
            architecture,
            self._batches(data, parts.for_alphas),
            learning_rate=self.arch_learning_rate,
            weight_decay=self.arch_weight_decay,
            second_order=self.second_order,
            stage_ends=stage_ends(self.n_search_stages, self.search_epochs),
        )
        _, history, _ = self._train_network(
            torch.compile(network) if self.compile else network,
            self._batches(data, parts.for_weights),
            max_epochs=self.search_epochs,
            callbacks=[("architecture", steps)],
            checkpoint=checkpoint,
            checkpoint_name="search",
            task=task,
            step_name="search epoch",
            # Not the compiled one, which would be compiled anew to predict.
            fitted_attributes=lambda _: {"network_": network},
        )
        self.search_history_ = {**history, **steps.history}
        self.alphas_ = {
            name: np.stack([values[name] for values in steps.values])
            for name in self.alphas_
        }

    def _choose(self, candidates, data, parts, checkpoint, task):
        """Return the candidate that does best on other rows after short trainings.

        How a network fares depends on its initial weights, too: the better half of the
        candidates is trained again from others, and so on until one is left.
        """
        left = list(range(len(candidates)))
        losses = [[] for _ in candidates]
        self.candidates_ = {
            self._expression(chosen): losses_of_one
            for chosen, losses_of_one in zip(candidates, losses, strict=True)
        }
        if len(candidates) == 1:
            return candidates[0]
        rows = (
            self._batches(data, parts.for_weights),
            self._batches(data, parts.for_alphas, shuffle=False),
        )
        while len(left) > 1:
            for i in left:
                loss = self._candidate_loss(
                    candidates[i],
                    rows,
                    seed=self._seed + len(losses[i]),
                    checkpoint=checkpoint,
                    checkpoint_name=f"candidate_{i}_{len(losses[i])}",
                    task=task,
                )
                losses[i].append(loss)
            left.sort(key=lambda i: np.mean(losses[i]))
            left = left[: len(left) // 2]
        return candidates[left[0]]

    def _expression(self, chosen):
        from skestimators.neural_network._activation.found import Activation

        return to_text(simplify(Activation(self._choices, chosen).tree()))

    def _candidate_loss(self, chosen, rows, *, seed, checkpoint, checkpoint_name, task):
        """Return the lowest loss of a short training on the rows for the alphas."""
        from skestimators.utils._skorch_callbacks import DivergenceError

        known = None if checkpoint is None else checkpoint.read(checkpoint_name)
        if known is not None and "loss" in known:
            return known["loss"]
        try:
            _, history, _ = self._train_network(
                self._build_with(chosen, seed),
                *rows,
                max_epochs=self._n_candidate_epochs(),
                n_iter_no_change=self.max_epochs,
                seed=seed,
                checkpoint=checkpoint,
                checkpoint_name=checkpoint_name,
                task=task,
                step_name="candidate epoch",
            )
            loss = float(np.fmin.reduce([np.inf, *history["valid_loss"]]))
        except DivergenceError:
            loss = np.inf
        if checkpoint is not None:
            # In the place of the network, which is of no more use.
            checkpoint.write(checkpoint_name, {"loss": loss})
        return loss

    def _n_candidate_epochs(self):
        return -(-self.max_epochs // 5)

    def _build_with(self, chosen, seed):
        from skestimators.neural_network._activation.found import PlacedActivation

        return self._build(lambda n: PlacedActivation(self._choices, chosen, n), seed)

    def _new_network(self):
        return self._build_with(self.chosen_, self._seed)

    def _can_be_planned(self):
        # Networks of users may need real numbers to be built.
        return self.module is None

    def _train(self, data, parts, checkpoint, task, *, go_on):
        """Train the network that has the chosen activation."""
        if go_on:
            # A copy, so that an interruption leaves the network there is as it was.
            network = copy.deepcopy(self.network_)
            state, n_before, before = self._training_state, self.n_iter_, self.history_
        else:
            network = self._new_network()
            state, n_before, before = None, 0, {}
        held_out = None
        if parts.held_out is not None:
            held_out = self._batches(data, parts.held_out, shuffle=False)
        network, history, state = self._train_network(
            network,
            self._batches(data, parts.train),
            held_out,
            max_epochs=self.max_epochs,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            first_epoch=n_before,
            state=state,
            checkpoint=checkpoint,
            task=task,
        )
        self._record(network.eval(), history, state, before, n_before)
        accuracy = self._accuracy(self.network_, data, parts)
        self.discretization_["retrained"] = accuracy

    def _record(self, network, history, state, before, n_before):
        from skestimators.utils._skorch_engine import joined_history

        self.history_ = joined_history(before, n_before, history)
        self.n_iter_ = len(self.history_["train_loss"])
        # Large, and needed to go on only.
        self._training_state = state if self.warm_start else None
        self.network_ = network

    def _describe(self, data, parts, *, warn):
        """Note what the activation is, and what it is fed with."""
        from skestimators.neural_network._activation.found import (
            inputs_of,
            mean_activation,
            shape_of,
        )

        self.activation_ = mean_activation(self.network_, self._choices, self.chosen_)
        tree = simplify(self.activation_.tree())
        self.expression_, self.expression_latex_ = to_text(tree), to_latex(tree)
        # From all over the rows, which may be sorted.
        rows = parts.train[:: -(-len(parts.train) // _N_ROWS)]
        rows = data[0][rows]
        self.activation_inputs_ = inputs_of(self.network_, rows, _N_INPUTS)
        if warn and not shape_of(self.activation_):
            warnings.warn(
                "The search has collapsed to a linear activation, "
                f"{self.expression_}: with the linear layers around it, it is one "
                "linear layer, and a network for tables a logistic regression. If that "
                "is not what the data want, leave identity, zero and their like out of "
                "the search space, or give the search more epochs, a higher "
                "arch_learning_rate or more candidates.",
                stacklevel=5,
            )

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, height, width, n_channels)
            Rows or images, as for `fit`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, computed in float32 and returned as float64. A
            row's probabilities do not depend on the other rows.
        """
        check_is_fitted(self)
        from skestimators.utils._skorch_engine import predict

        rows = check_rows(self, X, reset=False)
        return softmax(predict(self.network_, rows), axis=1)

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or \
                (n_samples, height, width, n_channels)
            Rows or images, as for `fit`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Class labels.
        """
        winners = self.predict_proba(X).argmax(axis=1)
        return self.classes_[winners]

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")
