"""Calico's and cilium's NetworkConfig, field by field."""

import pytest

from dataplane.model.address import Family
from dataplane.model.problem import Severity, Source
from dataplane.rules.providers import calico, cilium, plugins
from dataplane.rules.providers.calico import Pool


def details(problems):
    return [(problem.field, problem.detail) for problem in problems]


@pytest.mark.parametrize(
    ("pool", "expected"),
    [
        (Pool(path="p"), []),
        (Pool(path="p", pool="ipip", mode="Always", autodetection="first-found"), []),
        (Pool(path="p", pool="vxlan", mode="Never"), []),
        (
            Pool(path="p", pool="geneve"),
            [
                (
                    "p.pool",
                    'unsupported value "geneve" for pool, supported values are ["ipip", "vxlan"]',
                )
            ],
        ),
        (
            Pool(path="p", mode="never"),
            [
                (
                    "p.mode",
                    (
                        'unsupported value "never" for mode, supported values are '
                        '["Always", "Never", "CrossSubnet", "Off"]'
                    ),
                )
            ],
        ),
        (
            Pool(path="p", pool="vxlan", mode="CrossSubnet"),
            [
                (
                    "p.mode",
                    (
                        'unsupported value "CrossSubnet" for mode with pool "vxlan", supported values '
                        'are ["Always", "Never"]'
                    ),
                )
            ],
        ),
    ],
)
def test_a_pool_of_calico(pool, expected):
    assert details(calico.pool(pool)) == expected


@pytest.mark.parametrize(
    "method",
    [
        "first-found",
        "kubernetes-internal-ip",
        "interface=eth.*",
        "interface=^cali.*",
        "skip-interface=cali1234",
        "can-reach=2001:db8::1",
        "can-reach=192.0.2.1",
        "can-reach=www.example.org",
        "cidr=2001:db8::/64",
    ],
)
def test_a_node_finds_its_address(method):
    assert calico.autodetection("m", method) == []


@pytest.mark.parametrize(
    ("method", "detail"),
    [
        ("", "method cannot be empty"),
        ("eth0", 'invalid option "eth0", supported options are [can-reach cidr first-found '),
        ("first-found=eth0", "option first-found does not take a parameter"),
        ("first-found=", "option first-found does not take a parameter"),
        ("kubernetes-internal-ip=::1", "option kubernetes-internal-ip does not take a parameter"),
        ("interface", "option interface requires a parameter"),
        ("cidr=", "option cidr requires a parameter"),
        ("can-reach=invalid[regex", "parameter for can-reach must be a valid IP address or DNS"),
        ("interface=invalid[regex", "invalid regex for option interface: "),
        ("cidr=290.8.8.8/16", "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"),
    ],
)
def test_a_node_cannot_find_its_address_that_way(method, detail):
    (problem,) = calico.autodetection("m", method)

    assert problem.detail.startswith(detail)
    assert problem.source is Source.PROVIDER


@pytest.mark.parametrize(
    ("kind", "cidr", "families", "expected"),
    [
        (None, None, ("IPv6",), []),
        ("", None, ("IPv6",), []),
        ("host-local", "usePodCidr", ("IPv6",), []),
        ("calico-ipam", "10.0.0.0/8", ("IPv4",), []),
        ("calico-ipam", None, (), []),
        ("calico-ipam", None, ("IPv4", "IPv6"), ["i.type"]),
        ("calico", None, (), ["i.type"]),
        ("host-local", "10.0.0.0", (), ["i.cidr"]),
    ],
)
def test_ipam_of_calico(kind, cidr, families, expected):
    assert [problem.field for problem in calico.ipam("i", kind, cidr, families)] == expected


@pytest.mark.parametrize(
    ("mtu", "families", "detail"),
    [
        ("1440", ("IPv6",), None),
        ("0", ("IPv6",), None),
        ("1200", ("IPv4",), None),
        ("1200", ("IPv4", "IPv6"), "IPv6 needs an MTU of 1280 or more (RFC 8200)"),
        ("-1500", (), "MTU must be a positive integer"),
        ("", (), "MTU cannot be empty"),
        ("1k", (), 'invalid MTU: strconv.Atoi: parsing "1k": invalid syntax'),
    ],
)
def test_the_mtu_of_pods(mtu, families, detail):
    assert [p.detail for p in calico.veth_mtu("m", mtu, families)] == ([detail] if detail else [])


def test_ipv6_in_a_cluster_that_has_none():
    (problem,) = calico.family_used("c.ipv6", Family.IPV6, ("IPv4",))

    assert problem.message == (
        "c.ipv6: Forbidden: IPv6 configuration must not be specified if Shoot doesn't use IPv6 "
        "networking"
    )
    assert calico.family_used("c.ipv6", Family.IPV6, ("IPv4", "IPv6")) == []


@pytest.mark.parametrize(
    ("pool", "severities"),
    [
        (Pool(path="c", pool="vxlan", mode="Never"), []),
        (Pool(path="c", pool="ipip"), [Severity.ERROR]),
        (Pool(path="c", mode="Off"), [Severity.ERROR]),
        (Pool(path="c", mode="Always"), [Severity.WARNING]),
        (Pool(path="c", mode="CrossSubnet"), [Severity.WARNING]),
    ],
)
def test_the_ipv6_pool_is_routed(pool, severities):
    assert [problem.severity for problem in calico.ipv6_pool(pool)] == severities


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ((None, None, None), []),
        (("disabled", "kubernetes", "dsr"), []),
        (("ipip", "etcd", "DSR"), ["c.tunnel", "c.store", "c.loadBalancingMode"]),
    ],
)
def test_values_of_cilium(values, expected):
    assert [problem.field for problem in cilium.values("c", *values)] == expected
    assert [p.field for p in cilium.values("", *values)] == [f[2:] for f in expected]


@pytest.mark.parametrize(
    ("name", "detail"),
    [
        ("eth0", None),
        ("", "device name cannot be empty"),
        ("a" * 16, "device name cannot be longer than 15 characters"),
        ("a b", 'device name must match the pattern "[^/\\\\s]{1,15}"'),
    ],
)
def test_a_device_of_cilium(name, detail):
    assert [p.detail for p in cilium.device("d", name)] == ([detail] if detail else [])


@pytest.mark.parametrize(
    ("host", "port", "expected"),
    [
        (None, None, []),
        ("2001:db8::1", 443, []),
        ("api.example.org", 1, []),
        ("[2001:db8::1]", 443, ["k.k8sServiceHost"]),
        ("api.example.org", 65536, ["k.k8sServicePort"]),
    ],
)
def test_the_api_server_without_kube_proxy(host, port, expected):
    assert [problem.field for problem in cilium.kube_proxy("k", host, port)] == expected


def test_strict_encryption_needs_wireguard():
    assert cilium.encryption("e", "ipsec", enabled=False, strict=True) == []
    assert cilium.encryption("e", "wireguard", enabled=True, strict=True) == []
    assert [p.field for p in cilium.encryption("e", None, enabled=True, strict=True)] == ["e.mode"]


def test_a_family_is_switched_by_the_shoot():
    assert cilium.family_switch("c.ipv6.enabled", "IPv6", enabled=True, used=True) == []
    (problem,) = cilium.family_switch("c.ipv6.enabled", "IPv6", enabled=True, used=False)
    assert problem.severity is Severity.WARNING


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.b-c.d1", True), ("a" * 254, False), ("A", False), ("a..b", False), ("-a", False)],
)
def test_a_subdomain(text, expected):
    assert plugins.is_subdomain(text) is expected


def test_a_negative_mtu_of_cilium():
    assert [p.detail for p in cilium.mtu("m", -1)] == ["mtu must be a positive integer"]
    assert cilium.mtu("m", 0) == []
