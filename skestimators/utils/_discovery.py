"""Find every public name, so that no suite needs a list made by hand."""

import importlib
import inspect
import pkgutil

from sklearn.base import BaseEstimator


def all_public():
    """Return every public object of the library.

    Returns
    -------
    public : list of (str, object)
        Qualified name (`"skestimators.metrics.spearman_score"`) and object, of all
        that the sub-packages export in `__all__`, sorted by name.
    """
    package = importlib.import_module(__package__.partition(".")[0])
    public = {}
    for info in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if info.ispkg:
            room = importlib.import_module(info.name)
            for name in room.__all__:
                public[f"{info.name}.{name}"] = getattr(room, name)
    return sorted(public.items())


def all_estimators():
    """Return every public estimator class.

    Returns
    -------
    estimators : list of (str, type)
        Name and class, sorted by name.

    Examples
    --------
    >>> from skestimators.utils import all_estimators
    >>> dict(all_estimators())["ESMEmbedder"].__module__
    'skestimators.feature_extraction._esm'
    """
    return sorted(
        (obj.__name__, obj)
        for _, obj in all_public()
        if inspect.isclass(obj) and issubclass(obj, BaseEstimator)
    )
