"""The `prefix64` model: a /64 per VM, and the warning of it."""

from dataplane.model.infrastructure import Infrastructure
from dataplane.model.problem import Severity
from dataplane.planning.plan import plan
from tests.unit.planning.shoots import prefixes, refused, six, wish


def test_a_64_per_vm():
    made = plan(six(), model="prefix64", nodes=3)
    (network,) = made.node_ranges
    assert network.prefixlen == 52
    assert made.pod_ranges == made.node_ranges
    blocks = list(network.subnets(new_prefix=64))
    assert [node.pod_prefixes[0] for node in made.nodes] == blocks[1:4]
    assert all(node.addresses[0] in blocks[0] for node in made.nodes)
    (advice,) = made.advice
    assert advice.severity is Severity.WARNING
    assert "a /64 per VM leaves 28 bits (7 nibbles) below a /36 region" in advice.message
    flat = plan(six(), model="prefix64", infrastructure=Infrastructure(flat=True))
    assert flat.advice == ()
    assert all(row.level("VPC") is None for row in flat.budgets)


def test_a_written_range_for_a_64_per_vm():
    cluster = six(nodes=[wish("2001:db8:36::/48", node_prefix=64)], pods=[wish("v6fromNode")])
    made = plan(cluster, model="prefix64")
    assert prefixes(made) == ["2001:db8:36:1::/64", "2001:db8:36:2::/64"]
    too_small = six(nodes=[wish("2001:db8::/64")])
    assert "has no room for a /64 per VM" in refused(too_small, model="prefix64")[0]
    elsewhere = six(pods=[wish("2001:db8:9::/48")])
    assert "pods have the /64 of their VM" in refused(elsewhere, model="prefix64")[0]
    larger = six(nodes=[wish("2001:db8::/40", node_prefix=60)])
    assert "a VM gets a /64" in refused(larger, model="prefix64")[0]


def test_a_prefix_of_64_is_dangerous_in_any_model():
    nodes = [wish("v6global", size=48, node_prefix=64)]
    made = plan(six(nodes=nodes, pods=[wish("v6fromNode")]))
    assert "a /64 per VM leaves 28 bits" in made.advice[0].message
