"""Displays: plots of what fitted estimators know."""

from skestimators.inspection._activation import ActivationDisplay
from skestimators.inspection._knowledge_state import KnowledgeStateDisplay
from skestimators.inspection._skill_score import SkillScoreDisplay

__all__ = ["ActivationDisplay", "KnowledgeStateDisplay", "SkillScoreDisplay"]
