"""Bootstrapped, stacked ensembles and acquisition functions."""

__all__ = []
