from dataclasses import replace
from ipaddress import ip_address

import pytest

from dataplane.checks.ground.courses import Passed, Stop, loss
from dataplane.checks.ground.transfers import BULK, SAFE
from dataplane.checks.pmtu import CHECK
from dataplane.model.address import Family, family_of
from dataplane.model.answer import State
from dataplane.model.plan import ClatPlacement
from dataplane.model.seen import LinkSeen, Quoted, TooBigSeen
from dataplane.model.stimulus import Transport
from dataplane.verify import judge
from tests.unit.network import Faults, at_node_of
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

PLAN = six_only()
POD, OTHER = PLAN.actors[0], next(p for p in PLAN.actors if p.node != PLAN.actors[0].node)
SERVER6, SERVER4 = "2001:db8:f2::4006", "198.51.100.4"


def seen(plan=PLAN, faults=None):
    return World(plan, faults).drive(CHECK.stimuli(plan)).evidence()


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def said(tap, mtu, *, leaving=False, source="2001:db8:1::1", refused=None, ports=(1, 2), time=1):
    """Return a message "packet too big"; `refused` are the addresses of what it is about."""
    one, other = map(ip_address, refused or (str(POD.address(Family.IPV6)), SERVER6))
    address = ip_address(source)
    return TooBigSeen(
        tap=tap,
        leaving=leaving,
        time_ns=time,
        family=family_of(address),
        source=address,
        destination=one,
        mtu=mtu,
        refused=Quoted(
            protocol=6,
            source=one,
            destination=other,
            source_port=ports[0],
            destination_port=ports[1],
        ),
    )


@pytest.mark.parametrize("clat", [ClatPlacement.POD, ClatPlacement.NODE, None])
def test_looked_at_counts_the_transfers_that_the_kernel_saw(clat):
    plan = six_only(clat=clat)

    found = answer(seen(plan))

    assert (found.state, found.looked_at) == (State.HOLDS, len(CHECK.stimuli(plan)))


def test_full_packets_go_to_every_kind_of_target_from_every_pod():
    labels = {"pod-pod-other-node", "pod-service", "pod-internet", "nat64", "clat"}
    asked = CHECK.stimuli(PLAN)

    for pod in PLAN.actors:
        assert {s.label for s in asked if s.pod == pod.name and s.octets == BULK} == labels
    datagrams = {s.octets for s in asked if s.transport is Transport.UDP}
    assert datagrams == {SAFE, 1400, 1452}


def test_an_ipv4_cluster_is_not_asked():
    plan = dual_stack()

    assert CHECK.applies(plan) is None
    assert CHECK.applies(replace(plan, families=(Family.IPV4,))) == "the cluster has no IPv6"


def test_a_transfer_that_the_kernel_did_not_see_is_no_proof():
    evidence = seen()
    small = tuple(replace(flow, bytes=120, largest=60) for flow in evidence.flows)

    found = answer(replace(evidence, flows=small))

    assert found.state is State.UNKNOWN
    assert "its octets were not seen" in found.reason


def test_nothing_seen_is_unknown():
    found = answer(replace(seen(), flows=(), packets=()))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def test_a_pod_that_reaches_nobody_is_nobodys_large_packet():
    own = POD.address(Family.IPV6)
    faults = Faults(rule=at_node_of(POD, "drop", lambda source, _: source == own))

    assert answer(seen(faults=faults)).state is State.HOLDS


@pytest.mark.parametrize("clat", [ClatPlacement.POD, ClatPlacement.NODE, None])
@pytest.mark.parametrize("node", [node.name for node in PLAN.nodes])
def test_a_black_hole_is_found_at_the_node_whose_link_it_is(node, clat):
    found = answer(seen(six_only(clat=clat), Faults(narrow={node})))

    (finding,) = found.findings
    assert (found.state, finding.subject) == (State.BROKEN, node)
    assert finding.cause == f"large packets get lost at {node}, and nobody says Packet Too Big"


def test_what_is_lost_behind_the_edge_is_the_servers():
    found = answer(seen(faults=Faults(floor={"server-v4"})))

    (finding,) = found.findings
    assert finding.subject == "server-v4"
    assert "leaving gateway edge: up to 1500 octets as IPv6; no answer to them" in finding.seen


@pytest.mark.parametrize(
    ("tap", "words"),
    [
        (None, "nobody says Packet Too Big"),
        (POD.node, "the Packet Too Big that is said gets lost"),
        (POD.name, "the Packet Too Big that is heard does not help"),
    ],
)
def test_it_is_told_what_became_of_the_message(tap, words):
    evidence = seen(faults=Faults(narrow={POD.node}))
    large = max(
        (f for f in evidence.flows if f.tap == POD.name and f.leaving and f.protocol == 6),
        key=lambda flow: flow.largest,
    )
    ends = (str(large.source), str(large.destination))
    ports = (large.source_port, large.destination_port)
    messages = () if tap is None else (said(tap, 1400, refused=ends, ports=ports),)

    found = answer(replace(evidence, too_big=messages))

    assert f"large packets get lost at {POD.node}, and {words}" in {
        finding.cause for finding in found.findings
    }


def calls_to_the_service(evidence, pod=POD):
    """Return a pod's SYNs to the ClusterIP with the same packets as their node sent them on."""
    service = PLAN.services[0].addresses[0]
    syns = [p for p in evidence.packets if p.destination == service and p.tap == pod.name]
    sent_on = {p.stamp: p for p in evidence.packets if p.tap == pod.node and p.leaving}
    return [(syn, sent_on[syn.stamp]) for syn in syns if syn.stamp in sent_on]


@pytest.mark.parametrize("translated", [False, True], ids=["as it comes", "translated back"])
def test_who_hands_on_what_a_router_quoted_of_a_service_is_blamed(translated):
    evidence = seen(faults=Faults(narrow={OTHER.node}))
    messages = [
        said(
            POD.name,
            1300,
            refused=(str(quoted.source), str(quoted.destination)),
            ports=(quoted.source_port, quoted.destination_port),
        )
        for call in calls_to_the_service(evidence)
        for quoted in (call[0 if translated else 1],)
    ]
    assert messages

    found = answer(replace(evidence, too_big=tuple(messages)))

    blamed = [f for f in found.findings if "does not translate Packet Too Big back" in f.cause]
    assert [f.subject for f in blamed] == ([] if translated else [POD.node])
    for finding in blamed:
        assert f"to echo ({PLAN.services[0].addresses[0]})" in finding.expected
        assert "quotes a packet to pod-" in finding.seen


def test_an_unwatched_place_is_not_blamed():
    evidence = seen(faults=Faults(narrow={OTHER.node}))
    blind = tuple(
        replace(r, blind="gone") if (r.probe, r.where) == ("flows", OTHER.node) else r
        for r in evidence.reports
    )

    found = answer(replace(evidence, reports=blind))

    assert found.state is State.UNKNOWN
    assert "not watched where it ended" in found.reason


@pytest.mark.parametrize(
    ("owner", "interface", "subject"),
    [(POD.name, "eth1", POD.name), (POD.node, "uplink", POD.node), ("gateway", "edge", "gateway")],
)
def test_a_link_that_is_too_small_for_ipv6_is_found(owner, interface, subject):
    evidence = seen()
    small = LinkSeen(owner=owner, interface=interface, mtu=1279)

    found = answer(replace(evidence, links=(small,)))

    (finding,) = found.findings
    assert finding.subject == subject
    assert finding.seen == f"MTU 1279 on {interface}"


@pytest.mark.parametrize(
    "link",
    [
        LinkSeen(owner=POD.name, interface="eth0", mtu=1280),
        LinkSeen(owner=POD.node, interface="docker0", mtu=576),
    ],
)
def test_a_link_that_is_large_enough_or_nobodys_is_no_finding(link):
    assert answer(replace(seen(), links=(link,))).state is State.HOLDS


@pytest.mark.parametrize(
    ("mtu", "source", "state"),
    [
        (1400, "2001:db8:1::1", State.HOLDS),
        (1280, "2001:db8:1::1", State.HOLDS),
        (1279, "2001:db8:1::1", State.BROKEN),
        (576, "192.0.2.1", State.HOLDS),
    ],
)
def test_no_router_of_ipv6_says_less_than_1280(mtu, source, state):
    refused = None if ":" in source else ("192.0.2.7", SERVER4)
    message = said(POD.name, mtu, source=source, refused=refused)

    assert answer(replace(seen(), too_big=(message,))).state is state


@pytest.mark.parametrize(
    ("into", "out", "state"),
    [
        (("192.0.2.1", 1400), ("2001:db8::1", 1420), State.HOLDS),
        (("192.0.2.1", 1400), ("2001:db8::1", 1400), State.HOLDS),  # RFC 7915: the least of several
        (("192.0.2.1", 1400), ("2001:db8::1", 1440), State.BROKEN),
        (("192.0.2.1", 905), ("2001:db8::1", 1280), State.HOLDS),
        (("192.0.2.1", 905), ("2001:db8::1", 1281), State.BROKEN),
        (("192.0.2.1", 905), ("2001:db8::1", 925), State.BROKEN),
        (("2001:db8::1", 1500), ("192.0.2.1", 1480), State.HOLDS),
        (("2001:db8::1", 1500), ("192.0.2.1", 1500), State.BROKEN),
    ],
)
def test_a_translator_counts_its_20_octets(into, out, state):
    tap = "gateway-nat64"
    four, six = ("198.18.0.9", SERVER4), (str(POD.address(Family.IPV6)), SERVER6)
    messages = [
        said(
            tap,
            mtu,
            leaving=leaving,
            source=source,
            time=time,
            refused=six if ":" in source else four,
        )
        for time, leaving, (source, mtu) in ((1, True, into), (2, False, out))
    ]

    found = answer(replace(seen(), too_big=tuple(messages)))

    assert found.state is state
    assert {finding.subject for finding in found.findings} <= {"gateway"}


HOP = seen().packets[0]


def stops(*lengths):
    return tuple(Stop(hop=HOP, longest=length) for length in lengths)


@pytest.mark.parametrize(
    ("there", "back", "heard", "lost"),
    [
        ((1500, 1500), (1500, 1500), (), None),
        ((1500, 80), (80, 80), (), (1500, 80)),
        ((1500, 1500), (1500, 80), (), (1500, 80)),
        ((1500, 1500), (80, 80), (), (1500, None)),
        ((1500, 1400, 80), (80,), (1400,), (1400, 80)),
        ((1500, 1400, 1400), (1500, 1500), (1400,), None),
        ((1500, 1400, 1400), (1500, 1500), (), (1500, 1400)),
        ((1280, 80), (80, 80), (), None),
        ((80, 80), (80, 80), (), None),
        ((1500, 0), (0, 0), (), (1500, 0)),
    ],
)
def test_large_packets_are_lost_where_they_get_shorter(there, back, heard, lost):
    found = loss(stops(*there), stops(*back), heard)

    ends = found and (found.before.longest, found.after and found.after.longest)
    assert ends == lost


def test_of_two_neighbours_the_one_that_gets_on_with_nobody_is_blamed():
    passed = Passed((), None)
    assert passed.between("one", "two") == "two"
    passed.gets.add("two")
    assert passed.between("one", "two") == "one"
    passed.sends.add("one")
    assert passed.between("one", "two") == "two"
