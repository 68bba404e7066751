from dataclasses import replace

import pytest

from dataplane.checks.dns64 import CHECK, questions
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.verify import judge
from tests.unit.network import DROP, Faults
from tests.unit.plans import six_only
from tests.unit.world import World

PLAN = six_only()


def driven(faults=None):
    return World(PLAN, faults).drive(CHECK.stimuli(PLAN))


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def answered(evidence, label, **fields):
    """Return the evidence with the outcomes of one question replaced."""
    outcomes = tuple(
        replace(o, **fields) if f"/{label}/" in o.stimulus else o for o in evidence.outcomes
    )
    return replace(evidence, outcomes=outcomes)


def cause(evidence, label, **fields):
    (finding,) = answer(answered(evidence, label, **fields)).findings
    assert finding.subject == "gateway"
    return finding.cause


def test_the_questions_and_their_only_right_answers():
    asked = {(q.label, q.name, q.type): q.addresses for q in questions(PLAN)}

    texts = {key: value and {str(a) for a in value} for key, value in asked.items()}
    assert texts == {
        ("synthesized", "v4only.internet.test", "AAAA"): {"64:ff9b:1::c633:6404"},
        ("registry", "registry-1.docker.io", "AAAA"): {"64:ff9b:1::c633:6404"},
        ("untouched", "v4only.internet.test", "A"): {"198.51.100.4"},
        ("real", "v6only.internet.test", "AAAA"): {"2001:db8:f2::4006"},
        ("real", "dual.internet.test", "AAAA"): {"2001:db8:f2::4046"},
        ("prefix", "ipv4only.arpa", "AAAA"): {"64:ff9b:1::c000:aa", "64:ff9b:1::c000:ab"},
        ("missing", "nonexistent.internet.test", "AAAA"): None,
    }


def test_every_question_is_asked_on_every_node_and_every_actor_asks():
    stimuli = CHECK.stimuli(PLAN)

    asked = {(PLAN.pod(s.pod).node, s.label, s.name, s.type) for s in stimuli}
    assert asked == {
        (node.name, q.label, q.name, q.type) for node in PLAN.nodes for q in questions(PLAN)
    }
    assert len(stimuli) == len(asked)
    assert {s.pod for s in stimuli} == {pod.name for pod in PLAN.actors}


def test_looked_at_counts_the_answers_that_reached_pods():
    assert answer(driven().evidence()).looked_at == len(CHECK.stimuli(PLAN))


@pytest.mark.parametrize(
    ("label", "fields", "expected"),
    [
        (
            "synthesized",
            {"answers": ()},
            "DNS64 is on (ipv4only.arpa), and synthesizes nothing for names outside",
        ),
        (
            "synthesized",
            {"answers": ("64:ff9b::c633:6404",)},
            "DNS64 uses 64:ff9b::/96, and the NAT64 serves 64:ff9b:1::/96",
        ),
        (
            "synthesized",
            {"answers": ("2001:db8::1",)},
            "the resolver's answers differ from the zones",
        ),
        (
            "synthesized",
            {"ok": False, "answers": (), "error": "NXDOMAIN"},
            "the resolver denies names that exist",
        ),
        (
            "synthesized",
            {"ok": False, "answers": (), "error": "SERVFAIL"},
            "the resolver fails with SERVFAIL",
        ),
        (
            "missing",
            {"ok": True, "error": None, "answers": ("64:ff9b:1::1",)},
            "the resolver answers for names that do not exist",
        ),
        ("untouched", {"answers": ()}, "the resolver's answers differ from the zones"),
    ],
)
def test_what_the_resolver_does_wrong_is_said(label, fields, expected):
    assert cause(driven().evidence(), label, **fields) == expected


def test_dns64_that_is_off_for_the_well_known_name_too_is_called_off():
    found = answer(driven(Faults(dns64_off=True)).evidence())

    assert {f.cause for f in found.findings} == {
        "DNS64 does not synthesize AAAA records",
        "nothing can be pulled from registry-1.docker.io: no AAAA record, and none is made",
    }


def test_synthesis_beside_real_records_is_found():
    evidence = driven().evidence()
    outcomes = tuple(
        replace(o, answers=(*o.answers, "64:ff9b:1::c633:642e"))
        if "/dual.internet.test/" in o.stimulus
        else o
        for o in evidence.outcomes
    )

    (finding,) = answer(replace(evidence, outcomes=outcomes)).findings

    assert finding.cause == "DNS64 adds synthesized records to names that have AAAA records"


def test_a_cname_in_the_answer_is_passed_over():
    evidence = driven().evidence()
    chain = ("alias.internet.test.", "64:ff9b:1::c633:6404")

    assert answer(answered(evidence, "synthesized", answers=chain)).state is State.HOLDS


def test_answers_that_the_kernel_did_not_see_count_for_nothing():
    evidence = driven(Faults(dns64_off=True)).evidence()

    found = answer(replace(evidence, flows=(), packets=()))

    assert (found.state, found.looked_at, found.findings) == (State.UNKNOWN, 0, ())


def test_answers_lost_on_the_way_are_not_the_resolvers_fault():
    found = answer(driven(Faults(lost_prefixes={("node-0", Family.IPV6)})).evidence())

    assert found.state is State.HOLDS
    assert found.looked_at == len(CHECK.stimuli(PLAN)) // 2


def test_a_resolver_that_is_silent_for_all_is_broken():
    world = driven(Faults(silent_resolver=True))
    server = PLAN.server("server-v6").addresses[0]
    transport = "tcp"
    for pod in PLAN.actors:
        for number, stimulus in enumerate(world.stimuli):
            if stimulus.pod == pod.name:
                world.now = world.outcomes[number].started_ns
                world.attempt(pod, transport, server, 8080)

    found = answer(world.evidence())

    assert found.state is State.BROKEN
    assert {finding.subject for finding in found.findings} == {"gateway"}
    assert "does not answer" in found.findings[0].cause


def test_queries_that_no_pod_got_out_are_unknown():
    found = answer(driven(Faults(rule=lambda *_: DROP)).evidence())

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def test_one_question_that_nobody_gets_an_answer_to_is_the_resolvers():
    fields = {"ok": False, "error": "TIMEOUT", "answers": ()}

    assert cause(driven().evidence(), "prefix", **fields) == (
        "the resolver does not answer AAAA queries for ipv4only.arpa"
    )
