"""Forward pass of ESM-2 for embeddings: no padding, no heads, no gradients."""

from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F

MAX_RESIDUES = 1022
# Each residue of a long sequence sees at least this many neighbours on either side.
_MIN_CONTEXT = 128
# Embeddings were trained with 12 % of the tokens zeroed; without a mask token fair-esm
# makes up for it by this factor.
_TOKEN_DROPOUT_SCALE = 1 - 0.15 * 0.8
# Attention scores of one step, few enough to stay in the processor's cache.
_SCORES_IN_CACHE = 2**20


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
        quantised = (weight / scale).round().to(torch.int8)
        self.weight = quantised.t().contiguous()
        self.scale = scale[:, 0].contiguous()
        self.bias = bias.clone()

    def forward(self, x):
        """Return `x @ weight.T + bias` in the type of `x`."""
        scale = x.abs().amax(1, keepdim=True).float().clamp_(min=1e-12).div_(127)
        quantised = x.float().div(scale).round_().to(torch.int8)
        # No public function multiplies 8-bit matrices without the deprecated
        # quantised tensors.
        product = torch._int_mm(quantised, self.weight)
        out = product.float().mul_(scale)
        return torch.addcmul(self.bias, out, self.scale).to(x.dtype)


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
        The layer's weights by fair-esm's names.

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
            weight, bias = tensors[f"{name}.weight"], tensors[f"{name}.bias"]
            self.add_module(name.split(".")[-1], _linear(weight, bias, dtype))
        for name in ("self_attn_layer_norm", "final_layer_norm"):
            for kind in ("weight", "bias"):
                tensor = tensors[f"{name}.{kind}"].float().clone()
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
        weight = tensors[f"self_attn.{name}_proj.weight"].float()
        bias = tensors[f"self_attn.{name}_proj.bias"].float()
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
        # One token for each character that fits in a byte.
        self.token_of = np.array([alphabet.get_idx(chr(i)) for i in range(256)])
        self.layers = torch.nn.ModuleList()
        pending, index = {}, 0
        for name, tensor in tensors:
            if not name.startswith("layers."):
                tensor = tensor.float().clone()
                self.register_buffer(name.replace(".", "_"), tensor)
                continue
            pending[name.split(".", 2)[2]] = tensor
            # 16 tensors make a layer; built at once, it lets go of the originals.
            if len(pending) == 16:
                self.layers.append(Layer(pending, n_heads, dtype))
                pending, index = {}, index + 1
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


def window_bounds(length):
    """Return how a sequence is cut into windows that the network can take.

    Parameters
    ----------
    length : int
        Number of residues.

    Returns
    -------
    windows : list of (start, stop, keep_start, keep_stop)
        The residues of each window, and those whose representation is taken from it.
        The latter follow each other without gap or overlap, and lie as far from the
        ends of the window as the neighbouring windows allow.
    """
    if length <= MAX_RESIDUES:
        return [(0, length, 0, length)]
    n_windows = -(-(length - 2 * _MIN_CONTEXT) // (MAX_RESIDUES - 2 * _MIN_CONTEXT))
    slack = length - MAX_RESIDUES
    starts = [slack * i // (n_windows - 1) for i in range(n_windows)]
    # Neighbouring windows share a border in the middle of their overlap.
    borders = [(left + MAX_RESIDUES + right) // 2 for left, right in pairwise(starts)]
    return [
        (start, start + MAX_RESIDUES, low, high)
        for start, low, high in zip(
            starts, [0, *borders], [*borders, length], strict=True
        )
    ]


def _pieces(network, sequences, first_only):
    """Return (tokens, sequence number, residues, kept residues), by length."""
    pieces = []
    for number, sequence in enumerate(sequences):
        windows = window_bounds(len(sequence))
        for start, stop, low, high in windows[:1] if first_only else windows:
            tokens = network.encode(sequence[start:stop])
            pieces.append((tokens, number, start, low, high))
    return sorted(pieces, key=lambda piece: len(piece[0]))


def represent(network, sequences, layers, tokens_per_batch, first_only=False):
    """Yield the representation of each piece of some sequences, for each layer.

    Parameters
    ----------
    network : ESM2
        The network.

    sequences : list of str
        Sequences of any length.

    layers : list of int
        The layers wanted.

    tokens_per_batch : int
        Number of tokens that go through the network at once; at least one window does.

    first_only : bool, default=False
        Whether only the start token of each sequence is wanted.

    Yields
    ------
    number, layer, low, high, part : int, int, int, int, tensor
        Number of the sequence, layer, the residues [low, high) and their
        representations, (high - low, width). Residue -1 is the start token; the end
        token follows the last residue. If `first_only`, part is that of residue -1.
    """
    pieces = _pieces(network, sequences, first_only)
    for batch in batches_by_tokens([len(p[0]) for p in pieces], tokens_per_batch):
        batch = [pieces[i] for i in batch]
        tokens = [piece[0] for piece in batch]
        for layer, x in network(tokens, set(layers), first_only):
            parts = x.split(1 if first_only else [len(t) for t in tokens])
            for part, (_, number, start, low, high) in zip(parts, batch, strict=True):
                if first_only:
                    yield number, layer, -1, 0, part
                    continue
                low, high = low - (low == 0), high + (high == len(sequences[number]))
                yield number, layer, low, high, part[low - start + 1 : high - start + 1]


def batches_by_tokens(lengths, tokens_per_batch):
    """Split items, in their order, into batches of a bounded number of tokens.

    Parameters
    ----------
    lengths : list of int
        Number of tokens of each item.

    tokens_per_batch : int
        The bound; an item that exceeds it makes a batch of its own.

    Returns
    -------
    batches : list of list of int
        Indices into `lengths`.
    """
    batches, total = [], 0
    for i, length in enumerate(lengths):
        if not batches or total + length > tokens_per_batch:
            batches.append([])
            total = 0
        batches[-1].append(i)
        total += length
    return batches


def embed(network, sequences, layers, pooling, tokens_per_batch):
    """Return one vector for each sequence.

    Parameters
    ----------
    network, sequences, layers, tokens_per_batch
        As in `represent`.

    pooling : {"mean", "mean_with_special", "max", "bos"}
        How the residues are pooled.

    Returns
    -------
    vectors : ndarray of shape (n_sequences, n_layers * width) and dtype float32
        The vectors, those of several layers side by side.
    """
    width = network.embed_tokens_weight.shape[1]
    shape = (len(sequences), len(layers), width)
    empty = -torch.inf if pooling == "max" else 0.0
    vectors = torch.full(shape, empty, device=network.embed_tokens_weight.device)
    for number, layer, low, high, part in represent(
        network, sequences, layers, tokens_per_batch, pooling == "bos"
    ):
        slot, length = vectors[number, layers.index(layer)], len(sequences[number])
        if pooling in ("mean", "max"):
            part = part[int(low < 0) : len(part) - int(high > length)]
        if pooling == "max":
            torch.maximum(slot, part.amax(0), out=slot)
        else:
            slot += part.sum(0)
    counts = {"mean": 0, "mean_with_special": 2}
    if pooling in counts:
        lengths = torch.tensor([len(s) + counts[pooling] for s in sequences])
        vectors /= lengths[:, None, None].to(vectors.device)
    return vectors.flatten(1).cpu().numpy()


def embed_residues(network, sequences, layers, tokens_per_batch):
    """Return the representations of the residues of each sequence.

    Parameters
    ----------
    network, sequences, layers, tokens_per_batch
        As in `represent`.

    Returns
    -------
    arrays : list of ndarray of shape (length, n_layers * width) and dtype float32
        One for each sequence, without its start and end tokens.
    """
    width = network.embed_tokens_weight.shape[1]
    arrays = [np.empty((len(s), len(layers), width), np.float32) for s in sequences]
    for number, layer, low, high, part in represent(
        network, sequences, layers, tokens_per_batch
    ):
        low, high = max(low, 0), min(high, len(sequences[number]))
        skip = int(low == 0)
        part = part[skip : skip + high - low]
        arrays[number][low:high, layers.index(layer)] = part.cpu().numpy()
    return [array.reshape(len(array), -1) for array in arrays]
