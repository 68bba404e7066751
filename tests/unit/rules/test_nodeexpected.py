"""What should be true of a node, from configurations as they lie on nodes."""

from ipaddress import ip_address, ip_network

import pytest

from dataplane.model.address import Family
from dataplane.model.expected import Witness
from dataplane.model.node import NodeFacts, PodFacts, Word
from dataplane.rules import nodeexpected
from dataplane.rules.nodeexpected import expect

V4, V6 = Family.IPV4, Family.IPV6
LIST, OLD = "etc/cni/net.d/10-a.conflist", "etc/cni/net.d/10-a.conf"
KUBELET, PROXY = "var/lib/kubelet/config.yaml", "var/lib/kube-proxy/config.conf"
PTP = {
    "type": "ptp",
    "ipMasq": True,
    "mtu": 1400,
    "ipam": {
        "type": "host-local",
        "ranges": [[{"subnet": "2001:db8:1::/80"}], [{"subnet": "10.1.0.0/24"}]],
    },
}
BRIDGE = {"type": "bridge", "ipam": {"type": "host-local", "subnet": "2001:db8:1::/80"}}
CALICO = {"type": "calico", "mtu": 0, "ipam": {"type": "host-local", "subnet": "usePodCidr"}}


def cni(plugin, *, where=LIST):
    return (Word(where=where, content={"plugins": [plugin, {"type": "portmap"}]}),)


def word(where, **content):
    return (Word(where=where, content=content),)


def networks(*texts):
    return tuple(map(ip_network, texts))


def pod(*addresses, owner="default/web-0", mtu=1400, routed=()):
    own, known = tuple(map(ip_address, addresses)), tuple(map(ip_address, routed))
    return PodFacts(
        owner=owner, interface="veth1", addresses=own, source="CRI socket", routed=known, mtu=mtu
    )


@pytest.mark.parametrize(
    ("facts", "prefixes", "families", "where"),
    [
        (NodeFacts(cni=cni(PTP)), ("2001:db8:1::/80", "10.1.0.0/24"), (V6, V4), LIST),
        (NodeFacts(cni=cni(BRIDGE)), ("2001:db8:1::/80",), (V6,), LIST),
        (NodeFacts(cni=word(OLD, **BRIDGE)), ("2001:db8:1::/80",), (V6,), OLD),
        (
            NodeFacts(
                cni=cni(CALICO), kubelet=word(KUBELET, podCIDR="2001:db8:2::/64,10.2.0.0/24")
            ),
            ("2001:db8:2::/64", "10.2.0.0/24"),
            (V6, V4),
            KUBELET,
        ),
        (
            NodeFacts(cni=(*word("a", type="x"), *cni(BRIDGE))),
            ("2001:db8:1::/80",),
            (V6,),
            LIST,
        ),
    ],
)
def test_the_pods_part_of_a_node_and_its_families(facts, prefixes, families, where):
    expected = expect(facts)
    assert expected.pod_prefixes.value == networks(*prefixes)
    assert expected.families.value == families
    assert (expected.pod_prefixes.source, expected.pod_prefixes.where) == (Witness.NODE_FILE, where)
    assert expected.contradictions == ()


def test_a_node_that_says_nothing_leaves_everything_unknown_and_says_whose_word_lacks():
    expected = expect(NodeFacts())
    for name in ("families", "addresses", "pod_prefixes", "pod_ranges", "service_ranges", "dns",
                 "mtu", "masqueraded", "proxy"):  # fmt: skip
        one = getattr(expected, name)
        assert (one.value, one.source) == (None, Witness.UNKNOWN)
        assert one.missing, name
    assert expected.pod_prefixes.missing == nodeexpected.NO_PREFIX


def test_addresses_of_pods_tell_families_where_no_range_does():
    expected = expect(NodeFacts(cni=cni(CALICO), pods=(pod("2001:db8::7"), pod())))
    assert expected.families.value == (V6,)
    assert expected.families.where == "addresses of 1 pods (CRI socket)"
    assert expected.pod_prefixes.value is None


def test_host_routes_tell_families_where_nobody_names_addresses():
    families = expect(NodeFacts(pods=(pod(routed=("2001:db8::7", "10.0.0.7")), pod()))).families
    assert families.value == (V6, V4)
    assert families.source is Witness.NODE_KERNEL
    assert families.where == "host routes to the interfaces of 1 pods"


@pytest.mark.parametrize(
    ("plugin", "families"),
    [
        (PTP, (V4, V6)),
        (BRIDGE, ()),
        ({**BRIDGE, "ipMasq": True}, (V6,)),
        ({"type": "ptp", "ipMasq": True}, (V4, V6)),
        ({**BRIDGE, "ipMasq": "true"}, ()),
    ],
)
def test_what_the_plugin_was_told_to_masquerade(plugin, families):
    told = expect(NodeFacts(cni=cni(plugin))).masqueraded
    assert told.value is not None
    assert (set(told.value), told.where) == (set(families), LIST)


@pytest.mark.parametrize(
    ("content", "mode", "everything", "detect", "cidrs"),
    [
        ({"clusterCIDR": "2001:db8::/56"}, "iptables", False, "ClusterCIDR", ("2001:db8::/56",)),
        (
            {"mode": "nftables", "nftables": {"masqueradeAll": True}, "detectLocalMode": "NodeCIDR"},
            "nftables",
            True,
            "NodeCIDR",
            (),
        ),
        ({"mode": "nftables", "iptables": {"masqueradeAll": True}}, "nftables", False, "ClusterCIDR", ()),
        ({"clusterCIDR": "2001:db8::/56, 10.0.0.0/8"}, "iptables", False, "ClusterCIDR",
         ("2001:db8::/56", "10.0.0.0/8")),
    ],
)  # fmt: skip
def test_kube_proxy_as_its_file_has_it(content, mode, everything, detect, cidrs):
    proxy = expect(NodeFacts(kube_proxy=word(PROXY, **content))).proxy.value
    assert (proxy.mode, proxy.masquerade_all, proxy.detect_local) == (mode, everything, detect)
    assert (proxy.cluster_cidrs, proxy.source) == (networks(*cidrs), Witness.NODE_FILE)


def test_dns_and_mtu_come_from_files_and_the_kernel_is_the_second_witness():
    facts = NodeFacts(
        cni=cni(PTP), kubelet=word(KUBELET, clusterDNS=["2001:db8:5e::a", "x"]), pods=(pod(),)
    )
    assert expect(facts).dns.value == (ip_address("2001:db8:5e::a"),)
    assert (expect(facts).mtu.value, expect(facts).mtu.source) == (1400, Witness.NODE_FILE)
    without = expect(NodeFacts(cni=cni(CALICO), pods=(pod(mtu=1480), pod(mtu=1430))))
    assert (without.mtu.value, without.mtu.source) == (1430, Witness.NODE_KERNEL)


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (NodeFacts(cni=cni(BRIDGE), kubelet=word(KUBELET, podCIDR="2001:db8:2::/80")), KUBELET),
        (NodeFacts(cni=cni(BRIDGE), kube_proxy=word(PROXY, clusterCIDR="2001:db8:2::/48")), "clusterCIDR"),
        (NodeFacts(cni=cni(BRIDGE), pods=(pod("2001:db8:2::7"),)), "gives default/web-0 2001:db8:2::7"),
        (NodeFacts(pods=(pod("2001:db8::7", routed=("2001:db8::8", "10.0.0.7")),)), "routes 2001:db8::8 to veth1"),
        (NodeFacts(cni=cni(PTP), pods=(pod("2001:db8:1::7", mtu=1500), pod(mtu=9000))), "an mtu of 1400, the kernel has 1500"),
    ],
)  # fmt: skip
def test_sources_that_differ_are_told(facts, words):
    (told,) = expect(facts).contradictions
    assert words in told


@pytest.mark.parametrize(
    "content",
    [
        {"plugins": "x"}, {"plugins": [None, 1]}, {"ipam": "x"}, {"ipam": {"ranges": [1, [2], [{}]]}},
        {"ipam": {"subnet": 7}}, {"ipam": {"subnet": "x/y"}}, {"ipam": {"ranges": {"a": 1}}}, {"mtu": "x"},
    ],
)  # fmt: skip
def test_what_is_said_in_another_form_is_passed_over(content):
    expected = expect(NodeFacts(cni=word(LIST, **content)))
    assert expected.pod_prefixes.value is None
    assert expected.mtu.value is None
