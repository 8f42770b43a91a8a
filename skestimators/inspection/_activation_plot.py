"""Draw the parts of the plot of an activation."""

import textwrap

import numpy as np
from sklearn.isotonic import isotonic_regression

# Okabe and Ito's colours, which no kind of colour blindness mixes up, darkest first.
_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_BACKGROUND = "0.88"
# In inches.
_FUNCTION_WIDTH, _EDGE_WIDTH = 5.2, 3.1
# Above this share of the height of the axes, the histogram would draw the eye.
_HISTOGRAM_HEIGHT = 0.5
# Names of lines are at least this many points apart.
_LABEL_GAP = 12
_FORMULA_SIZES = (14, 12, 10)
_TITLE_WIDTH, _TITLE_LINES = 46, 3


def new_figure(n_rows, n_cols, has_function):
    """Return an empty figure that has room for all parts.

    Parameters
    ----------
    n_rows, n_cols : int
        Rows and columns of edges; 0 if there are none.

    has_function : bool
        Whether the function is to be shown, too.

    Returns
    -------
    figure : matplotlib Figure
        The figure, which lays out its parts when it is drawn.
    """
    from matplotlib import pyplot as plt

    width = _FUNCTION_WIDTH * has_function + _EDGE_WIDTH * n_cols
    height = max(4.2 * has_function, 0.5 + 1.9 * n_rows, 2.6)
    return plt.figure(figsize=(width, height), layout="constrained")


def places_of_parts(figure, ax, n_rows, n_cols, has_function):
    """Divide the place among function and edges.

    Parameters
    ----------
    figure : matplotlib Figure
        The figure to draw in.

    ax : matplotlib Axes or None
        Axes whose place to take; None for the whole figure.

    n_rows, n_cols : int
        Rows and columns of edges; 0 if there are none.

    has_function : bool
        Whether the function is to be shown, too.

    Returns
    -------
    ax : matplotlib Axes or None
        Axes for the function, if it is to be shown.

    grid : matplotlib GridSpecFromSubplotSpec or None
        Where the edges go, if there are any.

    Raises
    ------
    ValueError
        If the axes are to be divided and are not a subplot.
    """
    if not n_cols:
        return (figure.add_subplot() if ax is None else ax), None
    if ax is None:
        spec = figure.add_gridspec(1, 1)[0]
    else:
        spec = ax.get_subplotspec()
        if spec is None:
            raise ValueError(
                "ax must be a subplot, for its place to be divided among edges: make "
                "it with plt.subplots, or plot what='function' only."
            )
        ax.set_axis_off()
    has_layout = figure.get_layout_engine() is not None
    # Room for the names of lines, which else would reach into the next axes.
    spaces = {} if has_layout else {"wspace": 1.0, "hspace": 0.4}
    if not has_function:
        return None, spec.subgridspec(n_rows, n_cols, **spaces)
    left, right = spec.subgridspec(
        *(1, 2),
        width_ratios=[_FUNCTION_WIDTH, _EDGE_WIDTH * n_cols],
        wspace=None if has_layout else 0.45,
    )
    return figure.add_subplot(left), right.subgridspec(n_rows, n_cols, **spaces)


def draw_function(ax, display, *, show_relu):
    """Draw a function and its derivative before the histogram of its inputs.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.

    display : ActivationDisplay
        What to draw.

    show_relu : bool
        Whether to add the function max(x, 0).

    Returns
    -------
    line, derivative_line, relu_line : matplotlib Line2D
        The curves; the last may be None.

    histogram : matplotlib StepPatch
        The histogram.
    """
    from matplotlib.lines import Line2D

    grid, values, derivative = display.grid, display.values, display.derivative
    histogram = _draw_histogram(ax, display.inputs, grid)
    ax.axhline(0, color="0.7", linewidth=0.8, zorder=0.5)
    relu_line = None
    (line,) = ax.plot(grid, values, color=_COLORS[0], linewidth=2.2, label="function")
    derivative_line = Line2D(
        grid,
        derivative,
        color=_COLORS[1],
        linewidth=1.6,
        linestyle="--",
        label="derivative",
    )
    # As artists, these two do not stretch the axes: a pole of the derivative would
    # press the function flat, and so would ReLU if the function is bounded.
    ax.add_artist(derivative_line)
    if show_relu:
        relu_line = Line2D(
            grid,
            np.maximum(grid, 0),
            color="0.35",
            linewidth=1,
            linestyle=":",
            label="ReLU",
        )
        ax.add_artist(relu_line)
    for limit in _derivative_limits(values, derivative):
        ax.update_datalim([(grid[0], limit)])
    ax.margins(x=0)
    ax.autoscale_view()
    ax.set_xlabel("Input of the activation")
    handles = [line, derivative_line, relu_line, histogram]
    _draw_legend_and_title(ax, [h for h in handles if h is not None], display)
    return line, derivative_line, relu_line, histogram


def _draw_histogram(ax, inputs, grid):
    from matplotlib.patches import StepPatch

    n_bins = int(np.clip(np.sqrt(len(inputs)), 5, 60))
    counts, bins = np.histogram(inputs, bins=n_bins, range=(grid[0], grid[-1]))
    histogram = StepPatch(
        _HISTOGRAM_HEIGHT * counts / max(counts.max(), 1),
        bins,
        fill=True,
        facecolor=_BACKGROUND,
        edgecolor="none",
        zorder=0,
        label="inputs",
        transform=ax.get_xaxis_transform(),
    )
    return ax.add_artist(histogram)


def _derivative_limits(values, derivative):
    """Return the range to show of a derivative: all of it, but for high poles."""
    values, derivative = (a[np.isfinite(a)] for a in (values, derivative))
    if not derivative.size:
        return ()
    common = np.concatenate([values, np.quantile(derivative, [0.05, 0.95])])
    low, high = common.min(), common.max()
    margin = 0.5 * (high - low)
    return np.clip([derivative.min(), derivative.max()], low - margin, high + margin)


def _draw_legend_and_title(ax, handles, display):
    # Above the axes, for there is no corner that every function leaves free.
    style = {
        "handles": handles,
        "loc": "lower center",
        "bbox_to_anchor": (0.5, 1),
        "frameon": False,
        "borderaxespad": 0.2,
        "handlelength": 1.6,
        "handletextpad": 0.5,
        "columnspacing": 1.2,
    }
    legend = ax.legend(ncols=len(handles), **style)
    if legend.get_window_extent().width > 1.2 * ax.bbox.width:
        legend = ax.legend(ncols=2, **style)
    pad = 6 + legend.get_window_extent().height * 72 / ax.figure.dpi
    if display.expression_latex and _formula_fits(ax, display.expression_latex, pad):
        return
    lines = textwrap.wrap(
        display.expression or "",
        width=_TITLE_WIDTH,
        max_lines=_TITLE_LINES,
        placeholder=" …",
    )
    ax.set_title("\n".join(lines), fontsize="medium", parse_math=False, pad=pad)


def _formula_fits(ax, formula, pad):
    """Set a formula as title, as large as fits, and return whether any size does."""
    for size in _FORMULA_SIZES:
        # From its bottom, for fractions reach far below the line.
        title = ax.set_title(
            f"${formula}$", fontsize=size, va="bottom", parse_math=True, pad=pad
        )
        try:
            width = title.get_window_extent().width
        except ValueError:
            # This is how matplotlib says that it does not understand the formula.
            return False
        if width <= 1.1 * ax.bbox.width:
            return True
    return False


def draw_edges(grid, weights, operations, chosen, n_strongest):
    """Draw the weights of the operations of each edge over time.

    Parameters
    ----------
    grid : matplotlib GridSpecFromSubplotSpec
        Where to draw, with a cell for each edge.

    weights : dict of ndarray of shape (n_epochs + 1, n_operations)
        The weights by edge.

    operations : dict of tuple of str
        The names of the operations by edge.

    chosen : dict of str
        The operation that was chosen, by edge.

    n_strongest : int
        How many operations have colours and names.

    Returns
    -------
    axes : dict of matplotlib Axes
        The axes by edge.

    lines : dict of list of matplotlib Line2D
        The curves by edge.
    """
    figure, n_cols = grid.figure, grid.ncols
    axes, lines = {}, {}
    for i, (edge, curves) in enumerate(weights.items()):
        first = next(iter(axes.values()), None)
        ax = figure.add_subplot(grid[divmod(i, n_cols)], sharex=first)
        names = operations[edge]
        chosen_one = names.index(chosen[edge])
        lines[edge] = _draw_edge(ax, curves, names, chosen_one, n_strongest)
        ax.set_title(edge, loc="left", fontsize="medium")
        if i % n_cols == 0:
            ax.set_ylabel("Weight")
        if i + n_cols < len(weights):
            ax.tick_params(labelbottom=False)
        else:
            ax.set_xlabel("Search epoch")
        axes[edge] = ax
    return axes, lines


def _draw_edge(ax, weights, names, chosen, n_strongest):
    from matplotlib.ticker import MaxNLocator

    strongest = np.argsort(-weights[-1], kind="stable")[:n_strongest]
    strongest = [k for k in strongest if weights[-1, k] > 0]
    if chosen not in strongest:
        strongest[-1] = chosen
    # The line of an operation that was dropped ends there.
    shown = np.where(weights > 0, weights, np.nan)
    epochs = np.arange(len(weights))
    lines = []
    for k, name in enumerate(names):
        rank = strongest.index(k) if k in strongest else None
        (line,) = ax.plot(
            epochs, shown[:, k], label=name, **_line_style(rank, k == chosen)
        )
        lines.append(line)
    # From 0, for weights that hardly differ to look so.
    ax.set_ylim(0, 1.1 * weights.max())
    ax.margins(x=0)
    ax.xaxis.set_major_locator(
        MaxNLocator("auto", integer=True, min_n_ticks=1, steps=[1, 2, 5, 10])
    )
    ax.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    ax.ticklabel_format(axis="y", useOffset=False)
    ax.spines[["top", "right"]].set_visible(False)
    _name_lines(ax, [lines[k] for k in strongest], lines[chosen])
    return lines


def _line_style(rank, is_chosen):
    """Return how the line of an operation looks, by its rank among the strongest."""
    if rank is None:
        return {"color": "0.8", "linewidth": 0.8, "zorder": 1}
    style = {
        "color": _COLORS[rank],
        "marker": "o",
        "markevery": [-1],
        "clip_on": False,
        "zorder": 4 - 0.1 * rank,
    }
    if is_chosen:
        return {**style, "markersize": 6, "linewidth": 2.2, "zorder": 5}
    return {**style, "markersize": 4, "linewidth": 1.4}


def _name_lines(ax, lines, chosen):
    """Write the names of lines at their ends, that of the chosen one in bold."""
    low, high = ax.get_ylim()
    heights = [(line.get_ydata()[-1] - low) / (high - low) for line in lines]
    points = 72 * ax.get_window_extent().height / ax.figure.dpi
    gap = min(_LABEL_GAP / points, 1 / len(lines))
    for line, height in zip(lines, _apart(heights, gap), strict=True):
        ax.annotate(
            line.get_label(),
            xy=(1, height),
            xycoords="axes fraction",
            xytext=(7, 0),
            textcoords="offset points",
            va="center",
            color=line.get_color(),
            fontsize="small",
            fontweight="bold" if line is chosen else "normal",
        )


def _apart(heights, gap):
    """Move descending heights as little as needed for names at them not to overlap."""
    gaps = gap * np.arange(len(heights))
    # Without the gaps that are due, heights need only be in order, within the axes.
    ordered = isotonic_regression(
        heights + gaps, y_min=gaps[-1], y_max=1, increasing=False
    )
    return ordered - gaps
