"""The package is light to import, and says what is missing."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

# Optional packages that are hidden together, the first of which errors name, and the
# estimators that cannot be fitted and used on their small example without them.
NEEDED = [
    (
        ["torch"],
        [
            *("ActivationSearchNet", "DKTClassifier", "ESMEmbedder"),
            *("TorchMLPRegressor", "VGGEmbedder", "VGGFlareClassifier"),
        ],
    ),
    (
        ["skorch"],
        [
            *("ActivationSearchNet", "DKTClassifier", "TorchMLPRegressor"),
            "VGGFlareClassifier",
        ],
    ),
    (["esm"], ["ESMEmbedder"]),
    (["lightgbm"], ["BootstrapStackedLGBM"]),
    (
        ["tensorflow", "keras", "scikeras"],
        [
            *("KerasCNNClassifier", "KerasCNNRegressor"),
            *("KerasFFNNClassifier", "KerasFFNNRegressor"),
        ],
    ),
    (["optuna"], ["OptunaSearchCV"]),
    *(
        ([module], ["MagnetogramReader", "VGGEmbedder", "VGGFlareClassifier"])
        for module in ("astropy", "PIL", "skimage")
    ),
]
# Those without which every example runs.
NOT_NEEDED = [
    *("safetensors", "skops", "xgboost", "matplotlib", "tensorboard", "h5py", "pooch"),
]

HEAVY = [*(module for modules, _ in NEEDED for module in modules), *NOT_NEEDED]

HIDE = """
    from importlib.machinery import PathFinder

    find_spec = PathFinder.find_spec

    def find_spec_unless_hidden(name, path=None, target=None):
        if name.partition(".")[0] not in {hidden}:
            return find_spec(name, path, target)

    PathFinder.find_spec = find_spec_unless_hidden
"""


def _run(code):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parent,
    )


def test_import_is_free_of_heavy_frameworks():
    done = _run(f"""
        import sys
        import skestimators
        print([name for name in {HEAVY} if name in sys.modules])
    """)
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize(
    ("hidden", "users"),
    [*NEEDED, (NOT_NEEDED, [])],
    ids=lambda value: value[0] if value else "none",
)
def test_hidden_dependency_is_named_or_not_needed(hidden, users):
    done = _run(
        HIDE.format(hidden=hidden)
        + f"""
    from instances import all_instances, example_data
    for estimator in all_instances():
        X, y = example_data(estimator)
        try:
            estimator.fit(X, y)
            getattr(estimator, "transform", getattr(estimator, "predict", None))(X)
        except ImportError as error:
            name = type(estimator).__name__
            assert "pip install 'skestimators[" in str(error), (name, error)
            assert name in str(error) and {hidden[0]!r} in str(error), error
            print(name)
    """
    )
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
