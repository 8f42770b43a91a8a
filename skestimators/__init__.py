"""Scikit-learn estimators from five research lines.

Every public name can be imported from here, or from its sub-package.
"""

from skestimators import (
    datasets,
    ensemble,
    feature_extraction,
    inspection,
    metrics,
    model_selection,
    neural_network,
    persistence,
    preprocessing,
    utils,
)
from skestimators.datasets import *
from skestimators.ensemble import *
from skestimators.feature_extraction import *
from skestimators.inspection import *
from skestimators.metrics import *
from skestimators.model_selection import *
from skestimators.neural_network import *
from skestimators.persistence import *
from skestimators.preprocessing import *
from skestimators.utils import *

__version__ = "0.1.0.dev0"

__all__ = [
    *utils.__all__,
    *persistence.__all__,
    *metrics.__all__,
    *datasets.__all__,
    *preprocessing.__all__,
    *feature_extraction.__all__,
    *ensemble.__all__,
    *neural_network.__all__,
    *model_selection.__all__,
    *inspection.__all__,
]
