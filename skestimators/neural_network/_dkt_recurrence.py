"""Recurrent layers over packed sequences, fast on a CPU.

torch multiplies the input of every step by the input weights, and pads sequences. In
knowledge tracing most steps repeat one of a few inputs, so the products of the distinct
inputs are computed once and looked up, and shorter sequences simply end earlier.
"""

from itertools import pairwise

import numpy as np
import torch


class PackedLSTM(torch.autograd.Function):
    """The recurrence of an LSTM, its input products given."""

    @staticmethod
    def forward(ctx, gates, weight, sizes, h_0, c_0):
        """Run all steps.

        Parameters
        ----------
        gates : tensor of shape (n_steps, 4 * n_hidden)
            Input products and biases of the input, forget, output and cell gate, in
            packed order. Overwritten by the activations of the gates.

        weight : tensor of shape (n_hidden, 4 * n_hidden)
            Recurrent weights, in the same order of gates.

        sizes : list of int
            Number of sequences at each step, never increasing.

        h_0, c_0 : tensor of shape (sizes[0], n_hidden)
            State before the first step; no gradient flows into it.

        Returns
        -------
        h, c : tensor of shape (n_steps, n_hidden)
            Hidden and cell state after each step; no gradient flows from `c`.
        """
        n_hidden = len(weight)
        h_all, c_all, squashed = gates.new_empty(3, len(gates), n_hidden)
        h, c = h_0, c_0
        for begin, end in pairwise(_bounds(sizes)):
            n, now = end - begin, slice(begin, end)
            gate = gates[now]
            torch.addmm(gate, h[:n], weight, out=gate)
            gate[:, : 3 * n_hidden].sigmoid_()
            gate[:, 3 * n_hidden :].tanh_()
            i, f, o, g = gate.view(n, 4, n_hidden).unbind(1)
            c = torch.mul(f, c[:n], out=c_all[now]).addcmul_(i, g)
            h = torch.mul(o, torch.tanh(c, out=squashed[now]), out=h_all[now])
        ctx.sizes = sizes
        ctx.save_for_backward(gates, weight, h_all, c_all, squashed, h_0, c_0)
        ctx.mark_non_differentiable(c_all)
        return h_all, c_all

    @staticmethod
    def backward(ctx, grad_h, _):
        """Run all steps backwards."""
        gates, weight, h_all, c_all, squashed, h_0, c_0 = ctx.saved_tensors
        n_steps, n_hidden = h_all.shape
        i, f, o, g = gates.view(n_steps, 4, n_hidden).unbind(1)
        # What does not depend on later steps, for all steps at once: the derivatives of
        # h by the output gate and by c, and of c by the other gates.
        slopes = gates.new_empty(n_steps, 4, n_hidden)
        torch.mul(g, i - i * i, out=slopes[:, 0])
        torch.mul(_before(c_all, c_0, ctx.sizes), f - f * f, out=slopes[:, 1])
        torch.mul(squashed, o - o * o, out=slopes[:, 2])
        torch.mul(i, 1 - g * g, out=slopes[:, 3])
        h_by_c = o - o * squashed.square()
        grad_h = grad_h.clone()
        recurrent = weight.t().contiguous()
        n_later, d_h, d_c = 0, None, None
        for begin, end in reversed(list(pairwise(_bounds(ctx.sizes)))):
            now = slice(begin, end)
            here = grad_h[now]
            if n_later:
                here[:n_later] += d_h
            back = here * h_by_c[now]
            if n_later:
                back[:n_later] += d_c
            slope = slopes[now]
            slope[:, :2].mul_(back[:, None])
            slope[:, 2].mul_(here)
            slope[:, 3].mul_(back)
            n_later = end - begin
            d_c = back.mul_(f[now])
            d_h = slope.view(n_later, -1) @ recurrent
        grad_gates = slopes.view(n_steps, -1)
        grad_weight = _before(h_all, h_0, ctx.sizes).t() @ grad_gates
        return grad_gates, grad_weight, None, None, None


def _bounds(sizes):
    return np.concatenate([[0], np.cumsum(sizes)]).tolist()


def _before(states, first, sizes):
    """Return the state that each step found."""
    earlier = [
        states[begin : begin + n]
        for begin, n in zip(_bounds(sizes), sizes[1:], strict=False)
    ]
    return torch.cat([first, *earlier])
