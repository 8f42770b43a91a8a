"""Features of images by VGG16."""

import os
from numbers import Integral

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from skestimators.feature_extraction._image_source import image_source
from skestimators.preprocessing import MagnetogramReader
from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task
from skestimators.utils._device import resolve_device, resolve_dtype
from skestimators.utils._optional import import_optional
from skestimators.utils._progress import track
from skestimators.utils._seeding import draw_seed
from skestimators.utils._warnings import warn_user

# Number of layers that each output comes after; "avg_pool" and "flatten" share theirs.
_DEPTHS = {"avg_pool": 13, "flatten": 13, "fc1": 14, "fc2": 15}


class VGGEmbedder(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    Estimator,
):
    """Turn images into vectors with the convolutional network VGG16.

    The network is that of keras.applications, with the same weights; torch computes.
    Images come from files, which are read in the background a few ahead of the network,
    or from an array. `fit` checks parameters and input; the network is loaded when it
    is first needed, is shared by all embedders of a process that use the same one, and
    is never part of a pickle. The network used last stays in memory.

    Parameters
    ----------
    weights : str or path-like, default="imagenet"
        Where the weights come from.

        - `"imagenet"`: those learned on photographs, from the folder where keras keeps
          its downloads (`~/.keras/models`), after downloading them if they are not
          there.
        - A path: a `.weights.h5` or `.h5` file that keras wrote of its VGG16, with or
          without the dense layers. The last layer may have any number of classes.
        - `"random"`: an untrained network, drawn with `random_state`. It is meant for
          tests and demonstrations, and `fit` says so.

    layer : {"fc2", "fc1", "flatten", "avg_pool"}, default="fc2"
        What the features are.

        - `"fc2"`, `"fc1"`: output of the second or first dense layer, 4096 features.
        - `"flatten"`: all of the last block of convolutions, 25,088 features.
        - `"avg_pool"`: its mean over the image, 512 features.

    reader : MagnetogramReader or None, default=None
        How image files are read; None for a reader with its default parameters. What
        the reader's `on_unreadable` says holds for `transform`. Not used for arrays.

    batch_size : int, default=16
        Images that go through the network at once. A batch is also what is lost when
        the work is interrupted. The features do not depend on it, up to rounding.

    dtype : {"auto", "float32", "bfloat16"}, default="auto"
        Type the network computes in; the features are float32. `"auto"` is bfloat16 on
        CUDA devices that have it and float32 elsewhere. On processors with AVX512-BF16
        or AMX, `"bfloat16"` is about twice as fast as `"float32"`.

    device : str, default="auto"
        `"auto"` takes the first available of cuda, mps and cpu; otherwise the name of
        a torch device.

    cache : str, path-like or None, default=None
        File of a store that keeps the features, created if missing, on a local disk.
        Several processes and embedders with other parameters may share it. Its keys
        are made of the content of the image file, how it is read, weights, layer and
        type.

    n_jobs : int or None, default=None
        Number of CPU threads of the network; -1 for all. None leaves torch's own
        setting. How many processes read files is the `n_jobs` of the reader. Where
        :obj:`joblib.parallel_config` names a backend of processes, such as Dask's,
        batches are handed out to them instead, each reads the files of its batches,
        and this is their number.

    random_state : int, RandomState instance or None, default=None
        Seed of the network when `weights="random"`. With None or a RandomState every
        `fit` draws another network; pass an int to compare features or use a store.

    verbose : int, default=0
        Whether `transform` shows a progress bar.

    Attributes
    ----------
    device_ : str
        The device found by `fit`.

    seed_ : int or None
        Seed of the untrained network; None if the weights come from a file.

    n_features_in_ : int
        1, the column of paths, or the height of the images.

    feature_names_in_ : ndarray of shape (1,)
        Name of the column. Defined only when `X` is a DataFrame whose column name
        is a string.

    See Also
    --------
    VGGFlareClassifier : Classify images by these features.
    MagnetogramReader : Read image files.

    Notes
    -----
    In float32 the features agree with those of keras to about 1e-6 of the largest. With
    random weights, drawn as for rectifiers [2]_, the features are random projections
    of local patterns.

    References
    ----------
    .. [1] Simonyan, K. & Zisserman, A. (2015). Very deep convolutional networks for
           large-scale image recognition. ICLR. https://arxiv.org/abs/1409.1556

    .. [2] He, K. et al. (2015). Delving deep into rectifiers. ICCV, 1026-1034.
           https://doi.org/10.1109/ICCV.2015.123

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> from skestimators.feature_extraction import VGGEmbedder
    >>> images = np.random.default_rng(0).integers(256, size=(3, 64, 64, 3))
    >>> embedder = VGGEmbedder(weights="random", layer="avg_pool", random_state=0)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     X = embedder.fit_transform(images)
    >>> X.shape
    (3, 512)
    """

    _parameter_constraints: dict = {
        "weights": [str, os.PathLike],
        "layer": [StrOptions(set(_DEPTHS))],
        "reader": [MagnetogramReader, None],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"auto", "float32", "bfloat16"})],
        "device": [str],
        "cache": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        weights="imagenet",
        *,
        layer="fc2",
        reader=None,
        batch_size=16,
        dtype="auto",
        device="auto",
        cache=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.weights = weights
        self.layer = layer
        self.reader = reader
        self.batch_size = batch_size
        self.dtype = dtype
        self.device = device
        self.cache = cache
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None):
        """Check parameters and input; no file is read and no network loaded.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1), or array of \
                shape (n_samples, height, width, 3)
            Paths of image files, or pixels from 0 to 255 in the order red, green, blue.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            Fitted `VGGEmbedder`.

        Raises
        ------
        ImportError
            If an optional dependency is missing.

        ValueError
            If a parameter or `X` is not valid; the message names it.

        OSError
            If the file that `weights` names does not exist, or the ImageNet weights are
            missing and cannot be downloaded.
        """
        with fit_task(self, max_steps=0, X=X):
            import_optional("torch", extra="solar", caller=self)
            source = self._source(X, reset=True)
            self.device_ = resolve_device(self.device)
            self.seed_ = None
            if self.weights == "random":
                self.seed_ = draw_seed(self.random_state)
                warn_user(
                    "VGGEmbedder(weights='random') embeds with an untrained network: "
                    "its features carry far less than those of the real weights."
                )
            self._n_features_out = int(
                np.prod(self._engine().output_shape(source.size))
            )
        return self

    def transform(self, X):
        """Embed images.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1), or array of \
                shape (n_samples, height, width, 3)
            As for `fit`; images of the same size.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_out) and dtype float32
            One vector for each image, NaN where a file could not be read.

        Raises
        ------
        ValueError
            If `X` is not valid, a file of weights or the store is damaged, or a file
            cannot be read and the reader has `on_unreadable="error"`.

        OSError
            If the weights are missing, or the store cannot be written.

        Warns
        -----
        UserWarning
            If a file cannot be read.
        """
        check_is_fitted(self)
        source = self._source(X, reset=False)
        engine = self._engine()
        width = int(np.prod(engine.output_shape(source.size)))
        if width != self._n_features_out:
            raise ValueError(
                f"The images in X have {source.size} pixels and give {width} features, "
                f"but those seen in fit gave {self._n_features_out}."
            )
        vectors = np.empty((len(source), width), dtype=np.float32)
        reasons = {}
        for rows, features, why in track(
            engine.stream(source),
            total=len(source),
            description="Embedding",
            verbose=self.verbose,
        ):
            vectors[rows] = features.reshape(len(rows), -1)
            pairs = zip(rows.tolist(), why, strict=True)
            reasons.update(pair for pair in pairs if pair[1] is not None)
        source.tell(reasons, "Their rows are NaN.")
        return vectors

    def _source(self, X, reset):
        any_size = self.layer in ("flatten", "avg_pool")
        return image_source(self, X, self.reader, reset=reset, any_size=any_size)

    def _engine(self):
        """Return what embeds, with its parameters resolved for this machine."""
        from skestimators.feature_extraction._vgg_engine import Engine
        from skestimators.feature_extraction._vgg_weights import find_weights

        device = resolve_device(self.device)
        return Engine(
            find_weights(self.weights, self.seed_, 0, _DEPTHS[self.layer]),
            average=self.layer == "avg_pool",
            batch_size=self.batch_size,
            dtype=resolve_dtype(self.dtype, device),
            device=device,
            cache=self.cache,
            n_jobs=self.n_jobs,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags
