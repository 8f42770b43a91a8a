"""What `VGGFlareClassifier` does behind its face: features, training, prediction."""

import numpy as np
from sklearn.utils import check_consistent_length, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from skestimators.feature_extraction._image_source import ImageFiles, image_source
from skestimators.preprocessing._unreadable import unreadable_table
from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task
from skestimators.utils._checkpoint import open_checkpoint
from skestimators.utils._classes import check_labels, find_classes, weigh_classes
from skestimators.utils._device import resolve_device, resolve_dtype
from skestimators.utils._optional import import_optional
from skestimators.utils._packed_network import PackedNetworkMixin
from skestimators.utils._progress import track
from skestimators.utils._regions import has_region, region_numbers
from skestimators.utils._row_file import RowFile
from skestimators.utils._seeding import draw_seed, torch_seed
from skestimators.utils._validation import check_groups, drop_weightless
from skestimators.utils._validation_split import split_validation
from skestimators.utils._warnings import warn_user

# Images that go through the frozen layers at once, which the result does not depend on.
_BATCH_SIZE = 16
_PASS_GROUPS = (
    "Pass groups to say which images belong together, or early_stopping=False to hold "
    "none out."
)


class FlareForecaster(PackedNetworkMixin, Estimator):
    """Compute what frozen layers make of images, and train the layers after them."""

    def _fit(self, X, y, sample_weight, groups):
        import_optional("torch", extra="solar", caller=self)
        import_optional("skorch", extra="solar", caller=self)
        from skestimators.feature_extraction._weights import fingerprint

        # If this fit fails, the old network would no longer fit what is set here.
        for name in ("network_", "history_", "n_iter_", "_unreadable"):
            vars(self).pop(name, None)
        source = image_source(self, X, self.reader, reset=True)
        y, weight, groups = self._check_beside(source, y, sample_weight, groups)
        counting, rows, labels, groups = drop_weightless(
            weight, np.arange(len(source)), y, groups
        )
        self.classes_ = find_classes(self, labels)
        labels = np.searchsorted(self.classes_, labels)
        self._set_up()
        # For their errors, before the long work.
        parts = self._split(labels, groups)
        factor = self._weigh(labels, counting)
        stored, last = self._weights()
        part, self._stored_digest = last.build(), fingerprint(stored)
        images = source.take(rows)
        data = {"classes": self.classes_, "labels": labels, "groups": groups}
        data["weight"] = counting
        checkpoint = self._open_checkpoint(images, data, fingerprint(last))
        with fit_task(
            self,
            max_steps=self.max_epochs,
            X=X,
            y=y,
            metadata={"sample_weight": sample_weight},
        ) as task:
            result = None if checkpoint is None else checkpoint.read("result")
            if result is None:
                targets = labels, factor, counting
                self._learn(part, images, targets, groups, parts, checkpoint, task)
            else:
                self._recall(result, part, images)
        return self

    def _open_checkpoint(self, images, data, last_digest):
        """Open the checkpoint of this fit, which the content of images decides on."""
        if self.checkpoint is None:
            return None
        digests, _ = images.digests()
        device = resolve_device(self.device)
        frozen = (images.recipe, self._stored_digest, resolve_dtype(self.dtype, device))
        return open_checkpoint(
            self,
            {**data, "images": digests, "frozen": frozen, "last": last_digest},
            packages=("torch", "skorch"),
        )

    def _learn(self, part, images, targets, groups, parts, checkpoint, task):
        """Compute features, train on those of images that can be read, and note it."""
        labels, factor, counting = targets
        shape = self._engine().output_shape(images.size)
        with RowFile(len(images), shape) as features:
            reasons = self._store_features(images, features)
            readable = np.setdiff1d(np.arange(len(images)), list(reasons))
            if len(readable) < len(images):
                self._check_readable(labels, readable)
                groups = None if groups is None else groups[readable]
                parts = [readable[p] for p in self._split(labels[readable], groups)]
                factor[readable] = self._weigh(labels[readable], counting[readable])
            self.class_prior_ = np.bincount(
                labels[parts[0]], counting[parts[0]], minlength=len(self.classes_)
            )
            self.class_prior_ /= self.class_prior_.sum()
            if len(parts) > 1 and len(np.unique(labels[parts[1]])) < 2:
                warn_user(
                    "All images held out are of one class, so that there is no TSS to "
                    "choose the best epoch by, only the loss. Raise "
                    "validation_fraction, or add regions of the rarer class."
                )
            with torch_seed(self._seed):
                self._train(part, features, targets, parts, checkpoint, task)
        if checkpoint is not None:
            from skestimators.utils._skorch_progress import trained_weights

            result = {
                "weights": trained_weights(self.network_),
                "history": self.history_,
                "class_prior": self.class_prior_,
                "reasons": reasons,
            }
            # Without which the next call would have to compute the features again.
            checkpoint.write("result", result)

    def _recall(self, result, part, images):
        """Take what an earlier call has come to."""
        from skestimators.neural_network._vgg_flare_network import FlareNetwork
        from skestimators.utils._skorch_progress import set_weights

        self._note_unreadable(images, result["reasons"])
        self.class_prior_ = result["class_prior"]
        # Draws weights, but must not draw the user's numbers.
        with torch_seed(self._seed):
            network = FlareNetwork(part, len(self.classes_), self.trainable_layers)
        set_weights(network, result["weights"])
        self._record(network.to(self.device_), result["history"])

    def _check_beside(self, source, y, sample_weight, groups):
        """Check target, weight and groups."""
        y = check_labels(self, y)
        check_consistent_length(y, np.arange(len(source)))
        weight = _check_sample_weight(
            sample_weight, y, dtype=np.float32, ensure_non_negative=True
        )
        if groups is not None:
            groups = check_groups(groups, len(y))
        elif self.early_stopping and isinstance(source, ImageFiles):
            groups = self._regions(source.paths)
        return y, weight, groups

    def _weigh(self, labels, weight):
        return weigh_classes(self.class_weight, weight, self.classes_, labels)

    def _regions(self, paths):
        """Return the regions that paths name, None if none does."""
        if not any(map(has_region, paths)):
            return None
        try:
            regions = region_numbers(paths, caller=self, name="X")
        except ValueError as error:
            raise ValueError(f"{error} {_PASS_GROUPS}") from error
        if len(np.unique(regions)) < 2:
            raise ValueError(
                f"By their paths, all images are of region {regions[0]}, of which some "
                f"cannot be held out. {_PASS_GROUPS}"
            )
        return regions

    def _set_up(self):
        """Find device and seeds."""
        random_state = check_random_state(self.random_state)
        # The first of them, so that VGGEmbedder draws the same network.
        seed, self._split_seed, self._seed = (draw_seed(random_state) for _ in range(3))
        self.device_ = resolve_device(self.device)
        self.seed_ = None
        if self.weights == "random":
            self.seed_ = seed
            warn_user(
                "VGGFlareClassifier(weights='random') builds on an untrained network: "
                "its features carry far less than those of the real weights."
            )

    def _split(self, labels, groups):
        """Return the rows to train on, and those held out, if any."""
        if not self.early_stopping:
            return [np.arange(len(labels))]
        return split_validation(
            len(labels),
            validation_fraction=self.validation_fraction,
            groups=groups,
            classes=labels,
            random_state=self._split_seed,
        )

    def _weights(self):
        """Return those of what is stored of an image, and of the layers after that."""
        from skestimators.feature_extraction._vgg_weights import find_weights
        from skestimators.neural_network._vgg_flare_network import (
            N_LAYERS,
            n_stored_layers,
        )

        n_stored, n_kept = n_stored_layers(self.trainable_layers), N_LAYERS - 1
        return tuple(
            # One file for both.
            find_weights(self.weights, self.seed_, start, stop, n_kept)
            for start, stop in ((0, n_stored), (n_stored, n_kept))
        )

    def _engine(self):
        """Return what computes them, with its parameters for this machine."""
        from skestimators.feature_extraction._vgg_engine import Engine

        device = resolve_device(self.device)
        return Engine(
            self._weights()[0],
            average=False,
            batch_size=_BATCH_SIZE,
            dtype=resolve_dtype(self.dtype, device),
            device=device,
            cache=self.cache,
            n_jobs=self.n_jobs,
        )

    def _stream(self, source):
        """Return rows, features and reasons, with a bar if that is asked for."""
        return track(
            self._engine().stream(source),
            total=len(source),
            description="Images",
            verbose=self.verbose,
        )

    def _store_features(self, source, features):
        """Write what the frozen layers make of images; tell which cannot be read."""
        reasons = {}
        for rows, values, why in self._stream(source):
            features[rows] = values
            reasons.update(_not_none(rows, why))
        self._note_unreadable(source, reasons)
        return reasons

    def _note_unreadable(self, source, reasons):
        self._unreadable = source.lines(reasons)
        source.tell(reasons, "They are left out; `unreadable_` lists all of them.")

    def _check_readable(self, labels, readable):
        """Check that of each class there is an image left."""
        lost = np.setdiff1d(labels, labels[readable])
        if not len(lost):
            return
        of_class = f" of class {self.classes_.tolist()[lost[0]]!r}"
        row, path, reason = self._unreadable[0]
        raise ValueError(
            f"None of the images{of_class if len(readable) else ''} can be read. The "
            f"first that cannot is in row {row}{'' if path is None else f' ({path!r})'}"
            f": {reason}."
        )

    def _train(self, part, features, targets, parts, checkpoint, task):
        """Train the layers after them."""
        import torch

        from skestimators.neural_network import _vgg_flare_network as flare
        from skestimators.utils import _skorch_engine as engine

        network = flare.FlareNetwork(part, len(self.classes_), self.trainable_layers)
        tensors = tuple(torch.from_numpy(t).to(self.device_) for t in targets)

        def batches(rows, shuffle):
            numbers = torch.from_numpy(rows).to(self.device_)
            return engine.TensorBatches(
                flare.RowTensor(features, rows, self.device_),
                tuple(tensor[numbers] for tensor in tensors),
                batch_size=self.batch_size,
                shuffle=shuffle,
            )

        network, history, _ = engine.train(
            network,
            batches(parts[0], shuffle=True),
            batches(parts[1], shuffle=False) if len(parts) > 1 else None,
            criterion=flare.FlareLoss(),
            validation_score=("valid_tss", flare.skill) if len(parts) > 1 else None,
            max_epochs=self.max_epochs,
            learning_rate=self.learning_rate,
            n_iter_no_change=self.n_iter_no_change,
            tol=self.tol,
            device=self.device_,
            seed=self._seed,
            checkpoint=checkpoint,
            task=task,
            fitted_attributes=lambda network: {"network_": network},
        )
        self._record(network, history)

    def _record(self, network, history):
        self._trained_layers = self.trainable_layers
        self.network_ = network.eval()
        self.history_ = history
        self.n_iter_ = len(history["train_loss"])

    @property
    def unreadable_(self):
        """Images that `fit` could not read, a frame of rows, paths and reasons."""
        return unreadable_table(self._unreadable)

    def _new_network(self):
        from skestimators.neural_network._vgg_flare_network import empty_network

        return empty_network(len(self.classes_), self._trained_layers)

    def _predict_proba(self, X):
        check_is_fitted(self)
        from skestimators.feature_extraction._weights import fingerprint
        from skestimators.neural_network._vgg_flare_network import predict_proba

        source = image_source(self, X, self.reader, reset=False)
        if fingerprint(self._weights()[0]) != self._stored_digest:
            raise ValueError(
                f"weights={str(self.weights)!r} and trainable_layers="
                f"{self.trainable_layers} are not the frozen layers that fit used: a "
                "parameter or the file has changed. Fit again, or undo the change."
            )
        # What is known of an image that cannot be read.
        proba = np.tile(self.class_prior_, (len(source), 1))
        reasons = {}
        self.network_.eval()
        for rows, features, why in self._stream(source):
            missing = _not_none(rows, why)
            readable = ~np.isin(rows, list(missing))
            if readable.any():
                proba[rows[readable]] = predict_proba(self.network_, features[readable])
            reasons.update(missing)
        source.tell(reasons, "They are predicted to be as likely as `class_prior_`.")
        return proba

    def __sklearn_is_fitted__(self):
        return hasattr(self, "network_")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _not_none(rows, reasons):
    pairs = zip(rows.tolist(), reasons, strict=True)
    return {row: reason for row, reason in pairs if reason is not None}
