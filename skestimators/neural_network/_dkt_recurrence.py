"""The recurrence of an LSTM over packed sequences, fast on a CPU.

`torch.nn.LSTM` multiplies the input of every step by the input weights, and pads
sequences to one length. In knowledge tracing most steps repeat one of a few inputs: the
products of the distinct inputs are computed once, looked up, and given here. Shorter
sequences simply end earlier. All squashing is by the logistic function, as torch's
`tanh` is several times slower: tanh(x) = 2 * logistic(2 * x) - 1.
"""

import torch


class PackedLSTM(torch.autograd.Function):
    """Run an LSTM whose input products are known."""

    @staticmethod
    def forward(ctx, gates, weight, sizes, h_0, c_0):
        """Run all steps.

        Parameters
        ----------
        gates : tensor of shape (n_steps, 4 * n_hidden)
            Input products and biases of the input, forget, cell and output gate, those
            of the cell gate doubled, in packed order. Overwritten by the gates.

        weight : tensor of shape (n_hidden, 4 * n_hidden)
            Recurrent weights, in the same order and with the same doubling.

        sizes : list of int
            Number of sequences at each step, never increasing.

        h_0, c_0 : tensor of shape (sizes[0], n_hidden)
            State before the first step; no gradient flows into it.

        Returns
        -------
        h, c : tensor of shape (n_steps, n_hidden)
            Hidden and cell state after each step; no gradient flows from `c`.
        """
        n_steps, n_hidden = len(gates), len(weight)
        h_all, c_all, half = gates.new_empty(3, n_steps, n_hidden)
        parts = gates.view(n_steps, 4, n_hidden).unbind(1)
        h, c = h_0, c_0
        for n, gate, i, f, g, o, h_next, c_next, s in zip(
            sizes,
            gates.split(sizes),
            *(part.split(sizes) for part in (*parts, h_all, c_all, half)),
            strict=True,
        ):
            torch.addmm(gate, h[:n], weight, out=gate).sigmoid_()
            c = torch.mul(f, c[:n], out=c_next).addcmul_(i, g, value=2).sub_(i)
            torch.mul(c, 2, out=s).sigmoid_()
            h = torch.mul(o, s.sub_(0.5), out=h_next).mul_(2)
        ctx.sizes = sizes
        ctx.save_for_backward(gates, weight, h_all, c_all, half, h_0, c_0)
        ctx.mark_non_differentiable(c_all)
        return h_all, c_all

    @staticmethod
    def backward(ctx, grad_h, _):
        """Run all steps backwards."""
        gates, weight, h_all, c_all, half, h_0, c_0 = ctx.saved_tensors
        sizes, (n_steps, n_hidden) = ctx.sizes, h_all.shape
        i, f, g, o = gates.view(n_steps, 4, n_hidden).unbind(1)
        # What does not depend on later steps is computed for all of them at once: the
        # derivatives of c by three gates, of h by the output gate, and of h by c.
        slopes = gates.new_empty(n_steps, 4, n_hidden)
        scratch = torch.empty_like(half)
        for number, (gate, other) in enumerate(
            [(i, g - 0.5), (f, _before(c_all, c_0, sizes)), (g, i), (o, half)]
        ):
            torch.addcmul(gate, gate, gate, value=-1, out=scratch)
            torch.mul(scratch, other, out=slopes[:, number])
            if gate is not f:
                slopes[:, number].mul_(2)
        h_by_c = torch.mul(half, half, out=scratch).neg_().add_(0.25).mul_(o).mul_(4)
        grad_h, recurrent = grad_h.clone(), weight.t().contiguous()
        d_h, d_c = grad_h.new_zeros(2, 0, n_hidden)
        for d, by_c, slope, forget in zip(
            *(part.split(sizes)[::-1] for part in (grad_h, h_by_c, slopes, f)),
            strict=True,
        ):
            # Later steps may have fewer sequences.
            d[: len(d_h)].add_(d_h)
            by_c.mul_(d)[: len(d_c)].add_(d_c)
            slope[:, :3].mul_(by_c[:, None])
            slope[:, 3].mul_(d)
            d_c = by_c.mul_(forget)
            d_h = slope.view(len(d), -1) @ recurrent
        grad_gates = slopes.view(n_steps, -1)
        # This way round, as the other product is half as fast.
        grad_weight = (grad_gates.t() @ _before(h_all, h_0, sizes)).t()
        return grad_gates, grad_weight, None, None, None


def _before(states, first, sizes):
    """Return the state that each step found."""
    parts = states.split(sizes)[:-1]
    later = zip(parts, sizes[1:], strict=True)
    return torch.cat([first, *(part[:n] for part, n in later)])
