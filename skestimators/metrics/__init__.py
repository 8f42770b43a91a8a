"""Scores that rank, and skill scores, with their scorers."""

__all__ = []
