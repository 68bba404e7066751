"""Findings put together: one per subject and cause, with what speaks for it."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from dataplane.model.answer import Finding, Judgement
from dataplane.model.problem import Severity

SHOWN = 12
"""How many pieces of evidence a finding quotes; it says how many there are beyond them."""


@dataclass(slots=True, kw_only=True)
class _Entry:
    severity: Severity
    expected: str
    seen: str
    remedy: str
    evidence: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Ledger:
    """Gathers what speaks against a subject; the first entry of a cause gives the wording."""

    _entries: dict[tuple[str, str], _Entry] = field(default_factory=dict)

    def add(  # noqa: PLR0913 - a finding has that many sides, and all are named
        self,
        *,
        subject: str,
        cause: str,
        expected: str,
        seen: str,
        remedy: str,
        evidence: str,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Put one observation to a subject's account."""
        entry = self._entries.setdefault(
            (subject, cause),
            _Entry(severity=severity, expected=expected, seen=seen, remedy=remedy),
        )
        if evidence not in entry.evidence:
            entry.evidence.append(evidence)

    def findings(self) -> tuple[Finding, ...]:
        """Return one finding per subject and cause, ordered by subject."""
        return tuple(
            Finding(
                severity=entry.severity,
                subject=subject,
                expected=entry.expected,
                seen=entry.seen,
                cause=cause,
                remedy=entry.remedy,
                evidence=_shown(entry.evidence),
            )
            for (subject, cause), entry in sorted(self._entries.items())
        )

    def judgement(self, *, looked_at: int, doubts: Iterable[str] = ()) -> Judgement:
        """Return what a check makes of the evidence: these findings, and what it could not tell."""
        return Judgement(looked_at=looked_at, findings=self.findings(), doubts=tuple(doubts))


def _shown(evidence: list[str]) -> tuple[str, ...]:
    more = len(evidence) - SHOWN
    return (*evidence[:SHOWN], *((f"and {more} more",) if more > 0 else ()))
