"""What classes weigh, also where some of them have no row."""

import numpy as np
import pytest

from skestimators.utils._classes import weigh_classes

CLASSES = np.array(["pull", "push", "rest"])
NUMBERS = np.array([0, 2, 2, 2])


@pytest.mark.parametrize(
    ("class_weight", "expected"),
    [
        (None, [1, 1, 1, 1]),
        # Of a class that this batch lacks.
        ({"push": 5.0}, [1, 1, 1, 1]),
        ({"pull": 3.0}, [3, 1, 1, 1]),
        ("balanced", [2, 2 / 3, 2 / 3, 2 / 3]),
    ],
)
def test_classes_without_rows_do_no_harm(class_weight, expected):
    factor = weigh_classes(class_weight, np.ones(4), CLASSES, NUMBERS)
    np.testing.assert_allclose(factor, expected)


def test_balanced_counts_weights_not_rows():
    weight = np.array([3.0, 1.0, 1.0, 1.0])
    factor = weigh_classes("balanced", weight, CLASSES, NUMBERS)
    np.testing.assert_allclose(factor, weight)
