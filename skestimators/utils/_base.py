"""The nearly empty base of every estimator."""

from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin

DOCUMENTATION = "https://skestimators.readthedocs.io/en/latest/"


class DocumentationLinkMixin:
    """Links the HTML representation to the estimator's page of the API reference."""

    _doc_link_module = "skestimators"
    _doc_link_template = (
        DOCUMENTATION + "api/generated/{estimator_module}.{estimator_name}.html"
    )


class Estimator(DocumentationLinkMixin, CallbackSupportMixin, BaseEstimator):
    """Base of estimators; mixins that say what they do stand before it."""
