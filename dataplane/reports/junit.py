"""The run as JUnit XML: one test case per check, for the tools that collect test results.

Broken is a failure, unknown an error (nothing was proven, so nothing may pass), and a check that
does not apply is skipped.
"""

from collections.abc import Iterator
from xml.etree import ElementTree as ET

from dataplane.model.answer import Answer, Finding, RunResult, State
from dataplane.reports import printable


def render(result: RunResult) -> str:
    """Return the run as a JUnit XML document, ending in a newline."""
    suite = ET.Element(
        "testsuite",
        name=printable(f"sixscope.{result.scenario}"),
        tests=str(len(result.answers) + len(result.not_applicable)),
        failures=str(_count(result, State.BROKEN)),
        errors=str(_count(result, State.UNKNOWN)),
        skipped=str(len(result.not_applicable)),
        time=f"{sum(result.timings.values()):.3f}",
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(result):
        ET.SubElement(properties, "property", name=name, value=printable(value))
    for answer in result.answers:
        _case(suite, result, answer)
    for absent in result.not_applicable:
        case = _testcase(suite, result, absent.check)
        ET.SubElement(case, "skipped", message=printable(absent.reason))
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _count(result: RunResult, state: State) -> int:
    return sum(answer.state is state for answer in result.answers)


def _properties(result: RunResult) -> Iterator[tuple[str, str]]:
    yield "engine", result.engine
    yield "lost_events", str(result.lost_events)
    if result.met is not None:
        yield "expectations_met", str(result.met).lower()


def _testcase(suite: ET.Element, result: RunResult, check: str) -> ET.Element:
    return ET.SubElement(
        suite, "testcase", classname=printable(f"sixscope.{result.scenario}"), name=printable(check)
    )


def _case(suite: ET.Element, result: RunResult, answer: Answer) -> None:
    case = _testcase(suite, result, answer.check)
    properties = ET.SubElement(case, "properties")
    ET.SubElement(properties, "property", name="looked_at", value=str(answer.looked_at))
    if answer.state is State.BROKEN:
        failure = ET.SubElement(
            case, "failure", type=answer.state.value, message=printable(answer.reason)
        )
        failure.text = _findings(answer)
    elif answer.state is State.UNKNOWN:
        error = ET.SubElement(
            case, "error", type=answer.state.value, message=printable(answer.reason)
        )
        error.text = _findings(answer) or None
    elif answer.findings:
        ET.SubElement(case, "system-out").text = _findings(answer)


def _findings(answer: Answer) -> str:
    return "\n\n".join("\n".join(_lines(finding)) for finding in answer.findings)


def _lines(finding: Finding) -> Iterator[str]:
    yield printable(f"{finding.severity} {finding.subject}: {finding.cause}")
    yield printable(f"  expected: {finding.expected}")
    yield printable(f"  seen:     {finding.seen}")
    yield printable(f"  remedy:   {finding.remedy}")
    for piece in finding.evidence:
        yield printable(f"  evidence: {piece}")
