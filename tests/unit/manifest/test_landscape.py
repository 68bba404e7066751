"""Networks and DNSRecords beside the Shoot that they are made for."""

import pytest

from dataplane.manifest import landscape
from dataplane.manifest.documents import read_documents
from dataplane.manifest.fields import root
from dataplane.model.problem import Severity

SHOOT = """\
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
metadata: {name: foo}
spec: {networking: {pods: "2001:db8:1::/48", services: "2001:db8:3::/112", ipFamilies: [IPv6]}}
"""
NETWORK = """\
apiVersion: extensions.gardener.cloud/v1alpha1
kind: Network
metadata: {name: foo, namespace: shoot--core--foo}
spec: {podCIDR: "2001:db8:1::/48", serviceCIDR: "2001:db8:3::/112", ipFamilies: [IPv6]}
"""
RECORD = """\
apiVersion: extensions.gardener.cloud/v1alpha1
kind: DNSRecord
metadata: {name: foo-external-ipv6}
spec: {recordType: AAAA}
"""


def fields(*texts):
    tops = [root(document) for document in read_documents("---\n".join(texts), name="test")]
    landscape.check(tops)
    problems = [problem for top in tops for problem in top.problems]
    assert {problem.severity for problem in problems} <= {Severity.WARNING}
    return [(problem.document, problem.field) for problem in problems]


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (NETWORK, []),
        (NETWORK.replace("[IPv6]", "[IPv4]"), [(1, "spec.ipFamilies")]),
        (NETWORK.replace(", ipFamilies: [IPv6]", ""), [(1, "spec.ipFamilies")]),
        (NETWORK.replace("[IPv6]", "[IPv6, IPv4]"), [(1, "spec.ipFamilies")]),
        (NETWORK.replace("db8:1", "db8:2"), [(1, "spec.podCIDR")]),
        (NETWORK.replace("db8:3", "db8:2"), [(1, "spec.serviceCIDR")]),
        (NETWORK.replace("name: foo,", "name: bar,").replace("[IPv6]", "[IPv4]"), []),
    ],
)
def test_a_network_has_the_families_and_ranges_of_its_shoot(network, expected):
    assert fields(SHOOT, network) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (RECORD, []),
        (RECORD.replace("AAAA", "A"), [(1, "spec.recordType")]),
        (RECORD.replace("AAAA", "CNAME"), []),
        (RECORD.replace("AAAA", "A").replace("foo-", "foobar-"), []),
    ],
)
def test_an_address_record_is_of_a_family_of_its_shoot(record, expected):
    assert fields(SHOOT, record) == expected


def test_without_a_shoot_there_is_nothing_to_agree_with():
    assert fields(NETWORK, RECORD) == []
    assert fields(SHOOT.replace("metadata: {name: foo}\n", ""), NETWORK) == []


def test_records_of_one_call_get_in_each_others_way():
    four = RECORD.replace("AAAA", "A")
    assert fields(four, RECORD) == [(1, "metadata.name")]
    assert fields(four, RECORD.replace("ipv6", "ipv6-aaaa")) == []
