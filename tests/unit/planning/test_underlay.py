"""One fabric router, or a router per subnet: who knows what, and the way through them."""

from ipaddress import ip_network

import pytest

from dataplane.model.topology import Role
from dataplane.planning.plan import plan
from dataplane.planning.topology import topology
from labs.fault import routers
from tests.unit.planning.forwarding import Paper
from tests.unit.planning.shoots import dual, four, seed_diagram, six

CLUSTER, GIVEN = seed_diagram()
MADE = plan(CLUSTER, infrastructure=GIVEN)
BUILT = topology(MADE)


def destinations(built, namespace):
    return {str(r.destination): str(r.via) for r in built.routes if r.namespace == namespace}


def test_the_diagram_has_a_router_for_each_subnet():
    assert {r.name: str(r.subnet) for r in MADE.cloud.routers} == {
        "router-v4": "100.0.0.0/24",
        "router-v6": "2001:db8::/64",
    }
    assert routers(BUILT) == {"router-v4", "router-v6"}
    assert [n.name for n in BUILT.namespaces if n.role is Role.SEGMENT] == ["network"]


def test_each_router_has_the_diagrams_entries_of_its_family():
    six_ = destinations(BUILT, "router-v6")
    assert six_["2001:db8:0:0:4000::/112"] == "2001:db8::a1"
    assert six_["2001:db8::4000:0:1:0/112"] == "2001:db8::b4"
    four_ = destinations(BUILT, "router-v4")
    pods = [str(node.pod_prefixes[0]) for node in MADE.nodes]
    assert [four_[prefix] for prefix in pods] == ["100.0.0.10", "100.0.0.15"]
    assert not any(":" in destination for destination in four_)
    assert not any("." in destination for destination in six_)


def test_upstream_knows_the_attached_subnet_and_no_pods():
    known = {d for d in destinations(BUILT, "gateway") if d.startswith("2001:db8::")}

    assert known == {"2001:db8::/64"}
    outside = {d for d in destinations(BUILT, "internet") if d.startswith("2001:db8:")}
    assert {"2001:db8::/64"} <= outside
    assert not any("4000" in destination for destination in outside)


def test_each_family_takes_its_own_router_between_nodes():
    paper = Paper(BUILT)
    one, two = MADE.pod("pod-a"), MADE.pod("pod-d")
    for address, router in zip(two.addresses, ("router-v4", "router-v6"), strict=True):
        assert paper.way(one.name, address) == [one.name, one.node, router, two.node, two.name]


def test_a_node_has_one_port_on_one_network():
    (bridge,) = BUILT.bridges
    uplinks = [link for link in BUILT.links if link.b.interface == "uplink"]

    assert {link.a.namespace for link in uplinks} == {bridge.namespace}
    assert sorted(bridge.ports) == ["node-0", "node-1", "router-v4", "router-v6"]
    local = [a for link in uplinks for a in link.b.addresses if a.is_link_local]
    assert len(set(local)) == len(uplinks)


@pytest.mark.parametrize(
    ("cluster", "names"),
    [
        (six("openstack"), {"router-v6"}),
        (four("openstack"), {"router-v4"}),
        (dual("aws"), {"fabric"}),
        (six("local"), {"fabric"}),
    ],
)
def test_which_routers_there_are(cluster, names):
    built = topology(plan(cluster))

    assert routers(built) == names
    assert bool(built.bridges) is ("fabric" not in names)


def test_a_fabric_router_knows_ranges_as_it_did():
    made = plan(six("local"))
    known = {r.destination for r in topology(made).routes if r.namespace == "gateway"}

    assert {*made.node_ranges, *made.pod_ranges} <= known
    assert ip_network("::/0") not in known
