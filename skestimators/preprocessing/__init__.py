"""From raw codes and rows to what an estimator takes."""

from skestimators.preprocessing._magnetogram_reader import MagnetogramReader
from skestimators.preprocessing._mutants import MutantSequenceBuilder
from skestimators.preprocessing._regions import active_region_groups
from skestimators.preprocessing._sectors import SectorLabeler, sector_labels
from skestimators.preprocessing._substitutions import single_substitutions
from skestimators.preprocessing._windows import SlidingWindow, make_windows

__all__ = [
    "MagnetogramReader",
    "MutantSequenceBuilder",
    "SectorLabeler",
    "SlidingWindow",
    "active_region_groups",
    "make_windows",
    "sector_labels",
    "single_substitutions",
]
