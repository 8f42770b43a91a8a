"""Solar flares: from magnetograms to whether an active region will erupt."""

import tempfile
import warnings

import numpy as np
from line import (
    N_JOBS,
    compare,
    draw_scores,
    fill_store,
    held_out,
    plt,
    save,
    say,
    strongest,
)
from PIL import Image
from scipy.ndimage import gaussian_filter, maximum_filter
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from table import Result

from skestimators import (
    SkillScoreDisplay,
    VGGEmbedder,
    VGGFlareClassifier,
    make_magnetograms,
    tss_scorer,
)

PIPELINE = "VGG16 on magnetograms"
FLUX, INVERSION = "regression on the flux", "regression on Schrijver's R"
# Weaker fields are noise, in gauss; what is near an inversion line, in pixels.
NOISE, REACH = 150, 4
# What is white in the images, and where they are cut in the figure; gauss.
FIELD_LIMIT, SHOWN_LIMIT = 5978.7, 800


def run(output):
    """Forecast flares of active regions that were left out."""
    with tempfile.TemporaryDirectory() as folder:
        sun = make_magnetograms(folder, n_regions=60, n_frames=4, random_state=0)
        say(
            "The weights of VGG16 are random here, so that the demo runs offline: do "
            "not expect it to see more than R, the flux near lines where the polarity "
            "changes, which is made for this."
        )
        warnings.filterwarnings("ignore", message="VGG.*untrained")
        network = {
            "weights": "random",
            "cache": output / "features.sqlite",
            "n_jobs": N_JOBS,
            "random_state": 0,
        }
        embedder = VGGEmbedder(**network, verbose=1)
        fill_store(
            network["cache"],
            len(sun.paths),
            "images",
            lambda: embedder.fit_transform(sun.paths),
        )
        results = compare_models(network, sun)
        figure = draw(results, sun)
    baseline = strongest(results, PIPELINE)
    return Result(
        pipeline=PIPELINE,
        metric="TSS",
        left_out="regions",
        scores=results[PIPELINE]["test_score"],
        baseline=baseline,
        baseline_scores=results[baseline]["test_score"],
        figure=save(figure, output / "flares.png"),
    )


def compare_models(network, sun):
    """Cross-validate the network, and regressions on what physicists measure."""
    say("True skill statistic (0: no skill, 1: perfect) of active regions left out")
    vgg = VGGFlareClassifier(
        **network, max_epochs=30, class_weight="balanced", validation_fraction=0.2
    )
    regression = make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced")
    )
    return compare(
        {
            FLUX: (regression, np.log10(sun.unsigned_flux)[:, np.newaxis]),
            INVERSION: (regression, np.log10([[near_inversion(p)] for p in sun.paths])),
            PIPELINE: (vgg.set_fit_request(groups=True), sun.paths),
        },
        sun.labels,
        cv=StratifiedGroupKFold(5, shuffle=True, random_state=0),
        groups=sun.groups,
        scoring=tss_scorer,
    )


def read_field(path):
    """Return the field of a magnetogram, in gauss."""
    return (np.asarray(Image.open(path)) / 127.5 - 1) * FIELD_LIMIT


def near_inversion(path):
    """Return R of Schrijver (2007), up to a factor: the flux near inversion lines."""
    field = read_field(path)
    near = [maximum_filter(1.0 * (s * field > NOISE), 5) for s in (1, -1)]
    line = gaussian_filter(near[0] * near[1], REACH)
    # Where there is none, the logarithm is that of little.
    return 100 + (line * np.abs(field)).sum()


def draw(results, sun):
    """Draw images, the scores, and the skill against the threshold."""
    probability = held_out(
        results[PIPELINE],
        lambda model, rows: model.predict_proba(sun.paths[rows])[:, 1],
        len(sun.paths),
    )
    figure = plt.figure(figsize=(15, 8), layout="constrained")
    figure.suptitle(
        "Which active regions are about to flare? "
        "Simulated magnetograms: white field points to us, black away",
        fontweight="bold",
    )
    above, below = figure.subfigures(2, height_ratios=[2, 3])
    draw_images(above, sun, probability)
    left, middle, right = below.subplots(1, 3)
    draw_scores(left, results, "true skill statistic", pipeline=PIPELINE)
    SkillScoreDisplay.from_predictions(
        sun.labels,
        probability,
        groups=sun.groups,
        name="VGG16",
        n_bins=5,
        ax=[middle, right],
        random_state=0,
    )
    return figure


def draw_images(figure, sun, probability):
    """Show three regions that flare and three that do not, at their last image."""
    last = np.flatnonzero(np.append(sun.groups[1:] != sun.groups[:-1], True))
    shown = [*last[sun.labels[last] == 1][:3], *last[sun.labels[last] == 0][:3]]
    for ax, i in zip(figure.subplots(1, 6), shown, strict=True):
        ax.imshow(
            read_field(sun.paths[i]),
            cmap="gray",
            vmin=-SHOWN_LIMIT,
            vmax=SHOWN_LIMIT,
            origin="lower",
        )
        ax.set(xticks=[], yticks=[])
        what = "flares" if sun.labels[i] else "stays quiet"
        ax.set_title(f"{sun.groups[i]} {what}\nforecast {probability[i]:.0%}")
