from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dataplane.checks.reachability import CHECK as TRAFFIC
from dataplane.checks.service_range import CHECK
from dataplane.model.answer import State
from dataplane.model.cloud import CloudPlan, RoutePlan
from dataplane.model.seen import FlowSeen, RouteSeen
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import dual_stack
from tests.unit.world import World

PLAN = dual_stack()
EVIDENCE = World(PLAN).drive(TRAFFIC.stimuli(PLAN)).evidence()
POD, ECHO, DNS = "2001:db8:2::2", "2001:db8:3::64", "2001:db8:3::a"
TCP, UDP, ICMP6 = 6, 17, 58
SYN = 0x02
LATER, EARLIER = 10**12, 10


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def flow(source, destination, *, leaving, ports=(80, 40_000), protocol=TCP, at="pod-a", when=LATER):
    ends = ip_address(source), ip_address(destination)
    return FlowSeen(
        tap=at,
        leaving=leaving,
        family=EVIDENCE.flows[0].family if ends[0].version == 4 else "IPv6",
        protocol=protocol,
        source=ends[0],
        destination=ends[1],
        source_port=ports[0],
        destination_port=ports[1],
        packets=1,
        bytes=60,
        first_ns=when,
        last_ns=when,
        tcp_flags=SYN if protocol == TCP else 0,
    )


def seen(*flows):
    return replace(EVIDENCE, flows=(*EVIDENCE.flows, *flows))


def routed(destination, *, owner="fabric", via="2001:db8:1::11", interface="node-1"):
    hop = None if via is None else ip_address(via)
    route = RouteSeen(
        owner=owner, destination=ip_network(destination), via=hop, interface=interface
    )
    return replace(EVIDENCE, routes=(*EVIDENCE.routes, route))


def test_services_that_answer_hold():
    found = answer(EVIDENCE)

    assert found.state is State.HOLDS
    watched = [f for f in EVIDENCE.flows if f.tap.startswith(("pod-", "node-"))]
    assert found.looked_at == len(watched) + len(EVIDENCE.routes)
    assert any(str(f.source) == ECHO for f in EVIDENCE.flows), "answers were there to be judged"


@pytest.mark.parametrize(
    ("protocol", "ports"),
    [(TCP, (33_000, 8080)), (UDP, (33_000, 8080)), (ICMP6, (7, 7))],
)
def test_a_pod_that_is_asked_by_a_service_sees_a_wrong_client(protocol, ports):
    asked = flow(DNS, POD, leaving=False, protocol=protocol, ports=ports, when=EARLIER)
    answered = flow(POD, DNS, leaving=True, protocol=protocol, ports=ports[::-1], when=EARLIER + 1)

    (finding,) = answer(seen(asked, answered)).findings

    assert finding.subject == "pod-a"
    assert (
        finding.cause
        == f"node-0 hands packets to pod-a as if the cluster DNS ({DNS}) had sent them"
    )
    assert "2001:db8:3::/48" in finding.expected


def test_an_answer_to_an_earlier_question_is_right():
    asked = flow(POD, DNS, leaving=True, protocol=UDP, ports=(40_000, 53), when=EARLIER)
    answered = flow(DNS, POD, leaving=False, protocol=UDP, ports=(53, 40_000), when=EARLIER + 1)

    assert answer(seen(asked, answered)).state is State.HOLDS


@pytest.mark.parametrize(
    "asked",
    [
        flow(POD, DNS, leaving=True, protocol=UDP, ports=(40_001, 53), when=EARLIER),
        flow(POD, DNS, leaving=True, protocol=TCP, ports=(40_000, 53), when=EARLIER),
        flow(POD, ECHO, leaving=True, protocol=UDP, ports=(40_000, 53), when=EARLIER),
        flow(POD, DNS, leaving=True, protocol=UDP, ports=(40_000, 53), at="pod-b", when=EARLIER),
        flow(POD, DNS, leaving=True, protocol=UDP, ports=(40_000, 53), when=LATER + 1),
    ],
    ids=["other port", "other protocol", "other service", "other pod", "too late"],
)
def test_another_question_does_not_make_it_an_answer(asked):
    answered = flow(DNS, POD, leaving=False, protocol=UDP, ports=(53, 40_000))

    assert answer(seen(asked, answered)).state is State.BROKEN


def test_an_error_message_for_a_service_that_was_asked_is_right():
    """Connection tracking gives an endpoint's ICMP error the address of the Service that was asked."""
    asked = flow(POD, ECHO, leaving=True, protocol=UDP, ports=(40_000, 80), when=EARLIER)
    error = flow(ECHO, POD, leaving=False, protocol=ICMP6, ports=(0, 0))
    other = flow(DNS, POD, leaving=False, protocol=ICMP6, ports=(0, 0))

    assert answer(seen(asked, error)).state is State.HOLDS
    without = tuple(f for f in EVIDENCE.flows if str(f.destination) != DNS)
    assert answer(replace(EVIDENCE, flows=(*without, other))).state is State.BROKEN


@pytest.mark.parametrize(
    ("at", "leaving", "cause"),
    [
        ("node-0", True, "node-0 sends packets as if"),
        ("node-1", False, "packets come to node-1 from outside as if"),
        ("pod-a", True, "pod-a sends packets as if"),
    ],
)
def test_whoever_shows_the_address_first_is_blamed(at, leaving, cause):
    first = flow(ECHO, "2001:db8:2:1::2", leaving=leaving, ports=(9, 9), at=at)
    later = replace(first, tap="pod-c", leaving=False, first_ns=LATER + 1)

    (finding,) = answer(seen(first, later)).findings

    assert finding.subject == at
    assert finding.cause == f"{cause} Service echo ({ECHO}) had sent them"


def test_a_connection_older_than_the_probes_is_not_judged():
    old = replace(flow(DNS, POD, leaving=False), tcp_flags=0x10)

    assert answer(seen(old)).state is State.HOLDS


def test_where_flows_were_lost_nothing_is_made_of_what_is_missing():
    reports = tuple(
        replace(r, evicted=3) if (r.probe, r.where) == ("flows", "pod-a") else r
        for r in EVIDENCE.reports
    )

    found = answer(replace(seen(flow(DNS, POD, leaving=False)), reports=reports))

    assert found.state is State.UNKNOWN
    assert "evicted 3" in found.reason


@pytest.mark.parametrize(
    "destination", ["2001:db8:3::/48", "2001:db8:3:1::/64", f"{ECHO}/128", "10.0.3.0/28"]
)
def test_a_route_into_the_range_is_the_nodes_that_it_leads_to(destination):
    (finding,) = answer(routed(destination)).findings

    assert finding.subject == "node-1"
    assert finding.cause == "fabric routes Service addresses to node-1, which nobody planned"
    assert destination in finding.seen


def test_a_route_whose_next_hop_nobody_knows_is_its_owners():
    (finding,) = answer(routed("2001:db8:3::/48", via="fe80::2")).findings

    assert finding.subject == "fabric"


@pytest.mark.parametrize(
    "evidence",
    [
        routed("2001:db8::/32"),  # wider than the range: how else would nodes be reached
        routed("::/0"),
        routed("2001:db8:2:5::/64"),
        routed("2001:db8:3::/48", via=None, interface="lo"),
        routed("2001:db8:3::/48", via=None, interface=None),
        routed(f"{ECHO}/128", owner="node-0", via=None, interface="kube-ipvs0"),
    ],
    ids=["wider", "default", "elsewhere", "blackhole", "nowhere", "on a node"],
)
def test_other_routes_are_right(evidence):
    assert answer(evidence).state is State.HOLDS


def test_a_wider_route_that_begins_where_the_range_begins_is_right():
    plan = replace(PLAN, service_ranges=(ip_network("2001:db8:4::/48"),))
    evidence = routed("2001:db8:4::/46")

    found = answer(replace(evidence, header=replace(evidence.header, plan=plan)))

    assert found.state is State.HOLDS


def test_a_route_that_the_plan_has_belongs():
    """Services may be routed from upstream on purpose."""
    network = ip_network("2001:db8:3::/48")
    route = RoutePlan(table="router", destination=network, target="node-1")
    plan = replace(PLAN, cloud=CloudPlan(routes=(route,)))
    evidence = routed("2001:db8:3::/48")

    found = answer(replace(evidence, header=replace(evidence.header, plan=plan)))

    assert found.state is State.HOLDS


def test_routes_that_were_not_read_are_unknown():
    reports = tuple(r for r in EVIDENCE.reports if r.probe != "routes")
    found = answer(replace(EVIDENCE, routes=(), reports=reports))

    assert (found.state, found.reason) == (State.UNKNOWN, "routes: not attached")


def test_nothing_seen_is_unknown():
    found = answer(replace(EVIDENCE, flows=(), routes=()))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def test_the_world_shows_it_from_end_to_end():
    world = World(PLAN, Faults(service_clients={"pod-c"})).drive(TRAFFIC.stimuli(PLAN))

    found = answer(world.evidence())

    assert {finding.subject for finding in found.findings} == {"pod-c"}
