"""A kind of object whose rules stand in the object itself, to test what is done around rules."""

from dataplane.manifest.case import Case, Kind
from dataplane.model.problem import Problem, ProblemType, Severity, Source


class Echo:
    """A Shoot that says what `spec.say` holds: texts such as "error gardener spec.depth"; others break it."""

    def __init__(self) -> None:
        self.asked: list[Case] = []
        self.kind = Kind(
            name="Shoot", groups=("core.gardener.cloud",), judge=self.judge, default=self.default
        )

    def judge(self, case: Case) -> None:
        """Say what the object holds."""
        self.asked.append(case)
        case.top.add(
            problem(*words.split()) for words in case.top.section("spec").texts("say") or ()
        )

    def default(self, case: Case) -> dict[str, object]:
        """Fill in the stage that is asked for, leave another field unset."""
        self.asked.append(case)
        case.top.section("spec").texts("say")
        return {"spec.stage": case.stage.value, "spec.unset": None}


def problem(severity: str, source: str, field: str, detail: str = "wrong") -> Problem:
    """Return a problem of these words."""
    return Problem(
        severity=Severity(severity),
        type=ProblemType.INVALID,
        field=field,
        detail=detail,
        message=f"{field}: Invalid value: {detail}",
        source=Source(source),
        remedy="do it right",
    )
