"""Stamps that tools leave in generated text: dates, versions, ids, and what Debian's tools write into packages."""

from __future__ import annotations

from rebuilder.explain.causes import Rule, stamps_debian, stamps_lines, stamps_whole

RULES: tuple[Rule, ...] = (*stamps_lines.RULES, *stamps_debian.RULES, *stamps_whole.RULES)
