"""Draw the parts of the plot of skill scores."""

import numpy as np

# Okabe and Ito's colours, which no kind of colour blindness mixes up.
_TSS_COLOR, _HSS_COLOR, _RELIABILITY_COLOR = "#0072B2", "#D55E00", "#009E73"
_REFERENCE = {"color": "0.45", "linewidth": 1, "linestyle": ":"}
# Marks at 0 and 1 are seen whole.
_LIMITS = (-0.03, 1.03)
# In inches, and as a share of the height that remains.
_GAP, _STRIP = 0.15, "30%"


def new_axes(ax):
    """Return axes for the two parts.

    Parameters
    ----------
    ax : matplotlib Axes, array-like of two Axes, or None
        What the user passed.

    Returns
    -------
    skill, reliability : matplotlib Axes
        Axes of the parts.

    bounding_ax : matplotlib Axes or None
        The subplot that was divided among them.

    Raises
    ------
    ValueError
        If `ax` is neither a subplot nor two axes.
    """
    from matplotlib import pyplot as plt

    if ax is None:
        _, (skill, reliability) = plt.subplots(
            ncols=2, figsize=(7.5, 4), layout="constrained"
        )
        return skill, reliability, None
    if np.size(ax) == 2:
        return *np.ravel(ax), None
    spec = ax.get_subplotspec() if hasattr(ax, "get_subplotspec") else None
    if spec is None:
        raise ValueError(
            "ax must be two Axes, or one subplot, whose place is divided: make them "
            "with plt.subplots."
        )
    ax.set_axis_off()
    left, right = spec.subgridspec(1, 2)
    return ax.figure.add_subplot(left), ax.figure.add_subplot(right), ax


def draw_skill(ax, display, name):
    """Draw the scores against the threshold.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.

    display : SkillScoreDisplay
        What to draw.

    name : str or None
        Title of the legend.

    Returns
    -------
    lines, bands : dict
        The artists of each score.
    """
    thresholds, lines, bands = display.thresholds, {}, {}
    for score, color, style in (("tss", _TSS_COLOR, "-"), ("hss", _HSS_COLOR, "--")):
        values = getattr(display, score)
        low, high = getattr(display, f"{score}_low"), getattr(display, f"{score}_high")
        bands[score] = ax.fill_between(
            thresholds, low, high, color=color, alpha=0.2, linewidth=0
        )
        best = int(np.argmax(values))
        (lines[score],) = ax.plot(
            thresholds,
            values,
            color=color,
            linestyle=style,
            linewidth=1.8,
            marker="o",
            markevery=[best],
            label=f"{score.upper()}, best {values[best]:.2f} at {thresholds[best]:.2g}",
        )
    ax.axhline(0, **_REFERENCE)
    lowest = min(display.tss_low.min(), display.hss_low.min(), 0)
    ax.set(
        xlim=_LIMITS,
        ylim=(lowest - 0.03, _LIMITS[1]),
        xlabel="Probability threshold",
        ylabel="Skill score (1 = perfect)",
    )
    _legend_above(ax, list(lines.values()), title=name)
    return lines, bands


def draw_reliability(ax, display):
    """Draw the reliability diagram, and the number of forecasts beneath it.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.

    display : SkillScoreDisplay
        What to draw.

    Returns
    -------
    parts : dict
        The artists, and the axes with the number of forecasts.
    """
    (diagonal,) = ax.plot([0, 1], [0, 1], **_REFERENCE, label="perfectly reliable")
    filled = display.counts > 0
    x = display.prob_pred[filled]
    band = ax.fill_between(
        x,
        display.prob_true_low[filled],
        display.prob_true_high[filled],
        color=_RELIABILITY_COLOR,
        alpha=0.2,
        linewidth=0,
    )
    (line,) = ax.plot(
        x,
        display.prob_true[filled],
        color=_RELIABILITY_COLOR,
        linewidth=1.8,
        marker="s",
        markersize=4,
        label=f"observed, with {100 * display.confidence_level:g} % band",
    )
    ax.set(xlim=_LIMITS, ylim=_LIMITS, ylabel="Observed frequency")
    ax.tick_params(labelbottom=False)
    _legend_above(ax, [line, diagonal])
    counts, bars = _draw_counts(ax, display)
    return {
        "lines": {"reliability": line, "diagonal": diagonal},
        "bands": {"reliability": band},
        "bars": bars,
        "counts": counts,
    }


def _draw_counts(ax, display):
    from mpl_toolkits.axes_grid1 import make_axes_locatable

    # Cut from the place of the axes, whatever the figure's layout.
    strip = make_axes_locatable(ax).append_axes("bottom", _STRIP, _GAP, sharex=ax)
    bars = strip.bar(
        display.bin_edges[:-1],
        display.counts,
        width=np.diff(display.bin_edges),
        align="edge",
        color="0.7",
        edgecolor="white",
        linewidth=0.5,
    )
    strip.set_xlabel("Forecast probability")
    strip.set_ylabel("Forecasts", fontsize="small")
    # Of rare events, nearly all forecasts are in the first bin.
    strip.set_yscale("log")
    strip.set_ylim(0.7, 2 * display.counts.max())
    return strip, bars


def _legend_above(ax, handles, title=None):
    ax.legend(
        handles=handles,
        title=title,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        frameon=False,
        alignment="left",
        fontsize="small",
    )
