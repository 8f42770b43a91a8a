"""Simulator of a robot arm that is touched on a plate."""

from numbers import Integral, Real

import numpy as np
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, validate_params

from skestimators.datasets._arm import arm_statics

_FEATURES = [f"{torque}_A{i}" for torque in ("exT", "msT") for i in range(1, 8)]
_FEATURES += ["Fx", "Fy", "Fz", "Tx", "Ty", "Tz"]

# Distances between the touch points, and of the plate from the sensor, in mm.
_SPACING, _PLATE = 20.0, 30.0
# Seconds that a touch lasts, and that pass until the next.
_DURATION, _PAUSE = 10.0, 5.0
# Angles of the joints in degrees: the flange faces up, no two axes are parallel.
_POSTURE = np.deg2rad([10, 40, -15, 100, 20, 55, 30])

# What `friction=1`, `noise=1` and `drift=1` stand for. Standard deviations, in N, Nm
# and rad, of the joints, the forces and the torques.
_COULOMB, _JOINT_FRICTION = 0.3, 0.1
# Change of the load, in Nm/s, from which friction is about that of a moving joint.
_SLIDING_RATE = 0.2
_NOISE = np.repeat([0.05, 0.1, 0.01], [14, 3, 3])
_OFFSET = np.repeat([0.3, 0.5, 0.1], [14, 3, 3])
_SLOPE = _OFFSET / 10
_POSTURE_ERROR = 0.01

_DESCR = """\
Simulated touches of a plate at the flange of a seven-joint arm.

data: external (exT) and measured (msT) torques of the joints A1 to A7 in Nm; forces in
N and torques in Nm at the flange.
target: touch point in mm from the centre of the plate.
groups: indices "I,J" of the touch point, one record each.
time: seconds.
"""


@validate_params(
    {
        "n_samples_per_point": [Interval(Integral, 2, None, closed="left")],
        "grid_size": [Interval(Integral, 1, None, closed="left")],
        "noise": [Interval(Real, 0, None, closed="left")],
        "drift": [Interval(Real, 0, None, closed="left")],
        "friction": [Interval(Real, 0, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_force_torque(
    n_samples_per_point=100,
    *,
    grid_size=11,
    noise=1.0,
    drift=1.0,
    friction=1.0,
    random_state=None,
):
    """Simulate a robot arm that is touched on a plate at its flange.

    An arm of seven joints, with the lengths of a KUKA LBR iiwa 14 [1]_ and about its
    masses, holds a plate over a six-axis sensor. One after the other, the points of a
    square grid, 20 mm apart, are pushed for 10 s each:

    - the force rises, is held and wobbles; friction lets it lean away from the normal
      of the plate, within Coulomb's cone of coefficient .3;
    - the sensor at the flange, 30 mm below the plate, feels the force F and the torque
      r x F, r being the lever to the touch point;
    - this wrench w loads the joints with J^T w, J being the Jacobian of the arm [2]_:
      the external torques. The measured torques have the weight of the arm as well.
      Friction in the joints takes some of the load, and more while it changes;
    - all sensors are noisy. During each record their zeros are off by some constant and
      creep away, and the arm stands a little differently.

    Where a sensor's zero is off says nothing about the point, but is the same in all
    rows of its record: a model that is validated on shuffled rows can recognise the
    record instead of measuring the position. Points left out as a whole, as by
    `GroupKFold` with `groups`, show how well it does measure.

    Parameters
    ----------
    n_samples_per_point : int, default=100
        Number of rows of each touch point, at least 2.

    grid_size : int, default=11
        Number of touch points along each side of the grid. If it is odd, one of them is
        the centre, which lies in no sector of the plate.

    noise : float, default=1.0
        Factor of the noise of all sensors. 1 is a standard deviation of .05 Nm for the
        joints, .1 N for the forces and .01 Nm for the torques.

    drift : float, default=1.0
        Factor of what differs from record to record. 1 is a standard deviation of .3
        Nm, .5 N and .1 Nm for the zeros of the same sensors, a tenth of this for their
        creep during the record, and .01 rad for the angle of each joint.

    friction : float, default=1.0
        Factor of friction, between plate and finger and in the joints. 1 is Coulomb's
        coefficient of .3, and up to .1 Nm in each joint.

    random_state : int, RandomState instance or None, default=None
        Determines forces, friction, drift and noise. Pass an int for reproducible
        output across multiple function calls.

    Returns
    -------
    touches : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes; n is
        `n_samples_per_point * grid_size**2`. Rows are ordered by touch point, then by
        time.

        data : DataFrame of shape (n, 20)
            External torques `exT_A1` to `exT_A7` and measured torques `msT_A1` to
            `msT_A7` of the joints, in Nm; forces `Fx`, `Fy`, `Fz`, in N, and torques
            `Tx`, `Ty`, `Tz`, in Nm, in the frame of the flange, z facing the plate.
        target : DataFrame of shape (n, 2)
            The touch point, `x` and `y` in mm from the centre of the plate.
        groups : ndarray of shape (n,)
            The touch point as `"I,J"`, its indices along x and y from 0.
        time : ndarray of shape (n,)
            The time in seconds.
        posture : ndarray of shape (7,)
            The angles of the joints in rad, as they are without drift.
        jacobian : ndarray of shape (6, 7)
            The Jacobian in this posture, in the frame of the flange: of the velocity (m
            per rad), then of the angular velocity.
        feature_names : list of str
            The columns of `data`.
        target_names : list of str
            `["x", "y"]`.
        DESCR : str
            A description of the data.

    See Also
    --------
    read_kuka_records : Read records of a real arm.
    read_robot_failures : Read the UCI Robot Execution Failures.

    References
    ----------
    .. [1] KUKA Roboter GmbH, "LBR iiwa 7 R800, LBR iiwa 14 R820: Specification" (2016).
    .. [2] B. Siciliano et al., "Robotics: Modelling, Planning and Control", Springer
           (2009), chapter 3.8 on statics.

    Examples
    --------
    Without friction, drift and noise, the position is a lever:

    >>> from skestimators.datasets import make_force_torque
    >>> touches = make_force_torque(
    ...     5, grid_size=3, noise=0, drift=0, friction=0, random_state=0
    ... )
    >>> touches.data.shape, touches.target.shape, touches.groups[-1]
    ((45, 20), (45, 2), np.str_('2,2'))
    >>> x = -1000 * touches.data["Ty"] / touches.data["Fz"]
    >>> x.round(6).unique().tolist()
    [-20.0, 0.0, 20.0]
    """
    import pandas as pd

    rng = check_random_state(random_state)
    points = _grid(grid_size)
    clock = np.linspace(0, _DURATION, n_samples_per_point)
    force = _draw_forces(rng, len(points), clock, _COULOMB * friction)
    lever = np.pad(points, ((0, 0), (0, 1)), constant_values=_PLATE) / 1000
    wrench = np.concatenate([force, np.cross(lever[:, None], force)], axis=2)
    error = rng.normal(size=(len(points), 7))
    jacobian, weight = arm_statics(_POSTURE + drift * _POSTURE_ERROR * error)
    load = wrench @ jacobian
    rubbing = _JOINT_FRICTION * friction * _draw_rubbing(rng, load, clock)
    external = load + rubbing
    measured = external + weight[:, None]
    data = np.concatenate([external, measured, wrench], axis=2)
    data += noise * _NOISE * rng.normal(size=data.shape)
    data += drift * _draw_drift(rng, len(points), clock)
    index = [f"{i},{j}" for i in range(grid_size) for j in range(grid_size)]
    start = np.arange(len(points))[:, None] * (_DURATION + _PAUSE)
    return Bunch(
        data=pd.DataFrame(data.reshape(-1, len(_FEATURES)), columns=_FEATURES),
        target=pd.DataFrame(
            np.repeat(points, n_samples_per_point, axis=0), columns=["x", "y"]
        ),
        groups=np.repeat(index, n_samples_per_point),
        time=(start + clock).ravel(),
        posture=_POSTURE.copy(),
        jacobian=arm_statics(_POSTURE[None])[0][0],
        feature_names=list(_FEATURES),
        target_names=["x", "y"],
        DESCR=_DESCR,
    )


def _grid(size):
    """Return the touch points in mm, of which the centre is the origin."""
    axis = _SPACING * (np.arange(size) - (size - 1) / 2)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=2).reshape(-1, 2)


def _draw_wobble(rng, n_records, clock):
    """Draw smooth curves between -1 and 1, one for each record."""
    frequency = rng.uniform(0.1, 0.8, size=(3, n_records, 1))
    phase = rng.uniform(size=(3, n_records, 1))
    return np.sin(2 * np.pi * (frequency * clock + phase)).mean(axis=0)


def _draw_forces(rng, n_records, clock, coulomb):
    """Draw the force on the plate during each touch."""
    first, rise = rng.uniform([[4], [0.3]], [[8], [1.5]], size=(2, n_records))
    held = rng.uniform(12, 25, size=(n_records, 1))
    push = held - (held - first[:, None]) * np.exp(-clock / rise[:, None])
    push *= 1 + 0.2 * _draw_wobble(rng, n_records, clock)
    # How far the contact is from slipping, and where to.
    share = rng.uniform(size=(n_records, 1))
    share = share * np.cos(_draw_wobble(rng, n_records, clock))
    heading = 2 * np.pi * rng.uniform(size=(n_records, 1))
    heading = heading + _draw_wobble(rng, n_records, clock)
    drag = coulomb * share * push
    return np.stack([drag * np.cos(heading), drag * np.sin(heading), -push], axis=2)


def _draw_rubbing(rng, load, clock):
    """Draw the friction in the joints, as a share of its limit.

    A joint at rest holds back a part of any load, and the more as the load changes.
    """
    stuck = rng.uniform(-1, 1, size=(len(load), 1, 7))
    moving = np.tanh(np.gradient(load, clock, axis=1) / _SLIDING_RATE)
    return 0.5 * (stuck - moving)


def _draw_drift(rng, n_records, clock):
    """Draw by how much the zeros of the sensors are off during each record."""
    offset, slope = rng.normal(size=(2, n_records, 1, len(_FEATURES)))
    return _OFFSET * offset + _SLOPE * slope * (clock / clock[-1])[:, None]
