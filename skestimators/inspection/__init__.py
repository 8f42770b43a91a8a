"""Displays: plots of what fitted estimators know."""

from skestimators.inspection._knowledge_state import KnowledgeStateDisplay

__all__ = ["KnowledgeStateDisplay"]
