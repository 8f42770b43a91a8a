"""Functions and their derivatives over the range of their inputs."""

from copy import deepcopy
from numbers import Integral

import numpy as np
from sklearn.utils.validation import check_scalar

from skestimators.utils._optional import import_optional


def curve_of(activation, inputs, n_points):
    """Compute a function and its derivative over the range of its inputs.

    Parameters
    ----------
    activation : torch.nn.Module or callable
        The function, from tensor to tensor. It is left as it is.

    inputs : array-like or torch.Tensor
        What it is fed with, of any shape.

    n_points : int
        At how many points to compute it.

    Returns
    -------
    curve : dict of ndarray
        The parameters `inputs`, `grid`, `values` and `derivative` of
        :class:`ActivationDisplay`, in float64.

    Raises
    ------
    ValueError
        If there are no inputs, or one is not a finite number; if the function changes
        the shape; if `n_points` is below 2.

    TypeError
        If the function cannot be called, or does not return a tensor.

    ImportError
        If torch is not installed.
    """
    check_scalar(n_points, "n_points", Integral, min_val=2)
    torch = import_optional("torch", extra="torch", caller="ActivationDisplay")
    if isinstance(inputs, torch.Tensor):
        inputs = inputs.detach().cpu().double().numpy()
    inputs = _check_inputs(inputs)
    low, high = np.quantile(inputs, [0.001, 0.999])
    # A network that feeds its activation with one value only still has a plot.
    margin = 0.05 * (high - low) or 1.0
    grid = np.linspace(low - margin, high + margin, n_points)
    values, derivative = _values_and_derivative(activation, grid, torch)
    return {"inputs": inputs, "grid": grid, "values": values, "derivative": derivative}


def _check_inputs(inputs):
    """Return the inputs as one row of finite float64."""
    inputs = np.asarray(inputs, dtype=float).reshape(-1)
    if not inputs.size:
        raise ValueError("inputs is empty: it must hold at least one value.")
    wrong = np.flatnonzero(~np.isfinite(inputs))
    if wrong.size:
        raise ValueError(
            f"inputs must be finite numbers, got {inputs[wrong[0]]} at index "
            f"{wrong[0]} of the flattened array; {wrong.size} of {inputs.size} values "
            f"are not finite."
        )
    return inputs


def _values_and_derivative(activation, grid, torch):
    """Return a function and its derivative on a grid, in float64."""
    if not callable(activation):
        raise TypeError(
            f"activation must be a torch module or a callable, got "
            f"{type(activation).__name__}."
        )
    if isinstance(activation, torch.nn.Module):
        # To the CPU first, for some devices have no float64.
        activation = deepcopy(activation).cpu().double().eval().requires_grad_(False)
    x = torch.tensor(grid, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        # A clone, for some activations work in place, which no leaf allows.
        y = activation(x.clone())
        if not isinstance(y, torch.Tensor):
            raise TypeError(
                f"activation must return a torch tensor, got {type(y).__name__}."
            )
        if y.shape != x.shape:
            raise ValueError(
                f"activation must keep the shape of its input, but turned "
                f"{tuple(x.shape)} into {tuple(y.shape)}."
            )
        # From a constant alone, no way would lead back to the input.
        (slope,) = torch.autograd.grad((y + 0 * x).sum(), x)
    return y.detach().double().numpy(), slope.numpy()
