"""The force-torque line as its users run it, from record files to tuned networks."""

import json

import numpy as np
import pytest
import sklearn
from sklearn.compose import (
    TransformedTargetRegressor,
    make_column_selector,
    make_column_transformer,
)
from sklearn.model_selection import (
    GroupKFold,
    GroupShuffleSplit,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skestimators.datasets import (
    make_force_torque,
    read_kuka_records,
    read_robot_failures,
)
from skestimators.model_selection import (
    OptunaSearchCV,
    load_params,
    save_params,
    search_space,
)
from skestimators.neural_network import (
    KerasCNNClassifier,
    KerasCNNRegressor,
    KerasFFNNRegressor,
)
from skestimators.preprocessing import SectorLabeler, SlidingWindow, make_windows

pytest.importorskip("tensorflow")
pytest.importorskip("optuna")

CENTRE = np.array([578.6, -261.4])
CNN = {"filters": (8,), "learning_rate": 0.01, "n_iter_no_change": 20}


def write_record(path, rows, time, position):
    """Write a record in the format of the arm, 48 numbers a line."""
    numbers = np.zeros((len(rows), 48))
    numbers[:, 0], numbers[:, 1] = time // 1, time % 1 * 1e9
    numbers[:, 2:16] = rows[:, :14]
    numbers[:, 16:28] = np.repeat(rows[:, 14:], 2, axis=1)
    numbers[:, [42, 43]] = numbers[:, [45, 46]] = CENTRE + position
    lines = ["  ".join(f"{value:.6f}" for value in row) for row in numbers]
    path.write_text("\n".join(["t_Sec t_nSec  torques and the rest", *lines]) + "\n")


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all touches")
    touches = make_force_torque(20, grid_size=5, drift=0.1, random_state=0)
    for key in np.unique(touches.groups):
        rows = touches.groups == key
        write_record(
            folder / f"plate_{key.replace(',', '_')}_demoRecord.txt",
            touches.data[rows].to_numpy(),
            touches.time[rows],
            touches.target[rows].to_numpy()[0],
        )
    return read_kuka_records(folder)


@pytest.fixture(scope="module")
def inputs(records):
    columns = r"^key$|^(?:exT|msT)_A\d$|^[FT][xyz]$"
    X = records.filter(regex=columns)
    assert X.shape == (500, 21)
    return X


@pytest.fixture(scope="module")
def position(records):
    return records[["curCart_x", "curCart_y"]].to_numpy() - CENTRE


def windows(network, window_size=4):
    """Scale the channels, cut each record into windows, and fit a network to them."""
    scale = make_column_transformer(
        (StandardScaler(), make_column_selector(r"^(?:exT|msT)_A|^[FT]")),
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    return make_pipeline(scale, SlidingWindow(window_size, group="key"), network)


def test_position_of_unseen_touch_points_from_record_files(inputs, position):
    network = KerasCNNRegressor(**CNN, max_epochs=30, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        network.set_fit_request(groups=True)
        target = TransformedTargetRegressor(network, transformer=StandardScaler())
        scores = cross_val_score(
            windows(target),
            inputs,
            position,
            scoring="r2",
            cv=GroupKFold(3, shuffle=True, random_state=0),
            params={"groups": inputs["key"]},
            error_score="raise",
        )
    assert scores.min() > 0.7


def test_groups_reach_early_stopping_through_the_pipeline(inputs, position):
    keys = inputs["key"].to_numpy()
    rows = np.flatnonzero(keys != "2,2")
    X, keys = inputs.iloc[rows], keys[rows]
    sector = SectorLabeler(offset=-CENTRE).fit_transform(position[rows] + CENTRE)
    y = np.char.add("sector ", sector.ravel().astype(str))
    network = KerasCNNClassifier(**CNN, max_epochs=3, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        found = cross_validate(
            windows(network.set_fit_request(groups=True)),
            X,
            y,
            cv=GroupKFold(3),
            params={"groups": keys},
            return_estimator=True,
            return_indices=True,
            error_score="raise",
        )
    train, pipeline = found["indices"]["train"][0], found["estimator"][0]
    direct = pipeline[:-1].transform(X.iloc[train])
    grouped = sklearn.clone(network).fit(direct, y[train], groups=keys[train])
    assert pipeline[-1].history_ == grouped.history_
    split_anyhow = sklearn.clone(network).fit(direct, y[train])
    assert pipeline[-1].history_["valid_loss"] != split_anyhow.history_["valid_loss"]
    assert set(pipeline[-1].classes_) == {f"sector {k}" for k in range(1, 9)}


def test_tuned_parameters_survive_in_a_file(inputs, position, tmp_path):
    X, keys = inputs.drop(columns="key"), inputs["key"].to_numpy()
    network = KerasFFNNRegressor(max_epochs=4, n_iter_no_change=2, random_state=0)
    with sklearn.config_context(enable_metadata_routing=True):
        network.set_fit_request(groups=True)
        pipeline = make_pipeline(
            StandardScaler(),
            TransformedTargetRegressor(network, transformer=StandardScaler()),
        )
        search = OptunaSearchCV(
            pipeline,
            search_space(pipeline),
            n_iter=3,
            scoring="r2",
            cv=GroupShuffleSplit(1, random_state=0),
            storage=tmp_path / "search.db",
            random_state=0,
            error_score="raise",
        ).fit(X, position, groups=keys)
        save_params(search.best_params_, tmp_path / "best.json")
        best = load_params(tmp_path / "best.json", pipeline)
        again = sklearn.clone(pipeline).set_params(**best)
        again.fit(X, position, groups=keys)
    assert best == search.best_params_
    assert best["transformedtargetregressor__regressor__hidden_layer_sizes"][0] == 20
    np.testing.assert_array_equal(again.predict(X), search.predict(X))


@pytest.fixture(scope="module")
def fitted(inputs, position):
    network = KerasCNNRegressor(**CNN, max_epochs=1, random_state=0)
    return windows(network).fit(inputs, position)


def test_a_row_with_nan_is_named(inputs, position, fitted):
    broken = inputs.copy()
    broken.loc[7, "msT_A3"] = np.nan
    for method in (sklearn.clone(fitted).fit, fitted.score):
        with pytest.raises(ValueError, match=r"NaN, first in row 7, column 'msT_A3'"):
            method(broken, position)


def test_a_missing_column_is_named(inputs, position, fitted):
    with pytest.raises(ValueError, match=r"missing.*'Fz'"):
        fitted.predict(inputs.drop(columns="Fz"))
    with pytest.raises(ValueError, match="'key' is the name of no column"):
        sklearn.clone(fitted).fit(inputs.drop(columns="key"), position)


def test_a_target_that_is_nan_or_of_other_length_is_refused(inputs, position, fitted):
    pipeline = sklearn.clone(fitted)
    broken = position.copy()
    broken[5] = np.nan
    with pytest.raises(ValueError, match="y contains NaN"):
        pipeline.fit(inputs, broken)
    with pytest.raises(ValueError, match=r"inconsistent numbers.*500, 499"):
        pipeline.fit(inputs, position[:-1])


def test_the_centre_of_the_plate_has_no_sector(records):
    with pytest.raises(ValueError, match=r"origin.* 20 row\(s\): 240, 241"):
        SectorLabeler(columns=["curCart_x", "curCart_y"], offset=-CENTRE).fit_transform(
            records.drop(columns="key")
        )


def test_a_window_longer_than_a_record_is_refused(inputs, position):
    X, keys = inputs.drop(columns="key"), inputs["key"]
    with pytest.raises(ValueError, match=r"'0,0' has 20 row\(s\).*window_size=21"):
        make_windows(X, position, keys, window_size=21)


def test_windows_with_other_channels_are_refused_in_predict(inputs, position):
    X, keys = inputs.drop(columns="key"), inputs["key"]
    X, y, _ = make_windows(X, position, keys, window_size=4, stride=4)
    cnn = KerasCNNRegressor(**CNN, max_epochs=1, random_state=0).fit(X, y)
    assert cnn.predict(X).shape == (125, 2)
    with pytest.raises(ValueError, match=r"\(4, 19\).*\(4, 20\)"):
        cnn.predict(X[:, :, :19])


def test_wrong_parameter_files_are_refused(inputs, position, fitted, tmp_path):
    path = tmp_path / "best.json"
    save_params({"kerascnnregressor__filters": (8, 16)}, path)
    text = path.read_text()
    path.write_text(text[:-4])
    with pytest.raises(ValueError, match=r"best\.json is not valid JSON"):
        load_params(path, fitted)
    path.write_text(text.replace("filters", "filter"))
    with pytest.raises(ValueError, match=r"does not have: kerascnnregressor__filter\."):
        load_params(path, fitted)
    path.write_text(json.dumps({"kerascnnregressor__filters": [8, -1]}))
    pipeline = sklearn.clone(fitted).set_params(**load_params(path, fitted))
    with pytest.raises(ValueError, match=r"filters.*-1"):
        pipeline.fit(inputs, position)


def test_failures_of_real_robots(real_data):
    X, y = read_robot_failures(real_data("robot_failures_lp1.data"))
    X = np.arcsinh(X / 10)
    X = np.concatenate([X, np.abs(X)], axis=2)
    cnn = KerasCNNClassifier(
        (32, 32),
        learning_rate=0.01,
        batch_size=16,
        max_epochs=40,
        early_stopping=False,
        random_state=0,
    )
    assert cross_val_score(cnn, X, y, cv=3).mean() > 0.75
