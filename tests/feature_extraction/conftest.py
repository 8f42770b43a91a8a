"""Sequences, and checkpoints in the formats of fair-esm and Hugging Face."""

from argparse import Namespace

import numpy as np
import pytest

SIZES = {"esm2_t6_8M_UR50D": (6, 320), "esm2_t12_35M_UR50D": (12, 480)}


@pytest.fixture(scope="session")
def make_sequences():
    """Return a function from lengths to random sequences."""

    def make(lengths, seed=0):
        rng = np.random.default_rng(seed)
        return ["".join(rng.choice(list("ACDEFGHIKLMNPQRSTVWY"), n)) for n in lengths]

    return make


@pytest.fixture(scope="session")
def save_fair_esm():
    """Return a function that writes a network as fair-esm publishes them."""
    import torch

    def save(network, path):
        settings = Namespace(
            encoder_layers=network.num_layers,
            encoder_embed_dim=network.embed_dim,
            encoder_attention_heads=network.attention_heads,
            token_dropout=True,
        )
        tensors = {}
        for name, tensor in network.state_dict().items():
            prefix = "encoder." if name.startswith("lm_head") else ""
            tensors[(prefix or "encoder.sentence_encoder.") + name] = tensor
        torch.save({"cfg": {"model": settings}, "model": tensors}, path)
        return path

    return save


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory, save_fair_esm):
    """Return, for each small model, fair-esm's network and the path of its weights."""
    import esm
    import torch

    folder, made = tmp_path_factory.mktemp("checkpoints"), {}
    for model, (n_layers, width) in SIZES.items():
        with torch.random.fork_rng():
            torch.manual_seed(n_layers)
            network = esm.ESM2(n_layers, width, 20, "ESM-1b").eval()
            # Trained biases and norms are not 0 and 1: let mistakes there show.
            for _, parameter in network.named_parameters():
                if parameter.ndim == 1:
                    parameter.data += 0.1 * torch.randn_like(parameter)
        made[model] = network, save_fair_esm(network, folder / f"{model}.pt")
    return made


@pytest.fixture(scope="session")
def fair_esm_tokens():
    """Return fair-esm's own representations, padded, of some sequences and layers."""
    import torch

    def represent(network, sequences, layers):
        convert = network.alphabet.get_batch_converter()
        _, _, tokens = convert([("", sequence) for sequence in sequences])
        with torch.no_grad():
            output = network(tokens, repr_layers=layers)["representations"]
        return {
            layer: [
                tokens[: len(sequence) + 2].numpy()
                for tokens, sequence in zip(output[layer], sequences, strict=True)
            ]
            for layer in layers
        }

    return represent
