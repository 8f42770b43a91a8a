"""From raw codes and rows to what an estimator takes."""

from skestimators.preprocessing._mutants import MutantSequenceBuilder

__all__ = ["MutantSequenceBuilder"]
