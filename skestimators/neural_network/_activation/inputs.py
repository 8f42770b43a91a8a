"""What `ActivationSearchNet` takes: images or tables."""

import warnings
from numbers import Integral

import numpy as np
from sklearn.utils.validation import validate_data

from skestimators.utils._validation import validate_training_data

# Images whose brightest value is below this are hardly of 8 bits.
_DARK = 64


def check_rows(estimator, X, *beside, reset):
    """Validate X, and what `fit` is given beside it, and give images their shape.

    Parameters
    ----------
    estimator : ActivationSearchNet
        Has `image_shape`.

    X : array-like
        Images, flattened images or a table.

    *beside : array-like
        In `fit`: target, row weights and groups, the latter two may be None.

    reset : bool
        Whether the estimator takes its number of features from `X`, or checks them.

    Returns
    -------
    rows : ndarray of shape (n_samples, n_features) or \
            (n_samples, height, width, n_channels)
        float32; images of integers are uint8.

    y, weight, groups : ndarray
        In `fit`; as `validate_training_data` returns them.

    Raises
    ------
    ValueError
        If the shape does not fit, or values of images are out of range.
    """
    shape = _image_shape(estimator.image_shape)
    if shape is None and not reset and len(estimator.input_shape_) == 3:
        shape = estimator.input_shape_
    n_dimensions = len(_shape(X))
    is_table = shape is None and n_dimensions != 4
    if not is_table:
        shape = _check_shape(estimator, shape, X, reset)
        # A feature is a value of an image, whether it was flattened before or not.
        if n_dimensions == 4:
            X = np.asarray(X).reshape(len(X), int(np.prod(shape)))
    elif n_dimensions == 3:
        raise ValueError(
            "Found array with dim 3. Images are arrays of shape (n_samples, height, "
            "width, n_channels): add the channels with X[..., np.newaxis]."
        )
    validate = validate_training_data if beside else validate_data
    validated = validate(
        estimator,
        X,
        *beside,
        dtype=np.float32 if is_table else "numeric",
        reset=reset,
    )
    rows, *beside = validated if beside else [validated]
    if not is_table:
        rows = _check_values(rows.reshape(len(rows), *shape), reset)
    return (rows, *beside) if beside else rows


def _check_shape(estimator, shape, X, reset):
    """Return the shape of an image, after comparing it with that of X."""
    given = _shape(X)[1:]
    if len(given) not in (1, 3):
        raise ValueError(
            f"Found array with dim {1 + len(given)}, but images have 4 dimensions, "
            "or 2 if they are flattened."
        )
    if shape is not None and given not in (shape, (int(np.prod(shape)),)):
        raise ValueError(
            f"X has rows of shape {given}, but images are of shape {shape} or, "
            f"flattened, ({np.prod(shape)},); see image_shape."
        )
    shape = shape or given
    if not reset and shape != estimator.input_shape_:
        raise ValueError(
            f"X has images of shape {shape}, but fit had rows of shape "
            f"{estimator.input_shape_}."
        )
    return shape


def _shape(X):
    return X.shape if hasattr(X, "shape") else np.asarray(X).shape


def _image_shape(image_shape):
    if image_shape is None:
        return None
    shape = tuple(image_shape)
    if len(shape) == 2:
        shape = (*shape, 1)
    if len(shape) != 3 or not all(isinstance(n, Integral) and n > 0 for n in shape):
        raise ValueError(
            "image_shape must be (height, width) or (height, width, n_channels), "
            f"positive integers, got {image_shape!r}."
        )
    return shape


def _check_values(images, reset):
    integers = images.dtype.kind in "iu"
    upper = 255 if integers else 1
    low, high = images.min(), images.max()
    if reset and integers and high <= 1:
        raise ValueError(
            "Images of integers range from 0 to 255, but there are only 0 and 1. Pass "
            "masks as booleans or floats."
        )
    # Scaled images may be beyond by rounding.
    if low < -1e-6 or high > upper + 1e-6:
        raise ValueError(
            f"Images must be integers from 0 to 255, or floats from 0 to 1; got "
            f"{images.dtype} from {low} to {high}. Divide by the largest value there "
            "can be, or clip what a scaler gives."
        )
    if reset and integers and high < _DARK:
        warnings.warn(
            f"Images of integers are taken to range from 0 to 255, but the largest "
            f"value is {high}. If there can be none above, divide by it.",
            stacklevel=6,
        )
    return images.astype(np.uint8 if integers else np.float32, copy=False)
