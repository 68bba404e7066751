"""The `gcp` model: a /96 per VM, its first /112 for pods, and no range that can be chosen."""

from ipaddress import ip_address

import pytest

from dataplane.model.infrastructure import Infrastructure
from dataplane.planning.plan import plan
from tests.unit.planning.shoots import GCP, V4, V6, dual, four, prefixes, refused, texts, wish


def test_gcp_numbers():
    made = plan(dual("gcp"), nodes=5, infrastructure=Infrastructure(prefix=GCP))
    assert texts(made.node_ranges)[1] == texts(made.pod_ranges)[1] == "2001:db8:4000:abcd::/64"
    assert prefixes(made)[4] == "2001:db8:4000:abcd:0:5::/112"
    assert str(made.nodes[4].address(V6)) == "2001:db8:4000:abcd:0:5::"
    services = made.service_ranges[1]
    subnet = next(s for s in made.cloud.subnets if s.name == "services")
    assert services.prefixlen == 108
    assert subnet.network.prefixlen == 64
    assert services[0] == subnet.network[0]
    assert not services.overlaps(GCP)
    assert {p.setter for p in made.pools} == {"cloud-controller-manager"}
    assert prefixes(made, V4)[:2] == ["100.96.0.0/24", "100.96.1.0/24"]
    limits = {limit.name: (limit.used, limit.most) for limit in made.cloud.limits}
    assert limits["static routes of a VPC"] == (0, 200)


def test_gcp_ipv4_needs_a_route_per_node():
    made = plan(four("gcp"), nodes=7)
    assert [(x.used, x.most) for x in made.cloud.limits] == [(7, 200)]


@pytest.mark.parametrize("kind", ["nodes", "pods", "services"])
def test_no_range_can_be_chosen_on_gcp(kind):
    (message,) = refused(dual("gcp", **{kind: [wish("2001:db8:1::/64")]}))
    assert message.startswith(
        f'spec.networking.{kind}: Invalid value: "2001:db8:1::/64": GCP takes'
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"nodes": [wish("v6global", size=48)]}, "GCP gives a subnet a /64"),
        ({"nodes": [wish("v6global", size=64, node_prefix=80)]}, "GCP gives a VM a /96"),
    ],
)
def test_what_gcp_refuses(options, message):
    assert message in refused(dual("gcp", **options))[0]


def test_gcp_derives_the_prefix_from_a_given_address():
    addresses = tuple(
        (ip_address("10.250.0.9"), ip_address(f"2001:db8:4000:abcd:0:{vm}::")) for vm in (9, "c")
    )
    addresses = (addresses[0], (ip_address("10.250.0.8"), addresses[1][1]))
    given = Infrastructure(prefix=GCP, node_addresses=addresses)
    made = plan(dual("gcp"), infrastructure=given)
    assert prefixes(made) == ["2001:db8:4000:abcd:0:9::/112", "2001:db8:4000:abcd:0:c::/112"]
    same = ((addresses[0][0], addresses[0][1]), (addresses[1][0], addresses[0][1] + 1))
    twice = Infrastructure(prefix=GCP, node_addresses=same)
    assert "addresses of the same /96" in refused(dual("gcp"), infrastructure=twice)[0]
