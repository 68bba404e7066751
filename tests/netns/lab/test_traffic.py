"""What packets do in a lab: between pods, to services, through NAT64 and CLAT, and when blocked."""

import asyncio
import socket
import subprocess
from dataclasses import replace
from ipaddress import IPv6Network, ip_address

import pytest

from dataplane.kernel import netns
from dataplane.model.cluster import Cluster, RangeWish, Strategy
from dataplane.model.plan import ClatPlacement
from dataplane.model.topology import Ruleset
from dataplane.planning.plan import plan
from dataplane.planning.topology import topology as topology_of
from tests.netns.lab import world as world_addresses
from tests.netns.lab.stimuli import V4, V6, drive, one, reach, resolve
from tests.netns.lab.world import (
    DUAL4,
    DUAL6,
    PREFIX,
    SERVICE6,
    pod_address,
    world,
)

pytestmark = pytest.mark.needs("root", "netns", "nft", "tun", "tayga", "bind", "cgroup2")

TRANSPORTS = ("tcp", "udp", "icmp")
PUBLIC4 = ip_address("203.0.113.2")
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6, ETH_P_ARP = 0x0003, 0x0800, 0x86DD, 0x0806


class Sniffer:
    """Counts the frames of an interface by EtherType, both directions."""

    def __init__(self, namespace, interface):
        self._channel = netns.call(namespace, self._open, interface)

    @staticmethod
    def _open(interface):
        channel = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
        channel.bind((interface, ETH_P_ALL))
        channel.settimeout(0)
        return channel

    def types(self):
        seen = []
        with self._channel as channel:
            while True:
                try:
                    seen.append(int.from_bytes(channel.recv(65536)[12:14], "big"))
                except BlockingIOError:
                    return seen


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_pods_see_each_other_as_they_are(lab_of, transport):
    topology = world(pods=3, clat=None)
    async with lab_of(topology) as lab:
        same, other, itself = await drive(
            lab,
            reach("pod-0", pod_address(0, 2), transport),
            reach("pod-0", pod_address(1, 1), transport),
            reach("pod-1", pod_address(1, 1), transport),
        )
    for outcome, target in ((same, pod_address(0, 2)), (other, pod_address(1, 1))):
        assert outcome.ok
        assert outcome.local.address == pod_address(0, 0)
        assert outcome.remote.address == target
        assert outcome.attempts == ((outcome.remote, None),)
        assert outcome.pid
        if transport != "icmp":
            assert outcome.peer == outcome.local, "no address or port is changed on the way"
    assert itself.ok


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_a_service_leads_to_its_endpoints(lab_of, transport):
    topology = world(pods=4, clat=None)
    async with lab_of(topology) as lab:
        outcomes = await drive(
            lab, *(reach("pod-0", SERVICE6, transport, port=80) for _ in range(40))
        )
    assert all(outcome.ok for outcome in outcomes)
    node, seen = ip_address("2001:db8:c0:f::1"), {outcome.peer.address for outcome in outcomes}
    # Chosen at random of four, one of which is the client itself: then the node hides its source.
    assert seen == {pod_address(0, 0), node}


async def test_a_service_without_endpoints_or_port_refuses(lab_of):
    topology = world(pods=1, clat=None)
    empty = replace(topology.services[0], address=ip_address("fd00:5e::e"), endpoints=())
    topology = replace(topology, services=(*topology.services, empty))
    async with lab_of(topology) as lab:
        outcomes = await drive(
            lab,
            # An ICMP error that comes while connect(2) still holds the socket is forgotten; the one
            # for the SYN's retransmission, after a second, is not.
            reach("pod-0", "fd00:5e::e", port=80, timeout=3),
            reach("pod-0", "fd00:5e::e", "udp", port=80),
            reach("pod-0", SERVICE6, "udp", port=81),
        )
    assert [outcome.error for outcome in outcomes] == ["ECONNREFUSED"] * 3


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("nat64", ["64:ff9b:1::/96", "2001:db8:64::/96", "64:ff9b:1:fffe::/96"])
async def test_nat64(lab_of, transport, nat64):
    topology = world(pods=2, clat=None)
    new = IPv6Network(nat64)
    topology = replace(
        topology,
        translators=tuple(replace(spec, prefix=new) for spec in topology.translators),
        routes=tuple(
            replace(r, destination=new) if r.destination == PREFIX else r for r in topology.routes
        ),
        resolver=replace(topology.resolver, dns64=new),
    )
    async with lab_of(topology) as lab:
        outcome = await one(lab, reach("pod-1", "v4only.internet.test", transport, family=V6))
    assert outcome.ok
    assert outcome.remote.address == new[int(ip_address("198.51.100.4"))]
    if transport != "icmp":
        assert outcome.peer.address == PUBLIC4


async def test_errors_come_back_through_nat64(lab_of):
    """Also through the relay, which has to exchange the prefix in the packet that is quoted."""
    topology = world(pods=1, clat=None)
    server = PREFIX[int(ip_address("198.51.100.4"))]
    async with lab_of(topology) as lab:
        tcp, udp = await drive(
            lab, reach("pod-0", server, port=9), reach("pod-0", server, "udp", port=9)
        )
    assert (tcp.error, udp.error) == ("ECONNREFUSED", "ECONNREFUSED")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_clat_in_the_pod(lab_of, transport):
    async with lab_of(world(pods=1)) as lab:
        link = Sniffer(lab.namespace("node-0"), "v0")
        literal, name, native = await drive(
            lab,
            reach("pod-0", DUAL4, transport),
            reach("pod-0", "dual.internet.test", transport, family=V4),
            reach("pod-0", DUAL6, transport),
        )
        seen = link.types()
    assert literal.ok
    assert name.ok
    assert literal.local.address == ip_address("192.0.0.2")
    if transport != "icmp":
        assert literal.peer.address == PUBLIC4
    assert native.local.address == pod_address(0, 0), "the CLAT's address is not for native sockets"
    assert seen.count(ETH_P_IPV6) > 6, "the sniffer was awake"
    assert ETH_P_IP not in seen
    assert ETH_P_ARP not in seen


@pytest.mark.needs("ping")
async def test_clat_carries_larger_packets_and_errors(lab_of):
    async with lab_of(world(pods=1)) as lab:
        argv = ["ping", "-c", "1", "-W", "2", "-s", "1000", str(DUAL4)]
        child = await asyncio.create_subprocess_exec(
            *lab.placement("pod-0").command(argv),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        words, _ = await child.communicate()
        assert child.returncode == 0, words.decode()
        refused = await one(lab, reach("pod-0", DUAL4, "udp", port=9))
    assert refused.error == "ECONNREFUSED"


def _planned(**options):
    wish = {
        kind: RangeWish(family=V6, strategy=Strategy.CIDR, network=IPv6Network(network))
        for kind, network in {
            "nodes": "2001:db8:10::/64",
            "pods": "2001:db8:1::/48",
            "services": "2001:db8:3::/108",
        }.items()
    }
    cluster = Cluster(
        name="test", families=(V6,), **{kind: (value,) for kind, value in wish.items()}
    )
    return plan(cluster, **options)


@pytest.mark.parametrize("placement", list(ClatPlacement))
async def test_what_the_planner_plans(lab_of, placement):
    planned = _planned(clat=placement)
    topology = topology_of(planned)
    pods, servers = planned.actors, planned.servers
    async with lab_of(topology) as lab:
        outcomes = await drive(
            lab,
            *(
                reach(pod.name, address, transport)
                for transport in TRANSPORTS
                for pod in pods
                for other in (*pods, *servers)
                for address in other.addresses
            ),
            *(reach(pod.name, s.dns_name) for pod in pods for s in (*servers,)),
            *(reach(pod.name, s.dns_name, port=s.port) for pod in pods for s in planned.services),
            *(resolve(pod.name, server.dns_name) for pod in pods for server in servers),
        )
    failed = [o for o in outcomes if not o.ok]
    assert failed == []


async def test_a_blocked_family_is_blocked_and_only_while_it_is_asked_for(lab_of):
    topology = world(pods=1)
    dual = "dual.internet.test"
    async with lab_of(topology) as lab:
        without4, without6, plain = await drive(
            lab,
            reach("pod-0", DUAL6, blocked=V4),
            reach("pod-0", DUAL6, timeout=0.3, blocked=V6),
            reach("pod-0", dual),
        )
        rules = netns.call(
            lab.namespace("pod-0"),
            lambda: (
                subprocess.run(
                    ["nft", "list", "ruleset"], capture_output=True, text=True, check=True
                ).stdout
            ),
        )
    assert without4.ok
    assert without6.error == "TIMEOUT"
    assert plain.ok
    assert rules == ""


async def test_fallback_tries_the_next_address(lab_of):
    topology = world(pods=1)
    hole = Ruleset(
        namespace="node-0",
        text=f"table inet hole {{ chain c {{ type filter hook forward priority 0; ip6 daddr {DUAL6} drop; }}; }}",
    )
    async with lab_of(replace(topology, rulesets=(hole,))) as lab:
        outcome = await one(lab, reach("pod-0", "dual.internet.test", timeout=0.4))
    assert outcome.ok
    assert [(e.address, error) for e, error in outcome.attempts] == [
        (DUAL6, "TIMEOUT"),
        (DUAL4, None),
    ]
    assert outcome.remote.address == DUAL4


async def test_a_listener_listens_where_it_is_told_to(lab_of):
    topology = world(pods=1)
    four_only = tuple(
        replace(spec, addresses=(DUAL4,)) if spec.namespace == "server-dual" else spec
        for spec in topology.listeners
    )
    async with lab_of(replace(topology, listeners=four_only)) as lab:
        six, four, other = await drive(
            lab, reach("pod-0", DUAL6), reach("pod-0", DUAL4), reach("pod-0", world_addresses.V6)
        )
    assert (six.error, four.error, other.error) == ("ECONNREFUSED", None, None)


async def test_no_route_is_said_at_once(lab_of):
    async with lab_of(world(pods=2, clat=None)) as lab:
        outcome = await one(lab, reach("pod-1", DUAL4))
    assert (outcome.ok, outcome.error) == (False, "ENETUNREACH")
