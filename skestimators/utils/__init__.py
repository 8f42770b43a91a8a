"""The few things every other sub-package uses."""

from skestimators.utils._discovery import all_estimators
from skestimators.utils._show_versions import show_versions

__all__ = ["all_estimators", "show_versions"]
