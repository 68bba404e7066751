from dataclasses import replace

import pytest

from dataplane.model.answer import Answer, Finding, Judgement, State
from dataplane.model.evidence import Evidence, Header
from dataplane.model.problem import Severity
from dataplane.model.seen import ProbeReport
from dataplane.model.stimulus import Resolve
from dataplane.model.topology import Point
from dataplane.model.view import Check, Sight
from dataplane.verify import exit_code, judge, lost_events
from tests.unit.plans import six_only, taps_of

PLAN = six_only()
TAPS = taps_of(PLAN)
HEADER = Header(version="0", scenario="s", engine="tayga", plan=PLAN, taps=TAPS)
REPORTS = (
    *(ProbeReport(probe="stamps", where=tap.name, hook="tcx") for tap in TAPS),
    ProbeReport(probe="connects", where="cgroup", hook="cgroup-link"),
)
EVIDENCE = Evidence(header=HEADER, reports=REPORTS)
STAMPS = (Sight(probe="stamps", point=Point.POD), Sight(probe="stamps", point=Point.UPLINK))
FINDING = Finding(
    severity=Severity.ERROR, subject="pod-a", expected="", seen="", cause="", remedy=""
)


def check(judgement=None, *, rests_on=(), applies=None, name="a-check"):
    return Check(
        name=name,
        title="",
        doc="",
        applies=lambda _: applies,
        stimuli=lambda _: (),
        judge=judgement if callable(judgement) else lambda _: judgement,
        rests_on=rests_on,
    )


def judged(judgement, evidence=EVIDENCE, **options):
    (answer,), absent = judge(evidence, (check(judgement, **options),))
    assert not absent
    return answer


def test_what_was_looked_at_without_a_word_against_it_holds():
    assert judged(Judgement(looked_at=3)) == Answer(
        check="a-check", state=State.HOLDS, looked_at=3, reason=""
    )


def test_nothing_looked_at_is_unknown():
    assert judged(Judgement(looked_at=0)).state is State.UNKNOWN


def test_a_finding_is_broken_whatever_else_is_doubted():
    evidence = replace(EVIDENCE, reports=tuple(replace(r, lost=1) for r in REPORTS))

    answer = judged(Judgement(looked_at=0, findings=(FINDING,), doubts=("?",)), evidence)

    assert (answer.state, answer.reason) == (State.BROKEN, "1 finding: pod-a")


@pytest.mark.parametrize("severity", [Severity.WARNING, Severity.INFO])
def test_findings_below_an_error_break_nothing(severity):
    finding = replace(FINDING, severity=severity)

    answer = judged(Judgement(looked_at=1, findings=(finding,)))

    assert (answer.state, answer.findings) == (State.HOLDS, (finding,))


def test_doubts_make_it_unknown_and_are_named():
    answer = judged(Judgement(looked_at=9, doubts=("one", "two", "two", "three", "four", "five")))

    assert answer.state is State.UNKNOWN
    assert answer.reason == "one; two; three; and 2 more"


@pytest.mark.parametrize("field", [{"lost": 4}, {"evicted": 4}, {"blind": "someone else's"}])
@pytest.mark.parametrize("rests_on", [(), STAMPS], ids=["everything", "pods and uplinks"])
def test_a_gap_in_the_books_makes_it_unknown(field, rests_on):
    reports = tuple(replace(r, **field) if r.where == "node-1" else r for r in REPORTS)

    answer = judged(Judgement(looked_at=9), replace(EVIDENCE, reports=reports), rests_on=rests_on)

    assert answer.state is State.UNKNOWN
    assert "stamps at node-1" in answer.reason
    assert str(next(iter(field.values()))) in answer.reason


def test_a_gap_where_the_check_does_not_look_does_not_matter():
    reports = tuple(
        replace(r, lost=1) if r.where in {"gateway-edge", "cgroup"} else r for r in REPORTS
    )

    answer = judged(Judgement(looked_at=9), replace(EVIDENCE, reports=reports), rests_on=STAMPS)

    assert answer.state is State.HOLDS


def test_a_tap_without_a_report_was_not_watched():
    reports = tuple(r for r in REPORTS if r.where != "pod-b")

    answer = judged(Judgement(looked_at=9), replace(EVIDENCE, reports=reports), rests_on=STAMPS)

    assert (answer.state, answer.reason) == (State.UNKNOWN, "stamps: pod-b was not watched")


def test_a_probe_without_taps_must_have_been_there():
    reports = tuple(r for r in REPORTS if r.probe != "connects")

    answer = judged(
        Judgement(looked_at=9),
        replace(EVIDENCE, reports=reports),
        rests_on=(Sight(probe="connects"),),
    )

    assert (answer.state, answer.reason) == (State.UNKNOWN, "connects: not attached")


@pytest.mark.parametrize("rests_on", [(), STAMPS])
def test_without_probes_everything_is_unknown(rests_on):
    answer = judged(Judgement(looked_at=9), replace(EVIDENCE, reports=()), rests_on=rests_on)

    assert answer.state is State.UNKNOWN
    assert "no probe was attached" in answer.reason


def test_a_check_that_does_not_apply_is_in_no_answer():
    def never(_view):
        raise AssertionError("not to be asked")

    answers, (absent,) = judge(EVIDENCE, (check(never, applies="no NAT64 here"),))

    assert not answers
    assert (absent.check, absent.reason) == ("a-check", "no NAT64 here")


def test_without_a_plan_nothing_is_promised():
    evidence = replace(EVIDENCE, header=replace(HEADER, plan=None))

    (answer,), absent = judge(evidence, (check(Judgement(looked_at=9)),))

    assert (answer.state, answer.looked_at, absent) == (State.UNKNOWN, 0, ())
    assert "no manifest" in answer.reason


def test_a_view_shows_a_check_its_own_stimuli():
    shown = []
    own = Resolve(id="one/pod-a/x", check="one", pod="pod-a", name="x")
    other = Resolve(id="two/pod-a/x", check="two", pod="pod-a", name="x")

    def look(view):
        shown.append((view.stimuli, view.outcomes, len(view.taps)))
        return Judgement(looked_at=1)

    judge(replace(EVIDENCE, stimuli=(own, other)), (check(look, name="one"),))

    assert shown == [((own,), {}, len(TAPS))]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ("", 0),
        ("holds", 0),
        ("holds unknown", 3),
        ("unknown broken", 1),
        ("holds broken unknown", 1),
    ],
)
def test_exit_codes(states, code):
    answers = [
        Answer(check=name, state=State(name), looked_at=0, reason="") for name in states.split()
    ]

    assert exit_code(answers) == code


def test_lost_events_are_added_up():
    reports = (replace(REPORTS[0], lost=3), replace(REPORTS[1], lost=4, evicted=9))

    assert lost_events(replace(EVIDENCE, reports=reports)) == 7
