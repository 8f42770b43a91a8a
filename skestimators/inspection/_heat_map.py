"""Draw the parts of the heat map of a student's knowledge."""

import numpy as np

_LABEL_LENGTH = 32

# Black and white show on every colour. The cross, a line, needs a white rim for that.
_MARKERS = {
    "correct": {"marker": "o", "facecolors": "black", "edgecolors": "white"},
    "wrong": {"marker": "o", "facecolors": "white", "edgecolors": "black"},
    "unknown": {"marker": "x", "color": "black"},
}


def new_axes(mastery, skill_names):
    """Return axes in a new figure.

    Parameters
    ----------
    mastery : ndarray of shape (n_interactions, n_skills)
        What is to be shown. It has large cells if it is small.

    skill_names : list of str
        Labels of the skills, which need room, too.

    Returns
    -------
    ax : matplotlib Axes
        The axes; the figure lays them out when it is drawn.
    """
    from matplotlib import pyplot as plt

    n_interactions, n_skills = mastery.shape
    label_width = 0.08 * max(len(_shorten(name)) for name in skill_names)
    width = label_width + 2 + np.clip(0.25 * n_interactions, 4, 12)
    height = 1.2 + np.clip(0.33 * n_skills, 1.2, 13)
    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    return ax


def draw_heat_map(ax, mastery, skill_names, *, cmap, colorbar):
    """Draw the probabilities.

    Parameters
    ----------
    ax : matplotlib Axes
        Where to draw.

    mastery : ndarray of shape (n_interactions, n_skills)
        The probabilities.

    skill_names : list of str
        Labels of the skills.

    cmap : str or matplotlib Colormap
        Colours from 0 to 1.

    colorbar : bool
        Whether to add a colour bar.

    Returns
    -------
    image : matplotlib AxesImage
        The heat map, skills from top to bottom and interactions from 1.
    """
    from matplotlib.ticker import MaxNLocator

    n_interactions, n_skills = mastery.shape
    image = ax.imshow(
        mastery.T,
        cmap=cmap,
        vmin=0,
        vmax=1,
        aspect="auto",
        interpolation="nearest",
        extent=(0.5, n_interactions + 0.5, n_skills - 0.5, -0.5),
    )
    if colorbar:
        bar = ax.figure.colorbar(image, ax=ax, pad=0.02)
        bar.set_label("Probability of\na correct answer")
    # Dollar signs in a name are no formula.
    ax.set_yticks(range(n_skills), map(_shorten, skill_names), parse_math=False)
    ax.set_yticks(np.arange(1, n_skills) - 0.5, minor=True)
    ax.tick_params(axis="y", which="minor", left=False)
    ax.grid(visible=False)
    ax.grid(visible=True, which="minor", axis="y", color="white", linewidth=1)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    ax.set_ylabel("Skill")
    return image


def _shorten(name):
    """Cut a long name in the middle, for names often differ only at their ends."""
    name = " ".join(name.split())
    if len(name) <= _LABEL_LENGTH:
        return name
    half = (_LABEL_LENGTH - 1) // 2
    return f"{name[: _LABEL_LENGTH - 1 - half].rstrip()}…{name[-half:].lstrip()}"


def draw_markers(ax, asked, response):
    """Mark the answers.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes with the heat map.

    asked : ndarray of bool of shape (n_interactions, n_skills)
        Whether the interaction was about the skill.

    response : ndarray of shape (n_interactions,)
        1, 0 or NaN.

    Returns
    -------
    markers : dict of matplotlib PathCollection
        The marks by kind of answer.
    """
    from matplotlib import patheffects

    kinds = {
        "correct": response == 1,
        "wrong": response == 0,
        "unknown": np.isnan(response),
    }
    cell = min(ax.bbox.size / asked.shape) * 72 / ax.figure.dpi
    diameter = np.clip(0.55 * cell, 3.5, 8)
    markers = {}
    for kind, chosen in kinds.items():
        interaction, skill = np.nonzero(asked & chosen[:, None])
        markers[kind] = ax.scatter(
            interaction + 1,
            skill,
            s=diameter**2,
            linewidths=diameter / 6,
            label=kind,
            **_MARKERS[kind],
        )
    rim = patheffects.withStroke(linewidth=diameter / 2, foreground="white")
    markers["unknown"].set_path_effects([rim])
    return markers


def draw_legend(ax, markers, *, one_line):
    """Label the axis of interactions and explain the marks.

    Both are below the axes, for a title may come above.

    Parameters
    ----------
    ax : matplotlib Axes
        Axes with the marks.

    markers : dict of matplotlib PathCollection
        The marks by kind of answer.

    one_line : bool
        Whether to put them side by side, if the axes are wide enough.
    """
    from matplotlib.transforms import ScaledTranslation

    def anchor():
        below = (ax.xaxis.get_tightbbox().y0 - ax.bbox.y0) / ax.figure.dpi
        return ax.transAxes + ScaledTranslation(0, below, ax.figure.dpi_scale_trans)

    beside = anchor()
    label = ax.xaxis.label
    ax.set_xlabel("Interaction", loc="left")
    kinds = [k for k in markers if k != "unknown" or len(markers[k].get_offsets())]
    legend = ax.legend(
        handles=[markers[kind] for kind in kinds],
        ncols=len(kinds),
        loc="upper right",
        bbox_to_anchor=(1, 0),
        bbox_transform=beside,
        markerscale=6 / np.sqrt(markers["correct"].get_sizes()[0]),
        frameon=False,
        borderpad=0,
        borderaxespad=0.4,
        handletextpad=0.1,
        columnspacing=1,
    )
    if not one_line or legend.get_window_extent().x0 < label.get_window_extent().x1:
        legend.set_bbox_to_anchor((1, 0), anchor())
