"""What a walk has to say: its findings and remarks, each up to a limit, and what went past it counted."""

from __future__ import annotations

from dataclasses import dataclass, field

from rebuilder.compare.shown import cut
from rebuilder.findings import Finding, MemberPath

MAX_FINDINGS = 50_000
#: Characters of all findings together: names may be long, and each finding repeats those of its containers.
MAX_CHARACTERS = 32 * 1024**2
MAX_REMARKS = 1000
#: What a finding takes beside its texts: digests, sizes, the names of its fields.
_FRAME = 200


@dataclass
class Tally:
    """Findings in the order they were made, and remarks, each once."""

    findings: list[Finding] = field(default_factory=list)
    dropped: int = 0
    _remarks: dict[str, None] = field(default_factory=dict)
    _silenced: int = 0
    _characters: int = 0

    @property
    def told(self) -> int:
        """How many findings there were, listed or not: if it did not grow, nothing differed."""
        return len(self.findings) + self.dropped

    def add(self, finding: Finding) -> None:
        """Keep a finding, or count it past the limit."""
        size = sum(map(len, finding.path)) + len(finding.what) + len(finding.note) + _FRAME
        size += len(finding.published.value) + len(finding.rebuilt.value)
        if len(self.findings) < MAX_FINDINGS and self._characters + size <= MAX_CHARACTERS:
            self._characters += size
            self.findings.append(finding)
        else:
            self.dropped += 1

    def remark(self, path: MemberPath, side: str, text: str) -> None:
        """Keep what is to be said of a place, or count it past the limit. ``side``: of which; empty: of both."""
        where = " » ".join(path)
        said = cut(": ".join(part for part in (side, where, text) if part), 600)
        if len(self._remarks) < MAX_REMARKS:
            self._remarks[said] = None
        elif said not in self._remarks:
            self._silenced += 1

    @property
    def remarks(self) -> tuple[str, ...]:
        """All remarks, and what is not listed."""
        found = list(self._remarks)
        if self._silenced:
            found.append(f"{self._silenced} more remarks are not listed; the limit is {MAX_REMARKS}")
        if self.dropped:
            limit = f"{MAX_FINDINGS}" if len(self.findings) >= MAX_FINDINGS else f"{MAX_CHARACTERS} characters"
            found.append(f"{self.dropped} more findings are not listed; the limit is {limit}")
        return tuple(found)
