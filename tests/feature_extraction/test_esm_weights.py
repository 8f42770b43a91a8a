import os
import pickle
import shutil
import sys
import urllib.error
from argparse import Namespace

import numpy as np
import pytest

from skestimators.feature_extraction import ESMEmbedder

SMALL, MEDIUM = "esm2_t6_8M_UR50D", "esm2_t12_35M_UR50D"
SEQUENCES = ["MKTAYIAKQR", "GGGGSGGGGS", "MKT"]

_HUGGING_FACE = {
    "embed_tokens": "embeddings.word_embeddings",
    "emb_layer_norm_after": "encoder.emb_layer_norm_after",
    "layers": "encoder.layer",
    "self_attn.q_proj": "attention.self.query",
    "self_attn.k_proj": "attention.self.key",
    "self_attn.v_proj": "attention.self.value",
    "self_attn.out_proj": "attention.output.dense",
    "self_attn_layer_norm": "attention.LayerNorm",
    "final_layer_norm": "LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
}


def _hugging_face_tensors(network):
    tensors = {}
    for name, tensor in network.state_dict().items():
        if name.startswith(("lm_head", "contact_head")):
            continue
        for theirs, hugging_face in _HUGGING_FACE.items():
            name = name.replace(theirs, hugging_face)
        if not name.endswith("inv_freq"):
            tensors[name] = tensor.clone()
    return tensors


@pytest.fixture(scope="module")
def hugging_face_path(checkpoints, tmp_path_factory):
    from safetensors.torch import save_file

    tensors = _hugging_face_tensors(checkpoints[SMALL][0])
    path = tmp_path_factory.mktemp("hugging_face") / "model.safetensors"
    save_file({f"esm.{name}": tensor for name, tensor in tensors.items()}, path)
    return path


def _embed(weights, model=SMALL, **params):
    return ESMEmbedder(model, weights=weights, **params).fit_transform(SEQUENCES)


def test_both_formats_give_the_same_and_share_a_store(
    checkpoints, hugging_face_path, tmp_path, monkeypatch
):
    from skestimators.feature_extraction import _esm_weights

    expected = _embed(checkpoints[SMALL][1], cache=tmp_path / "store.db")
    np.testing.assert_array_equal(_embed(str(hugging_face_path)), expected)
    _embed("random", random_state=0)
    # The same weights under another name: nothing is computed.
    monkeypatch.setattr(_esm_weights, "ESM2", None)
    actual = _embed(hugging_face_path, cache=tmp_path / "store.db")
    np.testing.assert_array_equal(actual, expected)


def test_missing_safetensors_names_the_extra(hugging_face_path, tmp_path, monkeypatch):
    copy = shutil.copy(hugging_face_path, tmp_path)
    monkeypatch.setitem(sys.modules, "safetensors", None)
    with pytest.raises(ImportError, match=r"'safetensors'.*skestimators\[esm\]"):
        _embed(copy)


@pytest.mark.parametrize("with_head", [False, True])
def test_agrees_with_transformers(with_head, tmp_path, fair_esm_tokens, checkpoints):
    transformers = pytest.importorskip("transformers")
    import torch

    config = transformers.EsmConfig(
        vocab_size=33,
        hidden_size=320,
        num_hidden_layers=6,
        num_attention_heads=20,
        intermediate_size=1280,
        position_embedding_type="rotary",
        token_dropout=True,
        emb_layer_norm_before=False,
        layer_norm_eps=1e-5,
        mask_token_id=32,
        pad_token_id=1,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        cls = transformers.EsmForMaskedLM if with_head else transformers.EsmModel
        network = cls(config).eval()
        for parameter in network.parameters():
            parameter.data += 0.05 * torch.randn_like(parameter)
    network.save_pretrained(tmp_path)
    alphabet = checkpoints[SMALL][0].alphabet
    convert = alphabet.get_batch_converter()
    _, _, tokens = convert([("", sequence) for sequence in SEQUENCES])
    base = network.esm if with_head else network
    with torch.no_grad():
        hidden = base(tokens, attention_mask=tokens != 1).last_hidden_state
    expected = [
        h[1 : len(s) + 1].mean(0).numpy()
        for h, s in zip(hidden, SEQUENCES, strict=True)
    ]
    actual = _embed(tmp_path / "model.safetensors")
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def _load(path):
    import torch

    with torch.serialization.safe_globals([Namespace]):
        return torch.load(path, weights_only=True)


def test_half_precision_checkpoint(checkpoints, tmp_path):
    import torch

    payload = _load(checkpoints[SMALL][1])
    payload["model"] = {k: v.half() for k, v in payload["model"].items()}
    torch.save(payload, tmp_path / "half.pt")
    actual = _embed(tmp_path / "half.pt")
    np.testing.assert_allclose(actual, _embed(checkpoints[SMALL][1]), atol=0.02)


def test_cache_folder_of_fair_esm_is_used(checkpoints, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    os.symlink(checkpoints[SMALL][1], folder / f"{SMALL}.pt")
    expected = _embed(checkpoints[SMALL][1])
    np.testing.assert_array_equal(_embed(None), expected)


def test_failed_download_says_what_to_do(tmp_path, monkeypatch):
    import torch

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))

    def offline(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    embedder = ESMEmbedder(weights=None).fit(SEQUENCES)
    with pytest.raises(OSError, match="no route to host") as caught:
        embedder.transform(SEQUENCES)
    message = str(caught.value)
    assert f"https://dl.fbaipublicfiles.com/fair-esm/models/{SMALL}.pt" in message
    assert str(tmp_path / "hub" / "checkpoints" / f"{SMALL}.pt") in message
    assert "weights=<path>" in message


def test_missing_file_is_named_by_fit(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no_such\.pt"):
        ESMEmbedder(weights=str(tmp_path / "no_such.pt")).fit(SEQUENCES)


class _Bomb:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors"])
@pytest.mark.parametrize("how", ["torch", "pickle"])
def test_pickle_bomb_is_refused(how, suffix, tmp_path):
    import torch

    path, crater = tmp_path / f"bomb{suffix}", tmp_path / "crater"
    payload = {"cfg": {"model": Namespace()}, "model": _Bomb(crater)}
    if how == "torch":
        torch.save(payload, path)
    else:
        path.write_bytes(pickle.dumps(payload))
    with pytest.raises(ValueError, match=r"bomb\.(pt|bin|safetensors)"):
        _embed(path)
    assert not crater.exists()


def test_bomb_would_go_off(tmp_path):
    # Otherwise the test above could not fail.
    pickle.loads(pickle.dumps(_Bomb(tmp_path / "crater")))
    assert (tmp_path / "crater").exists()


def test_other_size_is_named(checkpoints):
    with pytest.raises(ValueError, match=r"12 layers of width 480.*model='esm2_t6_8M"):
        _embed(checkpoints[MEDIUM][1])


def _damage(tensors, how):
    # Each of these is the state dict of something that is not quite this ESM-2.
    if how == "not tensors":
        return {"a": 1}
    if how == "esm1":
        return {**tensors, "encoder.sentence_encoder.embed_positions.weight": _any()}
    if how == "missing":
        del tensors["encoder.sentence_encoder.layers.3.fc2.bias"]
    elif how == "more":
        tensors["encoder.sentence_encoder.layers.3.gate.weight"] = _any()
    elif how == "shape":
        tensors["encoder.sentence_encoder.layers.3.fc2.bias"] = _any()
    elif how == "other":
        return {"conv.weight": _any()}
    return tensors


def _any():
    import torch

    return torch.zeros(3)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("not tensors", "no weights under the key 'model'"),
        ("esm1", "belongs to ESM-1"),
        ("missing", "lacks 'layers.3.fc2.bias'"),
        ("more", "also has 'layers.3.gate.weight'"),
        ("shape", "misshapes 'layers.3.fc2.bias'"),
        ("other", "no embedding or no layers"),
    ],
)
def test_what_is_not_esm2_is_refused(how, message, checkpoints, tmp_path):
    import torch

    payload = _load(checkpoints[SMALL][1])
    payload["model"] = _damage(payload["model"], how)
    torch.save(payload, tmp_path / "odd.pt")
    with pytest.raises(ValueError, match=rf"odd\.pt is not an ESM-2.*{message}"):
        _embed(tmp_path / "odd.pt")


def test_esm1_in_hugging_face_form_is_refused(checkpoints, tmp_path):
    from safetensors.torch import save_file

    tensors = _hugging_face_tensors(checkpoints[SMALL][0])
    tensors["embeddings.position_embeddings.weight"] = _any()
    save_file(tensors, tmp_path / "esm1.safetensors")
    with pytest.raises(ValueError, match="belongs to ESM-1"):
        _embed(tmp_path / "esm1.safetensors")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize("content", ["empty", "text", "truncated"])
def test_damaged_file_is_named(
    content, suffix, checkpoints, hugging_face_path, tmp_path
):
    whole = checkpoints[SMALL][1] if suffix == ".pt" else hugging_face_path
    path = tmp_path / f"damaged{suffix}"
    path.write_bytes(
        {
            "empty": b"",
            "text": b"not a checkpoint at all, but long enough to look into",
            "truncated": whole.read_bytes()[:1_000_000],
        }[content]
    )
    with pytest.raises(ValueError, match="damaged"):
        _embed(path)


def test_weights_that_are_not_finite_are_told(checkpoints, save_fair_esm, tmp_path):
    import copy

    network = copy.deepcopy(checkpoints[SMALL][0])
    network.layers[2].fc1.weight.data[0, 0] = float("nan")
    save_fair_esm(network, tmp_path / "nan.pt")
    with pytest.raises(ValueError, match="not finite"):
        _embed(tmp_path / "nan.pt")


def test_file_that_changed_is_read_again(checkpoints, save_fair_esm, tmp_path):
    import copy

    path, cache = tmp_path / "weights.pt", tmp_path / "store.db"
    network = copy.deepcopy(checkpoints[SMALL][0])
    save_fair_esm(network, path)
    first = _embed(path, cache=cache)
    network.layers[2].fc1.weight.data *= 2
    save_fair_esm(network, path)
    second = _embed(path, cache=cache)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(second, _embed(path))
