"""A second cluster in one lab: IPv6 between the two, IPv4 on either side, nothing in common."""

from dataclasses import replace
from ipaddress import IPv6Network, ip_address

import pytest

from dataplane.model.problem import InvalidInputError
from dataplane.model.topology import Point, Role
from dataplane.planning.pool import overlaps
from dataplane.planning.render import render_text
from dataplane.planning.topology import topology
from dataplane.session.prepare import Shape, plan_of
from labs.services import services_by_node
from tests.unit.planning.forwarding import Paper
from tests.unit.planning.shoots import dual, four, six, wish

ONE, TWO = dual(name="one"), dual(name="two")
MADE = plan_of(ONE, Shape(), TWO)
BUILT = topology(MADE)


def test_the_ranges_are_apart_in_ipv6_and_equal_in_ipv4():
    other = MADE.neighbour
    mine, theirs = MADE.pod_ranges, other.pod_ranges

    assert other.name == "two"
    assert mine[0] == theirs[0]
    assert not IPv6Network(mine[1]).overlaps(IPv6Network(theirs[1]))
    assert other.pods[0].addresses[0] == MADE.pods[0].addresses[0]
    assert [p.name for p in other.actors] == ["other-pod-a"]
    assert {node.name for node in other.nodes} | {p.name for p in other.pods} == MADE.strangers


def test_what_one_cluster_has_been_given_is_not_the_others():
    shape = Shape(nodes=1)
    given = replace(
        shape.infrastructure,
        prefix=IPv6Network("2001:db8:77::/64"),
        node_addresses=((ip_address("10.250.0.9"), ip_address("2001:db8:77::9")),),
    )
    made = plan_of(ONE, replace(shape, cloud="openstack", infrastructure=given), TWO)

    assert made.node("node-0").addresses[1] == ip_address("2001:db8:77::9")
    assert made.neighbour.nodes[0].addresses[1] not in IPv6Network("2001:db8:77::/64")


@pytest.mark.parametrize("first", [ONE, six(name="one")])
def test_packets_find_their_way_between_the_clusters(first):
    made = plan_of(first, Shape(), TWO)
    paper = Paper(topology(made))
    (other,) = made.neighbour.pods

    for pod in made.pods:
        there = next(a for a in other.addresses if a.version == 6)
        back = next(a for a in pod.addresses if a.version == 6)
        fabric = ["fabric", "gateway", "other-fabric"]
        assert paper.way(pod.name, there) == [pod.name, pod.node, *fabric, other.node, other.name]
        assert paper.way(other.name, back)[-1] == pod.name


def test_an_ipv4_address_leads_to_ones_own_side():
    paper = Paper(BUILT)
    four = MADE.pods[0].addresses[0]

    assert four.version == 4
    assert paper.way("pod-d", four)[-1] == "pod-a"
    assert paper.way("other-node-0", four)[-1] == "other-pod-a"
    assert paper.way("other-pod-a", MADE.servers[0].addresses[0])[-1] is None


def test_the_second_cluster_is_watched_and_has_no_services():
    taps = {tap.name: tap.point for tap in BUILT.taps}
    foreign = {n.name: n.role for n in BUILT.namespaces if n.foreign}

    assert taps["other-pod-a"] is Point.POD
    assert taps["other-node-0"] is Point.UPLINK
    assert foreign == {
        "other-fabric": Role.FABRIC,
        "other-node-0": Role.NODE,
        "other-pod-a": Role.POD,
    }
    assert set(services_by_node(BUILT)) == {"node-0", "node-1"}


def test_a_printed_plan_shows_both():
    lines = render_text(MADE).splitlines()

    pod = MADE.neighbour.pods[0]
    (line,) = [line for line in lines if line.startswith(f"{pod.name} ")]
    assert all(str(address) in line for address in pod.addresses)
    assert any(line.startswith("other-node-0 ") for line in lines)
    assert not any("other-" in line for line in render_text(plan_of(ONE, Shape())).splitlines())


def test_one_ipv6_range_for_two_clusters_is_refused():
    own = {"pods": (wish("2001:db8:1::/52"),)}
    with pytest.raises(InvalidInputError) as caught:
        plan_of(six(name="one", **own), Shape(), six(name="two", **own))

    assert all("IPv6 ranges must be unique" in p.detail for p in caught.value.problems)


@pytest.mark.parametrize(
    ("first", "second"), [(four(), six(name="two")), (six(), four(name="two"))]
)
def test_without_ipv6_there_is_nothing_to_talk_over(first, second):
    with pytest.raises(InvalidInputError) as caught:
        plan_of(first, Shape(), second)

    assert [problem.field for problem in caught.value.problems] == ["second"]
    assert "no IPv6" in caught.value.problems[0].detail


def test_a_plan_alone_is_as_it_was():
    alone = plan_of(ONE, Shape())

    assert alone.neighbour is None
    assert alone.strangers == frozenset()
    assert not overlaps([alone])
    with pytest.raises(KeyError):
        alone.pod("other-pod-a")
