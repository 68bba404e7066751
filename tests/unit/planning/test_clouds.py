"""Cloud models: which there are, who chooses, and node addresses that somebody has given."""

from ipaddress import ip_address

import pytest

from dataplane.model.infrastructure import Infrastructure
from dataplane.planning import clouds
from dataplane.planning.plan import plan
from tests.unit.planning.shoots import SEED, V4, V6, refused, shoot, six, wish


def test_the_models_there_are():
    assert clouds.names() == ("aws", "azure", "gcp", "local", "openstack", "prefix64")


def test_the_provider_chooses_the_model_and_an_option_overrides_it():
    assert plan(six("aws")).cloud.model == "aws"
    assert plan(six("aws"), model="local").cloud.model == "local"
    assert plan(six("local"), model="prefix64").cloud.model == "prefix64"
    assert plan(six("metal")).cloud.model == "local"
    (message,) = refused(six(), model="cloudy")
    assert message == (
        'cloud: Unsupported value: "cloudy": supported values: "aws", "azure", "gcp", "local", '
        '"openstack", "prefix64"'
    )


@pytest.mark.parametrize(
    ("addresses", "message"),
    [
        (["2001:db8::a1"], "1 IPv6 addresses for 2 nodes"),
        (["2001:db8::a1", "2001:db8::a1"], "two nodes have the same address"),
        (["2001:db8::a1", "2001:db8:1::1"], "2001:db8:1::1 is outside of the nodes' range"),
        (["10.0.0.1", "10.0.0.2"], "0 IPv6 addresses for 2 nodes"),
    ],
)
def test_given_node_addresses_are_checked(addresses, message):
    given = Infrastructure(
        prefix=SEED, node_addresses=tuple((ip_address(text),) for text in addresses)
    )
    assert message in refused(six("openstack"), infrastructure=given)[0]


def test_given_node_addresses_stay_out_of_the_services():
    nodes, services = [wish("2001:db8:1::/64")], [wish("2001:db8:1::/112")]
    given = Infrastructure(
        node_addresses=((ip_address("2001:db8:1::5"),), (ip_address("2001:db8:1:0:1::"),))
    )
    cluster = six(nodes=nodes, services=services)
    assert "2001:db8:1::5 lies in the range" in refused(cluster, infrastructure=given)[0]


def test_primary_ipv6_puts_ipv6_first():
    for provider in clouds.names():
        made = plan(shoot(V6, V4, provider=provider))
        for ranges in (made.node_ranges, made.pod_ranges, made.service_ranges):
            assert [network.version for network in ranges] == [6, 4]
