"""What `ActivationSearchNet` does behind its face: search, choice and training."""

import copy
import warnings

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin
from sklearn.utils import check_random_state
from sklearn.utils.class_weight import compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets

from skestimators.neural_network._activation.formulas import (
    simplify,
    to_latex,
    to_text,
)
from skestimators.neural_network._activation.inputs import check_rows
from skestimators.neural_network._activation.space import choices_of
from skestimators.utils._callbacks import fit_task
from skestimators.utils._optional import import_optional
from skestimators.utils._seeding import draw_seed, torch_seed
from skestimators.utils._validation import check_layer_sizes, drop_weightless
from skestimators.utils._validation_split import split_validation

# Of the sample of what activations are fed with: rows, and values in the end.
_N_ROWS = 256
_N_INPUTS = 10_000


class ActivationSearcher(CallbackSupportMixin, BaseEstimator):
    """Search for an activation, and train the network that has it."""

    def _fit(self, X, y, sample_weight, groups):
        import_optional("torch", extra="torch", caller=self)
        import_optional("skorch", extra="torch", caller=self)
        from skestimators.utils._device import resolve_device

        go_on = self.warm_start and self.__sklearn_is_fitted__()
        if not go_on:
            # If this fit fails, the old network would no longer fit what is set here.
            for name in ("network_", "history_", "n_iter_"):
                vars(self).pop(name, None)
        rows, y, weight, groups = check_rows(
            self, X, y, sample_weight, groups, reset=not go_on
        )
        weight, rows, y, groups = drop_weightless(weight, rows, y, groups)
        labels = self._encode(y, reset=not go_on)
        factor = weight * compute_sample_weight(self.class_weight, y)
        if factor.min() < 0 or not factor.any():
            raise ValueError(
                f"class_weight={self.class_weight} must not be negative, nor zero for "
                f"all rows."
            )
        self._check_layers()
        if not go_on:
            random_state = check_random_state(self.random_state)
            self._seed, self._split_seed = (draw_seed(random_state) for _ in range(2))
            self.device_ = resolve_device(self.device)
            self.input_shape_ = rows.shape[1:]
        train, held_out = self._split(labels, groups)
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
            tested = np.arange(len(y)) if held_out is None else held_out
            if not go_on:
                sides = train, train
                if self._has_choices():
                    sides = self._split_search(train, labels, groups)
                self._search(data, *sides, tested, task)
            self._train(data, train, held_out, go_on, task)
            if not go_on:
                accuracy = self._accuracy(self.network_, data, tested)
                self.discretization_["retrained"] = accuracy
            self._describe(data[0][train[:_N_ROWS]], warn=bool(self.search_history_))
        return self

    def _max_steps(self, go_on):
        """Return the number of epochs of all kinds at the most."""
        if go_on or not self._has_choices():
            return self.max_epochs
        candidates = self.n_candidates * self._n_candidate_epochs()
        return self.search_epochs + candidates + self.max_epochs

    def _has_choices(self):
        return any(len(c.operations) > 1 for c in choices_of(self.search_space))

    def _encode(self, y, *, reset):
        check_classification_targets(y)
        if reset:
            self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise ValueError(
                f"{type(self).__name__} needs two classes or more, but y holds one "
                f"class: {self.classes_.tolist()[0]!r}."
            )
        if len(unknown := np.setdiff1d(y, self.classes_)):
            raise ValueError(
                f"y holds {unknown.tolist()}, not among the classes of the network, "
                f"{self.classes_.tolist()}."
            )
        return np.searchsorted(self.classes_, y)

    def _check_layers(self):
        check_layer_sizes("hidden_layer_sizes", self.hidden_layer_sizes)
        if len(self.hidden_layer_sizes) == 0:
            raise ValueError(
                "hidden_layer_sizes must have at least one layer, for an activation to "
                "stand behind."
            )

    def _split(self, labels, groups):
        """Return the rows to learn from, and those held out or None."""
        if not self.early_stopping:
            return np.arange(len(labels)), None
        return split_validation(
            len(labels),
            validation_fraction=self.validation_fraction,
            groups=groups,
            classes=labels,
            random_state=self._split_seed,
        )

    def _split_search(self, train, labels, groups):
        """Return the rows for the weights and those for the alphas."""
        sides = split_validation(
            len(train),
            validation_fraction=self.arch_fraction,
            groups=None if groups is None else groups[train],
            classes=labels[train],
            parameter="arch_fraction",
            random_state=self._split_seed,
        )
        return [train[side] for side in sides]

    def _tensors(self, *arrays):
        import torch

        return [
            torch.tensor(
                array,
                dtype=torch.float32 if array.dtype.kind == "f" else None,
                device=self.device_,
            )
            for array in arrays
        ]

    def _batches(self, data, rows, *, shuffle=True):
        from skestimators.utils._skorch_engine import TensorBatches

        X, *targets = (tensor[rows] for tensor in data)
        size = self.batch_size or len(rows)
        return TensorBatches(X, tuple(targets), batch_size=size, shuffle=shuffle)

    def _build(self, make_activation):
        """Build the network; its initial weights depend on `random_state` alone."""
        import torch

        from skestimators.neural_network._activation import bodies

        torch.manual_seed(self._seed)
        return bodies.build(
            self.input_shape_,
            len(self.classes_),
            make_activation,
            module=self.module,
            hidden_layer_sizes=self.hidden_layer_sizes,
        )

    def _train_network(self, network, batches, held_out=None, **how):
        import torch

        from skestimators.utils import _skorch_engine as engine

        return engine.train(
            network,
            batches,
            held_out,
            criterion=engine.WeightedLoss(torch.nn.CrossEntropyLoss(reduction="none")),
            learning_rate=self.learning_rate,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            max_grad_norm=self.max_grad_norm,
            roll_back=True,
            device=self.device_,
            seed=self._seed,
            fitted_attributes=lambda network: {"network_": network},
            **how,
        )

    def _search(self, data, weight_rows, arch_rows, tested, task):
        """Find the operations, and note how the search went."""
        from skestimators.neural_network._activation.candidates import (
            best_compositions,
        )
        from skestimators.neural_network._activation.cells import (
            Architecture,
            MixedActivation,
        )
        from skestimators.neural_network._activation.search import (
            ArchitectureSteps,
            stage_ends,
        )

        choices = choices_of(self.search_space)
        architecture = Architecture(choices, self.device_)
        network = self._build(lambda n: MixedActivation(architecture, n))
        steps = ArchitectureSteps(
            architecture,
            self._batches(data, arch_rows),
            learning_rate=self.arch_learning_rate,
            weight_decay=self.arch_weight_decay,
            second_order=self.second_order,
            stage_ends=stage_ends(self.n_search_stages, self.search_epochs),
        )
        self.search_history_ = {}
        if self._has_choices():
            if self.compile:
                network.compile()
            network, history, _ = self._train_network(
                network,
                self._batches(data, weight_rows),
                max_epochs=self.search_epochs,
                callbacks=[("architecture", steps)],
                task=task,
                step_name="search epoch",
            )
            self.search_history_ = {**history, **steps.history}
        self.alphas_ = {
            choice.name: np.stack([values[choice.name] for values in steps.values])
            for choice in choices
        }
        self.operations_ = {choice.name: choice.operations for choice in choices}
        candidates = best_compositions(choices, steps.values[-1], self.n_candidates)
        self._chosen = self._choose(candidates, data, weight_rows, arch_rows, task)
        self.discretization_ = {"mixed": self._accuracy(network, data, tested)}
        architecture.keep({name: [chosen] for name, chosen in self._chosen.items()})
        self.discretization_["discretized"] = self._accuracy(network, data, tested)

    def _choose(self, candidates, data, weight_rows, arch_rows, task):
        """Return the candidate that does best on other rows after a short training."""
        if len(candidates) == 1:
            return candidates[0]
        losses = []
        for chosen in candidates:
            _, history, _ = self._train_network(
                self._build_with(chosen),
                self._batches(data, weight_rows),
                self._batches(data, arch_rows, shuffle=False),
                max_epochs=self._n_candidate_epochs(),
                n_iter_no_change=self.max_epochs,
                task=task,
                step_name="candidate epoch",
            )
            losses.append(min(history["valid_loss"]))
        return candidates[np.nanargmin(losses)]

    def _n_candidate_epochs(self):
        return -(-self.max_epochs // 5)

    def _build_with(self, chosen):
        from skestimators.neural_network._activation.found import Activation

        choices = choices_of(self.search_space)
        return self._build(lambda n: Activation(choices, chosen, n))

    def _accuracy(self, network, data, rows):
        from skestimators.utils._skorch_engine import predict

        X, labels, weight = (tensor[rows].cpu().numpy() for tensor in data)
        return float(
            np.average(predict(network, X).argmax(1) == labels, weights=weight)
        )

    def _train(self, data, train, held_out, go_on, task):
        """Train the network that has the chosen activation."""
        if go_on:
            # A copy, so that an interruption leaves the network there is as it was.
            network = copy.deepcopy(self.network_)
            state, n_before, before = self._training_state, self.n_iter_, self.history_
        else:
            network = self._build_with(self._chosen)
            state, n_before, before = None, 0, {}
        if held_out is not None:
            held_out = self._batches(data, held_out, shuffle=False)
        network, history, state = self._train_network(
            network,
            self._batches(data, train),
            held_out,
            max_epochs=self.max_epochs,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            first_epoch=n_before,
            state=state,
            task=task,
        )
        self._record(network.eval(), history, state, before, n_before)

    def _record(self, network, history, state, before, n_before):
        n_now = len(history["train_loss"])
        self.history_ = {
            name: [
                *before.get(name, [np.nan] * n_before),
                *history.get(name, [np.nan] * n_now),
            ]
            for name in before.keys() | history.keys()
        }
        self.n_iter_ = n_before + n_now
        self._training_state = state
        self.network_ = network

    def _describe(self, rows, *, warn):
        """Note what the activation is, and what it is fed with."""
        from skestimators.neural_network._activation.found import (
            inputs_of,
            is_linear,
            mean_activation,
        )

        choices = choices_of(self.search_space)
        self.activation_ = mean_activation(self.network_, choices, self._chosen)
        tree = simplify(self.activation_.tree())
        self.expression_, self.expression_latex_ = to_text(tree), to_latex(tree)
        self.activation_inputs_ = inputs_of(self.network_, rows, _N_INPUTS)
        if warn and is_linear(self.activation_):
            warnings.warn(
                f"The search has collapsed to a linear activation, {self.expression_}: "
                "the network has become a linear map between its other layers. Take "
                "identity, zero and their like out of the search space, raise "
                "arch_learning_rate, or try n_search_stages=3.",
                stacklevel=3,
            )

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")
