"""Fitted estimators in files that hold no code."""

from skestimators.persistence._files import load, save

__all__ = ["load", "save"]
