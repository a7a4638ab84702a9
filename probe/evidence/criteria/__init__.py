"""The criteria of the verdict, in the order of the rungs that they are needed for."""

from __future__ import annotations

from probe.evidence.criteria import family, loop, nulls, one_map, online, trend
from probe.evidence.criteria.rule import Criterion, Rule, told_outcome

__all__ = ["RULES", "Criterion", "Rule", "told_outcome"]

RULES: tuple[Rule, ...] = (*trend.RULES, *nulls.RULES, *loop.RULES, *one_map.RULES, *family.RULES, *online.RULES)
