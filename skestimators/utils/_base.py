"""The nearly empty base of every estimator."""

from inspect import signature

from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin

DOCUMENTATION = "https://skestimators.readthedocs.io/en/latest/"


class EstimatorMixin:
    """What all estimators share, also those that scikit-learn has a base for."""

    # The HTML representation links to the estimator's page of the API reference.
    _doc_link_module = "skestimators"
    _doc_link_template = (
        DOCUMENTATION + "api/generated/{estimator_module}.{estimator_name}.html"
    )

    def __setstate__(self, state):
        for name in state:
            if callable(getattr(type(self), name, None)):
                raise ValueError(f"{name!r} is a method, which a state cannot replace.")
        super().__setstate__(state)
        # Files of an earlier version know nothing of parameters that came later.
        for name, parameter in signature(type(self)).parameters.items():
            if parameter.default is not parameter.empty:
                vars(self).setdefault(name, parameter.default)


class Estimator(EstimatorMixin, CallbackSupportMixin, BaseEstimator):
    """Base of estimators; mixins that say what they do stand before it."""
