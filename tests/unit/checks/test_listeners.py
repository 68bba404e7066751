from dataclasses import replace
from ipaddress import ip_address

import pytest

from dataplane.checks.listeners import CHECK, described, takes
from dataplane.model.address import Family, family_of
from dataplane.model.answer import State
from dataplane.model.seen import ListenerSeen
from dataplane.verify import judge
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

DUAL, SIX = dual_stack(), six_only()
PORT, OTHER = 8080, 9090  # the Service's target port, and one that nobody leads to
FOUR, BOTH = {Family.IPV4}, {Family.IPV4, Family.IPV6}


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def socket(address, *, port=PORT, protocol=6, v6only=None, owner="pod-a"):
    bound = ip_address(address)
    return ListenerSeen(
        owner=owner,
        protocol=protocol,
        family=family_of(bound),
        address=bound,
        port=port,
        v6only=v6only if bound.version == 6 else None,
    )


def listening(*sockets, plan=DUAL):
    """Return the evidence of a cluster in which only these sockets are there."""
    return replace(World(plan).evidence(), listeners=sockets)


@pytest.mark.parametrize("plan", [DUAL, SIX], ids=["dual-stack", "six-only"])
def test_servers_on_the_addresses_of_their_pods_hold(plan):
    evidence = World(plan).evidence()
    found = answer(evidence)

    assert (found.state, found.findings) == (State.HOLDS, ())
    assert found.looked_at == len(evidence.listeners) == 2 * 4 * len(plan.families)


@pytest.mark.parametrize(
    ("address", "v6only", "families"),
    [
        ("0.0.0.0", None, FOUR),
        ("10.1.0.2", None, FOUR),
        ("127.0.0.1", None, set()),
        ("169.254.20.10", None, set()),
        ("::", False, BOTH),
        ("::", True, {Family.IPV6}),
        ("::1", True, set()),
        ("fe80::1", True, set()),
        ("2001:db8:2::2", True, {Family.IPV6}),
        ("::ffff:10.1.0.2", False, FOUR),
        ("::ffff:0.0.0.0", False, FOUR),
        ("::ffff:127.0.0.1", False, set()),
    ],
)
def test_whom_a_socket_lets_in(address, v6only, families):
    assert takes(socket(address, v6only=v6only)) == families


def test_the_two_kinds_of_wildcard_are_told_apart():
    assert described(socket("::", v6only=False)) == "[::]:8080 (both)"
    assert described(socket("::", v6only=True)) == "[::]:8080 (IPv6 only, IPV6_V6ONLY is on)"
    assert described(socket("0.0.0.0")) == "0.0.0.0:8080 (IPv4)"
    assert "mapped 10.1.0.2" in described(socket("::ffff:10.1.0.2", v6only=False))


@pytest.mark.parametrize("plan", [DUAL, SIX], ids=["dual-stack", "six-only"])
@pytest.mark.parametrize("port", [PORT, OTHER])
@pytest.mark.parametrize("address", ["0.0.0.0", "10.1.0.2"])
def test_ipv4_alone_is_a_finding_with_and_without_a_service(plan, port, address):
    found = answer(listening(socket(address, port=port), plan=plan))

    assert (found.state, found.looked_at) == (State.BROKEN, 1)
    (finding,) = found.findings
    assert finding.subject == "pod-a"
    assert finding.cause == f"the server on port {port} of pod-a listens for IPv4 only"
    assert str(plan.pod("pod-a").address(Family.IPV6)) in finding.expected
    assert ("Service echo" in finding.expected) is (port == PORT)
    assert f"{address}:{port} (IPv4)" in finding.seen


def test_a_node_is_judged_as_a_pod_is():
    (finding,) = answer(listening(socket("0.0.0.0", port=10250, owner="node-1"))).findings

    assert finding.subject == "node-1"


@pytest.mark.parametrize(
    "sockets",
    [
        (socket("::", v6only=False),),
        (socket("::", v6only=True), socket("0.0.0.0")),
        (socket("2001:db8:2::2", v6only=True), socket("10.1.0.2")),
        (socket("0.0.0.0"), socket("::ffff:10.1.0.2", v6only=False), socket("::", v6only=True)),
    ],
)
def test_all_sockets_of_a_port_are_one_server(sockets):
    found = answer(listening(*sockets))

    assert (found.state, found.looked_at) == (State.HOLDS, len(sockets))


def test_ipv6_only_is_a_finding_where_a_service_leads_in_with_ipv4():
    (finding,) = answer(listening(socket("::", v6only=True))).findings

    assert "listens for IPv6 only" in finding.cause
    assert "IPV6_V6ONLY is on" in finding.seen


@pytest.mark.parametrize(
    ("plan", "port"), [(SIX, PORT), (DUAL, OTHER)], ids=["six-only", "no Service"]
)
def test_ipv6_only_is_right_where_nobody_comes_with_ipv4(plan, port):
    found = answer(listening(socket("::", v6only=True, port=port), plan=plan))

    assert found.state is State.HOLDS


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "fe80::2"])
def test_loopback_is_a_finding_only_where_a_service_leads_to_it(address):
    led = answer(listening(socket(address, v6only=True)))
    own = answer(listening(socket(address, v6only=True, port=OTHER)))

    (finding,) = led.findings
    assert (
        finding.cause == "the server on port 8080 of pod-a listens where no other host reaches it"
    )
    assert (own.state, own.looked_at) == (State.HOLDS, 1)


def test_a_port_is_a_services_only_where_the_host_is_an_endpoint():
    assert answer(listening(socket("127.0.0.1", owner="node-0"))).state is State.HOLDS


def test_nobody_has_to_listen_for_a_family_that_the_host_does_not_have():
    node = DUAL.nodes[0]
    alone = replace(node.pods[0], addresses=node.pods[0].addresses[:1])
    assert alone.address(Family.IPV6) is None
    plan = replace(DUAL, nodes=(replace(node, pods=(alone, *node.pods[1:])), *DUAL.nodes[1:]))

    assert answer(listening(socket("0.0.0.0"), plan=plan)).state is State.HOLDS


def test_protocols_are_servers_of_their_own():
    found = answer(listening(socket("::", v6only=False), socket("0.0.0.0", protocol=17)))

    (finding,) = found.findings
    assert finding.evidence == (
        "UDP port 8080 in pod-a: 0.0.0.0:8080 (IPv4); Service echo leads there",
    )


def test_a_udp_socket_without_a_service_may_be_a_clients():
    found = answer(
        listening(socket("0.0.0.0", protocol=17, port=45_000), socket("::", v6only=False))
    )

    assert (found.state, found.looked_at) == (State.HOLDS, 1)


def test_sockets_of_others_are_not_judged():
    found = answer(listening(socket("0.0.0.0", owner="gateway")))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def test_a_host_that_was_not_read_is_unknown_and_named():
    evidence = World(DUAL).evidence()
    reports = tuple(r for r in evidence.reports if r.where != "pod-b" or r.probe != "sockets")

    found = answer(replace(evidence, reports=reports))

    assert found.state is State.UNKNOWN
    assert found.reason == "pod-b: its sockets were not read"


def test_nothing_seen_is_unknown():
    found = answer(listening())

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)
