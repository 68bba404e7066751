"""`sixscope run --expect` of a scenario whose manifest must not get as far as a lab."""

import argparse

from dataplane.commands.inputs import shape_of
from dataplane.commands.verb import Exit, UsageError, describe, print_json
from dataplane.reports import junit
from dataplane.session.refusal import Refusal, refusal
from labs import scenario as scenarios
from labs.scenario import Scenario, WantedProblem


def expected_refusal(options: argparse.Namespace) -> Scenario | None:
    """Return the scenario, where it expects problems and nothing else is asked of it."""
    if not options.expect or options.fault or options.what not in scenarios.names():
        return None
    scenario = scenarios.load(options.what)
    return scenario if scenario.expect_problems else None


def refuse(scenario: Scenario, options: argparse.Namespace) -> int:
    """Judge the manifest, print its problems, and end 0 when they are the expected ones.

    Nothing is built, so that this needs no rights.
    """
    if options.serve or options.evidence:
        raise UsageError(
            f"{scenario.name}: nothing is built, so there is nothing to serve or record"
        )
    result = refusal(scenario, shape_of(options))
    if options.junit:
        options.junit.write_text(junit.render(result))
    if options.output == "json":
        print_json(result)
    else:
        print("\n".join(_lines(scenario, result)))
    return Exit.HOLDS if result.met else Exit.BROKEN


def _lines(scenario: Scenario, result: Refusal) -> list[str]:
    lines = [f"{result.scenario}  (nothing is built)", ""]
    lines += [describe(problem, scenario.manifest) for problem in result.problems]
    verdict = "as expected" if result.met else "NOT as expected"
    lines += ["", f"  the problems are {verdict}"]
    if not result.met:
        lines += [f"    expected {_worded(want)}" for want in scenario.expect_problems]
    return lines


def _worded(want: WantedProblem) -> str:
    return f"{want.severity} {want.type} of {want.field}: ... {want.contains} ..."
