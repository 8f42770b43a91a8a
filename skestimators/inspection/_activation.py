"""The plot of an activation that was searched for."""

from numbers import Integral

import numpy as np
from scipy.special import softmax
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted, check_scalar

from skestimators.inspection._activation_curve import curve_of
from skestimators.inspection._activation_plot import (
    draw_edges,
    draw_function,
    new_figure,
    places_of_parts,
)
from skestimators.utils._optional import import_optional

_FITTED = ("activation_", "activation_inputs_", "alphas_", "operations_")


class ActivationDisplay:
    """Plot of an activation function and of the search that found it.

    One part shows the function and its derivative over the range that a network feeds
    it, before the histogram of these inputs, whose scale is not shown. The other part
    shows, for each edge of the search space, the weights of its operations after each
    epoch of the search. Those that are strongest at the end have colours and names,
    the others are grey. The chosen one is bold.

    Use :meth:`from_estimator` or :meth:`from_activation` to make one. All parameters
    are stored as attributes.

    Parameters
    ----------
    inputs : ndarray of shape (n_inputs,)
        Values that the activation was fed with.

    grid : ndarray of shape (n_points,)
        Where the function is shown, in ascending order.

    values : ndarray of shape (n_points,)
        The function at each of these points.

    derivative : ndarray of shape (n_points,)
        Its derivative there.

    weights : dict of ndarray of shape (n_epochs + 1, n_operations), default=None
        For each edge, the weights of its operations before the search and after each
        epoch. A weight of 0 is that of an operation that was dropped. None if there was
        no search.

    operations : dict of tuple of str, default=None
        For each edge, the names of its operations. None if there was no search.

    chosen : dict of str, default=None
        For each edge, the name of the operation that was chosen. None takes the
        strongest at the end.

    expression : str, default=None
        The function as plain text, for the title.

    expression_latex : str, default=None
        The same as LaTeX, without dollar signs. The title shows it in place of the text
        if matplotlib understands it and it is not too wide.

    Attributes
    ----------
    line_ : matplotlib Line2D or None
        The function. This and the next three are None where the function is not shown.

    derivative_line_ : matplotlib Line2D or None
        The derivative.

    relu_line_ : matplotlib Line2D or None
        The function max(x, 0), if it is shown.

    histogram_ : matplotlib StepPatch or None
        The histogram of the inputs. Heights are shares of that of the axes.

    weight_lines_ : dict of list of matplotlib Line2D
        For each edge that is shown, the weights of its operations, in their order.

    ax_ : matplotlib Axes or None
        Axes with the function, if it is shown.

    weight_axes_ : dict of matplotlib Axes
        Axes of each edge that is shown.

    bounding_ax_ : matplotlib Axes or None
        Axes that were given and whose place the weights took or share.

    figure_ : matplotlib Figure
        Figure that holds them.

    See Also
    --------
    ActivationDisplay.from_estimator : Plot what a fitted estimator found.
    ActivationDisplay.from_activation : Plot any activation function.

    References
    ----------
    .. [1] P. Ramachandran, B. Zoph and Q. V. Le, "Searching for Activation Functions",
       arXiv:1710.05941, 2017, figures 2, 4 and 7.

    Examples
    --------
    >>> import numpy as np
    >>> from skestimators.inspection import ActivationDisplay
    >>> grid = np.linspace(-3, 3)
    >>> display = ActivationDisplay(
    ...     inputs=np.random.default_rng(0).normal(size=500),
    ...     grid=grid,
    ...     values=np.sin(grid),
    ...     derivative=np.cos(grid),
    ...     weights={"unary1": np.array([[0.5, 0.5], [0.4, 0.6], [0.3, 0.7]])},
    ...     operations={"unary1": ("tanh", "sin")},
    ...     expression="sin(x)",
    ... )
    >>> display.plot().ax_.get_title()
    'sin(x)'
    >>> [line.get_label() for line in display.weight_lines_["unary1"]]
    ['tanh', 'sin']
    """

    def __init__(
        self,
        *,
        inputs,
        grid,
        values,
        derivative,
        weights=None,
        operations=None,
        chosen=None,
        expression=None,
        expression_latex=None,
    ):
        self.inputs = inputs
        self.grid = grid
        self.values = values
        self.derivative = derivative
        self.weights = weights
        self.operations = operations
        self.chosen = chosen
        self.expression = expression
        self.expression_latex = expression_latex

    def plot(self, *, what="both", show_relu=True, n_strongest=3, n_cols=2, ax=None):
        """Plot the function, the weights over time, or both.

        Parameters
        ----------
        what : {"both", "function", "weights"}, default="both"
            What to plot. If there are no weights, `"both"` shows the function.

        show_relu : bool, default=True
            Whether to add the function max(x, 0), for comparison.

        n_strongest : int, default=3
            How many operations of each edge have colours and names, at most 6.

        n_cols : int, default=2
            The largest number of edges side by side.

        ax : matplotlib Axes, default=None
            Axes to plot on. If None, a new figure is made, as large as the number of
            edges asks for. If edges are shown, the axes must be a subplot: their place
            is divided, and they are kept without content. Figures with a constrained
            layout have room for all names.

        Returns
        -------
        display : ActivationDisplay
            The display itself, with the attributes of a plot.

        Raises
        ------
        ValueError
            If `what` is none of the above, or `"weights"` while there are none; if a
            number is out of range; if edges are shown and `ax` is not a subplot.

        TypeError
            If `n_strongest` or `n_cols` is not a whole number.

        ImportError
            If matplotlib is not installed.
        """
        import_optional("matplotlib", extra="plot", caller="ActivationDisplay")
        if what not in ("both", "function", "weights"):
            raise ValueError(
                f"what must be 'both', 'function' or 'weights', got {what!r}."
            )
        if what == "weights" and not self.weights:
            raise ValueError("what='weights', but this display has no weights.")
        check_scalar(n_strongest, "n_strongest", Integral, min_val=1, max_val=6)
        check_scalar(n_cols, "n_cols", Integral, min_val=1)
        edges = {} if what == "function" else self.weights or {}
        n_rows = -(-len(edges) // n_cols)
        # As even as can be: four edges in two rows of two, never three and one.
        n_cols = -(-len(edges) // n_rows) if edges else 0
        has_function = what != "weights"
        self.figure_ = (
            new_figure(n_rows, n_cols, has_function) if ax is None else ax.figure
        )
        self.ax_, grid = places_of_parts(self.figure_, ax, n_rows, n_cols, has_function)
        self.bounding_ax_ = None if self.ax_ is ax else ax
        self.line_ = self.derivative_line_ = self.relu_line_ = self.histogram_ = None
        if has_function:
            artists = draw_function(self.ax_, self, show_relu=show_relu)
            self.line_, self.derivative_line_, self.relu_line_ = artists[:3]
            self.histogram_ = artists[3]
        self.weight_axes_, self.weight_lines_ = {}, {}
        if edges:
            chosen = self.chosen or {
                edge: self.operations[edge][weights[-1].argmax()]
                for edge, weights in edges.items()
            }
            self.weight_axes_, self.weight_lines_ = draw_edges(
                grid, edges, self.operations, chosen, n_strongest
            )
        return self

    @classmethod
    def from_estimator(
        cls,
        estimator,
        *,
        n_points=501,
        what="both",
        show_relu=True,
        n_strongest=3,
        n_cols=2,
        ax=None,
    ):
        """Plot the activation that an estimator found, and its search.

        Parameters
        ----------
        estimator : estimator instance
            A fitted :class:`~skestimators.neural_network.ActivationSearchNet`; a fitted
            :class:`~sklearn.pipeline.Pipeline` that ends with one; or a fitted search
            over one of these, such as :class:`~sklearn.model_selection.GridSearchCV`,
            whose best estimator is shown.

        n_points : int, default=501
            At how many points to compute the function. They are evenly spaced, from the
            0.1 % to the 99.9 % quantile of the inputs and a little beyond.

        what : {"both", "function", "weights"}, default="both"
            What to plot.

        show_relu : bool, default=True
            Whether to add the function max(x, 0), for comparison.

        n_strongest : int, default=3
            How many operations of each edge have colours and names, at most 6.

        n_cols : int, default=2
            The largest number of edges side by side.

        ax : matplotlib Axes, default=None
            Axes to plot on. If None, a new figure is made. If edges are shown, the axes
            must be a subplot: their place is divided.

        Returns
        -------
        display : ActivationDisplay
            The plotted display.

        Raises
        ------
        NotFittedError
            If the estimator is not fitted.

        TypeError
            If it is no ActivationSearchNet and does not end with one.

        ValueError
            As in :meth:`plot`, or if `n_points` is below 2.

        ImportError
            If matplotlib or torch is not installed.

        Notes
        -----
        The inputs are those in the estimator's attribute `activation_inputs_`, from
        rows that it was trained on.

        Examples
        --------
        >>> from sklearn.datasets import load_iris
        >>> from skestimators import ActivationDisplay, ActivationSearchNet, UnaryEdge
        >>> net = ActivationSearchNet(
        ...     UnaryEdge(operations=["relu", "tanh"]),
        ...     search_epochs=2,
        ...     max_epochs=5,
        ...     random_state=0,
        ... )
        >>> net.fit(*load_iris(return_X_y=True))
        ActivationSearchNet(...)
        >>> display = ActivationDisplay.from_estimator(net)
        >>> display.weights["unary1"].shape
        (3, 2)
        """
        model = _found_by(estimator)
        display = cls(
            **curve_of(model.activation_, model.activation_inputs_, n_points),
            weights={
                edge: softmax(np.asarray(alphas, dtype=float), axis=1)
                for edge, alphas in model.alphas_.items()
            },
            operations=dict(model.operations_),
            chosen=dict(model.chosen_),
            expression=model.expression_,
            expression_latex=model.expression_latex_,
        )
        return display.plot(
            what=what,
            show_relu=show_relu,
            n_strongest=n_strongest,
            n_cols=n_cols,
            ax=ax,
        )

    @classmethod
    def from_activation(
        cls,
        activation,
        inputs,
        *,
        expression=None,
        expression_latex=None,
        n_points=501,
        show_relu=True,
        ax=None,
    ):
        """Plot any activation function and its derivative.

        Parameters
        ----------
        activation : torch.nn.Module or callable
            Takes a torch tensor and returns one of the same shape, each value of which
            depends on one value only. It is left as it is: a module is copied, and the
            copy computes in float64, in evaluation mode.

        inputs : array-like or torch.Tensor
            Values that it is fed with, of any shape.

        expression : str, default=None
            The function as plain text, for the title. None stands for the name of the
            class or function.

        expression_latex : str, default=None
            The same as LaTeX, without dollar signs.

        n_points : int, default=501
            At how many points to compute the function. They are evenly spaced, from the
            0.1 % to the 99.9 % quantile of the inputs and a little beyond.

        show_relu : bool, default=True
            Whether to add the function max(x, 0), for comparison.

        ax : matplotlib Axes, default=None
            Axes to plot on. If None, a new figure is made.

        Returns
        -------
        display : ActivationDisplay
            The plotted display.

        Raises
        ------
        ValueError
            If there are no inputs, or one is not a finite number; if the activation
            changes the shape; if `n_points` is below 2.

        TypeError
            If the activation cannot be called, or does not return a tensor.

        ImportError
            If matplotlib or torch is not installed.

        Examples
        --------
        >>> import numpy as np
        >>> import torch
        >>> from skestimators.inspection import ActivationDisplay
        >>> inputs = np.random.default_rng(0).normal(size=1000)
        >>> display = ActivationDisplay.from_activation(torch.nn.SiLU(), inputs)
        >>> display.ax_.get_title()
        'SiLU'
        """
        if expression is None:
            expression = getattr(activation, "__name__", type(activation).__name__)
        display = cls(
            **curve_of(activation, inputs, n_points),
            expression=expression,
            expression_latex=expression_latex,
        )
        return display.plot(what="function", show_relu=show_relu, ax=ax)


def _found_by(estimator):
    """Return the fitted ActivationSearchNet within pipelines and searches."""
    check_is_fitted(estimator)
    model = estimator
    while isinstance(model, Pipeline) or hasattr(model, "best_estimator_"):
        model = model[-1] if isinstance(model, Pipeline) else model.best_estimator_
    missing = [name for name in _FITTED if not hasattr(model, name)]
    if missing:
        raise TypeError(
            f"{type(model).__name__} has no attribute {missing[0]}. Pass a fitted "
            f"ActivationSearchNet, a Pipeline that ends with one, or a search over one "
            f"of these with refit=True."
        )
    return model
