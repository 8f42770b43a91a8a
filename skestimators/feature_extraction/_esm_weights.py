"""Find and read the weights of ESM-2, without trusting the file they lie in."""

import argparse
import errno
import pickle
import re
import threading
import warnings
import zipfile
from functools import lru_cache
from pathlib import Path

import torch

from skestimators.feature_extraction._esm_network import ESM2
from skestimators.feature_extraction._weights import WeightsSource
from skestimators.utils._optional import import_optional
from skestimators.utils._seeding import torch_seed

_LOADING = threading.Lock()

_URL = "https://dl.fbaipublicfiles.com/fair-esm/models/{model}.pt"

# Hugging Face's names of the modules, and fair-esm's.
_HUGGING_FACE_NAMES = {
    "embeddings.word_embeddings": "embed_tokens",
    "attention.self.query": "self_attn.q_proj",
    "attention.self.key": "self_attn.k_proj",
    "attention.self.value": "self_attn.v_proj",
    "attention.output.dense": "self_attn.out_proj",
    "attention.LayerNorm": "self_attn_layer_norm",
    "intermediate.dense": "fc1",
    "output.dense": "fc2",
    "LayerNorm": "final_layer_norm",
}

# What fair-esm, its training code and Hugging Face put before the names.
_PREFIX = re.compile(r"^(esm\.)?(encoder\.(?!layer\.))?(sentence_encoder\.)?")

# Parts of ESM-2 that embeddings do not need: heads, and tables made from no weight.
_UNUSED = re.compile(
    r"lm_head\.|contact_head\.|pooler\.|embeddings\.position_|.*inv_freq$"
)

# What marks the relatives of ESM-2 (ESM-1b, ESM-1v), whose other shapes may agree.
_LEARNED_POSITIONS = re.compile(r"embed_positions\.|emb_layer_norm_before\.")


def expected_shapes(n_layers, width):
    """Return the shapes of all weights that a forward pass of ESM-2 needs.

    Parameters
    ----------
    n_layers, width : int
        Number of layers and size of the representation.

    Returns
    -------
    shapes : dict of str to tuple of int
        By fair-esm's names.
    """
    linear = {
        **{f"self_attn.{p}_proj": (width, width) for p in ("q", "k", "v", "out")},
        "fc1": (4 * width, width),
        "fc2": (width, 4 * width),
    }
    shapes = {"embed_tokens.weight": (33, width)}
    for i in range(n_layers):
        for name, shape in linear.items():
            shapes[f"layers.{i}.{name}.weight"] = shape
            shapes[f"layers.{i}.{name}.bias"] = shape[:1]
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            shapes[f"layers.{i}.{name}.weight"] = (width,)
            shapes[f"layers.{i}.{name}.bias"] = (width,)
    shapes["emb_layer_norm_after.weight"] = (width,)
    shapes["emb_layer_norm_after.bias"] = (width,)
    return shapes


def find_checkpoint(weights, model):
    """Return the path of the weights, downloading them when they are not named.

    Parameters
    ----------
    weights : str, path-like or None
        A file, or None for the folder where fair-esm keeps its downloads.

    model : str
        Name of the ESM-2 model.

    Returns
    -------
    path : Path
        An existing file.

    Raises
    ------
    FileNotFoundError
        If the file that `weights` names does not exist.

    OSError
        If the weights cannot be downloaded.
    """
    if weights is not None:
        path = Path(weights).expanduser()
        if not path.is_file():
            raise FileNotFoundError(
                f"weights={str(weights)!r} is no file. Name a fair-esm checkpoint "
                f"(.pt) or a Hugging Face one (.safetensors) of {model}, or use "
                "weights=None to download it."
            )
        return path
    path = Path(torch.hub.get_dir()) / "checkpoints" / f"{model}.pt"
    if not path.is_file():
        _download(_URL.format(model=model), path)
    return path


def _download(url, path):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except (OSError, RuntimeError) as error:
        raise OSError(
            f"The weights {path.name} are not in {path.parent} and cannot be "
            f"downloaded ({error}). Download {url} on a machine that can, put it at "
            f"{path}, or anywhere else and name it as weights=<path>."
        ) from error


def read_checkpoint(path, shapes, model):
    """Read the tensors of an ESM-2 checkpoint without running code that is in it.

    Parameters
    ----------
    path : Path
        A fair-esm `.pt` or a Hugging Face `.safetensors` file.

    shapes : dict of str to tuple of int
        What is expected, as `expected_shapes` returns it.

    model : str
        Name of the model, for messages.

    Returns
    -------
    tensors : dict of str to tensor
        The tensors named in `shapes`; their data stay in the file until they are used.

    Raises
    ------
    ValueError
        If the file is unsafe or damaged, is not ESM-2, or is another size of it.
    """
    if path.suffix == ".safetensors":
        tensors = _read_safetensors(path)
    else:
        tensors = _read_pickle(path)
    names = _canonical_names(tensors, path)
    found = {name: tensors[key] for name, key in names.items()}
    _check_kinds(found, path)
    _check_shapes(found, shapes, path, model)
    # A file may say that a gradient is wanted, or that its numbers count as negated.
    return {name: found[name].detach().resolve_neg() for name in shapes}


def _read_safetensors(path):
    library = import_optional("safetensors", extra="esm", caller="ESMEmbedder")
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except library.SafetensorError as error:
        raise ValueError(
            f"{path} cannot be read as a safetensors file ({error}); it may be "
            "damaged or incomplete."
        ) from error


def _read_pickle(path):
    try:
        # fair-esm stores its settings as a Namespace, the one class let in.
        with (
            torch.serialization.safe_globals([argparse.Namespace]),
            warnings.catch_warnings(),
        ):
            # Of pickle protocols; what they cannot express is an error all the same.
            warnings.simplefilter("ignore")
            payload = torch.load(
                path,
                map_location="cpu",
                weights_only=True,
                mmap=zipfile.is_zipfile(path),
            )
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path} was refused: it is damaged, or it holds more than weights, and "
            "loading it could run code that is in it. Nothing was run. "
            f"({str(error).splitlines()[0]})"
        ) from error
    # Bytes that are no pickle can make the reader fail in any way, one of which is to
    # ask the system for a place before the start of the file.
    except Exception as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        raise ValueError(
            f"{path} cannot be read as a torch checkpoint "
            f"({str(error).splitlines()[0] if str(error) else type(error).__name__}); "
            "it may be damaged or incomplete."
        ) from error
    tensors = payload.get("model") if isinstance(payload, dict) else None
    if not isinstance(tensors, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor)
        for key, value in tensors.items()
    ):
        raise ValueError(
            f"{path} is not an ESM-2 checkpoint: it has no weights under the key "
            "'model', as fair-esm writes them."
        )
    return tensors


def _canonical_names(tensors, path):
    """Map fair-esm's names to the keys of the file; refuse what is not ESM-2."""
    names = {}
    rotary = any(key.endswith("inv_freq") for key in tensors)
    for key in tensors:
        name = _PREFIX.sub("", key)
        learned = name == "embeddings.position_embeddings.weight" and not rotary
        if learned or _LEARNED_POSITIONS.match(name):
            raise ValueError(
                f"{path} is not an ESM-2 checkpoint: {key!r} belongs to ESM-1."
            )
        if not _UNUSED.match(name):
            names[_fair_esm_name(name)] = key
    return names


def _fair_esm_name(name):
    module, _, kind = name.rpartition(".")
    # The names of early versions of transformers, which still writes them.
    kind = {"gamma": "weight", "beta": "bias"}.get(kind, kind)
    layer = re.match(r"encoder\.layer\.(\d+)\.(.*)", module)
    prefix, module = (f"layers.{layer[1]}.", layer[2]) if layer else ("", module)
    return f"{prefix}{_HUGGING_FACE_NAMES.get(module, module)}.{kind}"


def _check_kinds(found, path):
    for name, tensor in found.items():
        plain = tensor.layout == torch.strided and not tensor.is_nested
        if not (plain and tensor.is_floating_point() and tensor.device.type == "cpu"):
            raise ValueError(
                f"{path} is not an ESM-2 checkpoint: {name!r} is no array of floating "
                f"point numbers, but {tensor.dtype}, {tensor.layout} on "
                f"{tensor.device}."
            )


def _check_shapes(found, shapes, path, model):
    if "embed_tokens.weight" not in found or "layers.0.fc1.weight" not in found:
        raise ValueError(
            f"{path} is not an ESM-2 checkpoint: it has no embedding or no layers."
        )
    width = found["embed_tokens.weight"].shape[-1:].numel()
    n_layers = len([name for name in found if name.endswith(".fc1.weight")])
    right_width = shapes["embed_tokens.weight"][-1]
    right_n_layers = len([name for name in shapes if name.endswith(".fc1.weight")])
    if (width, n_layers) != (right_width, right_n_layers):
        raise ValueError(
            f"{path} holds {n_layers} layers of width {width}, but model={model!r} has "
            f"{right_n_layers} of width {right_width}; name the model that it is."
        )
    missing = sorted(set(shapes) - set(found))
    strange = sorted(set(found) - set(shapes))
    wrong = [n for n in shapes if n in found and tuple(found[n].shape) != shapes[n]]
    problems = {"lacks": missing, "also has": strange, "misshapes": wrong}
    for problem, which in problems.items():
        if which:
            raise ValueError(
                f"{path} is not an ESM-2 checkpoint: it {problem} {which[0]!r}"
                + (f" and {len(which) - 1} more." if len(which) > 1 else ".")
            )


def _random_tensors(n_layers, width, n_heads, esm):
    """Draw the weights of an untrained network, layer by layer, as fair-esm does.

    Parameters
    ----------
    n_layers, width, n_heads : int
        The sizes of the model.

    esm : module
        The module of fair-esm.

    Returns
    -------
    tensors : iterator of (str, tensor)
        Names and tensors, drawn from torch's global generator in the order in which
        they come.
    """
    embedding = torch.nn.Embedding(33, width, padding_idx=1)
    yield "embed_tokens.weight", embedding.weight.data
    for i in range(n_layers):
        layer = esm.modules.TransformerLayer(
            width,
            4 * width,
            n_heads,
            add_bias_kv=False,
            use_esm1b_layer_norm=True,
            use_rotary_embeddings=True,
        )
        parameters = dict(layer.named_parameters())
        del layer
        for name in list(parameters):
            yield f"layers.{i}.{name}", parameters.pop(name).data
    yield "emb_layer_norm_after.weight", torch.ones(width)
    yield "emb_layer_norm_after.bias", torch.zeros(width)


class Weights(WeightsSource):
    """Where the weights of a model come from.

    Parameters
    ----------
    model : str
        Name of the model.

    sizes : tuple of int
        Its number of layers, width and number of heads.

    esm : module
        The module of fair-esm.

    path : Path or None
        The checkpoint; None for an untrained network.

    seed : int or None
        Seed of the untrained network.
    """

    def __init__(self, model, sizes, esm, *, path=None, seed=None):
        drawn_by = (torch.__version__, esm.__version__)
        super().__init__(model, path=path, seed=seed, drawn_by=drawn_by)
        self.model = model
        self.sizes = sizes
        self.esm = esm

    def read(self):
        """Yield names and tensors, letting go of each."""
        if self.path is None:
            yield from _random_tensors(*self.sizes, self.esm)
            return
        shapes = expected_shapes(*self.sizes[:2])
        tensors = read_checkpoint(self.path, shapes, self.model)
        for name in shapes:
            yield name, tensors.pop(name)


def load_network(weights, dtype, device):
    """Build a network, or return the one built last if it is the same.

    One is kept because a search clones its estimator for every fold.

    Parameters
    ----------
    weights : Weights
        The weights.

    dtype : {"float32", "bfloat16", "int8"}
        Type of the linear layers.

    device : str
        Where the network computes.

    Returns
    -------
    network : ESM2
        The network.
    """
    # Threads that need the same network wait for the first to build it.
    with _LOADING:
        return _build_network(weights, dtype, device)


@lru_cache(maxsize=1)
def _build_network(weights, dtype, device):
    dtype = dtype if dtype == "int8" else getattr(torch, dtype)
    alphabet = weights.esm.Alphabet.from_architecture("ESM-1b")
    with torch_seed(weights.seed or 0):
        network = ESM2(weights.read(), weights.sizes[2], dtype, alphabet)
    return network.to(device)
