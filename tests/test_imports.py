"""The package is light to import, and says what is missing."""

import subprocess
import sys
import textwrap

import pytest

HEAVY = (
    "torch tensorflow keras lightgbm xgboost optuna astropy matplotlib skorch esm "
    "scikeras skimage safetensors"
).split()

# Import name of each package that an estimator of today can ask for -> the estimator
# at which the fit of a small example must then stop.
HIDDEN = ["torch", "skorch", "esm", "lightgbm", "xgboost", "safetensors", "matplotlib"]


def _run(code):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd="tests",
    )


def test_import_is_free_of_heavy_frameworks():
    done = _run(f"""
        import sys
        import skestimators
        print([name for name in {HEAVY} if name in sys.modules])
    """)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("module", HIDDEN)
def test_hidden_dependency_is_named_or_not_needed(module):
    done = _run(f"""
        import sys
        sys.modules[{module!r}] = None
        from instances import all_instances, example_data
        for estimator in all_instances():
            X, y = example_data(estimator)
            try:
                estimator.fit(X, y)
                getattr(estimator, "transform", getattr(estimator, "predict", None))(X)
            except ImportError as error:
                name = type(estimator).__name__
                assert "pip install 'skestimators[" in str(error), (name, error)
                assert name in str(error) and {module!r} in str(error), (name, error)
                print(name)
    """)
    assert done.returncode == 0, done.stderr
    users = done.stdout.split()
    expected = {
        "torch": ["ESMEmbedder", "TorchMLPRegressor"],
        "skorch": ["TorchMLPRegressor"],
        "esm": ["ESMEmbedder"],
        "lightgbm": ["BootstrapStackedLGBM"],
    }
    assert users == expected.get(module, [])


def test_every_public_name_is_one_import_away():
    import skestimators
    from skestimators.utils._discovery import all_public

    rooms = [(q.rsplit(".", 1)[1], obj) for q, obj in all_public()]
    assert len({name for name, _ in rooms}) == len(rooms)
    for name, obj in rooms:
        assert getattr(skestimators, name) is obj
        assert name in skestimators.__all__
