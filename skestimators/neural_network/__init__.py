"""Neural networks as estimators."""

__all__ = []
