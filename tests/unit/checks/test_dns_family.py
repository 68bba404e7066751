from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from dataplane.checks.dns_family import CHECK, questions
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

DUAL, SIX = dual_stack(), six_only()
ECHO = "echo.default.svc.cluster.local"


def driven(plan=DUAL, faults=None):
    return World(plan, faults).drive(CHECK.stimuli(plan)).evidence()


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def answered(kind, *, plan=DUAL, name=ECHO, **fields):
    """Return the evidence with the outcomes of one question replaced."""
    evidence = driven(plan)
    outcomes = tuple(
        replace(o, **fields) if o.stimulus.endswith(f"/{name}/{kind}") else o
        for o in evidence.outcomes
    )
    assert outcomes != evidence.outcomes
    return replace(evidence, outcomes=outcomes)


def test_in_dual_stack_every_name_is_asked_for_both_types():
    asked = {(q.label, q.name, q.type): {str(a) for a in q.addresses} for q in questions(DUAL)}

    assert asked == {
        ("service", ECHO, "A"): {"10.0.3.100"},
        ("service", ECHO, "AAAA"): {"2001:db8:3::64"},
        ("api-server", "api.dual-stack.internet.test", "A"): {"198.51.100.43"},
        ("api-server", "api.dual-stack.internet.test", "AAAA"): {"2001:db8:f2::443"},
        ("server", "v4only.internet.test", "A"): {"198.51.100.4"},
        ("server", "v4only.internet.test", "AAAA"): set(),
        ("server", "v6only.internet.test", "A"): set(),
        ("server", "v6only.internet.test", "AAAA"): {"2001:db8:f2::4006"},
        ("server", "dual.internet.test", "A"): {"198.51.100.46"},
        ("server", "dual.internet.test", "AAAA"): {"2001:db8:f2::4046"},
    }


def test_where_dns64_makes_records_only_the_clusters_names_are_asked_for():
    asked = {(q.name, q.type): {str(a) for a in q.addresses} for q in questions(SIX)}

    assert asked == {
        (ECHO, "A"): set(),
        (ECHO, "AAAA"): {"2001:db8:3::64"},
        ("api.six-only.internet.test", "A"): set(),
        ("api.six-only.internet.test", "AAAA"): {"2001:db8:f2::443"},
    }


def test_an_api_server_without_its_aaaa_record_is_found_and_nothing_else_is():
    evidence = driven(DUAL)
    outcomes = tuple(
        replace(o, answers=())
        if "/api-server/" in o.stimulus and o.stimulus.endswith("/AAAA")
        else o
        for o in evidence.outcomes
    )

    (finding,) = answer(replace(evidence, outcomes=outcomes)).findings

    assert finding.subject == "gateway"
    assert finding.cause == (
        "the resolver has no AAAA records for names of the API server that have IPv6"
    )
    assert finding.expected == "api.dual-stack.internet.test AAAA: 2001:db8:f2::443"


@pytest.mark.parametrize("plan", [DUAL, SIX], ids=["dual-stack", "six-only"])
def test_every_question_is_asked_on_every_node(plan):
    asked = {(plan.pod(s.pod).node, s.name, s.type) for s in CHECK.stimuli(plan)}

    assert asked == {(n.name, q.name, q.type) for n in plan.nodes for q in questions(plan)}


@pytest.mark.parametrize("plan", [DUAL, SIX], ids=["dual-stack", "six-only"])
def test_looked_at_counts_the_answers_that_reached_pods(plan):
    found = answer(driven(plan))

    assert (found.state, found.looked_at) == (State.HOLDS, len(CHECK.stimuli(plan)))


@pytest.mark.parametrize(
    ("plan", "faults", "cause"),
    [
        (
            DUAL,
            Faults(without_records={Family.IPV6}),
            "the resolver has no AAAA records for names of Services that have IPv6",
        ),
        (
            DUAL,
            Faults(without_records={Family.IPV4}),
            "the resolver has no A records for names of Services that have IPv4",
        ),
        (
            SIX,
            Faults(foreign_records=(IPv4Address("198.19.255.1"),)),
            "the resolver gives A records to names of Services that have no IPv4",
        ),
        (
            SIX,
            Faults(foreign_records=(IPv6Address("2001:db8:bad::1"),)),
            "the AAAA records of names of Services are not the addresses of the plan",
        ),
    ],
)
def test_wrong_records_are_named_by_family(plan, faults, cause):
    found = answer(driven(plan, faults))

    (finding,) = found.findings
    assert (finding.subject, finding.cause) == ("gateway", cause)
    assert len(finding.evidence) == len(plan.nodes)
    assert ECHO in finding.expected


@pytest.mark.parametrize(
    ("kind", "fields", "cause"),
    [
        (
            "AAAA",
            {"error": "NXDOMAIN", "answers": ()},
            "the resolver denies names of Services that exist, when asked for AAAA",
        ),
        (
            "AAAA",
            {"error": "SERVFAIL", "answers": ()},
            "the resolver fails with SERVFAIL when asked for AAAA of names of Services",
        ),
        (
            "AAAA",
            {"error": "TIMEOUT", "answers": ()},
            "the resolver does not answer AAAA queries for names of Services",
        ),
    ],
)
def test_a_family_that_the_resolver_does_not_know(kind, fields, cause):
    (finding,) = answer(answered(kind, ok=False, **fields)).findings

    assert finding.cause == cause


def test_an_empty_answer_is_no_denial():
    name = "v4only.internet.test"

    assert answer(answered("AAAA", name=name, error="NODATA")).state is State.HOLDS
    (finding,) = answer(answered("AAAA", name=name, error="NXDOMAIN")).findings
    assert "denies names outside that exist" in finding.cause


def test_synthesized_records_without_nat64_lead_nowhere():
    made = answered("AAAA", name="v4only.internet.test", answers=("64:ff9b::c633:6404",))

    (finding,) = answer(made).findings
    assert finding.cause == "the resolver gives AAAA records to names outside that have no IPv6"


def test_an_answer_that_the_kernel_did_not_see_counts_for_nothing():
    evidence = driven()
    found = answer(replace(evidence, flows=(), packets=()))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)
    assert "no DNS answer was seen" in found.reason


def test_silence_that_is_the_networks_doing_is_unknown():
    evidence = driven()
    outcomes = tuple(replace(o, ok=False, error="TIMEOUT") for o in evidence.outcomes)

    found = answer(replace(evidence, outcomes=outcomes, flows=(), packets=()))

    assert (found.state, found.findings) == (State.UNKNOWN, ())


def test_a_question_that_was_not_carried_out_is_unknown():
    evidence = driven()
    found = answer(replace(evidence, outcomes=evidence.outcomes[1:]))

    assert found.state is State.UNKNOWN
    assert "was not carried out" in found.reason
