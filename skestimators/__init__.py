"""Scikit-learn estimators from five research lines."""

__version__ = "0.1.0.dev0"
