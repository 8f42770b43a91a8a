"""The package is light to import, and says what is missing."""

import subprocess
import sys
import textwrap

import pytest

# Import names of every optional package, and which estimators cannot be fitted and used
# on their small example without it.
OPTIONAL = {
    "torch": ["ESMEmbedder", "TorchMLPRegressor"],
    "skorch": ["TorchMLPRegressor"],
    "esm": ["ESMEmbedder"],
    "safetensors": [],
    "lightgbm": ["BootstrapStackedLGBM"],
    "xgboost": [],
    "tensorflow": [],
    "keras": [],
    "scikeras": [],
    "optuna": [],
    "astropy": [],
    "skimage": [],
    "PIL": [],
    "matplotlib": [],
}


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
        print([name for name in {list(OPTIONAL)} if name in sys.modules])
    """)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(("module", "users"), OPTIONAL.items())
def test_hidden_dependency_is_named_or_not_needed(module, users):
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
    assert done.stdout.split() == users


def test_every_public_name_is_one_import_away():
    import skestimators
    from skestimators.utils._discovery import all_public

    rooms = [(q.rsplit(".", 1)[1], obj) for q, obj in all_public()]
    assert len({name for name, _ in rooms}) == len(rooms)
    for name, obj in rooms:
        assert getattr(skestimators, name) is obj
        assert name in skestimators.__all__
