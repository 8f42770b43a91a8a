"""What to paste into a bug report."""

import platform
import sys
from contextlib import suppress
from importlib import metadata

PACKAGES = [
    *("skestimators", "scikit-learn", "numpy", "scipy", "pandas", "rich"),
    *("torch", "skorch", "fair-esm", "skops", "safetensors", "lightgbm", "xgboost"),
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
    versions = installed_versions()
    for package in PACKAGES:
        print(f"{package:>14}: {versions.get(package, 'not installed')}")


def installed_versions():
    """Return the version of each package this one can use and finds.

    Returns
    -------
    versions : dict of str
        By the name of the package. Nothing is imported.
    """
    versions = {}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return versions
