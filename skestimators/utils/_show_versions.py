"""What to paste into a bug report."""

import platform
import sys
from importlib import metadata

_PACKAGES = [
    *("skestimators", "scikit-learn", "numpy", "scipy", "pandas", "rich"),
    *("torch", "skorch", "fair-esm", "safetensors", "lightgbm", "xgboost"),
    *("tensorflow", "keras", "scikeras", "tensorboard", "optuna", "pyarrow"),
    *("astropy", "scikit-image", "pillow", "matplotlib"),
]


def show_versions():
    """Print the versions of Python, the system and every package this one can use.

    Nothing is imported, so it works with a broken installation too.

    Examples
    --------
    >>> from skestimators import show_versions
    >>> show_versions()
    System:
    ...
    """
    print("System:")
    print(f"{'python':>14}: {sys.version.replace(chr(10), ' ')}")
    print(f"{'executable':>14}: {sys.executable}")
    print(f"{'machine':>14}: {platform.platform()}")
    print("\nPackages:")
    for package in _PACKAGES:
        try:
            version = metadata.version(package)
        except metadata.PackageNotFoundError:
            version = "not installed"
        print(f"{package:>14}: {version}")
