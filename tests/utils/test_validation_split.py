"""The split inside fit: groups stay together, classes are shared out."""

import numpy as np
import pytest

from skestimators.utils._validation_split import split_validation


@pytest.mark.parametrize("seed", range(10))
def test_groups_stay_together_and_rare_classes_are_on_both_sides(seed):
    # Twenty regions of ten frames, of which three flare.
    groups = np.repeat(np.arange(20), 10)
    classes = np.isin(groups, [2, 9, 17]).astype(int)
    train, validation = split_validation(
        200,
        validation_fraction=0.2,
        groups=groups,
        classes=classes,
        random_state=seed,
    )
    assert len(train) + len(validation) == 200
    assert not set(groups[train]) & set(groups[validation])
    assert classes[train].any()
    assert classes[validation].any()


def test_too_few_groups_are_an_error():
    with pytest.raises(ValueError, match=r"1 group\(s\).*more groups"):
        split_validation(
            4, validation_fraction=0.2, groups=np.zeros(4), classes=np.arange(4)
        )
