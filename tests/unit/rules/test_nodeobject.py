"""What the API server says of a node, beside what the node has."""

from ipaddress import ip_address, ip_network

import pytest

from dataplane.model.address import Family
from dataplane.model.expected import Witness
from dataplane.model.node import NodeFacts, PodFacts, Word
from dataplane.rules.nodeexpected import expect
from dataplane.rules.nodeobject import by_object, objects, own

ADDRESS = "2001:db8:e::1"
NODE = {
    "kind": "Node",
    "metadata": {"name": "node-a"},
    "spec": {"podCIDR": "2001:db8:1::/64", "podCIDRs": ["2001:db8:1::/64", "10.1.0.0/24"]},
    "status": {
        "addresses": [
            {"type": "InternalIP", "address": ADDRESS},
            {"type": "Hostname", "address": "node-a"},
        ]
    },
}
BARE = {"kind": "Node", "metadata": {"name": "node-a"}}


def facts(*routed, subnet=None, **more):
    cni = {"plugins": [{"type": "ptp", "ipam": {"subnet": subnet}}]}
    pod = PodFacts(owner="default/web", interface="veth1", routed=tuple(map(ip_address, routed)))
    word = (Word(where="cni.conf", content=cni),) if subnet else ()
    return NodeFacts(cni=word, pods=(pod,), addresses=(ip_address(ADDRESS),), **more)


def told(given, document=NODE):
    (node,) = objects(document, "node.json")
    return by_object(expect(given), given, node)


def test_a_nodes_part_is_what_the_api_server_says():
    expected = told(facts("2001:db8:1::7", subnet="2001:db8:1::/64"))
    assert expected.pod_prefixes.value == (ip_network("2001:db8:1::/64"), ip_network("10.1.0.0/24"))
    assert expected.pod_prefixes.source is Witness.KUBE_API
    assert expected.pod_prefixes.where == "Node node-a: spec.podCIDRs (node.json)"
    assert expected.families.value == (Family.IPV6, Family.IPV4)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (facts(subnet="2001:db8:9::/64"), "cni.conf gives this node's pods 2001:db8:9::/64, Node node-a"),
        (facts("2001:db8:9::7"), "the node routes 2001:db8:9::7 to default/web (veth1), outside of"),
        (NodeFacts(), f"Node node-a has the addresses {ADDRESS} (node.json), which no interface"),
        (facts("2001:db8:1::7"), "have IPv6, Node node-a: spec.podCIDRs (node.json) IPv6, IPv4"),
    ],
)  # fmt: skip
def test_what_the_node_has_otherwise_is_told(given, words):
    found = told(given).contradictions
    assert any(words in one for one in found), found


@pytest.mark.parametrize(("flags", "count"), [({"allocate-node-cidrs": "true"}, 0), ({}, 1)])
def test_a_node_that_nobody_gives_a_part_says_why(flags, count):
    where = "arguments of kube-controller-manager (etc/kubernetes/manifests/kcm.yaml)"
    given = facts(subnet="2001:db8:1::/64", control_plane=(Word(where=where, content=flags),))
    expected = told(given, BARE)
    assert expected.pod_prefixes.where == "cni.conf"
    assert len(expected.contradictions) == count
    assert all("--allocate-node-cidrs" in words for words in expected.contradictions)


def test_a_single_stack_node_has_one_cidr():
    document = {**NODE, "spec": {"podCIDR": "2001:db8:1::/64"}}
    assert told(facts(), document).pod_prefixes.value == (ip_network("2001:db8:1::/64"),)


def test_of_many_nodes_the_one_with_our_address_is_taken():
    other = {**NODE, "metadata": {"name": "node-b"}, "status": {}}
    nodes = objects({"kind": "List", "items": [other, NODE]}, "nodes.json")
    assert own(nodes, facts(), "node-b").name == "node-a"
    assert own(objects(BARE, "f"), NodeFacts(), "node-a").name == "node-a"


def test_the_node_of_another_machine_is_refused():
    nodes = objects(NODE, "node.json")
    with pytest.raises(
        ValueError, match=r"this machine \(no address, here\) is none .* node-a \(2001"
    ):
        own(nodes, NodeFacts(), "here")


@pytest.mark.parametrize(
    "document", [[], "x", None, {}, {"kind": "Pod"}, {"kind": "List", "items": [3]}]
)
def test_what_is_no_node_is_refused(document):
    with pytest.raises(ValueError, match="kubectl get node"):
        objects(document, "x.json")


@pytest.mark.parametrize(
    "spec",
    [None, [], {"podCIDRs": "x"}, {"podCIDRs": [None, 3, "nonsense"]}, {"podCIDR": {}}],
)
def test_a_node_in_another_form_names_no_range(spec):
    (node,) = objects(
        {**NODE, "spec": spec, "status": {"addresses": [3, {"type": "InternalIP"}]}}, "f"
    )
    assert (node.pod_cidrs, node.addresses) == ((), ())
