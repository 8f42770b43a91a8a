import numpy as np
import pytest
import torch

import skestimators
from skestimators.utils._device import resolve_device
from skestimators.utils._optional import import_optional
from skestimators.utils._progress import track
from skestimators.utils._seeding import draw_seed, torch_seed
from skestimators.utils._validation_split import split_validation


def test_import_optional_names_the_extra_and_who_asked():
    assert import_optional("math", extra="x", caller="f").pi > 3
    with pytest.raises(ImportError, match=r"f needs 'no_such'.*skestimators\[x\]"):
        import_optional("no_such", extra="x", caller="f")


@pytest.mark.parametrize(
    ("cuda", "mps", "expected"),
    [(True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_auto_device_takes_the_first_there_is(monkeypatch, cuda, mps, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert resolve_device("auto") == expected
    assert resolve_device("cpu") == "cpu"


def test_torch_seed_repeats_and_restores():
    state = torch.get_rng_state()
    draws = []
    for _ in range(2):
        with torch_seed(5):
            draws.append(torch.rand(4))
    assert torch.equal(*draws)
    assert torch.equal(torch.get_rng_state(), state)
    with pytest.raises(RuntimeError, match="inside"), torch_seed(6):
        raise RuntimeError("inside")
    assert torch.equal(torch.get_rng_state(), state)


def test_draw_seed_repeats_for_an_int_and_moves_on_for_an_instance():
    assert draw_seed(3) == draw_seed(3) != draw_seed(4)
    generator = np.random.RandomState(3)
    assert draw_seed(generator) != draw_seed(generator)


@pytest.mark.parametrize("grouped", [False, True])
def test_split_validation_covers_all_rows_once(grouped):
    groups = np.arange(60) % 12 if grouped else None
    train, validation = split_validation(
        60, validation_fraction=0.25, groups=groups, random_state=0
    )
    np.testing.assert_array_equal(np.sort(np.r_[train, validation]), np.arange(60))
    assert len(validation) == 15
    if grouped:
        assert not set(groups[train]) & set(groups[validation])
        with pytest.raises(ValueError, match="inconsistent"):
            split_validation(60, validation_fraction=0.25, groups=groups[1:])


def test_track_is_silent_unless_asked(capsys):
    assert list(track([2, 3], total=5, description="d", verbose=0)) == [2, 3]
    assert capsys.readouterr().out == ""
    assert list(track([2, 3], total=5, description="Reading", verbose=1)) == [2, 3]
    out = capsys.readouterr().out
    assert "Reading" in out
    assert "100%" in out


def test_show_versions_names_what_is_missing(capsys, monkeypatch):
    from skestimators.utils import _show_versions

    monkeypatch.setattr(_show_versions, "_PACKAGES", ["numpy", "no-such-package"])
    skestimators.show_versions()
    out = capsys.readouterr().out
    assert f"numpy: {np.__version__}" in out
    assert "no-such-package: not installed" in out
