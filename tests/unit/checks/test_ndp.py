"""`ndp`: answered, unanswered, answered and not taken; routers that are heard, and those that are not."""

from dataclasses import replace
from ipaddress import IPv6Address, ip_network

import pytest

from dataplane.checks.masquerade import CHECK as TRAFFIC
from dataplane.checks.ndp import CHECK
from dataplane.model.answer import State
from dataplane.model.seen import (
    AddressSeen,
    DiscoveryMessage,
    DiscoverySeen,
    NeighbourSeen,
    NeighbourState,
    RouteSeen,
)
from dataplane.planning.topology import topology
from dataplane.verify import judge
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

PLAN = six_only(neighbours="resolved", default_routes="advertised")
EVIDENCE = World(PLAN).drive(TRAFFIC.stimuli(PLAN)).evidence()
TAPS = {tap.name: tap for tap in EVIDENCE.header.taps}
ROUTER, HOST = IPv6Address("fe80::1"), IPv6Address("fe80::2")
OTHERS = IPv6Address("fe80::1:0:1")
GROUP = IPv6Address("ff02::1:ff00:1")
S, MS = 1_000_000_000, 1_000_000
RS, RA, NS, NA = DiscoveryMessage
OWNERS = tuple(dict.fromkeys(name for pod in PLAN.actors for name in (pod.node, pod.name)))
NODES = tuple(node.name for node in PLAN.nodes)


def message(tap, kind, time_ns, *, source=None, target=ROUTER, leaving=None, lifetime=None):
    asks = kind in (RS, NS)
    return DiscoverySeen(
        tap=tap,
        leaving=asks if leaving is None else leaving,
        time_ns=time_ns,
        message=kind,
        source=source or (HOST if asks else ROUTER),
        destination=GROUP,
        target=target if kind in (NS, NA) else None,
        lifetime=lifetime,
    )


def asked(tap, time_ns=S, *, answered=True):
    yield message(tap, NS, time_ns)
    if answered:
        yield message(tap, NA, time_ns + MS)


def advertised(node, *, lifetime=30):
    return [message(node, RA, t * S, lifetime=lifetime) for t in range(1, 4)]


def default_route(node):
    return RouteSeen(owner=node, destination=ip_network("::/0"), via=ROUTER, interface="uplink")


def entry(owner, state, *, address=ROUTER, interface="eth0"):
    return NeighbourSeen(owner=owner, interface=interface, address=address, state=state)


HEALTHY = tuple(
    told for name in OWNERS for told in (*asked(name), *(advertised(name) if name in NODES else ()))
)
ROUTES = tuple(default_route(node) for node in NODES)


def answer(messages=HEALTHY, *, entries=(), routes=ROUTES, evidence=EVIDENCE):
    evidence = replace(
        evidence,
        discoveries=tuple(messages),
        neighbours=tuple(entries),
        routes=(*evidence.routes, *routes),
    )
    (only,), _ = judge(evidence, (CHECK,))
    return only


def but(name, *messages, kinds=(NS, NA)):
    """Return the healthy messages, but for those of these kinds at one tap."""
    others = (m for m in HEALTHY if m.tap != name or m.message not in kinds)
    return (*others, *messages)


def test_a_world_in_which_everybody_is_answered():
    found = answer()

    neighbours, routers = 2 * len(OWNERS), 3 * len(NODES)
    assert (found.state, found.looked_at) == (State.HOLDS, neighbours + routers + len(NODES))


@pytest.mark.parametrize("name", OWNERS)
def test_three_solicitations_without_an_answer_are_a_finding(name):
    lost = (m for t in (1, 2, 3) for m in asked(name, t * S, answered=False))

    found = answer(but(name, *lost))

    (finding,) = found.findings
    assert (found.state, finding.subject) == (State.BROKEN, name)
    assert finding.cause == f"the solicitations of {name} for fe80::1 are not answered"
    assert finding.evidence == (f"3 solicitations, 0 advertisements at {name}",)


def test_an_answer_after_three_solicitations_comes_too_late_for_the_packets():
    lost = (m for t in (1, 2, 3) for m in asked("node-0", t * S, answered=False))

    assert answer(but("node-0", *lost, *asked("node-0", 9 * S))).state is State.BROKEN


def test_an_answer_to_the_second_solicitation_is_an_answer():
    again = (*asked("node-0", S, answered=False), *asked("node-0", 2 * S))

    assert answer(but("node-0", *again)).state is State.HOLDS


def test_who_still_waits_is_a_doubt():
    found = answer(but("node-0", *asked("node-0", answered=False)))

    assert (found.state, found.findings) == (State.UNKNOWN, ())
    assert "node-0 was still asking for fe80::1" in found.reason


def test_who_asks_again_at_once_has_not_taken_the_answers():
    again = (m for t in range(1, 6) for m in asked("node-1", t * S))

    found = answer(but("node-1", *again))

    (finding,) = found.findings
    assert (found.state, finding.subject) == (State.BROKEN, "node-1")
    assert finding.cause == "node-1 does not take the advertisements of fe80::1"


def test_who_asks_again_after_a_while_only_makes_sure():
    again = (m for t in range(1, 6) for m in asked("node-1", t * 20 * S))

    assert answer(but("node-1", *again)).state is State.HOLDS


def test_an_entry_that_the_kernel_gave_up_is_a_finding_of_the_link_that_it_is_on():
    (tap,) = (tap for tap in EVIDENCE.header.taps if tap.name == PLAN.actors[0].name)

    found = answer(
        entries=[entry(tap.namespace, NeighbourState.FAILED, interface=tap.interface, address=HOST)]
    )

    (finding,) = found.findings
    assert (found.state, finding.subject) == (State.BROKEN, tap.owner)
    assert f"{tap.namespace}: fe80::2 dev {tap.interface} failed" in finding.evidence


def test_a_known_neighbour_needs_no_solicitation():
    pod = PLAN.actors[0].name

    assert answer(but(pod)).state is State.UNKNOWN
    assert answer(but(pod), entries=[entry(pod, NeighbourState.STALE)]).state is State.HOLDS


@pytest.mark.parametrize(
    "stray",
    [
        pytest.param({"source": IPv6Address("::")}, id="duplicate address detection"),
        pytest.param({"target": IPv6Address("2001:db8:ffff::1")}, id="nobody's address"),
    ],
)
def test_what_needs_no_answer(stray):
    extra = (message("node-0", NS, t * S, **stray) for t in range(1, 9))

    assert answer((*HEALTHY, *extra)).state is State.HOLDS


def test_who_does_not_answer_others_is_a_finding_of_its_own_link():
    pod = PLAN.actors[0]
    asks = (message(pod.name, NS, t * S, leaving=False, target=pod.addresses[0]) for t in (1, 2, 3))

    found = answer((*HEALTHY, *asks))

    assert [finding.subject for finding in found.findings] == [pod.name]
    assert f"the link of {pod.name} for {pod.name}" in found.findings[0].cause


@pytest.mark.parametrize(
    ("told", "cause"),
    [
        ([message("node-1", RS, S)], "no router advertisement comes to node-1"),
        (advertised("node-1"), "node-1 does not take router advertisements"),
        (
            advertised("node-1", lifetime=0),
            "the router of node-1 says that it is no default router",
        ),
    ],
)
def test_a_node_without_a_default_route(told, cause):
    found = answer(but("node-1", *told, kinds=(RS, RA)), routes=[default_route("node-0")])

    (finding,) = found.findings
    assert (found.state, finding.subject, finding.cause) == (State.BROKEN, "node-1", cause)


def test_routes_that_were_not_read_are_not_routes_that_are_missing():
    reports = tuple(
        replace(r, blind="gone") if (r.probe, r.where) == ("routes", "node-1") else r
        for r in EVIDENCE.reports
    )

    found = answer(routes=[default_route("node-0")], evidence=replace(EVIDENCE, reports=reports))

    assert (found.state, found.findings) == (State.UNKNOWN, ())
    assert "node-1: its routes were not read" in found.reason


def test_nothing_seen_is_unknown():
    found = answer((), routes=())
    blind = tuple(r for r in EVIDENCE.reports if r.probe not in {"routes", "neighbours"})
    unread = answer((), routes=(), evidence=replace(EVIDENCE, reports=blind))

    assert found.state is State.BROKEN  # the routes were read, and there is no default route
    assert (unread.state, unread.looked_at) == (State.UNKNOWN, 0)


@pytest.mark.parametrize(
    ("plan", "applies"),
    [
        (six_only(), False),
        (dual_stack(), False),
        (six_only(neighbours="resolved"), True),
        (dual_stack(default_routes="advertised"), True),
    ],
)
def test_it_applies_where_there_is_something_to_discover(plan, applies):
    assert (CHECK.applies(plan) is None) is applies


def test_the_taps_of_these_tests_are_a_topologys():
    real = {tap.name: tap.point for tap in topology(PLAN).taps}

    assert {name: TAPS[name].point for name in OWNERS} == {name: real[name] for name in OWNERS}


def test_what_others_of_one_network_ask_for_is_not_ours_to_answer():
    node = NODES[0]
    asks = [message(node, NS, t * S, source=OTHERS, leaving=False) for t in (1, 2, 3)]
    assert answer((*HEALTHY, *asks)).state is State.HOLDS
    silent = [told for told in HEALTHY if (told.tap, told.target) != (node, ROUTER)]
    assert answer((*silent, *asks)).state is State.BROKEN


def on_segment(node, source, *, target, time_ns, answered):
    """Yield that somebody on the network of a node asks for an address, and the node's answer."""
    yield message(node, NS, time_ns, source=source, target=target, leaving=False)
    if answered:
        told = message(node, NA, time_ns + MS, source=target, target=target, leaving=True)
        yield replace(told, destination=source)


def test_two_who_ask_for_one_address_each_have_their_answer():
    """The second one asks just after the first one was answered, and that answer was not for it."""
    servers = IPv6Address("fe80::547"), IPv6Address("fe80::bad:1")
    asked_by = [
        told
        for number, server in enumerate(servers)
        for told in on_segment(
            "node-0", server, target=HOST, time_ns=S + number * 10 * MS, answered=True
        )
    ]

    assert answer((*HEALTHY, *asked_by)).state is State.HOLDS


def test_who_asks_on_a_network_of_many_and_is_not_answered_is_found():
    server = IPv6Address("fe80::547")
    lost = [
        told
        for t in (1, 2, 3)
        for told in on_segment("node-0", server, target=HOST, time_ns=t * S, answered=False)
    ]

    found = answer((*HEALTHY, *lost))

    (finding,) = found.findings
    assert finding.subject == "node-0"
    assert finding.cause == "the solicitations of the link of node-0 for fe80::2 are not answered"


def test_what_the_network_floods_is_not_for_a_node_that_does_not_have_the_address():
    flooded = [
        told
        for t in (1, 2, 3)
        for told in on_segment("node-0", HOST, target=OTHERS, time_ns=t * S, answered=False)
    ]
    own = AddressSeen(owner="node-0", interface="uplink", address=HOST, length=64)

    assert answer((*HEALTHY, *flooded)).state is State.BROKEN
    evidence = replace(EVIDENCE, addresses=(own,))
    assert answer((*HEALTHY, *flooded), evidence=evidence).state is State.HOLDS
