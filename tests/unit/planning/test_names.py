"""The DNS names of a lab: the API server's records, by family, and a registry that has A records only."""

from ipaddress import ip_address

import pytest

from dataplane.model.address import Family
from dataplane.planning.names import api_server, records, zones
from dataplane.planning.plan import plan
from tests.unit.plans import _cluster, dual_stack, six_only

V4, V6 = Family.IPV4, Family.IPV6
ADDRESSES = (ip_address("2001:db8::443"), ip_address("192.0.2.43"))


@pytest.mark.parametrize(
    ("families", "types", "objects"),
    [
        ((V4,), ["A"], ["mine-external"]),
        ((V6,), ["AAAA"], ["mine-external-ipv6"]),
        ((V6, V4), ["AAAA", "A"], ["mine-external-ipv6", "mine-external"]),
    ],
)
def test_the_api_server_has_a_record_of_each_family_and_no_two_objects_of_one_name(
    families, types, objects
):
    made = api_server(_cluster("mine", *families), ADDRESSES)

    assert [record.record_type for record in made] == types
    assert [record.object_name for record in made] == objects
    assert {record.name for record in made} == {"api.mine.internet.test"}
    assert [[a.version for a in r.values] for r in made] == [
        [6 if t == "AAAA" else 4] for t in types
    ]


@pytest.mark.parametrize("name", ["a" * 63, ".".join(["a" * 50] * 4), "\ud800", "A file.yaml"])
def test_whatever_the_cluster_is_called_the_name_has_labels_that_a_zone_takes(name):
    made = api_server(_cluster(name, V6), ADDRESSES)

    assert all(0 < len(label) <= 63 for label in made[0].name.split("."))
    assert made[0].name.isascii()


def test_the_records_are_in_the_zones_and_the_registry_has_no_aaaa():
    for made in (six_only(), dual_stack(), plan(_cluster("four", V4))):
        found = {(r.name, r.type): r.value for r in records(made)}

        assert all(any(name.endswith(zone) for zone in zones()) for name, _ in found)
        assert ("registry-1.docker.io", "A") in found
        assert ("registry-1.docker.io", "AAAA") not in found
        for record in made.dns_records:
            assert found[record.name, record.record_type] == str(record.values[0])
