"""The magnetic field of simulated active regions, and how a telescope sees it.

Lengths are in Mm, fields in gauss, angles in rad and times in days.
"""

from typing import NamedTuple

import numpy as np
from scipy import ndimage
from scipy.special import expit

_SUN_RADIUS = 696.0
# The side of the images; 600 pixels of HMI, of half an arc second each, are as wide.
EXTENT = 224.0
# Turns a day, as seen from the Earth, near the latitudes of active regions.
_ROTATION = np.deg2rad(13.2)
# Images are no further apart than half a day, and of the side that faces the Earth.
_CADENCE, _FARTHEST = 0.5, np.deg2rad(72)

# The surface around a region, on which its field lives: cells, and their side. It is
# wider than the image since the limb shows much of the surface in little space.
_ROWS, _COLUMNS, _CELL = 128, 256, 2.0
_NORTH = _CELL * (np.arange(_ROWS, dtype=np.float32) - (_ROWS - 1) / 2)[:, None]
_WEST = _CELL * (np.arange(_COLUMNS, dtype=np.float32) - (_COLUMNS - 1) / 2)
# The part of it in which there are bipoles.
_CORE = slice(_COLUMNS // 2 - _ROWS // 2, _COLUMNS // 2 + _ROWS // 2)

# Width of the patches of polarity in a complex region, of the strands of its field,
# and of the network of the quiet Sun, as standard deviations of smoothed noise.
_PATCH, _STRAND, _NETWORK = 7.0, 2.0, 3.0
# How far polarities reach into each other in simple regions, and in the most complex.
_SIMPLE, _INTERLEAVED = 4.0, 40.0
# Schrijver's: what is strong field, and how far from the line field counts.
_STRONG, _NEAR = 150.0, 6.0
_STRONGEST = 3500.0


class Region(NamedTuple):
    """What is drawn once for an active region."""

    latitude: float
    # Of the region, in each frame.
    longitude: np.ndarray
    # From the first frame on.
    clock: np.ndarray
    # When it began to emerge, how fast it does.
    birth: float
    rise: float
    # From 0, two clean polarities, to 1, a delta region.
    mixing: float
    # One row for each bipole: place, tilt, separation, width, peak field.
    bipoles: np.ndarray
    # Pairs of smooth noise between which the region drifts.
    patches: np.ndarray
    strands: np.ndarray
    network: np.ndarray


def draw_region(rng, n_frames):
    """Draw an active region.

    Parameters
    ----------
    rng : numpy.random.Generator
        The source of randomness.

    n_frames : int
        How often the region is seen.

    Returns
    -------
    region : Region
        The region.
    """
    latitude = rng.choice([-1, 1]) * np.deg2rad(rng.uniform(6, 30))
    pace = min(_CADENCE, 2 * _FARTHEST / _ROTATION / max(n_frames - 1, 1))
    clock = pace * np.arange(n_frames)
    travel = _ROTATION * clock
    longitude = rng.uniform(-_FARTHEST, _FARTHEST - travel[-1]) + travel
    size = rng.normal()
    mixing = expit(6 * rng.normal() + 2.8 * size - 3)
    smooth = [(2, _ROWS, _ROWS, _PATCH), (2, _ROWS, _ROWS, _STRAND)]
    smooth.append((2, _ROWS, _COLUMNS, _NETWORK))
    return Region(
        latitude,
        longitude,
        clock,
        -rng.uniform(0.6, 4),
        rng.uniform(0.7, 2),
        mixing,
        _draw_bipoles(rng, latitude, size, mixing),
        *(_draw_smooth(rng, *shape) for shape in smooth),
    )


def _draw_bipoles(rng, latitude, size, mixing):
    """Draw one main bipole and up to two small ones, a row each."""
    n_bipoles = rng.choice([1, 2, 3], p=[0.5, 0.3, 0.2])
    share = np.append(1, rng.uniform(0.3, 0.6, size=n_bipoles - 1))
    # Joy's law: the leading spot is nearer the equator, on average.
    tilt = -0.5 * latitude + rng.normal(scale=np.deg2rad(15), size=n_bipoles)
    width = np.clip(20 * np.exp(0.25 * size), 12, 30) * np.sqrt(share)
    peak = np.clip(1300 * np.exp(0.3 * rng.normal(size=n_bipoles)), 500, 2800)
    separation = width * rng.uniform(2.6, 3.6, size=n_bipoles) * (1 - 0.35 * mixing)
    angle = rng.uniform(0, 2 * np.pi, size=n_bipoles)
    distance = np.where(np.arange(n_bipoles) > 0, rng.uniform(35, 60, n_bipoles), 0)
    place = distance * np.stack([np.cos(angle), np.sin(angle)])
    place += rng.normal(scale=5, size=(2, 1))
    return np.stack([*place, tilt, separation, width, peak], axis=1)


def _draw_smooth(rng, count, rows, columns, width):
    """Draw smooth noise of unit variance that goes on beyond its edges."""
    noise = rng.standard_normal((count, rows, columns), dtype=np.float32)
    noise = ndimage.gaussian_filter(noise, width / _CELL, mode="wrap", axes=(1, 2))
    return noise / noise.std(axis=(1, 2), keepdims=True)


def radial_field(region, frame):
    """Return the field at the surface, and how complex it is.

    Parameters
    ----------
    region : Region
        The region.

    frame : int
        The number of the frame.

    Returns
    -------
    field : ndarray of shape (rows, columns) and dtype float32
        The radial field on the surface around the region.

    complexity : float
        The share of the flux that is near a polarity-inversion line between strong
        fields, from 0 to 1.
    """
    time = region.clock[frame]
    risen = 1 - np.exp((region.birth - time) / region.rise)
    patches = _drift(region.patches, 0.4 * time)
    strands = np.exp(0.3 * _drift(region.strands, 0.8 * time))
    core = np.zeros((_ROWS, _ROWS), dtype=np.float32)
    for bipole in region.bipoles:
        core += _bipole_field(bipole, risen, region.mixing, patches)
    # Hale's law: what leads north of the equator follows south of it.
    core *= np.sign(region.latitude) * strands
    # Spots do not get stronger without end.
    core /= np.sqrt(1 + (core / _STRONGEST) ** 2)
    network = _drift(region.network, 1.5 * time)
    # Cubed, most of the quiet Sun is empty.
    field = 6 * network * network * network
    field[:, _CORE] += core
    return field, _line_share(core)


def _drift(pair, angle):
    return np.float32(np.cos(angle)) * pair[0] + np.float32(np.sin(angle)) * pair[1]


def _bipole_field(bipole, risen, mixing, patches):
    """Return the field of a bipole whose polarities reach into each other."""
    west, north, tilt, separation, width, peak = np.float32(bipole)
    risen = np.float32(risen)
    x, y = _WEST[_CORE] - west, _NORTH - north
    axis = np.cos(tilt), np.sin(tilt)
    # Both polarities move apart while flux emerges.
    half = separation / 2 * (np.float32(0.6) + np.float32(0.4) * risen)
    envelope = np.zeros((_ROWS, _ROWS), dtype=np.float32)
    for sign, spread in ((1, width), (-1, np.float32(1.15) * width)):
        column = np.exp(-(((x - sign * half * axis[0]) / spread) ** 2) / 2)
        row = np.exp(-(((y - sign * half * axis[1]) / spread) ** 2) / 2)
        envelope += row * column * (width / spread) ** 2
    reach = _SIMPLE + (_INTERLEAVED - _SIMPLE) * mixing
    along = axis[0] * x + axis[1] * y + np.float32(reach) * patches
    # The more complex, the steeper from one polarity to the other.
    polarity = along / np.float32(12 - 8 * mixing)
    polarity /= np.sqrt(1 + polarity * polarity)
    return peak * risen * envelope * polarity


def _line_share(field):
    """Return the share of the strong field's flux that is near an inversion line."""
    flux = np.abs(field)
    flux[flux < _STRONG] = 0
    sides = [ndimage.maximum_filter(s * field, 3) > _STRONG for s in (1, -1)]
    line = (sides[0] & sides[1]).astype(np.uint8)
    near = ndimage.maximum_filter(line, 2 * int(_NEAR / _CELL) + 1)
    return float((flux * near).sum() / max(flux.sum(), 1))


def line_of_sight_field(region, frame, field, image_shape):
    """Return what a telescope without noise would see of a field.

    Parameters
    ----------
    region : Region
        The region, which tells where on the Sun it is.

    frame : int
        The number of the frame.

    field : ndarray of shape (rows, columns)
        The radial field, as of `radial_field`.

    image_shape : tuple of 2 int
        Rows and columns of the image, the region in its middle.

    Returns
    -------
    image : ndarray of shape `image_shape` and dtype float32
        The line-of-sight field, north up. NaN off the limb.

    cosine : ndarray of shape `image_shape` and dtype float32
        The cosine of the angle between the line of sight and the vertical.
    """
    latitude, longitude = region.latitude, region.longitude[frame]
    pixel = pixel_size(image_shape)
    x, y = (
        np.float32(pixel) * (np.arange(n, dtype=np.float32) - (n - 1) / 2)
        for n in image_shape[::-1]
    )
    x += _SUN_RADIUS * np.cos(latitude) * np.sin(longitude)
    y = y[:, None] + np.float32(_SUN_RADIUS * np.sin(latitude))
    with np.errstate(invalid="ignore"):
        cosine = np.sqrt(_SUN_RADIUS**2 - y**2 - x**2) / np.float32(_SUN_RADIUS)
        west = np.arcsin(x / np.sqrt(_SUN_RADIUS**2 - y**2)) - np.float32(longitude)
        north = np.arcsin(y / np.float32(_SUN_RADIUS)) - np.float32(latitude)
    scale = _SUN_RADIUS / _CELL
    place = np.empty((2, *image_shape), dtype=np.float32)
    place[0] = scale * north + (_ROWS - 1) / 2
    place[1] = scale * np.cos(latitude) * west + (_COLUMNS - 1) / 2
    np.nan_to_num(place, copy=False)
    image = ndimage.map_coordinates(field, place, order=1, mode="grid-wrap")
    return image * cosine, cosine


def pixel_size(image_shape):
    """Return the side of a pixel in Mm."""
    return EXTENT / max(image_shape)
