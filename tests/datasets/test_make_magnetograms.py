"""Simulated magnetograms: their files, their physics and what can be learnt."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from skestimators.datasets import make_magnetograms, read_flare_table
from skestimators.metrics import true_skill_statistic
from skestimators.preprocessing import active_region_groups

pillow = pytest.importorskip("PIL.Image")
fits = pytest.importorskip("astropy.io.fits")

SMALL = {"n_regions": 3, "n_frames": 2, "image_shape": (48, 64), "random_state": 0}


def read_png(path):
    with pillow.open(path) as image:
        return np.asarray(image)


def read_fits(path):
    with warnings.catch_warnings(), fits.open(path) as hdus:
        warnings.simplefilter("ignore")
        return np.array(hdus[1].data)


@pytest.fixture(scope="module")
def regions(tmp_path_factory):
    return make_magnetograms(
        tmp_path_factory.mktemp("regions"),
        n_regions=120,
        n_frames=2,
        image_shape=(112, 112),
        file_format="fits",
        random_state=0,
    )


def test_table_gives_back_paths_labels_and_groups(tmp_path):
    made = make_magnetograms(tmp_path / "new" / "folder", **SMALL)
    table = read_flare_table(made.csv, tmp_path / "new" / "folder")
    assert_array_equal(table.paths, made.paths)
    assert_array_equal(table.labels, made.labels)
    assert_array_equal(table.groups, made.groups)
    assert_array_equal(active_region_groups(made.paths), made.groups)
    assert made.labels.dtype == made.groups.dtype == np.int64
    assert all(Path(path).is_file() for path in made.paths)
    assert made.paths[3] == str(tmp_path / "new/folder/11002/11002_0001.png")
    assert len(made.unsigned_flux) == len(made.complexity) == len(made.longitude) == 6


def test_formats_show_the_same_field(tmp_path):
    made = {
        name: make_magnetograms(tmp_path / name, file_format=name, **SMALL)
        for name in ("png", "fits", "compressed_fits")
    }
    for png, plain, packed in zip(*(b.paths for b in made.values()), strict=True):
        field = read_fits(plain)
        assert_array_equal(read_fits(packed), field)
        assert field.shape == (48, 64)
        assert_allclose(field * 10, np.rint(field * 10), atol=1e-6)
        grey = (np.nan_to_num(field) + 5978.7) / (2 * 5978.7) * 255
        image = read_png(png)
        assert image.dtype == np.uint8
        assert_allclose(image, grey, atol=0.51)
    assert_array_equal(made["png"].labels, made["fits"].labels)


def test_compressed_files_are_like_those_of_sharp(tmp_path, real_data):
    real = real_data("hmi.sharp_cea_720s.377.20110215_020000_TAI.magnetogram.fits")
    made = make_magnetograms(tmp_path, file_format="compressed_fits", **SMALL)
    cards = []
    for path in (made.paths[0], real):
        data = Path(path).read_bytes()
        assert b"R_VALUE = nan       " in data
        with fits.open(path, disable_image_compression=True) as hdus:
            names = ("ZCMPTYPE", "ZBITPIX", "BSCALE", "BZERO", "BLANK", "BUNIT")
            cards.append([len(hdus), *(hdus[1].header[name] for name in names)])
    assert cards[0] == cards[1]


def test_field_limit_is_white(tmp_path):
    weak = make_magnetograms(tmp_path / "weak", field_limit=500.0, **SMALL)
    plain = make_magnetograms(tmp_path / "fits", file_format="fits", **SMALL)
    grey = read_png(weak.paths[0])
    field = read_fits(plain.paths[0])
    assert (field > 500).any()
    assert (grey[field > 500] == 255).all()
    assert (grey[field < -500] == 0).all()


def test_random_state_determines_everything(tmp_path):
    first, same, more, other = (
        make_magnetograms(tmp_path / str(i), **(SMALL | change))
        for i, change in enumerate([{}, {}, {"n_regions": 5}, {"random_state": 1}])
    )
    for key in ("labels", "unsigned_flux", "complexity"):
        assert_array_equal(first[key], same[key])
    for i in range(6):
        pixels = Path(first.paths[i]).read_bytes()
        assert pixels == Path(same.paths[i]).read_bytes()
        assert pixels == Path(more.paths[i]).read_bytes()
        assert pixels != Path(other.paths[i]).read_bytes()


@pytest.mark.parametrize(("share", "count"), [(0.25, 10), (0.5, 20), (0.01, 0)])
def test_share_of_flares_is_exact(tmp_path, share, count):
    made = make_magnetograms(
        tmp_path, **(SMALL | {"n_regions": 20, "flare_share": share})
    )
    assert made.labels.sum() == count


def test_off_the_limb_there_is_no_field(regions):
    beyond = [np.isnan(read_fits(path)).mean() for path in regions.paths]
    # Half the image is 112 Mm wide, and the Sun's radius 696 Mm.
    near = np.abs(regions.longitude) > 62
    far = np.abs(regions.longitude) < 40
    assert near.any()
    assert far.any()
    assert np.all(np.array(beyond)[near] > 0)
    assert np.all(np.array(beyond)[far] == 0)


def test_the_sun_turns_and_flux_emerges(regions):
    turn = np.diff(regions.longitude.reshape(-1, 2))
    assert_allclose(turn, 13.2 / 2, rtol=1e-6)
    front = (np.abs(regions.longitude).reshape(-1, 2) < 40).all(axis=1)
    flux = regions.unsigned_flux.reshape(-1, 2)[front]
    assert np.median(flux[:, 1] / flux[:, 0]) > 1.1


def test_many_frames_stay_in_sight(tmp_path):
    made = make_magnetograms(
        tmp_path, n_regions=1, n_frames=60, image_shape=(8, 8), random_state=0
    )
    assert np.all(np.abs(made.longitude) <= 72 + 1e-6)
    assert np.all(np.diff(made.longitude) > 0)


def test_flux_is_balanced_and_as_large_as_on_the_sun(regions):
    assert np.quantile(regions.unsigned_flux, 0.1) > 1e21
    assert np.quantile(regions.unsigned_flux, 0.9) < 2e23
    field = np.stack([read_fits(path) for path in regions.paths])
    front = field[np.abs(regions.longitude) < 30]
    assert np.abs(front.sum(axis=(1, 2)) / np.abs(front).sum(axis=(1, 2))).mean() < 0.3
    assert 1500 < np.abs(front).max() < 4000


def test_polarities_follow_hale_and_joy(regions):
    """What leads, to the west, goes by hemisphere and is nearer the equator."""
    axis = np.arange(112) - 55.5
    leads, tilts = [], []
    simple = (regions.complexity < 0.1) & (np.abs(regions.longitude) < 40)
    for path in regions.paths[simple]:
        field = np.nan_to_num(read_fits(path))
        field[np.abs(field) < 100] = 0
        moment = np.array([(field * axis).sum(), (field * axis[:, None]).sum()])
        moment /= np.abs(field).sum()
        leads.append(np.sign(moment[0]))
        tilts.append(moment[1] * np.sign(moment[0]))
    leads, tilts = np.array(leads), np.array(tilts)
    assert 0.2 < (leads > 0).mean() < 0.8
    # Positive leads in the north only: there, the leading spot is south.
    assert tilts[leads > 0].mean() < 0 < tilts[leads < 0].mean()


def test_noise_doubles_towards_the_limb(tmp_path):
    quiet, noisy = (
        make_magnetograms(
            tmp_path / str(noise),
            n_regions=20,
            n_frames=1,
            image_shape=(64, 64),
            noise=noise,
            file_format="fits",
            random_state=0,
        )
        for noise in (0.0, 10.0)
    )
    spread = []
    for clean, path in zip(quiet.paths, noisy.paths, strict=True):
        spread.append(np.nanstd(read_fits(path) - read_fits(clean)))
    order = np.argsort(np.abs(noisy.longitude))
    spread = np.array(spread)[order]
    assert 10 < spread[:3].mean() < 13
    assert 14 < spread[-3:].mean() < 20


def test_structure_tells_flares_and_total_flux_does_not(regions):
    skill = {}
    seen = {"flux": np.log(regions.unsigned_flux), "complexity": regions.complexity}
    for name, column in seen.items():
        model = LogisticRegression(class_weight="balanced")
        predicted = cross_val_predict(
            model,
            column[:, None],
            regions.labels,
            groups=regions.groups,
            cv=GroupKFold(5),
        )
        skill[name] = true_skill_statistic(regions.labels, predicted)
    assert 0.6 < skill["complexity"] < 0.9
    assert -0.1 < skill["flux"] < 0.4


def test_frames_of_a_region_share_more_than_complexity_tells(tmp_path):
    """So that a split that parts them claims too much."""
    made = make_magnetograms(
        tmp_path, n_regions=150, n_frames=6, image_shape=(8, 8), random_state=0
    )
    X = made.complexity[:, None]
    model = LogisticRegression(class_weight="balanced").fit(X, made.labels)
    residual = made.labels - model.predict_proba(X)[:, 1]
    parts = residual.reshape(150, 6)
    first, rest = parts[:, 0], parts[:, 1:].mean(axis=1)
    assert np.corrcoef(first, rest)[0, 1] > 0.15


def test_folder_with_content_is_refused(tmp_path):
    (tmp_path / "labels.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"folder='.*' is not empty"):
        make_magnetograms(tmp_path, **SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]
    assert (tmp_path / "labels.csv").read_text() == "mine"


@pytest.mark.parametrize("image_shape", [(64,), (64, 64, 3), (64, 0), (64, 1.5)])
def test_bad_image_shape_is_refused(tmp_path, image_shape):
    with pytest.raises(ValueError, match="image_shape must be two positive integers"):
        make_magnetograms(tmp_path / "new", image_shape=image_shape)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("module", "file_format"), [("PIL.Image", "png"), ("astropy.io.fits", "fits")]
)
def test_missing_package_is_named(tmp_path, monkeypatch, module, file_format):
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(ImportError, match=r"make_magnetograms needs .*\[solar\]"):
        make_magnetograms(tmp_path / "new", file_format=file_format)
    assert not (tmp_path / "new").exists()
