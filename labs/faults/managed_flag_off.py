"""The router advertises itself without flag M: who waits for it does not know that there is DHCPv6.

RFC 4861 section 4.2: with flag M, addresses are to be had by DHCPv6. The lab's clients ask in any case; others
(systemd-networkd, NetworkManager) do so only when a router has said it.
"""

from dataclasses import replace
from random import Random

from dataplane.model.plan import Plan
from dataplane.model.topology import Topology
from labs.fault import Fault, Faulted, needs_leases


def _apply(topology: Topology, _plan: Plan, _random: Random) -> Faulted:
    silent = tuple(replace(router, managed=False) for router in topology.advertisers)
    subjects = tuple(router.namespace for router in topology.advertisers)
    return Faulted(topology=replace(topology, advertisers=silent), subjects=subjects)


FAULT = Fault(
    name="managed-flag-off",
    title="the router does not say that there is DHCPv6",
    doc=__doc__,
    applies=needs_leases,
    apply=_apply,
)
