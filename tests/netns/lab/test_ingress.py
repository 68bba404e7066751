"""A balancer before pods, in a lab of its own: who comes in, whom the pod takes for its client."""

from dataclasses import replace

import pytest

from dataplane.model.address import Family
from dataplane.model.stimulus import Reach
from dataplane.planning.topology import topology
from labs.drive import Driver
from tests.netns.lab.stimuli import resolve
from tests.unit.incoming import four_only

pytestmark = pytest.mark.needs(
    "root", "netns", "nft", "bind", "cgroup2", "haproxy", "nginx"
)  # an IPv4 cluster has no translator


def come(client, family, **more):
    return Reach(
        id=f"{client}-{family}",
        check="test",
        pod=client,
        target="web.internet.test",
        port=80,
        family=family,
        timeout=3.0,
        **more,
    )


async def driven(lab_of, built, *stimuli):
    async with lab_of(built) as lab:
        outcomes = await Driver(lab).drive(stimuli)
        return {outcome.stimulus: outcome for outcome in outcomes}, lab.casualties()


async def test_clients_of_both_families_are_served_and_known(lab_of):
    plan = four_only()
    stimuli = [come("client-v4", Family.IPV4), come("client-v6", Family.IPV6)]
    kept = come("client-dual", Family.IPV6, pause=0.5)
    found, casualties = await driven(lab_of, topology(plan), *stimuli, kept)

    assert casualties == ()
    for client in plan.ingress.clients:
        outcome = next(o for o in found.values() if o.stimulus.startswith(client.name))
        assert outcome.error is None, outcome
        assert outcome.peer == outcome.local
        assert outcome.peer.address in client.addresses
        assert outcome.via.address == plan.ingress.balancers[0].inside[0]
        assert outcome.server in plan.ingress.pods
    assert found[kept.id].ended_ns - found[kept.id].started_ns > 0.5e9


async def test_without_the_header_the_pod_hangs_up(lab_of):
    built = topology(four_only())
    silent = tuple(replace(spec, send_proxy=False) for spec in built.balancers)
    one = come("client-v6", Family.IPV6)

    found, _ = await driven(lab_of, replace(built, balancers=silent), one)

    assert found[one.id].error not in {None, "TIMEOUT"}


async def test_a_balancer_that_is_impatient_ends_what_is_kept_open(lab_of):
    built = topology(four_only())
    impatient = tuple(replace(spec, idle=0.2) for spec in built.balancers)
    kept = come("client-v4", Family.IPV4, pause=2.0)

    found, _ = await driven(lab_of, replace(built, balancers=impatient), kept)

    assert found[kept.id].error == "ECONNRESET"


async def test_clients_outside_have_the_internets_names(lab_of):
    plan = four_only()
    asked = [resolve("client-v4", "web.internet.test", type_) for type_ in ("A", "AAAA")]

    found, _ = await driven(lab_of, topology(plan), *asked)

    answers = {answer for outcome in found.values() for answer in outcome.answers}
    assert answers == {str(a) for a in plan.ingress.balancers[0].addresses}
