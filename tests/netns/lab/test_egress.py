"""Pods behind an egress proxy, in a lab of its own: what a client gets, and whom servers see."""

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from dataplane.model.address import Family
from dataplane.model.stimulus import Endpoint, Reach
from dataplane.planning.topology import topology
from labs.drive import Driver
from tests.unit.outgoing import by_proxy

pytestmark = pytest.mark.needs("root", "netns", "nft", "bind", "cgroup2", "tinyproxy")

PLAN = by_proxy()
WANTED = {"server-v4": Family.IPV4, "server-v6": Family.IPV6, "server-dual": Family.IPV6}


def by(pod, target, **more):
    return Reach(
        id=f"{pod}-{target}",
        check="test",
        pod=pod,
        target=target,
        port=8080,
        timeout=6.0,
        **{"proxy": PLAN.egress.dns_name, "proxy_port": PLAN.egress.port, **more},
    )


async def driven(lab_of, built, *stimuli):
    async with lab_of(built) as lab:
        outcomes = await Driver(lab).drive(stimuli)
        return {outcome.stimulus: outcome for outcome in outcomes}, lab.casualties()


async def test_servers_of_both_families_are_reached_and_see_the_proxy(lab_of):
    pod = PLAN.actors[0].name
    stimuli = [by(pod, PLAN.server(name).dns_name) for name in WANTED]

    found, casualties = await driven(lab_of, topology(PLAN), *stimuli)

    assert casualties == ()
    for stimulus, family in zip(stimuli, WANTED.values(), strict=True):
        outcome = found[stimulus.id]
        assert outcome.error is None, outcome
        assert outcome.peer.address == PLAN.egress.address(family)
        assert outcome.remote.address == PLAN.egress.inside[0]


async def test_what_the_proxy_cannot_do_is_told_with_its_status(lab_of):
    pod = PLAN.actors[0].name
    nowhere = by(pod, "nowhere.internet.test")
    unheard = by(pod, PLAN.server("server-v4").dns_name, proxy_port=1)

    found, _ = await driven(lab_of, topology(PLAN), nowhere, unheard)

    assert found[nowhere.id].error.startswith("PROXY 5")
    assert found[unheard.id].error == "ECONNREFUSED"


async def test_a_proxy_that_listens_for_ipv4_alone_is_there_and_refuses_pods(lab_of):
    built = topology(PLAN)
    (spec,) = built.forward_proxies
    deaf = replace(spec, listen=(Endpoint(address=IPv4Address(0), port=PLAN.egress.port),))
    one = by(PLAN.actors[0].name, PLAN.server("server-v6").dns_name)

    found, casualties = await driven(lab_of, replace(built, forward_proxies=(deaf,)), one)

    assert casualties == ()
    assert found[one.id].error == "ECONNREFUSED"
