import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from scipy.stats import binom
from sklearn.base import clone
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skestimators.inspection import SkillScoreDisplay
from skestimators.metrics import heidke_skill_score, true_skill_statistic

BANDS = ("tss_low", "tss_high", "hss_low", "hss_high", "prob_true_low")


@pytest.fixture(autouse=True)
def _close_figures():
    backend = mpl.get_backend()
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend(backend)


def regions(n_regions=50, frames=8, seed=0):
    """Return labels, probabilities and groups; frames of a region are nearly equal."""
    rng = np.random.default_rng(seed)
    strength = rng.normal(-0.5, 1.5, n_regions)
    flares = rng.uniform(size=n_regions) < expit(strength)
    groups = np.repeat(np.arange(n_regions), frames)
    noise = rng.normal(0, 0.2, len(groups))
    return flares[groups].astype(int), expit(strength[groups] + noise), groups


Y, P, GROUPS = regions()
DISPLAY = {"groups": GROUPS, "n_bootstraps": 200, "random_state": 0}


def from_predictions(y=Y, p=P, **params):
    return SkillScoreDisplay.from_predictions(y, p, **{**DISPLAY, **params})


def widths(display):
    return np.sum(display.tss_high - display.tss_low)


@pytest.mark.parametrize("weighted", [False, True])
def test_scores_are_those_of_the_metrics_at_every_threshold(weighted):
    # Probabilities of two digits lie on thresholds, too.
    p = P.round(2)
    weight = np.random.default_rng(1).uniform(size=len(Y)) if weighted else None
    display = from_predictions(p=p, sample_weight=weight)
    assert_array_equal(display.thresholds, np.linspace(0, 1, 101).round(2))
    for k, threshold in enumerate(display.thresholds):
        args = Y, (p >= threshold).astype(int)
        tss = true_skill_statistic(*args, sample_weight=weight)
        hss = heidke_skill_score(*args, sample_weight=weight)
        assert_allclose([display.tss[k], display.hss[k]], [tss, hss], atol=1e-12)


def test_known_answer():
    display = SkillScoreDisplay.from_predictions(
        *([1, 1, 1, 1, 0, 0], [0.9, 0.8, 0.5, 0.2, 0.6, 0.1]),
        **{"thresholds": [0.5, 0.55, 1.0], "random_state": 0},
    )
    assert_allclose(display.tss, [0.25, 0, 0])
    assert_allclose(display.hss, [0.25, 0, 0], atol=1e-15)
    assert display.best_tss_threshold == display.best_hss_threshold == 0.5


def test_thresholds_are_those_of_scikit_learn():
    X = P[:, None].round(1)
    model = LogisticRegression().fit(X, Y)
    tuned = FixedThresholdClassifier(model, threshold=model.predict_proba(X)[0, 1])
    predicted = tuned.fit(X, Y).predict(X)
    display = SkillScoreDisplay.from_estimator(
        model, X, Y, groups=GROUPS, n_bootstraps=20
    )
    score = display.at(tuned.threshold)["score"]
    assert score["tss"] == pytest.approx(true_skill_statistic(Y, predicted))
    assert score["hss"] == pytest.approx(heidke_skill_score(Y, predicted))


def test_scores_at_one_threshold_are_those_of_the_curves():
    display = from_predictions()
    scores = display.at(0.3)
    assert list(scores.index) == ["tss", "hss"]
    k = 30
    for name in ("tss", "hss"):
        ends = [getattr(display, name + end)[k] for end in ("", "_low", "_high")]
        assert_allclose(scores.loc[name, ["score", "low", "high"]], ends, atol=1e-12)
    between = display.at(1 / 3)
    assert between.loc["tss", "score"] == pytest.approx(
        true_skill_statistic(Y, P >= 1 / 3)
    )


def test_whole_groups_are_resampled():
    clustered = from_predictions()
    rows = from_predictions(groups=None)
    assert_array_equal(clustered.tss, rows.tss)
    # Eight equal frames say what one does: the width of the band goes with its root.
    assert 2 < widths(clustered) / widths(rows) < 3.5
    one_frame = from_predictions(Y[::8], P[::8], groups=None)
    assert widths(clustered) == pytest.approx(widths(one_frame), rel=0.25)


def test_labels_of_groups_do_not_matter_nor_whether_their_rows_are_together():
    expected = from_predictions()
    names = np.array([f"AR {number:03d}" for number in GROUPS])
    display = from_predictions(groups=list(names))
    for name in BANDS:
        assert_array_equal(getattr(display, name), getattr(expected, name))
    # One frame of each region after another: the groups are still met in order.
    order = np.argsort(np.arange(len(Y)) % 8, kind="stable")
    display = from_predictions(Y[order], P[order], groups=GROUPS[order])
    for name in BANDS:
        assert_allclose(getattr(display, name), getattr(expected, name), atol=1e-12)


def test_interval_covers_the_truth(monkeypatch):
    monkeypatch.setattr(SkillScoreDisplay, "plot", lambda self, ax: self)
    y, p, _ = regions(200_000, 1)
    truth = true_skill_statistic(y, p >= 0.4)
    covered = {True: 0, False: 0}
    for seed in range(1, 201):
        y, p, groups = regions(60, 8, seed)
        for clustered in covered:
            scores = from_predictions(
                *(y, p),
                **{"groups": groups if clustered else None, "n_bins": 1},
                **{"thresholds": [0.4, 1], "random_state": seed},
            ).at(0.4)
            low, high = scores.loc["tss", ["low", "high"]]
            covered[clustered] += low <= truth <= high
    # Of 200, with a standard error of 3 to 4 where the level is right.
    assert covered[True] >= 180
    assert covered[False] <= 140


@pytest.mark.parametrize("level", [0.5, 0.95])
def test_band_is_that_of_the_binomial_distribution(level):
    # More resamples than are drawn at once.
    display = from_predictions(
        groups=None, n_bins=1, n_bootstraps=6000, confidence_level=level
    )
    low, high = binom(len(Y), Y.mean()).interval(level)
    assert_allclose(display.prob_true_low * len(Y), low, atol=1.5)
    assert_allclose(display.prob_true_high * len(Y), high, atol=1.5)


def test_random_state_decides_the_bands():
    first, second, other = (from_predictions(random_state=s) for s in (3, 3, 4))
    for name in BANDS:
        assert_array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(first.tss_low, other.tss_low)
    pd.testing.assert_frame_equal(first.at(0.2), second.at(0.2))


@pytest.mark.parametrize("strategy", ["uniform", "quantile"])
def test_reliability_is_that_of_scikit_learn(strategy):
    display = from_predictions(strategy=strategy, n_bins=6)
    filled = display.counts > 0
    expected = calibration_curve(Y, P, n_bins=6, strategy=strategy)
    assert_allclose(display.prob_true[filled], expected[0])
    assert_allclose(display.prob_pred[filled], expected[1])
    assert display.counts.sum() == len(Y)
    assert len(display.bin_edges) == 7
    assert np.all(display.prob_true_low[filled] <= display.prob_true[filled])
    assert np.all(display.prob_true[filled] <= display.prob_true_high[filled])


def test_bins_that_say_nothing_have_no_band():
    p = [0.1, 0.1, 0.2, 0.5, 0.5, 0.9, 0.9]
    display = SkillScoreDisplay.from_predictions(
        *([0, 1, 0, 0, 1, 1, 0], p),
        **{"groups": [1, 2, 3, 1, 1, 2, 3], "n_bins": 4, "random_state": 0},
    )
    assert_array_equal(display.counts, [3, 2, 0, 2])
    assert_allclose(display.prob_true, [1 / 3, 0.5, np.nan, 0.5])
    assert_array_equal(np.isnan(display.prob_true_low), [False, True, True, False])
    display.figure_.draw_without_rendering()


def test_weights_count_rows_and_zero_leaves_out():
    weight = np.random.default_rng(0).integers(0, 3, len(Y))
    repeated = np.repeat(np.arange(len(Y)), weight)
    by_weight = from_predictions(sample_weight=weight)
    by_rows = from_predictions(Y[repeated], P[repeated], groups=GROUPS[repeated])
    for name in (*BANDS, "tss", "hss", "prob_true", "prob_pred"):
        assert_allclose(getattr(by_weight, name), getattr(by_rows, name), atol=1e-12)
    assert by_weight.counts.sum() == np.count_nonzero(weight)


def test_resamples_without_a_class_are_left_out():
    y, p = np.zeros(30), np.linspace(0, 1, 30)
    y[-1] = 1
    display = SkillScoreDisplay.from_predictions(y, p, random_state=0)
    # (1 - 1 / 30) ** 30 = 0.36 of them.
    assert 300 < display.n_left_out < 420
    assert np.isfinite([display.tss_low, display.hss_high]).all()
    with pytest.raises(ValueError, match="None of the 1 resamples holds both classes"):
        SkillScoreDisplay.from_predictions(y, p, n_bootstraps=1, random_state=0)


def test_from_estimator_in_a_pipeline_on_strings():
    paths = np.array([f"{p:.4f}.fits" for p in P], dtype=object)
    y = np.where(Y == 1, "flare", "quiet")
    read = FunctionTransformer(lambda X: np.array([[float(x[:-5])] for x in X]))
    model = make_pipeline(read, StandardScaler(), LogisticRegression()).fit(paths, y)
    display = SkillScoreDisplay.from_estimator(
        model, paths, y, pos_label="flare", **DISPLAY
    )
    flare = model.predict_proba(paths)[:, 0]
    assert_array_equal(display.tss, from_predictions(y, flare, pos_label="flare").tss)
    assert display.name == "Pipeline"
    other = SkillScoreDisplay.from_estimator(model, paths, y, name="mine", **DISPLAY)
    assert other.pos_label == "quiet"
    assert other.name == "mine"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"p": np.where(np.arange(400) == 7, np.nan, P)}, "nan in row 7 .* 1 value"),
        ({"p": P + 0.5}, r"y_prob must hold probabilities.*outside \[0, 1\]"),
        ({"p": P - 0.5}, r"y_prob must hold probabilities.*outside \[0, 1\]"),
        ({"p": np.stack([1 - P, P], axis=1)}, "pass the column of the positive class"),
        ({"p": P[:-1]}, "y_true has 400 rows and y_prob 399"),
        ({"y": np.ones(400)}, r"rows of two classes.* holds \[1.0\]"),
        ({"y": np.arange(400) % 3}, "y_true must have two classes, got a multiclass"),
        ({"y": np.where(Y, "a", "b")}, "pass pos_label explicitly"),
        ({"y": np.where(Y, np.nan, 0)}, "y_true contains NaN"),
        ({"pos_label": 2}, "one of them pos_label=2"),
        ({"sample_weight": Y}, "where sample_weight is not 0"),
        ({"sample_weight": -P}, "Negative values"),
        ({"sample_weight": P[1:]}, "inconsistent numbers of samples"),
        ({"groups": GROUPS[1:]}, "inconsistent numbers of samples"),
        ({"groups": [None] + [1] * 399}, "groups has no label .* in row 0"),
        ({"groups": np.ones(400)}, "groups has one group only"),
        ({"thresholds": [0.5, 1.5]}, "thresholds must be"),
        ({"thresholds": [0.5, np.nan]}, "thresholds must be"),
        ({"thresholds": 1}, "thresholds == 1, must be >= 2"),
        ({"n_bootstraps": 0}, "n_bootstraps == 0"),
        ({"n_bins": 0}, "n_bins == 0"),
        ({"confidence_level": 95}, "confidence_level == 95"),
        ({"strategy": "kmeans"}, "strategy must be 'uniform' or 'quantile'"),
    ],
)
def test_bad_input_is_named(params, message):
    with pytest.raises(ValueError, match=message):
        from_predictions(**params)
    assert not plt.get_fignums()


def test_bad_threshold_and_bad_estimator():
    display = from_predictions()
    with pytest.raises(ValueError, match=r"threshold == 1\.5, must be <= 1"):
        display.at(1.5)
    with pytest.raises(ValueError, match="made without forecasts"):
        display.__class__(**{**vars_of(display), "forecasts": None}).at(0.5)
    X = P[:, None]
    with pytest.raises(ValueError, match="to be a binary classifier"):
        SkillScoreDisplay.from_estimator(Ridge().fit(X, Y), X, Y)
    three = clone(LogisticRegression()).fit(X, np.arange(400) % 3)
    with pytest.raises(ValueError, match="Got 3 classes"):
        SkillScoreDisplay.from_estimator(three, X, Y)


def vars_of(display):
    drawn = ("figure_", "axes_", "lines_", "bands_", "bars_", "bounding_ax_")
    return {name: value for name, value in vars(display).items() if name not in drawn}


def test_plot_shows_the_data():
    display = from_predictions(name="my model", confidence_level=0.9)
    assert_array_equal(display.lines_["tss"].get_ydata(), display.tss)
    assert_array_equal(display.lines_["hss"].get_xdata(), display.thresholds)
    filled = display.counts > 0
    reliability = display.lines_["reliability"]
    assert_array_equal(reliability.get_xdata(), display.prob_pred[filled])
    assert_array_equal(reliability.get_ydata(), display.prob_true[filled])
    assert [bar.get_height() for bar in display.bars_] == display.counts.tolist()
    corners = display.bands_["tss"].get_paths()[0].vertices
    assert_allclose(corners.max(axis=0), [1, display.tss_high.max()])
    assert_allclose(corners.min(axis=0), [0, display.tss_low.min()])
    best = display.best_tss_threshold
    legend = display.axes_["skill"].get_legend()
    assert legend.get_title().get_text() == "my model"
    assert legend.get_texts()[0].get_text() == (
        f"TSS, best {display.tss.max():.2f} at {best:.2g}"
    )
    texts = display.axes_["reliability"].get_legend().get_texts()
    assert texts[0].get_text() == "observed, with 90 % band"


def test_legends_and_labels_are_inside_the_figure_and_off_the_curves():
    display = from_predictions(name="my model")
    display.figure_.draw_without_rendering()
    whole = display.figure_.bbox
    for ax in display.axes_.values():
        box = ax.get_tightbbox()
        assert whole.x0 <= box.x0 < box.x1 <= whole.x1
        assert whole.y0 <= box.y0 < box.y1 <= whole.y1
        if ax.get_legend():
            assert ax.get_legend().get_window_extent().y0 >= ax.bbox.y1 - 1


def test_axes_that_are_given():
    display = from_predictions()
    figure, axes = plt.subplots(1, 2)
    assert display.plot(ax=axes) is display
    assert display.figure_ is figure
    assert [display.axes_["skill"], display.axes_["reliability"]] == list(axes)
    assert display.bounding_ax_ is None
    figure, ax = plt.subplots()
    display.plot(ax=ax, name="other")
    assert display.bounding_ax_ is ax
    assert not ax.axison
    assert set(display.axes_.values()) == set(figure.axes) - {ax}
    title = display.axes_["skill"].get_legend().get_title().get_text()
    assert title == "other"
    with pytest.raises(ValueError, match="two Axes, or one subplot"):
        display.plot(ax=figure.add_axes([0, 0, 1, 1]))


def test_curves_can_be_plotted_by_hand():
    made = from_predictions()
    display = SkillScoreDisplay(**vars_of(made)).plot()
    assert_array_equal(display.lines_["tss"].get_ydata(), made.tss)
