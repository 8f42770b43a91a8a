"""Scores that rank, and skill scores, with their scorers."""

from skestimators.metrics._ranking import spearman_score, top_k_recall
from skestimators.metrics._scorers import (
    hss_scorer,
    spearman_scorer,
    tss_scorer,
    ucb_spearman_scorer,
)
from skestimators.metrics._skill import (
    heidke_skill_score,
    true_negative_rate,
    true_positive_rate,
    true_skill_statistic,
)

__all__ = [
    "spearman_score",
    "top_k_recall",
    "true_positive_rate",
    "true_negative_rate",
    "true_skill_statistic",
    "heidke_skill_score",
    "spearman_scorer",
    "ucb_spearman_scorer",
    "tss_scorer",
    "hss_scorer",
]
