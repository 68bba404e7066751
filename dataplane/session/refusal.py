"""A scenario whose manifest must not get as far as a lab: what `validate` and `plan` say of it."""

from dataclasses import dataclass

from dataplane.manifest.documents import read_documents
from dataplane.manifest.validation import Terms, judge, read_sheet
from dataplane.model.answer import RunResult
from dataplane.model.problem import InvalidInputError, Problem, Severity
from dataplane.session.prepare import Shape, prepare_scenario
from labs.scenario import Scenario


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal(RunResult):
    """The JSON object of `sixscope run --expect` for such a scenario: a run's, and the problems.

    `answers` is empty, since nothing was built; `met` tells whether the problems are the expected.
    """

    problems: tuple[Problem, ...]


def refusal(scenario: Scenario, shape: Shape) -> Refusal:
    """Judge a scenario's manifest, and plan it where nothing speaks against that."""
    problems = _problems(scenario, shape)
    return Refusal(
        scenario=scenario.name,
        engine=scenario.engine,
        answers=(),
        expected={},
        met=_met(scenario, problems),
        problems=problems,
    )


def _problems(scenario: Scenario, shape: Shape) -> tuple[Problem, ...]:
    """Return what `validate` says, with `--old` where there is one; without errors, `plan` too."""
    before = (
        ()
        if scenario.old is None or scenario.old_text is None
        else (read_documents(scenario.old_text, name=scenario.old))
    )
    sheet = read_sheet(scenario.manifest_text, name=scenario.manifest)
    judged = judge((sheet,), Terms(), before=before)
    problems = [*sheet.problems, *(p for found in judged for p in found.problems)]
    if not any(problem.severity is Severity.ERROR for problem in problems):
        try:
            prepare_scenario(scenario, shape)
        except InvalidInputError as error:
            problems += [p for p in error.problems if p not in problems]
    return tuple(problems)


def _met(scenario: Scenario, problems: tuple[Problem, ...]) -> bool:
    """Tell whether all that is expected was found, and no error beside it."""
    wanted = scenario.expect_problems
    missing = [want for want in wanted if not any(map(want.fits, problems))]
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    beside = [error for error in errors if not any(want.fits(error) for want in wanted)]
    return not missing and not beside
