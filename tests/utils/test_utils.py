import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import skestimators
from skestimators.utils._device import resolve_device
from skestimators.utils._optional import import_optional
from skestimators.utils._progress import track
from skestimators.utils._seeding import draw_seed, torch_seed
from skestimators.utils._validation import check_finite_target, check_groups
from skestimators.utils._validation_split import split_validation


def test_import_optional_names_the_extra_and_who_asked():
    assert import_optional("math", extra="x", caller="f").pi > 3
    with pytest.raises(ImportError, match=r"f needs 'no_such'.*skestimators\[x\]"):
        import_optional("no_such", extra="x", caller="f")


def test_triton_comes_before_tensorflow(monkeypatch):
    imported = []
    monkeypatch.setattr("importlib.import_module", imported.append)
    import_optional("tensorflow", extra="keras", caller="f")
    assert imported == ["triton", "tensorflow"]


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


def test_groups_of_any_type_are_numbered():
    np.testing.assert_array_equal(check_groups(["b", "a", "b"], 3), [0, 1, 0])
    np.testing.assert_array_equal(check_groups(np.array([2.5, 2.5, 1]), 3), [0, 0, 1])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (["a", None, "b"], "groups has no label.*row 1"),
        ([0.0, 1.0, np.nan], "groups has no label.*row 2"),
        ([0, 1], "inconsistent"),
        ([[0, 1], [0, 1], [0, 1]], "groups must have one dimension"),
    ],
)
def test_bad_groups_are_named(groups, message):
    with pytest.raises(ValueError, match=message):
        check_groups(groups, 3)


@pytest.mark.parametrize(("bad", "what"), [(np.nan, "NaN"), (-np.inf, "infinity")])
def test_row_of_a_bad_target_is_named(bad, what):
    y = np.zeros((5, 2))
    check_finite_target(y)
    check_finite_target(["left", "to others"])
    y[3, 1] = bad
    with pytest.raises(ValueError, match=f"y contains {what}.*row 3.*1 time"):
        check_finite_target(y)


def test_threads_take_turns_with_the_generator():
    def draw(seed):
        with torch_seed(seed):
            draws = []
            for _ in range(20):
                draws.append(torch.rand(3))
                time.sleep(0.001)
            return torch.stack(draws)

    alone = [draw(seed) for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(draw, range(4)))
    for a, b in zip(alone, together, strict=True):
        assert torch.equal(a, b)


def test_track_is_silent_unless_asked(capsys):
    steps = [([0, 1], "a"), ([2, 3, 4], "b")]
    assert list(track(steps, total=5, description="d", verbose=0)) == steps
    assert capsys.readouterr().out == ""
    assert list(track(steps, total=5, description="Reading", verbose=1)) == steps
    out = capsys.readouterr().out
    assert "Reading" in out
    assert "100%" in out


def test_show_versions_names_what_is_missing(capsys, monkeypatch):
    from skestimators.utils import _show_versions

    monkeypatch.setattr(_show_versions, "PACKAGES", ["numpy", "no-such-package"])
    skestimators.show_versions()
    out = capsys.readouterr().out
    assert f"numpy: {np.__version__}" in out
    assert "no-such-package: not installed" in out
