"""What radvd is told, and which faults have something to break."""

from dataclasses import replace
from ipaddress import IPv6Network

from dataplane.model.programs import AdvertiserSpec
from labs import routers
from labs.fault import faults
from tests.unit.plans import dual_stack, six_only

SPEC = AdvertiserSpec(
    namespace="fabric", interfaces=("node-0", "node-1"), learners=("node-0", "node-1"), lifetime=42
)
RESOLVING = {"neighbour-solicitations-lost", "neighbour-advertisements-lost"}
ADVERTISING = {"router-advertisements-lost", "router-advertisements-ignored"}


def test_every_link_is_advertised_on_without_the_address_that_is_to_be_asked_for():
    text = routers.render(SPEC)

    assert [line for line in text.splitlines() if line.startswith("interface")] == [
        "interface node-0 {",
        "interface node-1 {",
    ]
    assert text.count("AdvSendAdvert on;") == text.count("AdvSourceLLAddress off;") == 2
    assert text.count("AdvDefaultLifetime 42;") == 2
    assert "prefix" not in text


def test_where_addresses_are_leased_the_router_says_so_and_what_they_are_part_of():
    subnet = IPv6Network("2001:db8::/64")
    text = routers.render(replace(SPEC, managed=True, prefixes=(subnet,)))

    for words in ("AdvManagedFlag on;", "AdvOtherConfigFlag on;", "prefix 2001:db8::/64 {"):
        assert text.count(words) == len(SPEC.interfaces)
    assert text.count("AdvOnLink off;") == text.count("AdvAutonomous off;") == 2
    assert "Managed" not in routers.render(SPEC)


def test_a_fault_of_discovery_needs_something_to_discover():
    known = faults()
    for make in (six_only, dual_stack):
        for name in RESOLVING:
            assert known[name].applies(make())
            assert known[name].applies(make(neighbours="resolved")) is None
            assert known[name].applies(make(default_routes="advertised"))
        for name in ADVERTISING:
            assert known[name].applies(make())
            assert known[name].applies(make(default_routes="advertised")) is None
            assert known[name].applies(make(neighbours="resolved"))
