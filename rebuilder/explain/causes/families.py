"""Every cause there is, family by family."""

from __future__ import annotations

from rebuilder.explain.causes import Rule, archives, elf, environment, python, randomness, stamps, versions

RULES: tuple[Rule, ...] = (
    *versions.RULES,
    *archives.RULES,
    *python.RULES,
    *elf.RULES,
    *environment.RULES,
    *randomness.RULES,
    *stamps.RULES,
)
