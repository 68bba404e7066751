"""Which packets kube-proxy takes for those of local pods."""

from ipaddress import ip_address, ip_network

import pytest

from dataplane.model.address import Family
from dataplane.rules.localdetector import NO_OP, DetectLocal, LocalDetector, local_detectors

FOUR, SIX = "10.96.0.0/12", "2001:db8:96::/48"


def by_cidr(text):
    return LocalDetector(cidr=ip_network(text))


@pytest.mark.parametrize("cidrs", [(FOUR, SIX), (SIX, FOUR), (FOUR, SIX, "10.0.0.0/8")])
@pytest.mark.parametrize(
    ("mode", "field"), [("ClusterCIDR", "cluster_cidrs"), ("NodeCIDR", "node_pod_cidrs")]
)
def test_the_first_cidr_of_a_family_counts(mode, field, cidrs):
    found = local_detectors(DetectLocal(mode=mode, **{field: cidrs}))

    assert found == {Family.IPV4: by_cidr(FOUR), Family.IPV6: by_cidr(SIX)}


@pytest.mark.parametrize(
    ("cidrs", "four", "six"),
    [
        ((), NO_OP, NO_OP),
        (("",), NO_OP, NO_OP),
        (("nonsense", SIX), NO_OP, by_cidr(SIX)),
        ((f" {FOUR} ",), by_cidr(FOUR), NO_OP),
        (("010.1.2.3/8",), by_cidr("10.0.0.0/8"), NO_OP),
    ],
)
def test_what_is_no_cidr_is_passed_over(cidrs, four, six):
    found = local_detectors(DetectLocal(cluster_cidrs=cidrs))

    assert found == {Family.IPV4: four, Family.IPV6: six}


def test_each_mode_looks_at_its_own():
    everything = {
        "cluster_cidrs": (FOUR,),
        "node_pod_cidrs": (SIX,),
        "bridge_interface": "cni0",
        "interface_name_prefix": "cali",
    }
    found = {
        mode: local_detectors(DetectLocal(mode=mode, **everything))
        for mode in ("NodeCIDR", "BridgeInterface", "InterfaceNamePrefix", "clustercidr", "")
    }

    bridge = LocalDetector(interface="cni0")
    prefix = LocalDetector(interface="cali", is_prefix=True)
    assert found["NodeCIDR"] == {Family.IPV4: NO_OP, Family.IPV6: by_cidr(SIX)}
    assert found["BridgeInterface"] == {Family.IPV4: bridge, Family.IPV6: bridge}
    assert found["InterfaceNamePrefix"] == {Family.IPV4: prefix, Family.IPV6: prefix}
    assert found["clustercidr"] == found[""] == {Family.IPV4: NO_OP, Family.IPV6: NO_OP}


@pytest.mark.parametrize(
    ("detector", "iptables", "nftables", "negated"),
    [
        (by_cidr(FOUR), ("-s", FOUR), ("ip", "saddr", FOUR), ("ip", "saddr", "!=", FOUR)),
        (by_cidr(SIX), ("-s", SIX), ("ip6", "saddr", SIX), ("ip6", "saddr", "!=", SIX)),
        (
            LocalDetector(interface="cni0"),
            ("-i", "cni0"),
            ("iifname", "cni0"),
            ("iifname", "!=", "cni0"),
        ),
        (
            LocalDetector(interface="cali", is_prefix=True),
            ("-i", "cali+"),
            ("iifname", "cali*"),
            ("iifname", "!=", "cali*"),
        ),
    ],
)
def test_the_words_of_the_rules(detector, iptables, nftables, negated):
    assert detector.is_implemented
    assert detector.if_local() == iptables
    assert detector.if_not_local() == ("!", *iptables)
    assert detector.if_local_nft() == nftables
    assert detector.if_not_local_nft() == negated


def test_nothing_detects_nothing():
    assert not NO_OP.is_implemented
    assert NO_OP.if_local() == NO_OP.if_not_local() == NO_OP.if_local_nft() == ()
    assert NO_OP.if_not_local_nft() == ()
    assert not NO_OP.is_local(ip_address("10.96.0.1"), "cali1")


@pytest.mark.parametrize(
    ("detector", "source", "interface", "local"),
    [
        (by_cidr(SIX), "2001:db8:96:1::1", None, True),
        (by_cidr(SIX), "2001:db8:97::1", "cali1", False),
        (by_cidr(SIX), "10.96.0.1", "cali1", False),
        (LocalDetector(interface="cni0"), "2001:db8:97::1", "cni0", True),
        (LocalDetector(interface="cni0"), "2001:db8:97::1", "cni01", False),
        (LocalDetector(interface="cni0"), "2001:db8:97::1", None, False),
        (LocalDetector(interface="cali", is_prefix=True), "10.0.0.1", "cali12", True),
        (LocalDetector(interface="cali", is_prefix=True), "10.0.0.1", "eth0", False),
        (LocalDetector(interface="cali", is_prefix=True), "10.0.0.1", None, False),
    ],
)
def test_who_is_local(detector, source, interface, local):
    assert detector.is_local(ip_address(source), interface) is local
