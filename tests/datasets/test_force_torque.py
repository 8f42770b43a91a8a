import numpy as np
import pandas as pd
import pytest
from scipy.spatial.transform import Rotation
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import GroupKFold, KFold, cross_val_score

from skestimators.datasets import make_force_torque

EXTERNAL = [f"exT_A{i}" for i in range(1, 8)]
MEASURED = [f"msT_A{i}" for i in range(1, 8)]
WRENCH = ["Fx", "Fy", "Fz", "Tx", "Ty", "Tz"]
IDEAL = {"noise": 0, "drift": 0, "friction": 0}


def flange(posture):
    """Return rotation and position of the flange, link by link."""
    rotation, position = Rotation.identity(), np.zeros(3)
    lengths, signs = [0.36, 0, 0.42, 0, 0.4, 0, 0.126], [1, 1, 1, -1, 1, 1, 1]
    for axis, length, angle in zip("zyzyzyz", lengths, signs * posture, strict=True):
        position = position + rotation.apply([0, 0, length])
        rotation = rotation * Rotation.from_euler(axis, angle)
    return rotation, position


def test_position_is_a_lever():
    touches = make_force_torque(20, grid_size=5, **IDEAL, random_state=0)
    z = touches.data
    np.testing.assert_allclose(-1000 * z["Ty"] / z["Fz"], touches.target["x"])
    np.testing.assert_allclose(1000 * z["Tx"] / z["Fz"], touches.target["y"])
    assert (z["Fz"] < 0).all()


def test_friction_leans_the_force_within_a_cone():
    params = {**IDEAL, "random_state": 0}
    for friction in [0.5, 2]:
        touches = make_force_torque(50, **{**params, "friction": friction})
        z = touches.data
        lean = np.hypot(z["Fx"], z["Fy"]) / -z["Fz"]
        assert 0.25 * friction < lean.max() <= 0.3 * friction
        # The plate is 30 mm above the sensor.
        x = 1000 * (0.03 * z["Fx"] - z["Ty"]) / z["Fz"]
        y = 1000 * (0.03 * z["Fy"] + z["Tx"]) / z["Fz"]
        np.testing.assert_allclose(np.stack([x, y], 1), touches.target, atol=1e-9)
        rubbing = z[EXTERNAL] - z[WRENCH].to_numpy() @ touches.jacobian
        assert 0.05 * friction < rubbing.abs().max().min()
        assert rubbing.abs().max().max() <= 0.1 * friction


def test_joints_carry_the_wrench_through_the_jacobian():
    touches = make_force_torque(20, grid_size=3, **IDEAL, random_state=0)
    load = touches.data[WRENCH].to_numpy() @ touches.jacobian
    np.testing.assert_allclose(touches.data[EXTERNAL], load, atol=1e-12)
    # The last joint turns about the normal of the plate.
    np.testing.assert_allclose(touches.data["exT_A7"], touches.data["Tz"], atol=1e-12)
    weight = touches.data[MEASURED].to_numpy() - touches.data[EXTERNAL].to_numpy()
    np.testing.assert_allclose(weight, weight[:1].repeat(len(weight), 0))
    # The axis of the first joint is vertical.
    assert abs(weight[0, 0]) < 1e-12 < 5 < abs(weight[0, 1])


def test_jacobian_is_that_of_the_arm():
    touches = make_force_torque(2, grid_size=1, random_state=0)
    rotation, _ = flange(touches.posture)
    for joint, step in enumerate(1e-6 * np.eye(7)):
        (before, start), (after, end) = (
            flange(touches.posture + sign * step) for sign in (-1, 1)
        )
        velocity = rotation.inv().apply(end - start) / 2e-6
        turning = rotation.inv().apply((after * before.inv()).as_rotvec()) / 2e-6
        np.testing.assert_allclose(
            touches.jacobian[:, joint], [*velocity, *turning], atol=1e-8
        )


@pytest.mark.parametrize(("n_samples", "grid_size"), [(2, 1), (7, 4), (3, 11)])
def test_rows_are_in_time_order_point_by_point(n_samples, grid_size):
    touches = make_force_torque(n_samples, grid_size=grid_size, random_state=0)
    n_points = grid_size**2
    assert touches.data.shape == (n_samples * n_points, 20)
    assert touches.data.columns.tolist() == touches.feature_names
    assert touches.feature_names == EXTERNAL + MEASURED + WRENCH
    assert touches.target.columns.tolist() == touches.target_names == ["x", "y"]
    keys = [f"{i},{j}" for i in range(grid_size) for j in range(grid_size)]
    assert touches.groups.tolist() == np.repeat(keys, n_samples).tolist()
    assert (np.diff(touches.time) > 0).all()
    index = np.array([key.split(",") for key in touches.groups], dtype=int)
    expected = 20.0 * index - 10 * (grid_size - 1)
    np.testing.assert_array_equal(touches.target, expected)


def test_random_state_determines_all():
    first = make_force_torque(5, grid_size=2, random_state=3)
    again = make_force_torque(5, grid_size=2, random_state=np.random.RandomState(3))
    other = make_force_torque(5, grid_size=2, random_state=4)
    pd.testing.assert_frame_equal(first.data, again.data)
    assert not np.isclose(first.data, other.data).any()


def test_noise_and_drift_scale():
    def make(**params):
        params = {"noise": 0, "drift": 0, **params}
        data = make_force_torque(200, random_state=0, **params).data
        return data.to_numpy().reshape(121, 200, 20)

    silent = make()
    unit = np.repeat([0.05, 0.1, 0.01], [14, 3, 3])
    for noise in [0.5, 2]:
        error = make(noise=noise) - silent
        np.testing.assert_allclose(error.std(axis=(0, 1)), noise * unit, rtol=0.03)
        np.testing.assert_allclose(error.mean(axis=(0, 1)), 0, atol=0.05 * unit.max())
    # Zeros of the sensors: between records much, within a record little.
    error = (make(drift=2) - silent)[..., 14:]
    unit = np.repeat([0.5, 0.1], 3)
    np.testing.assert_allclose(error.mean(axis=1).std(axis=0), 2 * unit, rtol=0.25)
    assert (error.std(axis=1).mean(axis=0) < 0.15 * unit).all()


def test_shuffled_rows_flatter():
    touches = make_force_torque(20, random_state=0)
    model = ExtraTreesRegressor(30, min_samples_leaf=2, n_jobs=1, random_state=0)
    X, y = touches.data, touches.target
    shuffled = KFold(3, shuffle=True, random_state=0)
    flattered = cross_val_score(model, X, y, cv=shuffled).mean()
    by_point = GroupKFold(3, shuffle=True, random_state=0)
    honest = cross_val_score(model, X, y, cv=by_point, groups=touches.groups).mean()
    assert 0.5 < honest < 0.95 < 0.98 < flattered


@pytest.mark.parametrize(
    "params",
    [
        {"n_samples_per_point": 1},
        {"grid_size": 0},
        {"noise": -1},
        {"drift": -1},
        {"friction": "no"},
    ],
    ids=str,
)
def test_bad_parameters(params):
    with pytest.raises(ValueError, match=f"'{next(iter(params))}' parameter"):
        make_force_torque(**params)
