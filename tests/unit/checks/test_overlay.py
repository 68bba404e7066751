from dataclasses import replace
from ipaddress import ip_address

import pytest

from dataplane.checks.masquerade import CHECK as TRAFFIC
from dataplane.checks.overlay import CHECK, encapsulation
from dataplane.checks.reachability import CHECK as EVERYWHERE
from dataplane.model.address import Family, family_of
from dataplane.model.answer import State
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

PLAN = dual_stack()
EVIDENCE = World(PLAN).drive(TRAFFIC.stimuli(PLAN)).evidence()
NODE4, NODE6 = ("10.0.2.10", "10.0.2.11"), ("2001:db8:1::10", "2001:db8:1::11")
POD6 = "2001:db8:2::2"
OUTSIDE = "2001:db8:f2::4006"


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def passing(ends, protocol, ports=(0, 0), *, tap="node-0", leaving=True):
    """Return the evidence with one more flow at an uplink."""
    source, destination = map(ip_address, ends)
    extra = replace(
        EVIDENCE.flows[0],
        tap=tap,
        leaving=leaving,
        family=family_of(source),
        protocol=protocol,
        source=source,
        destination=destination,
        source_port=ports[0],
        destination_port=ports[1],
    )
    return replace(EVIDENCE, flows=(*EVIDENCE.flows, extra))


def test_the_plan_has_these_nodes():
    assert [str(a) for a in PLAN.nodes[0].addresses] == [NODE4[0], NODE6[0]]


def test_looked_at_counts_the_flows_at_uplinks():
    found = answer(EVIDENCE)

    uplinks = [f for f in EVIDENCE.flows if f.tap.startswith("node-")]
    assert (found.state, found.looked_at) == (State.HOLDS, len(uplinks))


@pytest.mark.parametrize(
    ("ends", "protocol", "ports", "name"),
    [
        (NODE6, 17, (49_152, 4789), "VXLAN"),
        (NODE4, 17, (49_152, 8472), "VXLAN"),
        (NODE6, 17, (49_152, 6081), "Geneve"),
        (NODE6, 17, (51_820, 51_820), "WireGuard"),
        (NODE4, 17, (51_871, 51_871), "WireGuard"),
        (NODE4, 4, (0, 0), "IPIP"),
        (NODE6, 4, (0, 0), "4in6"),
        (NODE4, 41, (0, 0), "6in4"),
        (NODE6, 41, (0, 0), "6in6"),
        (NODE4, 47, (0, 0), "GRE"),
        (NODE6, 47, (0, 0), "GRE"),
    ],
)
def test_every_encapsulation_is_named_and_its_sender_blamed(ends, protocol, ports, name):
    there = passing(ends, protocol, ports)
    beyond = passing(ends, protocol, ports, tap="node-1", leaving=False)

    for evidence in (there, beyond):
        (finding,) = answer(evidence).findings
        assert finding.subject == "node-0"
        assert finding.cause == f"node-0 sends packets to other nodes inside {name}"
        assert f"{name} (protocol {protocol}" in finding.seen
    inner = {4: "IPv4 inside", 41: "IPv6 inside"}.get(protocol)
    assert (inner in finding.evidence[0]) if inner else "inside" not in finding.evidence[0]


@pytest.mark.parametrize(
    ("ends", "protocol", "ports"),
    [
        ((POD6, OUTSIDE), 17, (40_000, 4789)),  # a pod's own tunnel
        ((POD6, OUTSIDE), 41, (0, 0)),
        ((OUTSIDE, POD6), 47, (0, 0)),
        ((OUTSIDE, NODE6[0]), 17, (53, 4789)),  # an answer to a port that the node took by chance
        (NODE6, 17, (53, 51_820)),
        (NODE6, 17, (4789, 53)),
        (NODE6, 17, (40_000, 4790)),
        (NODE6, 6, (40_000, 4789)),
        (NODE6, 50, (0, 0)),
    ],
)
def test_what_is_no_overlay_is_none(ends, protocol, ports):
    assert answer(passing(ends, protocol, ports)).state is State.HOLDS


def test_a_tunnel_from_elsewhere_is_about_the_node_that_gets_it():
    (finding,) = answer(passing((OUTSIDE, NODE6[1]), 41, tap="node-1", leaving=False)).findings

    assert finding.subject == "node-1"


def test_a_pod_is_no_node_also_where_pods_live_in_the_nodes_range():
    """`v6fromNode`: the pod prefixes are parts of the nodes' range."""
    evidence = passing((POD6, "2001:db8:2:1::2"), 17, (40_000, 4789))
    plan = replace(PLAN, node_ranges=PLAN.pod_ranges)

    found = answer(replace(evidence, header=replace(evidence.header, plan=plan)))

    assert found.findings == ()


def test_a_pods_link_is_not_the_uplink():
    assert answer(passing(NODE6, 41, tap="pod-a")).state is State.HOLDS


def test_what_is_inside_is_told_by_the_pods_packets():
    stimuli = [
        s for s in EVERYWHERE.stimuli(PLAN) if (s.transport, s.family) == ("tcp", Family.IPV6)
    ]
    assert any(s.label == "pod-pod-same-node" for s in stimuli)
    world = World(PLAN, Faults(encapsulating={"node-0"})).drive(stimuli)

    (finding,) = answer(world.evidence()).findings

    inside = [text for text in finding.evidence if text.startswith("inside, by its stamp")]
    assert inside
    assert all("tcp-syn pod-" in text for text in inside)
    assert all("reaching pod-c" in text or "reaching pod-d" in text for text in inside)
    assert not any("uplink" in text for text in inside)


def test_no_packet_between_nodes_is_unknown():
    nodes = [n.address(f) for n in PLAN.nodes for f in Family]
    pods = [a for p in PLAN.pods for a in p.addresses]
    apart = tuple(f for f in EVIDENCE.flows if not {f.source, f.destination} <= {*nodes, *pods})
    found = answer(replace(EVIDENCE, flows=apart))

    assert found.looked_at > 0
    assert found.state is State.UNKNOWN
    assert found.reason == "no packet between two nodes was seen at an uplink"


def test_a_single_node_has_nobody_to_tunnel_to():
    plan = six_only(nodes=1, pods=2)
    evidence = World(plan).drive(TRAFFIC.stimuli(plan)).evidence()

    assert answer(evidence).state is State.HOLDS


def test_nothing_seen_is_unknown():
    found = answer(World(PLAN).evidence())

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def test_a_header_that_says_nothing_is_no_encapsulation():
    assert {encapsulation(flow) for flow in EVIDENCE.flows} == {None}
