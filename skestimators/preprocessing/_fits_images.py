"""Pixels of FITS images, plain or tile-compressed."""

import numpy as np

from skestimators.preprocessing._fits_headers import find_image
from skestimators.preprocessing._fits_tiles import decompress_by_astropy, rice_pixels
from skestimators.preprocessing._image_content import UnreadableImageError


def decode_fits(content):
    """Decode the first 2-D image of a FITS file.

    Parameters
    ----------
    content : bytes
        The file.

    Returns
    -------
    pixels : ndarray of float32 of shape (height, width)
        Physical values, NaN where the image is blank.

    Raises
    ------
    UnreadableImageError
        If there is no such image, or the file is truncated or damaged.
    """
    hdu = find_image(content)
    if not hdu.compressed:
        return _physical(hdu, hdu.plain_pixels())
    try:
        pixels = rice_pixels(hdu)
        if pixels is not None:
            return _physical(hdu, pixels)
        return decompress_by_astropy(hdu)
    except (ImportError, MemoryError, UnreadableImageError):
        raise
    # astropy has an exception of another type for each kind of damage.
    except Exception as error:
        raise UnreadableImageError(
            f"its compressed image is damaged ({type(error).__name__}: {error})"
        ) from error


def _physical(hdu, pixels):
    """Scale numbers as the header says."""
    scale = hdu.number("BSCALE", 1.0, float)
    zero = hdu.number("BZERO", 0.0, float)
    # What float32 cannot hold becomes infinite, and is reported as that.
    with np.errstate(over="ignore", invalid="ignore"):
        values = pixels.astype(np.float64)
        if pixels.dtype.kind != "f" and "BLANK" in hdu.cards:
            values[pixels == hdu.number("BLANK")] = np.nan
        if (scale, zero) != (1.0, 0.0):
            values *= scale
            values += zero
        return values.astype(np.float32)
