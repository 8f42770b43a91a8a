import hashlib
import inspect
import io
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from sklearn.model_selection import GroupKFold
from sklearn.utils import Bunch

from skestimators import datasets
from skestimators.datasets import (
    _fetch_assistments,
    _fetch_beta_lactamase,
    _fetch_flare_tables,
    _fetch_robot_failures,
    fetch_assistments2009,
    fetch_beta_lactamase,
    fetch_flare_tables,
    fetch_robot_failures,
    make_force_torque,
    make_magnetograms,
    make_protein_landscape,
    make_student_responses,
)
from skestimators.preprocessing import MutantSequenceBuilder

FASTA = b">0|beta-lactamase_K2K|1.5\nMK\n>1|beta-lactamase_M1V|-2e-3\nVK\n"
TRAIN, TEST = b"2\n7,12\n1,0\n1\n7\n1\n", b"1\n3\n0\n"
ROWS = b"\t-1\t-1\t63\t-3\t-1\t0\n" * 15
FAILURES = b"normal\n" + ROWS + b"\n\ncollision\n" + ROWS


@pytest.fixture
def publish(server, monkeypatch):
    """Return a function that serves contents in the place of a file."""

    def publish(file, content):
        name = file.url.rpartition("/")[2]
        server.files[name] = content
        sha256 = hashlib.sha256(content).hexdigest() if file.sha256 else None
        return replace(file, url=server.url(name), sha256=sha256, members={})

    return publish


@pytest.fixture
def beta_lactamase(publish, monkeypatch):
    file = publish(_fetch_beta_lactamase.FILE, FASTA)
    monkeypatch.setattr(_fetch_beta_lactamase, "FILE", file)


@pytest.fixture
def assistments(publish, monkeypatch):
    files = _fetch_assistments.FILES
    contents = {"train": TRAIN, "test": TEST}
    files = {name: publish(files[name], contents[name]) for name in files}
    monkeypatch.setattr(_fetch_assistments, "FILES", files)


def make_zip(**members):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.data", content)
    return packed.getvalue()


@pytest.fixture
def robot_failures(publish, monkeypatch):
    left = FAILURES.replace(b"normal", b"left_col")
    content = make_zip(
        lp1=FAILURES, lp2=left, lp3=b"normal\n1 2\n", lp4=FAILURES, lp5=FAILURES
    )
    file = publish(_fetch_robot_failures.FILE, content)
    monkeypatch.setattr(_fetch_robot_failures, "FILE", file)


def test_beta_lactamase(beta_lactamase, tmp_path):
    variants = fetch_beta_lactamase(data_home=tmp_path)
    assert variants.data.tolist() == ["K2K", "M1V"]
    assert variants.target.tolist() == [1.5, -2e-3]
    assert variants.sequences.tolist() == ["MK", "VK"]
    assert variants.groups.tolist() == [2, 1]
    assert variants.wild_type == "MK"
    assert variants.frame is None
    assert "Gray" in variants.DESCR
    data, target = fetch_beta_lactamase(data_home=tmp_path, return_X_y=True)
    assert data.tolist() == variants.data.tolist()
    assert target.tolist() == variants.target.tolist()


@pytest.mark.parametrize("as_frame", [False, True])
def test_beta_lactamase_looks_like_the_simulation(beta_lactamase, tmp_path, as_frame):
    real = fetch_beta_lactamase(data_home=tmp_path, as_frame=as_frame)
    simulated = make_protein_landscape(2, length=5, as_frame=as_frame)
    for name in ("data", "target", "frame", "feature_names", "target_names"):
        assert type(real[name]) is type(simulated[name])
        assert np.shape(real[name]) == np.shape(simulated[name])
    if as_frame:
        assert real.frame.columns.tolist() == simulated.frame.columns.tolist()
        assert real.frame.dtypes.tolist() == simulated.frame.dtypes.tolist()


def test_assistments(assistments, server, tmp_path):
    train = fetch_assistments2009(data_home=tmp_path)
    assert train.frame["student"].tolist() == [0, 0, 1]
    assert train.frame["skill"].tolist() == ["7", "12", "7"]
    assert train.frame["response"].tolist() == [1, 0, 1]
    test = fetch_assistments2009(data_home=tmp_path, subset="test")
    assert test.frame["skill"].tolist() == ["3"]
    both = fetch_assistments2009(data_home=tmp_path, subset="all").frame
    assert both["student"].tolist() == [0, 0, 1, test.frame["student"].item()]
    assert both["skill"].tolist() == ["7", "12", "7", "3"]
    assert both.index.tolist() == [0, 1, 2, 3]
    assert len(server.requests) == 2
    simulated = make_student_responses(2, n_interactions=3)
    assert both.columns.tolist() == simulated.frame.columns.tolist()
    assert set(train) <= set(simulated)


def test_robot_failures(robot_failures, server, tmp_path):
    failures = fetch_robot_failures(data_home=tmp_path)
    assert failures.data.shape == (2, 15, 6)
    assert failures.data[0, 0].tolist() == [-1, -1, 63, -3, -1, 0]
    assert failures.target.tolist() == ["normal", "collision"]
    assert failures.target_names == ["collision", "normal"]
    assert "LP1: failures in approach to grasp" in failures.DESCR
    X, y = fetch_robot_failures(subset="lp2", data_home=tmp_path, return_X_y=True)
    assert X.shape == (2, 15, 6)
    assert y.tolist() == ["left_col", "collision"]
    assert len(server.requests) == 1
    names = make_force_torque(2, grid_size=1).feature_names
    assert failures.feature_names == names[-6:]


def test_robot_failures_of_a_bad_table(robot_failures, tmp_path):
    with pytest.raises(ValueError, match=r"failures.zip, lp3.data, line 2"):
        fetch_robot_failures(subset="lp3", data_home=tmp_path)


def test_robot_failures_that_are_not_all_there(server, monkeypatch, tmp_path):
    file = _fetch_robot_failures.FILE
    monkeypatch.setattr(
        _fetch_robot_failures, "FILE", replace(file, members={"lp1.data": None})
    )
    path = tmp_path.joinpath(*file.name.split("/"))
    path.parent.mkdir()
    path.write_bytes(make_zip(lp2=FAILURES))
    with pytest.raises(OSError, match=r"failures.zip is not used: .* named lp1.data"):
        fetch_robot_failures(data_home=tmp_path)


def test_robot_failures_of_a_checksum_that_the_user_knows(robot_failures, tmp_path):
    with pytest.raises(OSError, match="should be 00"):
        fetch_robot_failures(data_home=tmp_path, sha256="00")
    fetch_robot_failures(data_home=tmp_path)
    path = tmp_path / "robot_failures" / "robot+execution+failures.zip"
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert fetch_robot_failures(data_home=tmp_path, sha256=sha256).data.any()
    with pytest.raises(OSError, match="delete it first"):
        fetch_robot_failures(data_home=tmp_path, sha256="00")


@pytest.mark.parametrize(
    ("subset", "name"),
    [("train", "Train"), ("validation", "Validation"), ("test", "Test")],
)
def test_flare_tables(tmp_path, subset, name):
    with pytest.raises(FileNotFoundError) as raised:
        fetch_flare_tables(subset=subset, data_home=tmp_path)
    path = tmp_path / "ar_flares" / f"{name}_Data_by_AR_png_224.csv"
    url = "https://doi.org/10.5061/dryad.jq2bvq898"
    assert f"  {path.name} from {url}\n    to {path}\n" in str(raised.value)
    path.parent.mkdir()
    path.write_text("filename,class\n1069/a.png,1\n1072/b.png,0\n")
    table = fetch_flare_tables(subset=subset, root="images", data_home=tmp_path)
    assert table.paths.tolist() == ["images/1069/a.png", "images/1072/b.png"]
    assert table.labels.tolist() == [1, 0]
    assert len(set(table.groups)) == 2
    path.write_text("filename,class\n1069/a.png,1\n")
    with pytest.raises(OSError, match="is not used"):
        fetch_flare_tables(subset=subset, data_home=tmp_path)


def test_flare_table_that_cannot_be_read_is_not_trusted(tmp_path):
    path = tmp_path / "ar_flares" / "Train_Data_by_AR_png_224.csv"
    path.parent.mkdir()
    path.write_text("filename;class\n11158/a.png;1\n")
    with pytest.raises(ValueError, match="line 1"):
        fetch_flare_tables(data_home=tmp_path)
    path.write_text("filename,class\n11158/a.png,1\n")
    assert fetch_flare_tables(data_home=tmp_path).groups.tolist() == [11158]
    path.write_text("filename,class\n11158/a.png,0\n")
    with pytest.raises(OSError, match="is not used"):
        fetch_flare_tables(data_home=tmp_path)


def test_flare_tables_look_like_the_simulation(tmp_path):
    pytest.importorskip("PIL")
    path = tmp_path / "ar_flares" / "Train_Data_by_AR_png_224.csv"
    path.parent.mkdir()
    simulated = make_magnetograms(
        tmp_path / "images", n_regions=2, n_frames=2, image_shape=(64, 64)
    )
    path.write_bytes((tmp_path / "images" / "labels.csv").read_bytes())
    table = fetch_flare_tables(root=tmp_path / "images", data_home=tmp_path)
    for name in ("paths", "labels", "groups"):
        np.testing.assert_array_equal(table[name], simulated[name])


FETCHERS = [obj for name, obj in vars(datasets).items() if name.startswith("fetch_")]


@pytest.mark.parametrize("fetch", FETCHERS)
def test_parameters_are_checked_and_keywords(fetch):
    for name, parameter in inspect.signature(fetch).parameters.items():
        assert parameter.kind is parameter.KEYWORD_ONLY
        with pytest.raises(ValueError, match=f"'{name}' parameter of {fetch.__name__}"):
            fetch(**{name: -1.5})


def test_real_beta_lactamase(real_data, server, monkeypatch, tmp_path):
    file = _fetch_beta_lactamase.FILE
    server.files["a"] = real_data("beta_lactamase_P62593.fasta").read_bytes()
    monkeypatch.setattr(
        _fetch_beta_lactamase, "FILE", replace(file, url=server.url("a"))
    )
    variants = fetch_beta_lactamase(data_home=tmp_path)
    built = MutantSequenceBuilder(variants.wild_type).fit_transform(variants.data)
    assert built.ravel().tolist() == variants.sequences.tolist()
    assert len(variants.data) == 5397
    assert set(variants.groups) == set(range(1, 287))
    same = variants.sequences == variants.wild_type
    assert same.sum() == 199
    assert 0.9 < np.median(variants.target[same]) < 1.1
    folds = GroupKFold(5).split(variants.data, groups=variants.groups)
    assert sum(len(test) for _, test in folds) == 5397


def test_real_assistments(real_data, server, monkeypatch, tmp_path):
    files = {}
    for name, file in _fetch_assistments.FILES.items():
        server.files[name] = real_data(f"assist2009_updated_{name}.csv").read_bytes()
        files[name] = replace(file, url=server.url(name))
    monkeypatch.setattr(_fetch_assistments, "FILES", files)
    frame = fetch_assistments2009(data_home=tmp_path, subset="all").frame
    assert frame.shape == (224_218 + 101_419, 3)
    assert frame["student"].unique().tolist() == list(range(2921 + 1230))
    assert frame["skill"].nunique() == 110
    test = fetch_assistments2009(data_home=tmp_path, subset="test").frame
    assert test.equals(frame.iloc[-101_419:].reset_index(drop=True))


def test_real_robot_failures(real_data, server, monkeypatch, tmp_path):
    file = _fetch_robot_failures.FILE
    paths = {name: real_data(f"robot_failures_{name}.data") for name in ("lp1", "lp4")}
    parts = {name: path.read_bytes() for name, path in paths.items()}
    others = dict.fromkeys(("lp2", "lp3", "lp5"), FAILURES)
    server.files["a"] = make_zip(**parts, **others)
    monkeypatch.setattr(
        _fetch_robot_failures, "FILE", replace(file, url=server.url("a"))
    )
    for subset, n_examples in [("lp1", 88), ("lp4", 117)]:
        failures = fetch_robot_failures(subset=subset, data_home=tmp_path)
        assert failures.data.shape == (n_examples, 15, 6)
        assert failures.target_names[-2:] == ["normal", "obstruction"]
    assert isinstance(failures, Bunch)


def test_addresses_are_secure_and_fixed():
    files = [
        _fetch_beta_lactamase.FILE,
        _fetch_robot_failures.FILE,
        *_fetch_assistments.FILES.values(),
        *_fetch_flare_tables.FILES.values(),
    ]
    assert len({file.name for file in files}) == len(files)
    for file in files:
        assert file.url.startswith("https://")
        assert "/main/" not in file.url
        assert "/master/" not in file.url
