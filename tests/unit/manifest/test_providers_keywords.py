"""Keywords in a Shoot of a provider: AWS assigns what they ask for, and Services use a part of it."""

import pytest
import yaml

from dataplane.manifest.validation import Terms, judge, read_sheet
from dataplane.model.problem import Severity, Source

ASSIGNED = "AWS assigns the IPv6 ranges of the VPC; this one is not used"


def problems(provider="aws", families=("IPv6",), **networking):
    shoot = {
        "apiVersion": "core.gardener.cloud/v1beta1",
        "kind": "Shoot",
        "metadata": {"name": "foo", "namespace": "garden-foo"},
        "spec": {
            "provider": {"type": provider, "workers": [{"name": "w"}]},
            "networking": {"type": "calico", "ipFamilies": list(families), **networking},
        },
    }
    sheet = read_sheet(yaml.safe_dump(shoot), name="test")
    (judged,) = judge([sheet], Terms(profile="proposal"))
    return judged.problems


def assigned(**networking):
    return [p.field.rpartition(".")[2] for p in problems(**networking) if p.detail == ASSIGNED]


@pytest.mark.parametrize(
    ("networking", "fields"),
    [
        ({"nodes": "v6global/64+prefix/80", "pods": "v6fromNode", "services": "v6global/64"}, []),
        ({"nodes": ["v6global/64+prefix", "nov4"], "pods": "globalIPv6/64"}, []),
        ({"pods": "2001:db8:1::/48", "services": "v6global"}, ["pods"]),
        ({"nodes": "2001:db8:2::/64+prefix/80", "pods": "v6fromNode"}, ["nodes"]),
        ({"pods": "2001:db8:1::/56", "services": "2001:db8:3::/112"}, ["pods", "services"]),
    ],
)
def test_only_written_ranges_are_not_used(networking, fields):
    assert assigned(**networking) == fields


@pytest.mark.parametrize(
    ("nodes", "families", "warned"),
    [
        ("v6global/64 v4private", ["IPv6"], True),
        (["v4private/16", "v6global"], ["IPv6"], True),
        ("v6global/64", ["IPv6"], False),
        ("v6global/64 v4private", ["IPv6", "IPv4"], False),
    ],
)
def test_nodes_of_an_ipv6_only_shoot_get_no_private_ipv4(nodes, families, warned):
    found = [p for p in problems(families=families, nodes=nodes) if p.detail[:10] == "v4private:"]
    assert [(p.field, p.severity, p.source) for p in found] == (
        [("spec.networking.nodes", Severity.WARNING, Source.SEED)] if warned else []
    )


@pytest.mark.parametrize(
    ("provider", "value", "used"),
    [
        ("aws", "v6global/64", "a /64 is reserved, the cluster uses its first /108"),
        ("gcp", "v6global/64", "a /64 is reserved, the cluster uses its first /108"),
        ("local", "v6global/64", "a /64 is reserved, the cluster uses its first /112"),
        ("openstack", "v6global/64", "a /64 is reserved, the cluster uses its first /112"),
        ("aws", "v6private", "a /48 is reserved, the cluster uses its first /112"),
        ("aws", "v6global/108", None),
        ("local", "v6global/112", None),
    ],
)
def test_what_is_used_of_a_reserved_range_is_what_a_plan_uses(provider, value, used):
    found = [p.detail for p in problems(provider, services=value) if "reserved" in p.detail]
    assert found == ([used] if used else [])
