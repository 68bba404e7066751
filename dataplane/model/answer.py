"""Answers: what is true of the dataplane, as far as the evidence reaches."""

from dataclasses import dataclass, field
from enum import StrEnum

from dataplane.model.problem import Severity


class State(StrEnum):
    """The three values of an answer. Nothing seen is UNKNOWN, never HOLDS."""

    HOLDS = "holds"
    BROKEN = "broken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is not as it should be: on whom, what was expected, what was seen, why."""

    severity: Severity
    subject: str
    expected: str
    seen: str
    cause: str
    remedy: str
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a check makes of the evidence, before the invariants of `verify` are applied.

    `looked_at` counts evidence the kernel gave (never stimuli sent). `doubts` are reasons why the
    answer cannot be "holds".
    """

    looked_at: int
    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer of one check."""

    check: str
    state: State
    looked_at: int
    reason: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotApplicable:
    """A check that this plan gives no room for, and why."""

    check: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a scenario expects of one check; `subjects` None means that they are not compared."""

    state: State
    subjects: tuple[str, ...] | None = None

    def met_by(self, answer: Answer) -> bool:
        """Tell whether an answer is as expected; subjects are those of findings of severity error."""
        if answer.state is not self.state:
            return False
        if self.subjects is None:
            return True
        errors = (f for f in answer.findings if f.severity is Severity.ERROR)
        return {finding.subject for finding in errors} == set(self.subjects)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """The JSON object of `sixscope run`. `timings` are seconds by phase; `met` None without `expected`."""

    scenario: str
    engine: str
    answers: tuple[Answer, ...]
    not_applicable: tuple[NotApplicable, ...] = ()
    expected: dict[str, Expectation] | None = None
    met: bool | None = None
    lost_events: int = 0
    timings: dict[str, float] = field(default_factory=dict)
