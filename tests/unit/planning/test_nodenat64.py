"""NAT64 on each node, at the gateway, or nowhere: where translators sit and what is led to them."""

import pytest

from dataplane.model.plan import Nat64Placement
from dataplane.model.problem import InvalidInputError
from dataplane.model.topology import Point
from dataplane.planning.plan import plan
from dataplane.planning.topology import topology
from dataplane.rules import rfc6052
from tests.unit.planning.clusters import networking
from tests.unit.planning.forwarding import Paper
from tests.unit.planning.test_topology import DUAL, SIX

NODES_WITH_IPV4 = {
    "type": "calico",
    "nodes": "v4private,v6global",
    "pods": "v6global",
    "services": "v6global",
}


def test_a_nat64_on_each_node():
    made = plan(networking(**NODES_WITH_IPV4), nat64_place=Nat64Placement.NODE)
    built = topology(made)
    specs = [spec for spec in built.translators if spec.kind == "nat64"]
    assert [spec.namespace for spec in specs] == ["node-0", "node-1"]
    assert [str(spec.pool4) for spec in specs] == ["198.18.0.0/17", "198.18.128.0/17"]
    assert {spec.prefix for spec in specs} == {made.nat64.prefix}
    paper = Paper(built)
    literal = rfc6052.embed(made.nat64.prefix, made.server("server-v4").addresses[0])
    for pod in made.pods:
        assert paper.way(pod.name, literal) == [pod.name, pod.node, (pod.node, "nat64")]
    for spec, node in zip(specs, made.nodes, strict=True):
        assert paper.way("server-v6", spec.translator6)[-1] == node.name
        assert spec.translator6 not in {a for pod in made.pods for a in pod.addresses}
    hidden = {(m.namespace, m.interface): m.sources for m in built.masquerades}
    assert hidden["node-1", "uplink"] == (specs[1].pool4,)
    assert not any(specs[0].pool4.overlaps(source) for source in hidden["gateway", "edge"])
    assert {t.owner for t in built.taps if t.point is Point.TRANSLATOR} == {"node-0", "node-1"}


@pytest.mark.parametrize(
    ("cluster", "why"),
    [(SIX, "node-0 has no IPv4 address"), (DUAL, "the pods have IPv4 of their own")],
)
def test_a_nat64_on_each_node_is_refused(cluster, why):
    with pytest.raises(InvalidInputError) as caught:
        plan(networking(**cluster), nat64_place=Nat64Placement.NODE)

    (problem,) = caught.value.problems
    assert problem.field == "nat64"
    assert why in problem.detail
    assert problem.remedy


def test_without_a_nat64():
    made = plan(networking(**SIX), nat64_place=None)
    built = topology(made)
    assert (made.nat64, made.clat, built.translators) == (None, None, ())
    assert built.resolver.dns64 is None
