"""What decides a result is told apart, and what does not is not."""

import importlib.util

import joblib
import pytest

from skestimators import TorchMLPRegressor
from skestimators.utils._description import describe

CODE = """
import functools

class Base:
    offset = 1

    def shift(self, x):
        return x + self.offset

class Scaled(Base):
    def __init__(self, factor=2):
        super().__init__()
        self.factor = factor

    @functools.cached_property
    def seven(self):
        return lambda x: x * 7

    @property
    def twice(self):
        return 2 * self.factor

    @staticmethod
    def half(x):
        return x / 2

    def __call__(self, x):
        return self.shift(self.factor * x)

class Empty(Scaled):
    pass

class Constant(Empty):
    constant = 4
"""


def own(folder, code):
    """Return an object of a module that a user may edit."""
    path = folder / "own_module.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("own_module", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Constant


def digest(value):
    return joblib.hash(describe(value, needed_by="a test"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("self.factor * x", "self.factor + x"),
        ("x + self.offset", "x - self.offset"),
        ("offset = 1", "offset = 3"),
        ("2 * self.factor", "3 * self.factor"),
        ("x / 2", "x / 3"),
        ("factor=2", "factor=5"),
        ("x * 7", "x * 8"),
        ("constant = 4", "constant = 5"),
    ],
)
def test_an_edited_class_is_another(old, new, tmp_path):
    before, same = own(tmp_path, CODE), own(tmp_path, "# Moved.\n" + CODE)
    after = own(tmp_path, CODE.replace(old, new))
    assert digest(before) == digest(same)
    assert digest(before) != digest(after)
    assert digest([before()]) == digest([same()])
    assert digest({"a": before()}) != digest({"a": after()})


def test_classes_of_libraries_are_their_names():
    for cls in (TorchMLPRegressor, joblib.Memory):
        name = f"{cls.__module__}.{cls.__qualname__}"
        assert describe(cls, needed_by="a test") == name


def test_frozen_weights_are_not_trained_ones():
    torch = pytest.importorskip("torch")
    trained, frozen = torch.nn.PReLU(), torch.nn.PReLU().requires_grad_(False)
    assert digest(trained) != digest(frozen)
    assert digest(trained) == digest(torch.nn.PReLU())
