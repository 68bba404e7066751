"""The address tree and its picture: everything nested, nothing lost, nothing that could run."""

from xml.etree import ElementTree as ET

import pytest
from hypothesis import HealthCheck, given, settings

from dataplane.planning.drawing import WIDTH, render_svg
from dataplane.planning.plan import plan
from dataplane.planning.tree import Branch, trees
from dataplane.planning.wiring import host
from tests.unit.planning.clusters import clusters
from tests.unit.planning.shoots import V4, V6, dual, four, seed_diagram, six
from tests.unit.planning.test_cloud_topologies import plans
from tests.unit.planning.test_topology import OPTIONS, possible

SVG = "{http://www.w3.org/2000/svg}"


def walk(branches):
    for branch in branches:
        yield branch
        yield from walk(branch.children)


def drawn(made, **options):
    return ET.fromstring(render_svg(made, **options))  # noqa: S314 - our own document


def words(document):
    return [element.text for element in document.iter(f"{SVG}text")]


@given(plans())
def test_the_tree_holds_every_address_once(made):
    found = [b for roots in trees(made, shown=10_000).values() for b in walk(roots)]
    networks = [branch.network for branch in found]
    assert len(set(networks)) == len(networks)
    wanted = {*made.node_ranges, *made.pod_ranges, *made.service_ranges, *made.dns_addresses}
    wanted |= {n for node in made.nodes for n in (*node.addresses, *node.pod_prefixes)}
    wanted |= {a for pod in made.pods for a in (*pod.addresses, pod.clat_address) if a}
    wanted |= {a for service in made.services for a in service.addresses}
    wanted |= {subnet.network for subnet in made.cloud.subnets}
    assert {n if hasattr(n, "prefixlen") else host(n) for n in wanted} <= set(networks)


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(clusters(), OPTIONS)
def test_children_lie_in_their_parents_and_beside_each_other(cluster, options):
    made = possible(cluster, options)
    for roots in trees(made, shown=10_000).values():
        for branch in [Branch(network=None, kind="", labels=(), children=roots), *walk(roots)]:
            inside = [child.network for child in branch.children]
            if branch.network is not None:
                assert all(child.subnet_of(branch.network) for child in inside)
            assert not any(a.overlaps(b) for a in inside for b in inside if a is not b)
            assert inside == sorted(inside)


def test_one_network_with_several_meanings_is_one_branch():
    (root,) = trees(plan(six("aws")))[V6]
    assert root.labels == ("nodes", "pods")
    assert root.network.prefixlen == 56
    gcp = trees(plan(six("gcp")))[V6][0]
    assert gcp.labels == ("nodes", "pods", "external IPv6 range, a /96 per VM")


def test_the_tree_of_the_seeds_diagram():
    cluster, given_ones = seed_diagram()
    (root,) = [b for b in trees(plan(cluster, infrastructure=given_ones))[V6] if b.children]
    assert str(root.network) == "2001:db8::/64"
    assert [str(child.network) for child in root.children] == [
        "2001:db8::/66",
        "2001:db8:0:0:4000::/66",
        "2001:db8:0:0:8000::/66",
        "2001:db8:0:0:c000::/66",
    ]
    nodes = [str(child.network[0]) for child in root.children[0].children]
    assert nodes == ["2001:db8::a1", "2001:db8::b4"]


def test_the_primary_family_comes_first_and_empty_ones_not_at_all():
    assert list(trees(plan(dual()))) == [V4, V6]
    assert list(trees(plan(six()))) == [V6]
    assert list(trees(plan(four()))) == [V4]


def test_many_are_counted_not_drawn():
    made = plan(six(), nodes=100, pods=200)
    (pods,) = [b for b in trees(made)[V6] if "pods" in b.labels]
    assert len(pods.children) == 13
    more = pods.children[-1]
    assert (more.kind, more.more, more.network) == ("more", 88, None)
    assert "and 88 more (pods of a node)" in words(drawn(made))
    assert len(render_svg(made)) < 200_000


def test_a_drawing_is_text_and_shapes():
    document = drawn(plan(dual("aws"), nodes=3, pods=7))
    assert document.get("width") == str(WIDTH)
    tags = {element.tag.removeprefix(SVG) for element in document.iter()}
    assert tags == {"svg", "title", "rect", "text", "line", "path"}
    assert {"10.250.0.0/16", "pod-a", "workers-0: nodes"} <= set(words(document))
    attributes = {name for element in document.iter() for name in element.attrib}
    assert not {name for name in attributes if name.startswith("on") or "href" in name}


def test_everything_is_inside_the_picture():
    document = drawn(plan(dual("openstack"), nodes=20, pods=40))
    height = int(document.get("height"))
    for element in document.iter(f"{SVG}rect"):
        x, width = int(element.get("x", 0)), int(element.get("width"))
        y, tall = int(element.get("y", 0)), int(element.get("height"))
        assert 0 <= x <= x + width <= WIDTH
        assert width >= 0
        assert 0 <= y <= y + tall <= height
    for element in document.iter(f"{SVG}text"):
        assert 0 < int(element.get("x")) < WIDTH
        assert 0 < int(element.get("y")) < height


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", 'a"b&c', "\x1b[31mred\u202e", "\ud800", "x" * 500]
)
def test_hostile_names_are_drawn_as_text(name):
    text = render_svg(plan(six(name=name)))
    assert "<script" not in text
    assert "\x1b" not in text
    document = ET.fromstring(text)  # noqa: S314 - our own document
    assert document.find(f"{SVG}title").text.startswith("Address tree of cluster ")
    assert max(len(word) for word in words(document)) <= 80


def test_the_same_plan_is_the_same_picture():
    assert render_svg(plan(six("aws"))) == render_svg(plan(six("aws")))
