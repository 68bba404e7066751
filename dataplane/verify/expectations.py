"""Whether answers are what a scenario expects of them."""

from collections.abc import Iterable, Mapping

from dataplane.model.answer import Answer, Expectation, NotApplicable, State

HOLDS = Expectation(state=State.HOLDS)


def met(
    expected: Mapping[str, Expectation],
    answers: Iterable[Answer],
    not_applicable: Iterable[NotApplicable] = (),
) -> bool:
    """Tell whether every answer is as expected; a check that is not listed must hold.

    A check that is expected but has no answer (it does not apply, or there is none of that name)
    is an expectation that is not met. Subjects are compared as sets, over findings of severity
    error, and only where the expectation names them.
    """
    given = {answer.check: answer for answer in answers}
    absent = {entry.check for entry in not_applicable}
    if any(name in absent or name not in given for name in expected):
        return False
    return all(expected.get(name, HOLDS).met_by(answer) for name, answer in given.items())
