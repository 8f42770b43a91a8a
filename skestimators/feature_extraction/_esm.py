"""Embeddings of protein sequences by ESM-2."""

import os
import warnings
from numbers import Integral
from pathlib import Path

import numpy as np
from sklearn.base import (
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    _fit_context,
)
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.parallel import delayed
from sklearn.utils.validation import check_is_fitted

from skestimators.feature_extraction._esm_models import (
    MAX_RESIDUES,
    RESIDUES,
    SIZES,
)
from skestimators.feature_extraction._store import VectorStore, compute_once
from skestimators.utils._base import Estimator
from skestimators.utils._callbacks import fit_task
from skestimators.utils._device import resolve_device, resolve_dtype
from skestimators.utils._optional import import_optional
from skestimators.utils._parallel import handed_out, run_in_rounds
from skestimators.utils._progress import track
from skestimators.utils._seeding import draw_seed
from skestimators.utils._strings import validate_strings


class ESMEmbedder(
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    Estimator,
):
    """Turn protein sequences into vectors with the language model ESM-2.

    `fit` checks parameters and input; the network is loaded when it is first needed,
    is shared by all embedders of a process that use the same one, and is never part
    of a pickle. The network used last stays in memory.

    Parameters
    ----------
    model : str, default="esm2_t6_8M_UR50D"
        Name of the model: `"esm2_t6_8M_UR50D"`, `"esm2_t12_35M_UR50D"`,
        `"esm2_t30_150M_UR50D"`, `"esm2_t33_650M_UR50D"`, `"esm2_t36_3B_UR50D"` or
        `"esm2_t48_15B_UR50D"`. Their vectors have 320, 480, 640, 1280, 2560 and 5120
        elements.

    weights : str, path-like or None, default=None
        Where the weights come from.

        - None: from the folder where fair-esm keeps its downloads
          (`<torch.hub.get_dir()>/checkpoints`), after downloading them if they are not
          there.
        - A path: a fair-esm checkpoint (`.pt`) or the same model's Hugging Face
          checkpoint (`.safetensors`). Files that could run code are refused.
        - `"random"`: an untrained network drawn from `random_state`, for tests and for
          machines without the weights. `fit` warns of it.

    layers : int or list of int, default=-1
        Layers to take, side by side if there are several. 0 is the token embedding;
        negative numbers count from the last layer, which alone is normalised.

    pooling : {"mean", "mean_with_special", "max", "bos"}, default="mean"
        How one vector is made of those of the residues.

        - `"mean"`: mean over residues.
        - `"mean_with_special"`: mean over residues and the start and end tokens.
        - `"max"`: maximum over residues.
        - `"bos"`: the vector of the start token.

    long_sequences : {"window", "truncate", "error"}, default="window"
        What is done with more than 1022 residues, the longest ESM-2 was trained on.

        - `"window"`: the sequence is cut into overlapping windows of 1022 residues, and
          each residue is taken from the window in whose middle it lies, with at least
          128 residues on either side but at the ends of the sequence. The start token
          is that of the first window, the end token that of the last.
        - `"truncate"`: residues after the 1022nd are left out.
        - `"error"`: an error names the row.

    on_unknown : {"error", "unk"}, default="error"
        What is done with characters other than the 20 amino acids and the letters
        B, O, U, X and Z, which ESM-2 knows too: an error that names row, position and
        character, or the token "unknown". Lower case is an error in either case,
        as it would turn whole sequences into unknowns.

    tokens_per_batch : int, default=2048
        Residues, start and end tokens that go through the network at once. A batch is
        also what is lost when the work is interrupted. The result does not depend on
        it; memory does.

    dtype : {"auto", "float32", "bfloat16", "int8"}, default="auto"
        Type the network computes in; the result is float32. `"auto"` is bfloat16 on
        CUDA devices that have it and float32 elsewhere. On processors with AVX512-BF16
        or AMX, `"bfloat16"` is about twice as fast as `"float32"`. `"int8"` (CPU
        only) quantises weights once and activations token by token; it pays for
        the models of 150M parameters and more.

    device : str, default="auto"
        `"auto"` takes the first available of cuda, mps and cpu; otherwise the name of
        a torch device.

    cache : str, path-like or None, default=None
        File of a store that keeps the vectors, created if missing, on a local disk.
        Several processes and embedders with other parameters may share it. Its keys
        are made of sequence, model, weights, layers, pooling and type.

    n_jobs : int or None, default=None
        Number of CPU threads of the network; -1 for all. None leaves torch's own
        setting, which joblib has lowered in its worker processes. Where
        :obj:`joblib.parallel_config` names a backend of processes, such as Dask's,
        batches are handed out to them instead, each process has a network of its own,
        and this is their number. Vectors come back to this process, which keeps them
        in the store.

    random_state : int, RandomState instance or None, default=None
        Seed of the network when `weights="random"`. With None or a RandomState every
        `fit` draws another network; pass an int to compare embeddings or use a store.

    verbose : int, default=0
        Whether `transform` shows a progress bar.

    Attributes
    ----------
    device_ : str
        The device found by `fit`. With `device="auto"`, a copy that was moved to
        another machine uses what that has.

    seed_ : int or None
        Seed of the untrained network; None if the weights come from a file.

    n_features_in_ : int
        Always 1, the column of sequences.

    feature_names_in_ : ndarray of shape (1,)
        Name of the column. Defined only when `X` is a DataFrame whose column name
        is a string.

    See Also
    --------
    skestimators.preprocessing.MutantSequenceBuilder : Make sequences of mutant codes.

    Notes
    -----
    Sequences are never padded: those of similar length go through the network
    together, one after another. In float32 the result agrees with fair-esm's to 1e-5
    and depends on batch size and order by no more than that.

    References
    ----------
    .. [1] Lin, Z. et al. (2023). Evolutionary-scale prediction of atomic-level protein
           structure with a language model. Science, 379(6637), 1123-1130.
           https://doi.org/10.1126/science.ade2574

    Examples
    --------
    >>> import warnings
    >>> from skestimators.feature_extraction import ESMEmbedder
    >>> embedder = ESMEmbedder(weights="random", random_state=0)
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     X = embedder.fit_transform(["MKTAYIAKQR", "MKTAYIAK"])
    >>> X.shape
    (2, 320)
    """

    _parameter_constraints: dict = {
        "model": [StrOptions(set(SIZES))],
        "weights": [str, os.PathLike, None],
        "layers": [Integral, list, tuple],
        "pooling": [StrOptions({"mean", "mean_with_special", "max", "bos"})],
        "long_sequences": [StrOptions({"window", "truncate", "error"})],
        "on_unknown": [StrOptions({"error", "unk"})],
        "tokens_per_batch": [Interval(Integral, 1, None, closed="left")],
        "dtype": [StrOptions({"auto", "float32", "bfloat16", "int8"})],
        "device": [str],
        "cache": [str, os.PathLike, None],
        "n_jobs": [Integral, None],
        "random_state": ["random_state"],
        "verbose": ["verbose"],
    }

    def __init__(
        self,
        model="esm2_t6_8M_UR50D",
        *,
        weights=None,
        layers=-1,
        pooling="mean",
        long_sequences="window",
        on_unknown="error",
        tokens_per_batch=2048,
        dtype="auto",
        device="auto",
        cache=None,
        n_jobs=None,
        random_state=None,
        verbose=0,
    ):
        self.model = model
        self.weights = weights
        self.layers = layers
        self.pooling = pooling
        self.long_sequences = long_sequences
        self.on_unknown = on_unknown
        self.tokens_per_batch = tokens_per_batch
        self.dtype = dtype
        self.device = device
        self.cache = cache
        self.n_jobs = n_jobs
        self.random_state = random_state
        self.verbose = verbose

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Check parameters and sequences; the network is not loaded yet.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Protein sequences in one-letter code.

        y : Ignored
            Not used, present for API consistency by convention.

        Returns
        -------
        self : object
            Fitted `ESMEmbedder`.

        Raises
        ------
        ValueError
            If a parameter or a sequence is not valid; the message names it.

        FileNotFoundError
            If the file that `weights` names does not exist.
        """
        with fit_task(self, max_steps=0, X=X):
            self._set_up(X)
        return self

    def _set_up(self, X):
        n_layers, width, _ = SIZES[self.model]
        layers = _resolve_layers(self.layers, n_layers, self.model)
        self._sequences(X, reset=True)
        _import_fair_esm(self)
        self.device_ = resolve_device(self.device)
        resolve_dtype(self.dtype, self.device_)
        self.seed_ = None
        if self.weights == "random":
            self.seed_ = draw_seed(self.random_state)
            warnings.warn(
                "ESMEmbedder(weights='random') embeds with an untrained network: its "
                "vectors carry far less than those of the real weights.",
                UserWarning,
                stacklevel=4,
            )
        elif self.weights is not None:
            self._find_weights()
        self._n_features_out = len(layers) * width

    def transform(self, X):
        """Embed sequences.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Protein sequences in one-letter code.

        Returns
        -------
        X_new : ndarray of shape (n_samples, n_features_out) and dtype float32
            One vector for each sequence.

        Raises
        ------
        ValueError
            If a sequence is not valid, or the file of weights or the store is damaged.

        OSError
            If the weights are missing and cannot be downloaded, or the store cannot be
            written.
        """
        check_is_fitted(self)
        sequences = self._sequences(X, reset=False)
        unique, inverse = np.unique(sequences, return_inverse=True)
        from skestimators.feature_extraction._esm_engine import embed_there

        lengths = np.array([len(sequence) for sequence in unique])
        vectors = np.empty((len(unique), self._n_features_out), dtype=np.float32)
        engine = self._engine()

        def batches(items):
            # The longest first, so that memory runs out at once if it does.
            items = items[np.argsort(-lengths[items], kind="stable")]
            return engine.batches(items, lengths[items])

        def compute(batches):
            named = ((items, list(unique[items])) for items in batches)
            parallel = handed_out(self.n_jobs)
            if parallel is None:
                return ((items, engine.embed(sequences)) for items, sequences in named)
            # On the workers of a cluster, "auto" is what each of them has.
            calls = (delayed(embed_there)(engine, self.device, *args) for args in named)
            return run_in_rounds(parallel, calls)

        for items, computed in track(
            self._compute(engine, unique, batches, compute),
            total=len(unique),
            description="Embedding",
            verbose=self.verbose,
        ):
            vectors[items] = computed
        return vectors[inverse]

    def _compute(self, engine, unique, batches, compute):
        """Yield (items, vectors), from the store if there is one."""
        if self.cache is None:
            yield from compute(batches(np.arange(len(unique))))
            return
        keys = engine.keys(unique)
        with VectorStore(self.cache) as store:
            yield from compute_once(store, keys, batches, compute, self._n_features_out)

    def per_residue(self, X):
        """Embed every residue of sequences. The store is not used.

        Parameters
        ----------
        X : array-like of shape (n_samples,) or (n_samples, 1)
            Protein sequences in one-letter code.

        Returns
        -------
        residues : iterator of ndarray of shape (length, n_features_out)
            The vectors of each sequence's residues in float32, in the order of `X`.
            Start and end tokens are left out, whatever `pooling` is.
        """
        check_is_fitted(self)
        sequences = self._sequences(X, reset=False)
        return self._iterate_residues(sequences)

    def _iterate_residues(self, sequences):
        engine = self._engine()
        lengths = np.array([len(sequence) for sequence in sequences])
        for rows in engine.batches(np.arange(len(sequences)), lengths):
            yield from engine.embed_residues(list(sequences[rows]))

    def _sequences(self, X, reset):
        sequences = validate_strings(self, X, reset=reset)
        for row, sequence in enumerate(sequences):
            _check_sequence(sequence, row, self.on_unknown)
            if self.long_sequences == "error" and len(sequence) > MAX_RESIDUES:
                raise ValueError(
                    f"The sequence in row {row} has {len(sequence)} residues, more "
                    f"than the {MAX_RESIDUES} ESM-2 was trained on. Use "
                    "long_sequences='window' or 'truncate' to embed it."
                )
        if self.long_sequences == "truncate":
            sequences = np.array([s[:MAX_RESIDUES] for s in sequences], dtype=object)
        return sequences

    def _find_weights(self):
        """Return the weights, which are not read yet."""
        esm = _import_fair_esm(self)
        from skestimators.feature_extraction import _esm_weights

        if self.weights == "random":
            source = {"seed": self.seed_}
        else:
            source = {"path": _esm_weights.find_checkpoint(self.weights, self.model)}
        return _esm_weights.Weights(self.model, SIZES[self.model], esm, **source)

    def _engine(self):
        """Return what embeds, with its parameters resolved for this machine."""
        from skestimators.feature_extraction._esm_engine import Engine

        device = resolve_device(self.device)
        return Engine(
            self._find_weights(),
            layers=_resolve_layers(self.layers, SIZES[self.model][0], self.model),
            pooling=self.pooling,
            tokens_per_batch=self.tokens_per_batch,
            dtype=resolve_dtype(self.dtype, device),
            device=device,
            n_jobs=self.n_jobs,
        )

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        return tags


def _check_sequence(sequence, row, on_unknown):
    if not sequence:
        raise ValueError(f"The sequence in row {row} is empty.")
    if RESIDUES.issuperset(sequence):
        return
    for position, residue in enumerate(sequence, 1):
        if residue in RESIDUES or (on_unknown == "unk" and not residue.islower()):
            continue
        if residue.islower():
            hint = "lower case is not accepted; use .upper() if it means nothing"
        else:
            hint = "use on_unknown='unk' to embed it as an unknown residue"
        raise ValueError(
            f"The sequence in row {row} has {residue!r} at position {position} "
            f"(counted from 1), which is no residue ESM-2 knows; {hint}."
        )


def _resolve_layers(layers, n_layers, model):
    """Return a list of layers counted from 0, the token embedding."""
    wanted = [layers] if isinstance(layers, Integral) else list(layers)
    resolved = []
    for layer in wanted:
        if not isinstance(layer, Integral) or not -n_layers - 1 <= layer <= n_layers:
            raise ValueError(
                f"layers={layers!r}: {layer!r} is no layer of {model}, which has "
                f"{n_layers}; use integers from {-n_layers - 1} to {n_layers}."
            )
        resolved.append(int(layer) % (n_layers + 1))
    if not resolved or len(set(resolved)) < len(resolved):
        raise ValueError(
            f"layers={layers!r} must name at least one layer, and none twice."
        )
    return resolved


def _import_fair_esm(caller):
    """Import fair-esm; say so if another package has taken its name."""
    import_optional("torch", extra="esm", caller=caller)
    esm = import_optional("esm", extra="esm", caller=caller)
    if not (hasattr(esm, "Alphabet") and hasattr(esm, "ESM2")):
        place = Path(getattr(esm, "__file__", None) or "unknown place").parent
        raise ImportError(
            f"{type(caller).__name__} needs fair-esm, but the module 'esm' in {place} "
            "belongs to another package, such as EvolutionaryScale's 'esm', which has "
            "taken its name. Make it right with: pip uninstall esm && "
            "pip install --force-reinstall --no-deps fair-esm"
        )
    return esm
