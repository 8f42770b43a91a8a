"""Displays: plots of what fitted estimators know."""

from skestimators.inspection._activation import ActivationDisplay
from skestimators.inspection._knowledge_state import KnowledgeStateDisplay

__all__ = ["ActivationDisplay", "KnowledgeStateDisplay"]
