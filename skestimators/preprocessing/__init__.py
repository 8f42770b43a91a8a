"""From raw codes and rows to what an estimator takes."""

from skestimators.preprocessing._mutants import MutantSequenceBuilder
from skestimators.preprocessing._substitutions import single_substitutions

__all__ = ["MutantSequenceBuilder", "single_substitutions"]
