"""Reports as they are printed: golden files.

`SIXSCOPE_WRITE_GOLDEN=1 pytest tests/unit/reports/test_reports.py` writes them anew; read the diff.
"""

import json
import os
import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from dataplane.model.answer import (
    Answer,
    Expectation,
    Finding,
    NotApplicable,
    RunResult,
    State,
)
from dataplane.model.problem import Severity
from dataplane.reports import jsonline, junit, printable, reports, text

GOLDEN = Path(__file__).parent / "golden"
HOSTILE = "ev\x1b[31mil\x07</failure>&\"'\r\n\x00\u202e\u2028\x9b]]>\\"

HEALTHY = RunResult(
    scenario="default",
    engine="tayga",
    answers=(
        Answer(check="nat64", state=State.HOLDS, looked_at=24, reason=""),
        Answer(check="reachability", state=State.HOLDS, looked_at=27, reason=""),
    ),
    not_applicable=(NotApplicable(check="fallback", reason="the cluster has no IPv6"),),
    timings={"build": 0.4213, "drive": 1.5},
)
FINDING = Finding(
    severity=Severity.ERROR,
    subject="pod-a",
    expected="packets of pod-a leave node-0 with the pod's own source (2001:db8:2::2)",
    seen="they leave with 2001:db8:1::10, the address of node-0",
    cause="node-0 translates the source of pod-a's IPv6 packets (masquerade or SNAT)",
    remedy="switch IPv6 masquerading off in the CNI; the pod prefix is routed",
    evidence=(
        "tcp-syn to server-v6: 2001:db8:2::2.40000 became 2001:db8:1::10.50000 (leaving pod-a pod)",
        "and 7 more",
    ),
)
WARNING = replace(FINDING, severity=Severity.WARNING, subject="pod-b", evidence=())
SICK = RunResult(
    scenario="masquerading-node",
    engine="tayga",
    answers=(
        Answer(check="fallback", state=State.HOLDS, looked_at=64, reason="", findings=(WARNING,)),
        Answer(
            check="masquerade",
            state=State.BROKEN,
            looked_at=86,
            reason="1 finding: pod-a",
            findings=(FINDING,),
        ),
        Answer(
            check="nat64",
            state=State.UNKNOWN,
            looked_at=0,
            reason="stamps at gateway-nat64 is blind: cil_to_netdev runs behind the probe at "
            "egress; stamps at gateway-nat64 lost 12 events",
        ),
    ),
    not_applicable=(NotApplicable(check="ipv4-leak", reason="the cluster has IPv4 on purpose"),),
    expected={
        "masquerade": Expectation(state=State.BROKEN, subjects=("pod-a", "pod-b")),
        "nat64": Expectation(state=State.HOLDS),
    },
    met=False,
    lost_events=12,
    timings={"build": 0.4213, "drive": 3.0, "judge": 0.01},
)
EVIL = replace(
    SICK,
    scenario=HOSTILE,
    engine=HOSTILE,
    answers=(
        Answer(
            check=HOSTILE,
            state=State.BROKEN,
            looked_at=1,
            reason=HOSTILE,
            findings=(
                replace(
                    FINDING,
                    **dict.fromkeys(("subject", "expected", "seen", "cause", "remedy"), HOSTILE),
                    evidence=(HOSTILE,),
                ),
            ),
        ),
        Answer(check="nat64", state=State.UNKNOWN, looked_at=0, reason=HOSTILE),
    ),
    not_applicable=(NotApplicable(check=HOSTILE, reason=HOSTILE),),
    expected={HOSTILE: Expectation(state=State.HOLDS, subjects=(HOSTILE,))},
    timings={HOSTILE: 1.0},
)
EMPTY = RunResult(scenario="empty", engine="tayga", answers=())
RESULTS = {"healthy": HEALTHY, "sick": SICK, "evil": EVIL, "empty": EMPTY}
RENDERERS = {
    "txt": text.render,
    "narrow.txt": lambda result: text.render(result, width=60),
    "colour.txt": lambda result: text.render(result, colour=True),
    "json": jsonline.render,
    "xml": junit.render,
}


@pytest.mark.parametrize("ending", RENDERERS)
@pytest.mark.parametrize("name", RESULTS)
def test_reports_look_as_they_always_did(name, ending):
    rendered, golden = RENDERERS[ending](RESULTS[name]), GOLDEN / f"{name}.{ending}"
    if os.environ.get("SIXSCOPE_WRITE_GOLDEN"):
        golden.write_text(rendered)

    assert rendered == golden.read_text()


def test_the_package_lists_its_own_reports():
    assert reports().keys() >= {"jsonline", "junit", "text"}
    assert all(render(HEALTHY).endswith("\n") for render in reports().values())


@pytest.mark.parametrize("name", reports())
@pytest.mark.parametrize("result", RESULTS)
def test_nothing_that_a_terminal_obeys_gets_through(name, result):
    rendered = reports()[name](RESULTS[result])

    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e]", rendered)


@given(st.text())
def test_printable_shows_everything_and_loses_nothing(given_text):
    shown = printable(given_text)

    assert shown.isprintable()
    back = re.sub(
        r"\\(\\|x[0-9a-f]{2}|u[0-9a-f]{4}|U[0-9a-f]{8})",
        lambda match: "\\" if match[1] == "\\" else chr(int(match[1][1:], 16)),
        shown,
    )
    assert back == given_text


def test_half_a_surrogate_pair_is_printable_everywhere():
    odd = replace(HEALTHY, scenario="\udc80")

    for render in reports().values():
        assert render(odd).encode()


def test_the_json_object_has_the_shape_that_others_build_on():
    shown = json.loads(jsonline.render(SICK))

    assert list(shown) == [
        "scenario",
        "engine",
        "answers",
        "not_applicable",
        "expected",
        "met",
        "lost_events",
        "timings",
    ]
    assert list(shown["answers"][1]) == ["check", "state", "looked_at", "reason", "findings"]
    assert list(shown["answers"][1]["findings"][0]) == [
        "severity",
        "subject",
        "expected",
        "seen",
        "cause",
        "remedy",
        "evidence",
    ]
    assert list(shown["not_applicable"][0]) == ["check", "reason"]
    assert shown["expected"]["masquerade"] == {"state": "broken", "subjects": ["pod-a", "pod-b"]}
    assert json.loads(jsonline.render(HEALTHY))["expected"] is None


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_json_is_one_line_and_reads_back(result):
    rendered = jsonline.render(result)

    assert rendered.count("\n") == 1
    assert TypeAdapter(RunResult).validate_json(rendered) == result


def test_the_schema_names_what_render_prints():
    schema = jsonline.schema()

    assert set(schema["properties"]) == set(json.loads(jsonline.render(HEALTHY)))
    assert schema["$defs"]["State"]["enum"] == ["holds", "broken", "unknown"]


@pytest.mark.parametrize("result", RESULTS.values(), ids=RESULTS)
def test_junit_is_xml_and_counts_what_it_lists(result):
    suite = ET.fromstring(junit.render(result)).find("testsuite")  # noqa: S314 - our own words

    cases = suite.findall("testcase")
    assert len(cases) == int(suite.get("tests"))
    assert len(cases) == len(result.answers) + len(result.not_applicable)
    for word, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
        listed = [case for case in cases if case.find(word) is not None]
        assert len(listed) == int(suite.get(attribute)), word
    states = [answer.state for answer in result.answers]
    assert int(suite.get("failures")) == states.count(State.BROKEN)
    assert int(suite.get("errors")) == states.count(State.UNKNOWN)


@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_text_keeps_to_its_width(width):
    assert all(len(line) <= width for line in text.render(SICK, width=width).splitlines())


def test_colour_is_the_only_thing_that_colour_changes():
    coloured = text.render(SICK, colour=True)

    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == text.render(SICK)
