from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from dataplane.checks import checks
from dataplane.checks.fallback import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.problem import Severity
from dataplane.model.seen import ConnectResult, ConnectSeen
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import MS, World

PLAN = dual_stack()
SIX = PLAN.server("server-dual").address(Family.IPV6)
FOUR = PLAN.server("server-dual").address(Family.IPV4)
ONLY4 = PLAN.server("server-v4").address(Family.IPV4)


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def attempt(destination, result, *, at=0, **fields):
    values = {
        "time_ns": at * MS,
        "pid": 4711,
        "comm": "curl",
        "owner": "pod-a",
        "netns_cookie": 1,
        "socket_cookie": 1,
        "call": "connect",
        "protocol": 6,
        "family": Family.IPV6 if destination.version == 6 else Family.IPV4,
        "destination": destination,
        "port": 8080,
        "result": ConnectResult(result),
        "latency_ns": None,
    }
    return ConnectSeen(**(values | fields))


def judged(*connects, plan=PLAN):
    return answer(replace(World(plan).evidence(), connects=connects))


@pytest.mark.parametrize("result", ["refused", "timed-out", "unsent", "pending"])
def test_a_failed_ipv6_attempt_and_an_ipv4_one_behind_it_are_one_finding(result):
    found = judged(attempt(SIX, result), attempt(FOUR, "established", at=251))

    (finding,) = found.findings
    assert (found.state, finding.subject, found.looked_at) == (State.BROKEN, "pod-a", 2)
    assert finding.seen == f"IPv6 {result}, then IPv4 established after 251.0 ms"
    assert "curl (pid 4711) in pod-a" in finding.evidence[0]
    assert "hides it" in finding.cause


def test_a_fallback_that_fails_too_is_one():
    (finding,) = judged(attempt(SIX, "refused"), attempt(FOUR, "refused", at=1)).findings

    assert "IPv4 was tried too (refused)" in finding.cause


@pytest.mark.parametrize(
    "connects",
    [
        (attempt(SIX, "established"),),
        (attempt(SIX, "established"), attempt(FOUR, "established", at=5)),
        (attempt(ONLY4, "established"),),
        (attempt(SIX, "refused"), attempt(ONLY4, "established", at=5)),
        (attempt(FOUR, "established", owner=None),),
        (attempt(FOUR, "established", owner="somebody-else"),),
        (attempt(FOUR, "sent", port=53, protocol=17, call="sendmsg"),),
        (attempt(FOUR, "unsent", protocol=17),),
        (attempt(FOUR, "pending", protocol=17),),
        (attempt(IPv4Address("127.0.0.1"), "established"),),
        (attempt(IPv4Address("192.0.2.77"), "established"),),
    ],
    ids=lambda connects: " then ".join(f"{c.destination} {c.result}" for c in connects),
)
def test_what_is_no_fallback(connects):
    assert not judged(*connects).findings


def test_ipv4_chosen_outright_is_found():
    (finding,) = judged(attempt(FOUR, "established")).findings

    assert (finding.severity, finding.subject) == (Severity.ERROR, "pod-a")
    assert "although the host has IPv6" in finding.cause


@pytest.mark.parametrize(
    "target",
    [
        PLAN.pod("pod-c").address(Family.IPV4),
        next(a for a in PLAN.services[0].addresses if a.version == 4),
    ],
)
def test_ipv4_chosen_towards_pods_and_services_is_found(target):
    assert judged(attempt(target, "established")).state is State.BROKEN


def test_datagrams_that_were_sent_count():
    assert judged(attempt(FOUR, "sent", protocol=17, call="sendmsg")).state is State.BROKEN
    assert judged(attempt(FOUR, "sent", protocol=17)).state is State.BROKEN


def test_attempts_are_joined_per_process_port_and_time():
    elsewhere = {
        "pid": attempt(FOUR, "established", at=5, pid=4712),
        "port": attempt(FOUR, "established", at=5, port=443),
        "pod": attempt(FOUR, "established", at=5, owner="pod-b"),
        "later": attempt(FOUR, "established", at=31_000),
    }

    for why, four in elsewhere.items():
        (finding,) = judged(attempt(SIX, "refused"), four).findings
        assert "chosen" in finding.cause, why


def test_hosts_that_the_plan_does_not_know_are_joined_too():
    found = judged(
        attempt(IPv6Address("2a00::1"), "timed-out"),
        attempt(IPv4Address("192.0.2.1"), "established", at=900),
    )

    assert found.state is State.BROKEN


def test_rfc6724_is_a_warning():
    pods = tuple(
        replace(pod, addresses=(pod.address(Family.IPV4), IPv6Address(f"fd00::{number + 1}")))
        for number, pod in enumerate(PLAN.nodes[0].pods)
    )
    plan = replace(PLAN, nodes=(replace(PLAN.nodes[0], pods=pods), *PLAN.nodes[1:]))

    found = judged(attempt(FOUR, "established"), plan=plan)

    assert {f.severity for f in found.findings} == {Severity.WARNING}
    assert "RFC 6724" in found.findings[0].cause
    assert found.state is State.HOLDS


def test_attempts_that_a_check_forced_are_passed_over():
    applicable = [check for check in checks() if check.applies(PLAN) is None]
    world = World(PLAN).drive(s for check in applicable for s in check.stimuli(PLAN))

    forced = [c for c in world.connects if c.destination == FOUR]

    assert forced, "reachability reaches server-dual over IPv4"
    assert answer(world.evidence()).state is State.HOLDS


def test_a_forced_attempt_does_not_hide_another_one_beside_it():
    world = World(PLAN).drive(
        s
        for check in checks()
        if check.name == "reachability"
        for s in check.stimuli(PLAN)
        if s.target == str(FOUR)
    )
    evidence = world.evidence()
    twin = replace(evidence.connects[0], socket_cookie=99, time_ns=evidence.connects[0].time_ns + 1)

    found = answer(replace(evidence, connects=(*evidence.connects, twin)))

    assert [finding.subject for finding in found.findings] == [twin.owner]


def test_a_success_of_which_no_attempt_was_seen_is_a_doubt():
    evidence = World(PLAN).drive(CHECK.stimuli(PLAN)).evidence()

    found = answer(replace(evidence, connects=evidence.connects[:2]))

    assert found.state is State.UNKNOWN
    assert "no attempt of it was seen" in found.reason


def test_control_groups_that_could_not_be_watched_make_it_unknown():
    evidence = World(PLAN).drive(CHECK.stimuli(PLAN)).evidence()
    reports = tuple(
        replace(r, blind="no cgroup2 mount") if r.probe == "connects" else r
        for r in evidence.reports
    )

    found = answer(replace(evidence, reports=reports))

    assert (found.state, found.reason) == (
        State.UNKNOWN,
        "connects at cgroup is blind: no cgroup2 mount",
    )


def test_in_an_ipv6_only_cluster_the_clats_ipv4_is_fallback_too():
    plan = six_only()
    faults = Faults(rule=lambda _, s, d: "drop" if SIX in {s, d} else None)

    found = answer(World(plan, faults).drive(CHECK.stimuli(plan)).evidence())

    assert {finding.subject for finding in found.findings} == {p.name for p in plan.actors}
