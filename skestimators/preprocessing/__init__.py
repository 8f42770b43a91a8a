"""From raw codes and rows to what an estimator takes."""

__all__ = []
