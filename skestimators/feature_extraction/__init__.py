"""Vectors from sequences and images, and the store that keeps them."""

from skestimators.feature_extraction._esm import ESMEmbedder

__all__ = ["ESMEmbedder"]
