"""Forward pass of ESM-2 for embeddings: no padding, no heads, no gradients."""

import numpy as np
import torch
import torch.nn.functional as F

from skestimators.feature_extraction._esm_models import RESIDUES

# Embeddings were trained with 12 % of the tokens zeroed; without a mask token fair-esm
# makes up for it by this factor.
_TOKEN_DROPOUT_SCALE = 1 - 0.15 * 0.8
# Attention scores of one step, few enough to stay in the processor's cache.
_SCORES_IN_CACHE = 2**20
# Rows that stay there while they are quantised, multiplied and scaled back.
_ROWS_IN_CACHE = 256


class Int8Linear(torch.nn.Module):
    """Linear layer on 8-bit integers: weights per output, activations per token.

    Parameters
    ----------
    weight : tensor of shape (n_out, n_in)
        The weight.

    bias : tensor of shape (n_out,)
        The bias.
    """

    def __init__(self, weight, bias):
        super().__init__()
        scale = weight.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
        quantised = (weight / scale).round_().to(torch.int8)
        self.weight = quantised.t().contiguous()
        self.scale = scale[:, 0].contiguous()
        self.bias = bias.clone()

    def forward(self, x):
        """Return `x @ weight.T + bias` in the type of `x`."""
        out = x.new_empty(len(x), self.weight.shape[1])
        for start in range(0, len(x), _ROWS_IN_CACHE):
            part = slice(start, start + _ROWS_IN_CACHE)
            rows = x[part].float()
            scale = rows.abs().amax(1, keepdim=True).clamp_(min=1e-12).div_(127)
            quantised = rows.div(scale).round_().to(torch.int8)
            # No public function multiplies 8-bit matrices without the deprecated
            # quantised tensors.
            product = torch._int_mm(quantised, self.weight).float()
            product.mul_(scale).mul_(self.scale).add_(self.bias)
            out[part] = product
        return out


def _linear(weight, bias, dtype):
    if dtype == "int8":
        return Int8Linear(weight, bias)
    # Copied in any case: the originals may lie in a file that others can change.
    linear = torch.nn.Linear(*weight.shape[::-1], device="meta")
    linear.weight = torch.nn.Parameter(weight.to(dtype, copy=True), requires_grad=False)
    linear.bias = torch.nn.Parameter(bias.to(dtype, copy=True), requires_grad=False)
    return linear


class Layer(torch.nn.Module):
    """One transformer layer on packed tokens.

    Parameters
    ----------
    tensors : dict of str to tensor
        The layer's weights by fair-esm's names; taken out one by one, so that each is
        let go as soon as it is converted.

    n_heads : int
        Number of attention heads.

    dtype : torch.dtype or "int8"
        Type of the linear layers.
    """

    def __init__(self, tensors, n_heads, dtype):
        super().__init__()
        self.n_heads = n_heads
        self.compute_dtype = torch.bfloat16 if dtype == "int8" else dtype
        self.qkv = _linear(*_fused_projections(tensors, n_heads), dtype)
        for name in ("self_attn.out_proj", "fc1", "fc2"):
            weight, bias = (tensors.pop(f"{name}.{k}") for k in ("weight", "bias"))
            self.add_module(name.split(".")[-1], _linear(weight, bias, dtype))
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            for kind in ("weight", "bias"):
                tensor = tensors.pop(f"{name}.{kind}").float().clone()
                self.register_buffer(f"{name}_{kind}", tensor)

    def forward(self, x, rotation, segments, rows=None):
        """Return the representations after this layer.

        Parameters
        ----------
        x : tensor of shape (n_tokens, width)
            Representations before it, in float32; overwritten.

        rotation : tensor of shape (n_tokens, 1, head_width / 2)
            Rotary embedding of each token's position, as complex numbers.

        segments : list of (start, n_sequences, length)
            Runs of sequences of the same length.

        rows : tensor of int or None
            The tokens wanted; None for all.
        """
        attended = self._attend(x, rotation, segments)
        if rows is not None:
            x, attended = x[rows], attended[rows]
        x += self.out_proj(attended)
        x += self.fc2(F.gelu(self.fc1(self._norm(x, "final_layer_norm"))))
        return x

    def _norm(self, x, name):
        weight, bias = getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias")
        return F.layer_norm(x, weight.shape, weight, bias).to(self.compute_dtype)

    def _attend(self, x, rotation, segments):
        width = x.shape[1]
        x = self._norm(x, "self_attn_layer_norm")
        qkv = self.qkv(x)
        head_width = width // self.n_heads
        qk = qkv[:, : 2 * width]
        # There are no complex bfloat16 numbers: rotate a float32 copy.
        as_float = qk.float()
        pairs = as_float.unflatten(1, (2 * self.n_heads, head_width // 2, 2))
        torch.view_as_complex(pairs).mul_(rotation)
        if as_float.data_ptr() != qk.data_ptr():
            qk.copy_(as_float)
        out = torch.empty_like(x)
        for start, n, length in segments:
            part = slice(start, start + n * length)
            shape = (n, length, 3, self.n_heads, head_width)
            q, k, v = qkv[part].view(shape).permute(2, 0, 3, 1, 4)
            _attention(q, k, v, out[part].view(n, length, self.n_heads, head_width))
        return out


def _fused_projections(tensors, n_heads):
    """Join query, key and value, and fold into them what costs nothing there.

    The query's scale becomes part of its weight. The two halves of each query and key
    head that the rotary embedding pairs are interleaved, so that a pair is one complex
    number; the product of query and key does not change.
    """
    weights, biases = [], []
    for name in ("q", "k", "v"):
        weight = tensors.pop(f"self_attn.{name}_proj.weight").float()
        bias = tensors.pop(f"self_attn.{name}_proj.bias").float()
        width = len(bias)
        if name == "q":
            scale = (width // n_heads) ** -0.5
            weight, bias = weight * scale, bias * scale
        if name != "v":
            pairs = torch.arange(width).view(n_heads, 2, -1).transpose(1, 2).flatten()
            weight, bias = weight[pairs], bias[pairs]
        weights.append(weight)
        biases.append(bias)
    return torch.cat(weights), torch.cat(biases)


def _attention(q, k, v, out):
    """Write attention of (n, heads, length, width) into (n, length, heads, width)."""
    n, n_heads, length, _ = q.shape
    if q.device.type != "cpu" or q.dtype == torch.float32:
        attended = F.scaled_dot_product_attention(q, k, v, scale=1.0)
        out.copy_(attended.transpose(1, 2))
        return
    # In bfloat16 on a CPU plain products in cache-sized steps beat the fused kernel.
    q, k, v = (part.reshape(n * n_heads, length, -1) for part in (q, k, v))
    attended = torch.empty_like(q)
    step = max(1, _SCORES_IN_CACHE // length**2)
    for i in range(0, n * n_heads, step):
        heads = slice(i, i + step)
        scores = torch.bmm(q[heads], k[heads].transpose(1, 2))
        torch.bmm(torch.softmax(scores, -1), v[heads], out=attended[heads])
    out.copy_(attended.view(n, n_heads, length, -1).transpose(1, 2))


class ESM2(torch.nn.Module):
    """The encoder of ESM-2.

    Parameters
    ----------
    tensors : iterator of (str, tensor)
        The weights by fair-esm's names, layers in order.

    n_heads : int
        Number of attention heads.

    dtype : torch.dtype or "int8"
        Type of the linear layers. Between layers representations are float32.

    alphabet : esm.Alphabet
        The alphabet of fair-esm.
    """

    def __init__(self, tensors, n_heads, dtype, alphabet):
        super().__init__()
        self.start, self.end = alphabet.cls_idx, alphabet.eos_idx
        # One token for each character that fits in a byte. The alphabet has tokens of
        # its own for gaps and full stops, which no sequence here may mean.
        letters = [chr(i) if chr(i) in RESIDUES else "<unk>" for i in range(256)]
        self.token_of = np.array([alphabet.get_idx(letter) for letter in letters])
        self.layers = torch.nn.ModuleList()
        pending = {}
        for name, tensor in tensors:
            if not name.startswith("layers."):
                tensor = tensor.float().clone()
                self.register_buffer(name.replace(".", "_"), tensor)
                continue
            pending[name.split(".", 2)[2]] = tensor
            # 16 tensors make a layer; built at once, it lets go of the originals.
            if len(pending) == 16:
                self.layers.append(Layer(pending, n_heads, dtype))
                pending = {}
        self.head_width = self.embed_tokens_weight.shape[1] // n_heads
        self.eval()

    def encode(self, residues):
        """Return the tokens of a sequence, start and end included."""
        codes = np.frombuffer(residues.encode("latin-1", "replace"), dtype=np.uint8)
        return np.concatenate([[self.start], self.token_of[codes], [self.end]])

    @torch.inference_mode()
    def forward(self, tokens, layers, first_only=False):
        """Yield the representations after some layers.

        Parameters
        ----------
        tokens : list of ndarray of int
            The tokens of each sequence, those of one length next to each other.

        layers : set of int
            0 is the token embedding, the last one is normalised.

        first_only : bool, default=False
            Whether only the first token of each sequence is wanted; the last layer
            then computes only that.

        Yields
        ------
        layer, representations : int, tensor
            The latter of shape (n_tokens, width), float32, sequences one after another;
            of shape (n_sequences, width) if `first_only`. It is overwritten later.
        """
        device = self.embed_tokens_weight.device
        lengths = [len(sequence) for sequence in tokens]
        flat = torch.from_numpy(np.concatenate(tokens)).to(device)
        starts = torch.tensor([0, *lengths]).cumsum(0)[:-1].to(device)
        x = F.embedding(flat, self.embed_tokens_weight) * _TOKEN_DROPOUT_SCALE
        rotation, segments = self._rotation(lengths, device), _segments(lengths)
        last = max(layers)
        for i in range(last + 1):
            if i:
                rows = starts if first_only and i == last else None
                x = self.layers[i - 1](x, rotation, segments, rows)
            if i in layers:
                wanted = x[starts] if first_only and len(x) != len(starts) else x
                if i == len(self.layers):
                    wanted = F.layer_norm(
                        wanted,
                        wanted.shape[1:],
                        self.emb_layer_norm_after_weight,
                        self.emb_layer_norm_after_bias,
                    )
                yield i, wanted

    def _rotation(self, lengths, device):
        exponents = torch.arange(0, self.head_width, 2).float() / self.head_width
        positions = torch.arange(max(lengths)).float()
        angles = torch.outer(positions, 1.0 / 10000**exponents)
        table = torch.polar(torch.ones_like(angles), angles)
        return torch.cat([table[:n] for n in lengths])[:, None].to(device)


def _segments(lengths):
    """Return the runs (start, number, length) of sequences of the same length."""
    segments, start = [], 0
    for length in lengths:
        if segments and segments[-1][2] == length:
            segments[-1][1] += 1
        else:
            segments.append([start, 1, length])
        start += length
    return segments
