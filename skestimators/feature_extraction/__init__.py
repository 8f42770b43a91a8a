"""Vectors from sequences and images, and the store that keeps them."""

from skestimators.feature_extraction._esm import ESMEmbedder
from skestimators.feature_extraction._vgg import VGGEmbedder

__all__ = ["ESMEmbedder", "VGGEmbedder"]
