"""The family of archives: what packing a tree adds to it."""

from __future__ import annotations

from rebuilder.explain.causes import Rule, compression, members, oddities, tars, zips

RULES: tuple[Rule, ...] = (*zips.RULES, *tars.RULES, *compression.RULES, *members.RULES, *oddities.RULES)
