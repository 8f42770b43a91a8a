"""Solar flares from magnetograms, by the last layers of VGG16."""

import os
from numbers import Integral

from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from skestimators.neural_network._vgg_flare_base import FlareForecaster
from skestimators.preprocessing import MagnetogramReader
from skestimators.utils._constraints import TRAINING_CONSTRAINTS


class VGGFlareClassifier(ClassifierMixin, FlareForecaster):
    """Classify images of active regions by whether a flare follows, with VGG16.

    The last layer of a network that has learned from photographs is replaced by a
    softmax over the classes, and it alone is trained [1]_, or the last few layers are.
    What the layers before make of an image never changes: it is computed once, written
    to a file, and read in every epoch. With `cache`, it is kept for every other `fit`
    and `predict`, such as those of the folds and candidates of a search.

    Images of one active region look alike. Whether the classifier has learned anything
    shows on regions that it has not seen: none is on both sides of the split for
    validation, and none should be in cross-validation
    (:class:`~sklearn.model_selection.StratifiedGroupKFold` with
    :func:`active_region_groups`).

    Parameters
    ----------
    weights : str or path-like, default="imagenet"
        Where the weights come from: `"imagenet"`, a file, or `"random"` for an
        untrained network; see :class:`VGGEmbedder`.

    max_epochs : int, default=5
        Number of passes over the images at the most.

    batch_size : int, default=64
        Images in a training step.

    learning_rate : float, default=1e-3
        That of Adam.

    class_weight : dict, "balanced" or None, default=None
        Weights of the classes in the loss. `"balanced"` weighs them by the inverse of
        their frequency, as the true skill statistic does.

    trainable_layers : int, default=1
        How many of the 16 layers with weights are trained, counted from the last. More
        than one is called fine-tuning, and wants a smaller `learning_rate`. With up to
        six, what is stored of an image is smaller than the image; with more, the images
        are stored and all layers run in every epoch.

    reader : MagnetogramReader or None, default=None
        How image files are read, to 224 x 224 pixels; None for a reader with its
        default parameters. With `on_unreadable="warn"`, images that cannot be read are
        left out of the training, and predicted to be as likely as they were on the
        whole; with `"error"` they are an error. Not used for arrays.

    cache : str, path-like or None, default=None
        File of a store that keeps what the frozen layers make of images, created if
        missing, on a local disk; as for :class:`VGGEmbedder`, which may share it.

    early_stopping : bool, default=True
        Whether to hold out images, note the true skill statistic (TSS) on them after
        each epoch, and keep the network of the best. Of equal ones, that with the
        smallest loss is the best.

    validation_fraction : float, default=0.1
        Share of the regions, or of the images if there are no regions, that is held
        out. Of several draws, that is taken whose classes have the most similar shares
        on both sides.

    n_iter_no_change : int, default=10
        With `early_stopping`, training ends after this many epochs without a better
        TSS, or the same with a smaller loss.

    tol : float, default=0.0
        Smallest improvement that counts as one, of the TSS or of the loss.

    dtype : {"auto", "float32", "bfloat16"}, default="auto"
        Type that the frozen layers compute in, as for :class:`VGGEmbedder`. Those that
        are trained, and frozen ones that run in every epoch, have float32.

    checkpoint : str, path-like or None, default=None
        Folder where `fit` writes down after every epoch what it has come to. When it
        was killed, the same call goes on after the last epoch there and ends as if
        nothing had happened, to the last bit on a CPU; when it has ended, the same call
        returns what there is. What the frozen layers make of images is kept by `cache`
        only: without it, it is computed again before the training goes on. Callbacks
        hear of the epochs that are really run; a fit that one of them ended has ended.
        Each fit, such as those of a search, finds a sub-folder of its own by its
        parameters, labels, weights and the content of images; delete it when you have
        no more use for it. The files hold four numbers for each weight that is trained,
        and no code: 130 kB for the last layer, 270 MB for the last two, 2.1 GB for all,
        which are written in every epoch in some 4 s a GB and with three times as much
        memory. `random_state` must be an int.

    device : str, default="auto"
        `"auto"` takes the first available of cuda, mps and cpu; otherwise the name of
        a torch device.

    n_jobs : int or None, default=None
        Number of CPU threads of the frozen layers; -1 for all, None for torch's own
        setting. How many processes read files is the `n_jobs` of the reader.

    random_state : int, RandomState instance or None, default=None
        Decides the initial weights, the order of images and those that are held out.
        With `weights="random"` and None, every `fit` draws another network and nothing
        in a store is of use.

    verbose : int, default=0
        Whether the pass of images through the frozen layers shows a progress bar.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels.

    class_prior_ : ndarray of shape (n_classes,)
        Shares of the classes among the images trained on, by weight.

    history_ : dict of list of float
        `"train_loss"`, and with `early_stopping` `"valid_loss"` and `"valid_tss"`, one
        value an epoch. The TSS is NaN if all that is held out is of one class; the loss
        then decides.

    n_iter_ : int
        Number of epochs.

    network_ : torch.nn.Module
        The layers after those whose output is stored.

    unreadable_ : DataFrame
        Files that `fit` could not read: `"row"`, `"path"` and `"reason"`.

    device_ : str
        The device that was used.

    seed_ : int or None
        Seed of the untrained network; None if the weights come from a file.

    n_features_in_ : int
        1, the column of paths, or the height of the images.

    feature_names_in_ : ndarray of shape (1,)
        Name of the column. Defined only when `X` is a DataFrame whose column name
        is a string.

    See Also
    --------
    VGGEmbedder : The same features, for any other classifier.
    MagnetogramReader : Read image files.
    tss_scorer : The true skill statistic, for searches and thresholds.
    SkillScoreDisplay : Skill against the threshold, and reliability.

    Notes
    -----
    The probability 1/2 is rarely the best threshold where flares are rare:
    :class:`~sklearn.model_selection.TunedThresholdClassifierCV` with
    `scoring=tss_scorer` finds a better one on images held out. Left alone it holds out
    images, not regions: give it `cv=list(StratifiedGroupKFold().split(X, y, groups))`.

    Features in a store may differ by rounding, about 1e-6 of the largest, from those of
    a run with other batches.

    A :class:`~sklearn.callback.ScoringMonitor` predicts after every epoch; give `cache`
    with it.

    References
    ----------
    .. [1] Boucheron, L. E. et al. (2023). Solar active region magnetogram image dataset
           for studies of space weather. Scientific Data, 10, 825.
           https://doi.org/10.1038/s41597-023-02628-8

    .. [2] Simonyan, K. & Zisserman, A. (2015). Very deep convolutional networks for
           large-scale image recognition. ICLR. https://arxiv.org/abs/1409.1556

    Examples
    --------
    >>> import tempfile, warnings
    >>> from skestimators.datasets import make_magnetograms
    >>> from skestimators.neural_network import VGGFlareClassifier
    >>> with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     images = make_magnetograms(folder, n_regions=4, n_frames=2, random_state=0)
    ...     classifier = VGGFlareClassifier(
    ...         weights="random", early_stopping=False, random_state=0
    ...     ).fit(images.paths, images.labels)
    ...     proba = classifier.predict_proba(images.paths)
    >>> proba.shape
    (8, 2)
    """

    _parameter_constraints: dict = {
        **{k: v for k, v in TRAINING_CONSTRAINTS.items() if k != "dropout"},
        "weights": [str, os.PathLike],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "trainable_layers": [Interval(Integral, 1, 16, closed="both")],
        "reader": [MagnetogramReader, None],
        "cache": [str, os.PathLike, None],
        "dtype": [StrOptions({"auto", "float32", "bfloat16"})],
        "n_jobs": [Integral, None],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        weights="imagenet",
        *,
        max_epochs=5,
        batch_size=64,
        learning_rate=1e-3,
        class_weight=None,
        trainable_layers=1,
        reader=None,
        cache=None,
        early_stopping=True,
        validation_fraction=0.1,
        n_iter_no_change=10,
        tol=0.0,
        dtype="auto",
        checkpoint=None,
        device="auto",
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.weights = weights
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.class_weight = class_weight
        self.trainable_layers = trainable_layers
        self.reader = reader
        self.cache = cache
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.n_iter_no_change = n_iter_no_change
        self.tol = tol
        self.dtype = dtype
        self.checkpoint = checkpoint
        self.device = device
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, sample_weight=None, groups=None):
        """Pass images through the frozen layers, and train those after them.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1), or array of \
                shape (n_samples, 224, 224, 3)
            Paths of image files, or pixels from 0 to 255 in the order red, green, blue.

        y : array-like of shape (n_samples,)
            Class labels, such as 1 where a flare followed and 0 where none did.

        sample_weight : array-like of shape (n_samples,), default=None
            Weight of each image in the loss and in the TSS. Images of weight zero are
            not read.

        groups : array-like of shape (n_samples,), default=None
            Active region of each image. None takes them from the paths as
            :func:`active_region_groups` does, if any path names one; with none, images
            are held out one by one.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ImportError
            If an optional dependency is missing.

        ValueError
            If a parameter, `X`, `y`, `sample_weight` or `groups` is not valid; if some
            paths name an active region and others do not; if there are too few regions
            to hold some out; if no image can be read; if the loss diverges; or if there
            is a `checkpoint` and `random_state` is no int.

        OSError
            If weights are missing, `checkpoint` is no folder that can be written to, or
            the disk is full.

        Warns
        -----
        UserWarning
            If a file cannot be read, or the weights are random; if a file of
            `checkpoint` is damaged, and training begins anew.
        """
        return self._fit(X, y, sample_weight, groups)

    def predict_proba(self, X):
        """Predict the probability of each class.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1), or array of \
                shape (n_samples, 224, 224, 3)
            As for `fit`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            In the order of `classes_`, computed in float32 and returned as float64. An
            image that cannot be read has `class_prior_`.

        Raises
        ------
        ValueError
            If `X` is not valid, a file cannot be read and the reader has
            `on_unreadable="error"`, or the file of weights is not the one that `fit`
            used.

        OSError
            If weights are missing, or the store cannot be read or written.

        Warns
        -----
        UserWarning
            If a file cannot be read.
        """
        return self._predict_proba(X)

    def predict(self, X):
        """Predict the most probable class.

        Parameters
        ----------
        X : array-like of str of shape (n_samples,) or (n_samples, 1), or array of \
                shape (n_samples, 224, 224, 3)
            As for `fit`.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
            Class labels.

        Raises
        ------
        ValueError, OSError
            As for `predict_proba`.

        Warns
        -----
        UserWarning
            If a file cannot be read.
        """
        proba = self._predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]
