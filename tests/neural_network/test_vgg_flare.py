"""VGGFlareClassifier: what it does about images and labels that it cannot use."""

import numpy as np
import pytest
from feature_extraction.vgg_files import draw_layers, write_legacy
from PIL import Image

from skestimators import MagnetogramReader, VGGFlareClassifier
from skestimators.feature_extraction._vgg_engine import Engine
from skestimators.neural_network._vgg_flare_network import n_stored_layers, skill


@pytest.fixture
def paths(tmp_path, monkeypatch):
    """Twelve images of six regions, and a network that sees their mean only."""

    def run(engine, images):
        features = np.zeros((len(images), *engine.output_shape((224, 224))), np.float32)
        features.reshape(len(images), -1)[:, 0] = images.mean((1, 2, 3)) / 100
        return features

    monkeypatch.setattr(Engine, "_run", run)
    paths = []
    for number in range(12):
        folder = tmp_path / f"{11000 + number // 2}"
        folder.mkdir(exist_ok=True)
        path = folder / f"{number}.png"
        pixels = np.full((224, 224), 20 * number, dtype=np.uint8)
        Image.fromarray(pixels).save(path)
        paths.append(str(path))
    return paths


Y = np.repeat([0, 1, 0, 1, 0, 1], 2)


def make_classifier(**params):
    return VGGFlareClassifier("random", random_state=0, **params)


def test_class_without_a_readable_image_is_an_error(paths):
    broken = np.where(Y, paths, "none.png")
    with (
        pytest.raises(ValueError, match="None of the images of class 0 can be read"),
        pytest.warns(UserWarning, match="6 of 12 image files cannot be read"),
    ):
        make_classifier(early_stopping=False).fit(broken, Y)


def test_what_is_held_out_is_chosen_among_the_readable(paths):
    broken = list(paths)
    classifier = make_classifier(validation_fraction=0.4)
    for row in range(6):
        broken[row] = f"{paths[row]}.none.png"
        with pytest.warns(UserWarning, match=f"{row + 1} of 12 .* left out"):
            classifier.fit(broken, Y)
        assert list(classifier.unreadable_["row"]) == list(range(row + 1))
        assert len(classifier.history_["valid_tss"]) == classifier.n_iter_


def test_unreadable_images_weigh_nothing(paths):
    classifier = make_classifier(early_stopping=False, class_weight="balanced")
    expected = classifier.fit(paths, Y).predict_proba(paths)
    lost = [f"{path}.lost.png" for path in paths]
    with pytest.warns(UserWarning, match="12 of 24 image files cannot be read"):
        classifier.fit([*paths, *lost], [*Y, *np.ones(12)])
    np.testing.assert_allclose(classifier.predict_proba(paths), expected, atol=1e-6)


def _epochs_without_improvement(classifier, tol):
    """Return how long it had not become better when it ended."""
    n_without, best = 0, (-np.inf, -np.inf)
    for tss, loss in zip(
        classifier.history_["valid_tss"], classifier.history_["valid_loss"], strict=True
    ):
        now = (tss, -loss)
        better = tss > best[0] + tol or (tss == best[0] and -loss > best[1] + tol)
        n_without, best = (0 if better else n_without + 1), max(best, now)
    return n_without


@pytest.mark.parametrize(("learning_rate", "tol"), [(0.3, 0.0), (0.1, 0.0), (0.3, 0.6)])
def test_patience_counts_epochs_without_better_skill_or_loss(learning_rate, tol, paths):
    params = {"max_epochs": 200, "n_iter_no_change": 3, "validation_fraction": 0.4}
    classifier = make_classifier(**params, learning_rate=learning_rate, tol=tol)
    classifier.fit(paths, Y)
    assert classifier.n_iter_ < 200
    assert _epochs_without_improvement(classifier, tol) == 3


def test_unreadable_image_gets_the_shares_of_the_classes(paths):
    classifier = make_classifier(early_stopping=False).fit(paths, Y, np.where(Y, 3, 1))
    with pytest.warns(UserWarning, match=r"none\.png.*as likely as `class_prior_`"):
        proba = classifier.predict_proba([*paths[:2], "none.png"])
    np.testing.assert_allclose(proba[2], [0.25, 0.75])
    np.testing.assert_array_equal(proba[:2], classifier.predict_proba(paths[:2]))


def test_warnings_point_to_the_line_of_the_user(paths):
    with pytest.warns(UserWarning, match=r"\(weights='random'\)|cannot") as caught:
        make_classifier(early_stopping=False).fit([*paths, "none.png"], [*Y, 0])
    assert len(caught) == 2
    assert {warning.filename for warning in caught} == {__file__}


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed"),
        ([*Y[:-1], np.nan], "NaN, first in row 11"),
        ([*["quiet"] * 11, None], r"no label .* in row 11"),
        (np.zeros(12), "one class"),
        (Y[:-1], "inconsistent"),
        (np.linspace(0, 1, 12), "Unknown label type"),
        (np.eye(12), "1d array"),
    ],
)
def test_bad_labels_are_named(y, message, paths):
    with pytest.raises(ValueError, match=message):
        make_classifier().fit(paths, y)


def test_regions_by_path_are_not_forced_on_the_user(paths):
    one_region, y = paths[:2], [0, 1]
    with pytest.raises(ValueError, match=r"all images are of region 11000.*groups"):
        make_classifier(validation_fraction=0.5).fit(one_region, y)
    with pytest.raises(ValueError, match=r"no region in 'a\.png'.*groups"):
        make_classifier().fit([*paths, "a.png"], [*Y, 1])
    make_classifier(early_stopping=False).fit(one_region, y)
    four = [path for path in paths[:2] for _ in range(2)]
    classifier = make_classifier(validation_fraction=0.5)
    classifier.fit(four, [0, 0, 1, 1], groups=[1, 2, 3, 4])
    assert not np.isnan(classifier.history_["valid_tss"]).any()


def test_best_epoch_is_that_of_the_highest_skill(paths):
    classifier = make_classifier(
        max_epochs=30, n_iter_no_change=30, learning_rate=0.3, validation_fraction=0.4
    ).fit(paths, Y)
    tss = np.array(classifier.history_["valid_tss"])
    assert tss.max() > tss.min()
    # The same run, ended after the best epoch, of which the last counts among equals
    # with the smallest loss.
    loss = np.array(classifier.history_["valid_loss"])
    best = min(np.flatnonzero(tss == tss.max()), key=lambda epoch: loss[epoch])
    shorter = make_classifier(
        max_epochs=int(best) + 1, learning_rate=0.3, validation_fraction=0.4
    ).fit(paths, Y)
    np.testing.assert_array_equal(
        classifier.predict_proba(paths), shorter.predict_proba(paths)
    )


def test_skill_is_pooled_over_batches_and_weighted():
    import torch

    y = torch.tensor([0, 0, 1, 1])
    logits = torch.tensor([[2.0, 0], [0, 2], [0, 2], [2, 0]])
    weight = torch.tensor([1.0, 1.0, 3.0, 1.0])
    halves = [slice(0, 1), slice(1, 4)]
    targets = [(y[half], weight[half], weight[half]) for half in halves]
    # Sensitivity 3/4, specificity 1/2.
    assert skill([logits[half] for half in halves], targets) == pytest.approx(0.25)
    assert np.isnan(skill([logits[:2]], [(y[:2], weight[:2], weight[:2])]))


def test_what_is_stored_is_never_larger_than_the_image():
    stored = [n_stored_layers(k) for k in range(1, 17)]
    assert stored == [15, 14, 13, 12, 11, 10] + 10 * [0]


def test_lack_of_later_layers_is_found_before_images_are_read(paths, tmp_path):
    path = write_legacy(tmp_path / "notop.h5", draw_layers(13))

    def run(engine, images):
        raise AssertionError("images were read")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_run", run)
        with pytest.raises(ValueError, match="no layer fc1"):
            VGGFlareClassifier(path, trainable_layers=3).fit(paths, Y)


@pytest.mark.parametrize("cache", [None, "features.db"])
def test_an_error_that_is_asked_for_comes_at_once(cache, paths, tmp_path, monkeypatch):
    n_runs, run = 0, Engine._run

    def count(engine, images):
        nonlocal n_runs
        n_runs += 1
        return run(engine, images)

    monkeypatch.setattr(Engine, "_run", count)
    reader = MagnetogramReader(on_unreadable="error")
    cache = cache and tmp_path / cache
    many = [*paths, "11999/none.png", *paths * 10]
    classifier = make_classifier(reader=reader, cache=cache)
    with pytest.raises(ValueError, match=r"row 12 \('11999/none.png'\)"):
        classifier.fit(many, [*Y, 0, *Y.tolist() * 10])
    assert n_runs == 0
    assert not hasattr(classifier, "network_")


def test_one_bad_file_in_a_thousand_does_not_end_the_run(paths):
    many, y = [*paths * 83, *paths[:4]], [*Y.tolist() * 83, *Y[:4]]
    many[617] = f"{many[617]}.lost.png"
    with pytest.warns(UserWarning, match=r"1 of 1000 .* row 617 .*no such file"):
        classifier = make_classifier(max_epochs=1, validation_fraction=0.4).fit(many, y)
    assert classifier.unreadable_["row"].tolist() == [617]


def test_no_readable_image_at_all_names_the_first(tmp_path):
    lost = [f"{11000 + number}/lost.png" for number in range(8)]
    with (
        pytest.raises(ValueError, match=r"None of the images can.*row 0 \('11000/lost"),
        pytest.warns(UserWarning, match="8 of 8 image files"),
    ):
        make_classifier(validation_fraction=0.5).fit(lost, [0, 1] * 4)


def test_one_class_held_out_is_said(paths):
    y = np.repeat([0, 0, 0, 0, 0, 1], 2)
    with pytest.warns(UserWarning, match="held out are of one class"):
        classifier = make_classifier(validation_fraction=0.2).fit(paths, y)
    assert np.isnan(classifier.history_["valid_tss"]).all()
