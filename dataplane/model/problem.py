"""What is wrong with an input: where, what, why and what to do. All problems, never only the first."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a problem or a finding matters; only ERROR changes an exit code."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class ProblemType(StrEnum):
    """Kubernetes' `field.ErrorType` constants (apimachinery, `validation/field`), and our own."""

    INVALID = "FieldValueInvalid"
    REQUIRED = "FieldValueRequired"
    FORBIDDEN = "FieldValueForbidden"
    NOT_SUPPORTED = "FieldValueNotSupported"
    DUPLICATE = "FieldValueDuplicate"
    UNKNOWN_FIELD = "UnknownField"
    UNREADABLE = "Unreadable"
    ADVICE = "Advice"


class Source(StrEnum):
    """Whose rule a problem comes from; `seed` is a recommendation of the IPv6 proposals."""

    GARDENER = "gardener"
    KUBERNETES = "kubernetes"
    PROVIDER = "provider"
    SEED = "seed"
    SIXSCOPE = "sixscope"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One problem of an input document.

    `field` is the YAML path (`spec.networking.pods`), `message` the whole line as
    Kubernetes' `field.Error.Error()` prints it, `remedy` what to do about it.
    `document` counts from 0; `line` and `column` count from 1 and are None when unknown.
    """

    severity: Severity
    type: ProblemType
    field: str
    detail: str
    message: str
    source: Source
    remedy: str = ""
    document: int = 0
    line: int | None = None
    column: int | None = None


class InvalidInputError(Exception):
    """An input that cannot be used; carries every problem that was found in it."""

    def __init__(self, name: str, problems: Iterable[Problem]) -> None:
        self.name = name
        self.problems = tuple(problems)
        super().__init__(f"{name}: {len(self.problems)} problem(s)")
