"""The egress proxy listens on 0.0.0.0: it has IPv6, and pods that have nothing else are refused."""

from dataclasses import replace
from ipaddress import IPv4Address
from random import Random

from dataplane.model.address import Family
from dataplane.model.plan import Plan
from dataplane.model.programs import ForwardProxySpec
from dataplane.model.stimulus import Endpoint
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_egress_proxy

ANY = IPv4Address(0)


def _apply(topology: Topology, plan: Plan, random: Random) -> Faulted:
    own = plan.egress.address(Family.IPV4) if plan.egress else None
    heard = random.choice([address for address in (ANY, own) if address is not None])

    def deaf(spec: ForwardProxySpec) -> ForwardProxySpec:
        return replace(spec, listen=(Endpoint(address=heard, port=spec.listen[0].port),))

    proxies = tuple(map(deaf, topology.forward_proxies))
    names = tuple(spec.namespace for spec in proxies)
    return Faulted(topology=replace(topology, forward_proxies=proxies), subjects=names)


FAULT = Fault(
    name="egress-proxy-ipv4-only",
    title="the egress proxy does not listen for IPv6",
    doc=__doc__,
    applies=needs_egress_proxy,
    apply=_apply,
)
