"""What is built is what the topology says, and what is taken down is gone."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from ipaddress import ip_address, ip_network
from random import Random

import pytest

from dataplane.kernel import netlink, netns
from dataplane.model.errors import LabFailedError, UnsupportedError
from dataplane.model.topology import Route, Ruleset
from dataplane.planning.plan import plan
from dataplane.planning.topology import topology as topology_of
from labs.build import Lab, require
from tests.netns.lab.leftovers import left_of, members
from tests.netns.lab.stimuli import drive, reach
from tests.netns.lab.world import pod_address, world
from tests.unit.planning.shoots import seed_diagram

pytestmark = pytest.mark.needs("root", "netns", "nft", "tun", "tayga", "bind", "cgroup2")

NUD_PERMANENT = 0x80


async def test_everything_is_there_as_the_topology_says(lab_of):
    topology = world(pods=3)
    async with lab_of(topology) as lab:
        for member in topology.namespaces:
            name = lab.namespace(member.name)
            links = {link["name"]: link for link in netns.call(name, netlink.links)}
            addresses = set(netns.call(name, netlink.addresses))
            routes = {(d, v, i) for d, v, i in netns.call(name, netlink.routes)}
            neighbours = {
                (i, a, m)
                for i, a, m, s in netns.call(name, netlink.neighbours)
                if s == NUD_PERMANENT
            }
            assert links["lo"]["up"]
            ends = [e for link in topology.links for e in (link.a, link.b)]
            indexes = {}
            for end in (e for e in ends if e.namespace == member.name):
                link = links.pop(end.interface)
                assert (link["index"], link["mac"], link["mtu"]) == (end.index, end.mac, 1500)
                assert link["up"]
                assert link["carrier"]
                indexes[end.interface] = end.index
                for address in end.addresses:
                    length = 64 if address.is_link_local else address.max_prefixlen
                    assert (end.index, f"{address}/{length}") in addresses
            for spec in (s for s in topology.translators if s.namespace == member.name):
                link = links.pop(spec.interface)
                assert (link["index"], link["kind"], link["mtu"]) == (spec.index, "tun", spec.mtu)
                assert link["carrier"]
                indexes[spec.interface] = spec.index
            assert links.keys() == {"lo"}, "nothing that the topology does not have"
            for route in (r for r in topology.routes if r.namespace == member.name):
                hint = route.via or route.source
                default = "0.0.0.0/0" if hint and hint.version == 4 else "::/0"
                via = None if route.via is None else str(route.via)
                wanted = (str(route.destination or default), via, indexes[route.interface])
                assert wanted in routes
            for n in (n for n in topology.neighbours if n.namespace == member.name):
                assert (indexes[n.interface], str(n.address), n.mac) in neighbours


async def test_what_runs_is_in_its_own_control_group(lab_of):
    async with lab_of(world(pods=2)) as lab:
        assert members(lab.cgroup("pod-1")) == [], "an idle pod has no process"
        assert len(members(lab.cgroup("gateway"))) == 2, "resolver and relay"
        assert len(members(lab.cgroup("gateway-nat64"))) == 1, "TAYGA in its annex"
        with pytest.raises(KeyError):
            lab.cgroup("pod-99")


async def test_the_first_packet_arrives(lab_of):
    topology = world(pods=16, clat=None)
    firsts = [reach(f"pod-{n}", pod_address((n + 1) % 2, (n + 1) % 16), "icmp") for n in range(16)]
    async with lab_of(topology) as lab:
        assert [o.error for o in await drive(lab, *firsts)] == [None] * 16


async def test_a_run_is_there_once(run, lab_of):
    topology = world(pods=1, clat=None)
    async with lab_of(topology):
        with pytest.raises(LabFailedError, match="exists: choose another name"):
            await Lab(topology, run=run).__aenter__()
        assert netns.path(f"sx-{run}-pod-0").exists(), "the first one is not disturbed"


@pytest.mark.parametrize("run_name", ["", "UPPER", "a/b", "..", "-a", "a" * 40])
def test_a_name_that_is_no_name_is_refused(run_name):
    with pytest.raises(ValueError, match="not a name"):
        Lab(world(pods=1), run=run_name)


async def test_a_broken_topology_says_where_and_leaves_nothing(run):
    topology = world(pods=1)
    nowhere = Route(namespace="pod-0", interface="eth7", destination=ip_network("2001:db8::/32"))
    with pytest.raises(LabFailedError, match=r"pod-0.*no interface eth7"):
        await Lab(replace(topology, routes=(*topology.routes, nowhere)), run=run).__aenter__()
    assert left_of(run) == []
    stranger = Route(namespace="pod-0", interface="eth0", source=ip_address("2001:db8::bad"))
    with pytest.raises(LabFailedError, match=r"pod-0.*route add ::/0.*[Ss]ource|prefsrc"):
        await Lab(replace(topology, routes=(*topology.routes, stranger)), run=run).__aenter__()
    assert left_of(run) == []
    elsewhere = replace(topology.listeners[0], addresses=(ip_address("2001:db8::bad"),))
    with pytest.raises(LabFailedError, match=r"server-v4.*listen on 2001:db8::bad port 8080"):
        await Lab(replace(topology, listeners=(elsewhere,)), run=run).__aenter__()
    assert left_of(run) == []
    twin = replace(topology.translators[0], index=topology.links[0].a.index, namespace="gateway")
    with pytest.raises(LabFailedError, match=r"gateway.*link add fabric0"):
        await Lab(
            replace(topology, translators=(*topology.translators, twin)), run=run
        ).__aenter__()
    assert left_of(run) == []
    nonsense = Ruleset(namespace="pod-0", text="table inet x { nonsense }")
    with pytest.raises(LabFailedError, match=r"pod-0.*nft.*syntax error"):
        await Lab(replace(topology, rulesets=(nonsense,)), run=run).__aenter__()
    assert left_of(run) == []


async def test_a_segment_joins_nodes_and_routers(lab_of):
    topology = topology_of(plan(seed_diagram()[0], clat=None))
    (bridge,) = topology.bridges
    async with lab_of(topology) as lab:
        links = {
            link["name"]: link
            for link in netns.call(lab.namespace(bridge.namespace), netlink.links)
        }
        assert (links[bridge.interface]["kind"], links[bridge.interface]["index"]) == (
            "bridge",
            bridge.index,
        )
        assert links.keys() == {"lo", bridge.interface, *bridge.ports}
        assert all(links[name]["up"] and links[name]["carrier"] for name in bridge.ports)
        far = next(link.b for link in topology.links if link.b.namespace == "pod-d")
        answers = await drive(
            lab, *(reach("pod-a", a, "icmp") for a in far.addresses if not a.is_link_local)
        )
        assert [outcome.error for outcome in answers] == [None, None]


def test_an_unknown_engine_is_refused_before_anything_is_made():
    topology = world(pods=1)
    magic = tuple(replace(spec, engine="magic") for spec in topology.translators)
    with pytest.raises(UnsupportedError, match=r"engine magic: needs one of .*tayga"):
        require(replace(topology, translators=magic))
    with pytest.raises(UnsupportedError, match="DNS64 server dig: needs one of bind, unbound"):
        require(replace(topology, resolver=replace(topology.resolver, server="dig")))


@pytest.mark.parametrize("seed", range(10))
async def test_cancelled_at_any_instant_leaves_nothing(run, seed):
    after = Random(seed).uniform(0, 0.25)
    lab = Lab(world(pods=12, clats=2), run=run)
    with suppress(TimeoutError):
        async with asyncio.timeout(after):
            async with lab:
                await asyncio.get_running_loop().create_future()
    assert left_of(run) == []


async def test_a_hundred_pods(run):
    topology = world(pods=100, nodes=4, clats=1)
    async with Lab(topology, run=run) as lab:
        outcomes = await drive(
            lab, *(reach(f"pod-{n}", pod_address(99 % 4, 99), "icmp") for n in range(0, 99, 9))
        )
        assert [outcome.error for outcome in outcomes] == [None] * 11
