"""Statics of a seven-joint arm with the dimensions of a KUKA LBR iiwa 14 R820."""

import numpy as np

# Stretched out upwards, as here, all frames of the arm are parallel to that of its
# base. Axis of each joint, and the height of a point on it in metres.
_AXES = np.array([[0, 0, 1], [0, 1, 0], [0, 0, 1], [0, -1, 0]] * 2)[:7]
_HEIGHTS = np.array([0.36, 0.36, 0.36, 0.78, 0.78, 1.18, 1.18])
_FLANGE = 1.306
# Masses of the links in kilograms and their centres in metres.
_MASSES = np.array([6.404, 7.89, 2.54, 4.82, 1.76, 2.5, 0.42])
_CENTRES = np.zeros((7, 3))
_CENTRES[:, 1] = [-0.014, 0.003, 0.019, -0.009, -0.013, -0.002, 0]
_CENTRES[:, 2] = [0.2545, 0.424, 0.6905, 0.866, 1.0585, 1.196, 1.2706]
_GRAVITY = 9.81


def arm_statics(posture):
    """Return how a load at the flange, and how its own weight, act on an arm's joints.

    Parameters
    ----------
    posture : ndarray of shape (n, 7)
        Angles of the joints in rad.

    Returns
    -------
    jacobian : ndarray of shape (n, 6, 7)
        Velocity and angular velocity of the flange, in the frame of the flange, per
        joint velocity. A wrench (N, Nm) there loads the joints with `wrench @
        jacobian`.
    weight : ndarray of shape (n, 7)
        Torques (Nm) that hold the arm against gravity.
    """
    axes, origins, centres, rotation, flange = _pose(posture)
    lever = flange[:, None] - origins
    jacobian = np.concatenate([np.cross(axes, lever), axes], axis=2)
    # From the frame of the base to that of the flange, by the transpose.
    jacobian = jacobian.reshape(-1, 7, 2, 3) @ rotation[:, None]
    rise = np.cross(axes[:, :, None], centres[:, None] - origins[:, :, None])[..., 2]
    # A joint lifts only the links behind it.
    weight = _GRAVITY * (np.triu(rise) @ _MASSES)
    return jacobian.reshape(-1, 7, 6).swapaxes(1, 2), weight


def _pose(posture):
    """Return where axes, links and flange are, in the frame of the base."""
    n = len(posture)
    axes, origins, centres = np.empty((3, n, 7, 3))
    rotation = np.broadcast_to(np.eye(3), (n, 3, 3))
    origin, height = np.zeros((n, 3)), 0.0
    for i in range(7):
        origin = origin + rotation[..., 2] * (_HEIGHTS[i] - height)
        height = _HEIGHTS[i]
        axes[:, i] = rotation @ _AXES[i]
        rotation = rotation @ _turn(_AXES[i], posture[:, i])
        origins[:, i] = origin
        centres[:, i] = origin + rotation @ (_CENTRES[i] - [0, 0, height])
    flange = origin + rotation[..., 2] * (_FLANGE - height)
    return axes, origins, centres, rotation, flange


def _turn(axis, angle):
    """Return the matrices of rotations about an axis (Rodrigues' formula)."""
    cross = np.cross(np.eye(3), axis)
    sin, cos = np.sin(angle)[:, None, None], np.cos(angle)[:, None, None]
    return np.eye(3) + sin * cross + (1 - cos) * cross @ cross
