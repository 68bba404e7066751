"""What dnsmasq is told, and which faults have something to break."""

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

from dataplane.model.programs import DhcpServerSpec
from dataplane.session.prepare import Shape, prepare_scenario
from labs import scenario as scenarios
from labs.dhcp import dnsmasq
from labs.fault import faults
from tests.unit.plans import six_only

SPEC = DhcpServerSpec(
    namespace="dhcp",
    interface="nodes",
    index=1000,
    address=IPv6Address("2001:db8::2"),
    subnet=IPv6Network("2001:db8::/64"),
    first=IPv6Address("2001:db8::"),
    last=IPv6Address("2001:db8::3fff:ffff:ffff:ffff"),
    reserved=(("02:53:00:00:03:ea", IPv6Address("2001:db8::10")),),
)
OF_LEASES = {
    "lease-outside-pool",
    "dhcp-server-rogue",
    "dhcp-server-silent",
    "dhcp-answers-dropped",
    "managed-flag-off",
}


def test_the_server_leases_the_pool_and_does_nothing_else():
    lines = dnsmasq.render(SPEC, leases="/x/leases", running="/x/pid").splitlines()

    assert "dhcp-range=2001:db8::,2001:db8::3fff:ffff:ffff:ffff,64,1h" in lines
    assert "dhcp-host=id:00:03:00:01:02:53:00:00:03:ea,[2001:db8::10]" in lines
    assert {"port=0", "interface=nodes", "bind-interfaces", "keep-in-foreground"} <= set(lines)
    assert not any("ra" in line.partition("=")[0].split("-") for line in lines)
    assert "dhcp-authoritative" not in lines


def test_a_server_that_is_preferred_says_so():
    text = dnsmasq.render(replace(SPEC, preferred=True), leases="/x/leases", running="/x/pid")

    assert "dhcp-authoritative" in text.splitlines()


def test_a_fault_of_leases_needs_somebody_who_leases():
    plan = prepare_scenario(scenarios.load("dhcpv6"), Shape()).plan
    for name in OF_LEASES:
        assert faults()[name].applies(plan) is None
        assert faults()[name].applies(six_only()) == "the nodes' IPv6 addresses are written down"


def test_a_second_server_leases_nothing_that_anybody_uses():
    prepared = prepare_scenario(scenarios.load("dhcp-server-rogue"), Shape())

    planned, rogue = prepared.topology.dhcp_servers
    plan = prepared.plan
    assert not planned.preferred
    assert rogue.preferred
    assert rogue.subnet == planned.subnet
    used = (plan.leases.pool, *plan.pod_ranges, *plan.service_ranges)
    for address in (rogue.address, rogue.first, rogue.last):
        assert address in plan.leases.subnet
        assert not any(address in network for network in used)
    links = prepared.topology.links
    indexes = [end.index for link in links for end in (link.a, link.b)]
    assert len(set(indexes)) == len(indexes)
    (bridge,) = prepared.topology.bridges
    assert {rogue.namespace, planned.namespace} <= set(bridge.ports)
