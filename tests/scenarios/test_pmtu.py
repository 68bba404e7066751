"""A path that takes less than its ends is no fault as long as somebody says so and is heard."""

from dataclasses import replace

import pytest

from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.topology import Point, Topology
from dataplane.session.prepare import Shape, prepare_scenario
from dataplane.session.run import open_session
from labs import scenario as scenarios

pytestmark = pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun")

NARROW, FLOOR = 1400, 905


def narrowed(topology: Topology, server) -> Topology:
    """Narrow the link of a node, and the IPv4 path behind the NAT64; nobody is muted."""
    links = tuple(
        replace(link, mtu=NARROW) if link.b.namespace == "node-0" else link
        for link in topology.links
    )
    routes = tuple(
        replace(route, mtu=FLOOR)
        if (route.namespace, route.interface) == ("internet", server.name)
        else route
        for route in topology.routes
    )
    return replace(topology, links=links, routes=routes)


async def test_who_is_told_that_packets_are_too_big_sends_smaller_ones():
    prepared = prepare_scenario(scenarios.load("default"), Shape())
    server = next(s for s in prepared.plan.servers if s.address(Family.IPV6) is None)
    topology = narrowed(prepared.topology, server)

    async with open_session(replace(prepared, topology=topology)) as session:
        conducted = await session.conduct()

    answers = {answer.check: answer for answer in conducted.result.answers}
    assert {name: a.reason for name, a in answers.items() if a.state is not State.HOLDS} == {}
    evidence = conducted.evidence
    pods = {tap.name for tap in topology.taps if tap.point is Point.POD}
    heard = {said.mtu for said in evidence.too_big if said.tap in pods and not said.leaving}
    assert heard == {NARROW, 1280}  # RFC 7915 section 4.2: never less than 1280
    told = {said.mtu for said in evidence.too_big if said.tap == "gateway-nat64" and said.leaving}
    assert FLOOR in told
