"""`dhcp`: leases inside and outside of the pool, servers nobody planned, nodes without an address."""

from dataclasses import replace
from ipaddress import IPv6Address

import pytest

from dataplane.checks.dhcp import CHECK
from dataplane.model.answer import State
from dataplane.model.evidence import Evidence, Header
from dataplane.model.seen import AddressSeen, DhcpMessage, DhcpSeen, LinkSeen, ProbeReport
from dataplane.planning.topology import topology
from dataplane.session.prepare import Shape, prepare_scenario
from dataplane.verify import judge
from labs import scenario as scenarios
from tests.unit.plans import six_only

PLAN = prepare_scenario(scenarios.load("dhcpv6"), Shape()).plan
TAPS = topology(PLAN).taps
NODES = tuple(node.name for node in PLAN.nodes)
OWN = {node.name: node.addresses[0] for node in PLAN.nodes}
SERVER, STRANGER = PLAN.leases.link_local, IPv6Address("fe80::bad:1")
PLANNED = f"dhcp ({SERVER})"
UNPLANNED = f"{STRANGER}, which is no server of the plan"
ALL_SERVERS = IPv6Address("ff02::1:2")
OUTSIDE = IPv6Address("2001:db8:0:0:c000::7")
SOLICIT, ADVERTISE, REQUEST, REPLY = (
    DhcpMessage.SOLICIT,
    DhcpMessage.ADVERTISE,
    DhcpMessage.REQUEST,
    DhcpMessage.REPLY,
)


def local(node):
    return IPv6Address("fe80::1:0:0") + NODES.index(node)


def asks(node, message=SOLICIT):
    return DhcpSeen(
        tap=node,
        leaving=True,
        time_ns=1,
        message=message,
        transaction=7,
        source=local(node),
        destination=ALL_SERVERS,
        client="00030001025300000001",
    )


def says(node, message, *addresses, source=SERVER, whole=True):
    return DhcpSeen(
        tap=node,
        leaving=False,
        time_ns=2,
        message=message,
        transaction=7,
        source=source,
        destination=local(node),
        server="000100010000",
        addresses=addresses,
        whole=whole,
    )


def exchange(node, address, *, source=SERVER):
    yield asks(node)
    yield says(node, ADVERTISE, address, source=source)
    yield asks(node, REQUEST)
    yield says(node, REPLY, address, source=source)


def has(node, address, valid=3600):
    return AddressSeen(owner=node, interface="uplink", address=address, length=128, valid=valid)


HEALTHY = {node: tuple(exchange(node, OWN[node])) for node in NODES}
HELD = {node: (has(node, OWN[node]),) for node in NODES}
LINK_LOCALS = tuple(has(node, local(node), None) for node in NODES)
REPORTS = (
    *(ProbeReport(probe="stamps", where=tap.name, hook="tcx") for tap in TAPS),
    *(
        ProbeReport(probe=probe, where=node, hook="rtnetlink")
        for node in NODES
        for probe in ("addresses", "links")
    ),
)


def link(node, *, managed=True):
    return LinkSeen(owner=node, interface="uplink", mtu=1500, managed=managed)


LINKS = tuple(map(link, NODES))


def answer(*, messages=None, held=None, links=LINKS, reports=REPORTS):
    said = HEALTHY | (messages or {})
    there = HELD | (held or {})
    evidence = Evidence(
        header=Header(version="0", scenario="x", engine="tayga", plan=PLAN, taps=TAPS),
        dhcp=tuple(seen for each in said.values() for seen in each),
        addresses=(*LINK_LOCALS, *(own for each in there.values() for own in each)),
        links=tuple(links),
        reports=tuple(reports),
    )
    (only,), _ = judge(evidence, (CHECK,))
    return only


def the_finding(found):
    assert found.state is State.BROKEN
    (finding,) = found.findings
    return finding


def test_leases_of_the_pool_hold():
    found = answer()

    assert (found.state, found.findings) == (State.HOLDS, ())
    assert found.looked_at == len(NODES) * (4 + 1 + 1)


def test_a_lease_outside_of_the_pool_names_server_and_address():
    found = answer(
        messages={"node-1": tuple(exchange("node-1", OUTSIDE))},
        held={"node-1": (has("node-1", OUTSIDE),)},
    )

    finding = the_finding(found)
    assert finding.subject == "node-1"
    assert finding.cause == f"an address outside of the allocation pool comes from {PLANNED}"
    assert str(OUTSIDE) in finding.seen
    assert len(finding.evidence) == 3


def test_what_is_offered_outside_of_the_pool_and_not_taken_is_found_too():
    more = (says("node-0", ADVERTISE, OUTSIDE, source=STRANGER),)

    finding = the_finding(answer(messages={"node-0": (*HEALTHY["node-0"], *more)}))

    assert finding.subject == "node-0"
    assert finding.cause == f"an address outside of the allocation pool comes from {UNPLANNED}"


def test_an_address_outside_of_the_pool_that_nobody_was_seen_to_give():
    finding = the_finding(answer(held={"node-0": (*HELD["node-0"], has("node-0", OUTSIDE))}))

    assert finding.cause.endswith("comes from somebody who was not seen")


def test_a_second_server_is_found_also_where_it_leases_from_the_pool():
    more = tuple(exchange("node-0", OWN["node-0"], source=STRANGER))

    finding = the_finding(answer(messages={"node-0": (*HEALTHY["node-0"], *more)}))

    assert finding.cause == f"a second DHCPv6 server is on the network: {UNPLANNED}"


def test_an_address_that_is_written_down_is_no_lease():
    finding = the_finding(answer(held={"node-1": (has("node-1", OWN["node-1"], None),)}))

    assert finding.cause == "the address of node-1 is no lease: it stays for ever"


def test_two_nodes_with_one_address():
    found = answer(held={"node-1": (has("node-1", OWN["node-0"]),)})

    assert {(f.subject, f.cause) for f in found.findings} == {
        ("node-0", "node-1 has the same address"),
        ("node-1", "node-0 has the same address"),
    }


@pytest.mark.parametrize(
    ("messages", "cause"),
    [
        ((), "node-0 asks no DHCPv6 server"),
        ((asks("node-0"), asks("node-0")), "no DHCPv6 server answers node-0"),
        (
            (asks("node-0"), says("node-0", ADVERTISE)),
            f"{PLANNED} has no address for node-0",
        ),
        (
            (asks("node-0"), says("node-0", ADVERTISE, OWN["node-0"])),
            f"node-0 does not take the answers of {PLANNED}",
        ),
    ],
    ids=["asks nobody", "nobody answers", "nothing to lease", "not taken"],
)
def test_a_node_without_an_address(messages, cause):
    finding = the_finding(answer(messages={"node-0": messages}, held={"node-0": ()}))

    assert (finding.subject, finding.cause) == ("node-0", cause)


def test_a_lease_that_nobody_was_seen_to_give_is_unknown():
    found = answer(messages={"node-0": ()})

    assert (found.state, found.findings) == (State.UNKNOWN, ())
    assert "node-0: nobody was seen to lease it an address" in found.reason


def test_a_message_that_is_cut_off_may_say_more():
    cut = (*HEALTHY["node-0"], says("node-0", REPLY, whole=False))

    found = answer(messages={"node-0": cut})

    assert found.state is State.UNKNOWN
    assert "cut off" in found.reason


@pytest.mark.parametrize(
    "missing", [("stamps", "node-0"), ("addresses", "node-0"), ("links", "node-0")]
)
def test_what_was_not_watched_or_read_is_unknown(missing):
    kept = tuple(report for report in REPORTS if (report.probe, report.where) != missing)

    assert answer(reports=kept).state is State.UNKNOWN


def test_a_router_that_does_not_say_that_there_is_dhcp():
    finding = the_finding(answer(links=[link(node, managed=False) for node in NODES]))

    assert finding.subject == "router-v6"
    assert finding.cause == "router-v6 does not say that addresses come by DHCPv6"
    assert len(finding.evidence) == len(NODES)


def test_a_node_that_takes_no_advertisement_says_nothing_of_them():
    """Whether it should have taken one is judged by `ndp`."""
    assert answer(links=[link(node, managed=None) for node in NODES]).state is State.HOLDS


def test_nothing_seen_is_unknown():
    evidence = Evidence(
        header=Header(version="0", scenario="x", engine="tayga", plan=PLAN, taps=TAPS)
    )

    (found,), _ = judge(evidence, (CHECK,))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def test_another_node_hears_of_a_lease_without_having_it():
    """On a network of many, what is meant for one may come to all: it is judged where it came."""
    found = answer(messages={"node-0": (*HEALTHY["node-0"], asks("node-1"))})

    assert found.state is State.HOLDS


@pytest.mark.parametrize("plan", [six_only(), replace(PLAN, leases=None)])
def test_nobody_leases_where_addresses_are_written_down(plan):
    assert "written down" in CHECK.applies(plan)
    assert CHECK.applies(PLAN) is None
    assert CHECK.stimuli(PLAN) == ()
