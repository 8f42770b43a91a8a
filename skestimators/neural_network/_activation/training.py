"""How `ActivationSearchNet` divides its rows and trains networks on them."""

from dataclasses import dataclass

import numpy as np

from skestimators.utils._base import Estimator
from skestimators.utils._classes import find_classes
from skestimators.utils._validation import check_layer_sizes
from skestimators.utils._validation_split import split_validation


@dataclass
class Parts:
    """Rows to train on, held out or None, and for the two sides of the search."""

    train: np.ndarray
    held_out: np.ndarray | None
    for_weights: np.ndarray
    for_alphas: np.ndarray


class NetworkTrainer(Estimator):
    """Train networks by stochastic gradient descent on rows and labels."""

    def _encode(self, y, *, reset):
        if reset:
            self.classes_ = find_classes(self, y)
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

    def _split(self, labels, groups, *, search):
        def split(rows, parameter):
            sides = split_validation(
                len(rows),
                validation_fraction=getattr(self, parameter),
                groups=None if groups is None else groups[rows],
                classes=labels[rows],
                parameter=parameter,
                random_state=self._split_seed,
            )
            return [rows[side] for side in sides]

        train, held_out = np.arange(len(labels)), None
        if self.early_stopping:
            train, held_out = split(train, "validation_fraction")
        for_weights = for_alphas = train
        if search:
            for_weights, for_alphas = split(train, "arch_fraction")
        return Parts(train, held_out, for_weights, for_alphas)

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
        return TensorBatches(
            X, tuple(targets), batch_size=size, shuffle=shuffle, join_single=True
        )

    def _build(self, make_activation, seed):
        """Build the network; its initial weights depend on the seed alone."""
        import torch

        from skestimators.neural_network._activation import bodies

        torch.manual_seed(seed)
        return bodies.build(
            self.input_shape_,
            len(self.classes_),
            make_activation,
            module=self.module,
            hidden_layer_sizes=self.hidden_layer_sizes,
            device=self.device_,
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
            **{
                "seed": self._seed,
                "fitted_attributes": lambda network: {"network_": network},
                **how,
            },
        )

    def _accuracy(self, network, data, parts):
        """Score on the rows that are held out, or on all if there are none."""
        from skestimators.utils._skorch_engine import predict

        rows = parts.train if parts.held_out is None else parts.held_out
        X, labels, _ = (tensor[rows].cpu().numpy() for tensor in data)
        return float((predict(network, X).argmax(1) == labels).mean())
