"""kube-proxy's masquerade decisions: the table, row by row, and against rules in upstream's order."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.address import Family
from dataplane.rules import kubeproxy
from dataplane.rules.kubeproxy import (
    Destination,
    Proxy,
    ProxyMode,
    Row,
    ServicePacket,
    TrafficPolicy,
    Verdict,
)
from dataplane.rules.localdetector import NO_OP, DetectLocal, LocalDetector

RANGE = LocalDetector(cidr=ip_network("2001:db8:96::/48"))
LINKS = LocalDetector(interface="cali", is_prefix=True)
POD, OTHER = ip_address("2001:db8:96:1::5"), ip_address("2001:db8:96:2::7")
STRAY, CLIENT = ip_address("2001:db8:bad::5"), ip_address("2001:db8:ffff::1")
NODE = ip_address("2001:db8:10::a")
TABLES = (ProxyMode.IPTABLES, ProxyMode.NFTABLES)
EXTERNAL = (Destination.NODE_PORT, Destination.LOAD_BALANCER, Destination.EXTERNAL_IP)
MASQUERADE, KEEP, DROP = Verdict.MASQUERADE, Verdict.KEEP, Verdict.DROP


def packet(source, destination, *, local=False, endpoint=OTHER, **more):
    policy = TrafficPolicy.LOCAL if local else TrafficPolicy.CLUSTER
    more = {"source_is_node": source == NODE, **more}
    return ServicePacket(
        source=source, destination=destination, policy=policy, endpoint=endpoint, **more
    )


def ruling(mode, asked, *, detector=RANGE, everything=False):
    return kubeproxy.judge(Proxy(mode=mode, masquerade_all=everything, detector=detector), asked)


@pytest.mark.parametrize("mode", ProxyMode)
@pytest.mark.parametrize("source", [POD, STRAY, NODE, CLIENT])
@pytest.mark.parametrize("detector", [NO_OP, RANGE, LINKS])
def test_masquerade_all_is_for_every_cluster_ip(mode, source, detector):
    found = ruling(mode, packet(source, Destination.CLUSTER_IP), detector=detector, everything=True)

    assert (found.verdict, found.row) == (MASQUERADE, Row.MASQUERADE_ALL)


@pytest.mark.parametrize("mode", ProxyMode)
@pytest.mark.parametrize(
    ("detector", "source", "link", "verdict", "row"),
    [
        (RANGE, POD, None, KEEP, Row.CLUSTER_IP_LOCAL),
        (RANGE, STRAY, "cali1", MASQUERADE, Row.CLUSTER_IP_NOT_LOCAL),
        (RANGE, NODE, None, MASQUERADE, Row.CLUSTER_IP_NOT_LOCAL),
        (RANGE, CLIENT, "eth0", MASQUERADE, Row.CLUSTER_IP_NOT_LOCAL),
        (LINKS, STRAY, "cali1", KEEP, Row.CLUSTER_IP_LOCAL),
        (LINKS, POD, "eth0", MASQUERADE, Row.CLUSTER_IP_NOT_LOCAL),
        (LINKS, NODE, None, MASQUERADE, Row.CLUSTER_IP_NOT_LOCAL),
        (NO_OP, POD, "cali1", KEEP, Row.CLUSTER_IP_NO_DETECTOR),
        (NO_OP, STRAY, "cali1", KEEP, Row.CLUSTER_IP_NO_DETECTOR),
        (NO_OP, CLIENT, "eth0", KEEP, Row.CLUSTER_IP_NO_DETECTOR),
    ],
)
def test_cluster_ips(*, mode, detector, source, link, verdict, row):
    asked = packet(source, Destination.CLUSTER_IP, in_interface=link)
    found = ruling(mode, asked, detector=detector)

    assert (found.verdict, found.row) == (verdict, row)


@pytest.mark.parametrize("mode", ProxyMode)
@pytest.mark.parametrize("destination", EXTERNAL)
@pytest.mark.parametrize("source", [POD, STRAY, NODE, CLIENT])
@pytest.mark.parametrize("detector", [NO_OP, RANGE])
def test_policy_cluster_hides_everybody(mode, destination, source, detector):
    found = ruling(mode, packet(source, destination), detector=detector)

    assert (found.verdict, found.row) == (MASQUERADE, Row.EXTERNAL_CLUSTER)


@pytest.mark.parametrize("mode", TABLES)
@pytest.mark.parametrize("destination", EXTERNAL)
@pytest.mark.parametrize(
    ("detector", "source", "on_node", "verdict", "row"),
    [
        (RANGE, POD, False, KEEP, Row.EXTERNAL_LOCAL_POD),
        (RANGE, NODE, False, MASQUERADE, Row.EXTERNAL_LOCAL_NODE),
        (NO_OP, NODE, True, MASQUERADE, Row.EXTERNAL_LOCAL_NODE),
        (RANGE, CLIENT, True, KEEP, Row.EXTERNAL_LOCAL_CLIENT),
        (RANGE, CLIENT, None, KEEP, Row.EXTERNAL_LOCAL_CLIENT),
        (RANGE, CLIENT, False, DROP, Row.REMOTE_ENDPOINT),
        (NO_OP, POD, True, KEEP, Row.EXTERNAL_LOCAL_CLIENT),
        (NO_OP, POD, False, DROP, Row.REMOTE_ENDPOINT),
    ],
)
def test_policy_local(*, mode, destination, detector, source, on_node, verdict, row):
    asked = packet(source, destination, local=True, endpoint_on_node=on_node)
    found = ruling(mode, asked, detector=detector)

    assert (found.verdict, found.row) == (verdict, row)


@pytest.mark.parametrize("destination", EXTERNAL)
@pytest.mark.parametrize("source", [POD, NODE, CLIENT])
@pytest.mark.parametrize(
    ("on_node", "row"), [(True, Row.EXTERNAL_LOCAL_CLIENT), (False, Row.EXTERNAL_LOCAL_REMOTE)]
)
def test_policy_local_keeps_everybody_in_ipvs_mode(destination, source, on_node, row):
    asked = packet(source, destination, local=True, endpoint_on_node=on_node)
    found = ruling(ProxyMode.IPVS, asked)

    assert (found.verdict, found.row) == (KEEP, row)


@pytest.mark.parametrize(("mode", "row"), [(mode, Row.REMOTE_ENDPOINT) for mode in TABLES])
def test_internal_traffic_policy_local(mode, row):
    asked = packet(POD, Destination.CLUSTER_IP, local=True, endpoint_on_node=False)

    assert ruling(mode, asked).row is row
    assert ruling(ProxyMode.IPVS, asked).row is Row.CLUSTER_IP_LOCAL


@pytest.mark.parametrize("mode", ProxyMode)
@pytest.mark.parametrize("detector", [NO_OP, RANGE])
@pytest.mark.parametrize(
    ("destination", "local"), [(Destination.CLUSTER_IP, False), (Destination.NODE_PORT, True)]
)
def test_an_endpoint_that_calls_itself(mode, detector, destination, local):
    asked = packet(POD, destination, local=local, endpoint=POD, endpoint_on_node=True)
    found = ruling(mode, asked, detector=detector)

    assert (found.verdict, found.row) == (MASQUERADE, Row.HAIRPIN)


def test_what_is_hidden_anyway_is_not_called_a_hairpin():
    asked = packet(POD, Destination.NODE_PORT, endpoint=POD)

    assert ruling(ProxyMode.NFTABLES, asked).row is Row.EXTERNAL_CLUSTER


def test_a_service_address_as_source_matters_to_ipvs_without_a_detector_only():
    asked = packet(NODE, Destination.CLUSTER_IP, source_is_service=True)

    assert ruling(ProxyMode.IPVS, asked, detector=NO_OP).row is Row.CLUSTER_IP_FROM_SERVICE
    assert ruling(ProxyMode.IPVS, asked, detector=NO_OP).verdict is MASQUERADE
    assert ruling(ProxyMode.IPTABLES, asked, detector=NO_OP).verdict is KEEP
    assert ruling(ProxyMode.IPVS, asked).row is Row.CLUSTER_IP_NOT_LOCAL


@pytest.mark.parametrize("mode", ProxyMode)
def test_what_is_no_service_is_none_of_its_business(mode):
    asked = packet(STRAY, Destination.ELSEWHERE, endpoint=None)
    found = ruling(mode, asked, everything=True)

    assert (found.verdict, found.row, found.chain) == (KEEP, Row.NO_SERVICE, "")


@pytest.mark.parametrize("mode", ProxyMode)
@pytest.mark.parametrize("destination", [d for d in Destination if d is not Destination.ELSEWHERE])
def test_without_an_endpoint_nothing_goes_on(mode, destination):
    found = ruling(mode, packet(POD, destination, endpoint=None), everything=True)

    assert (found.verdict, found.row) == (DROP, Row.NO_ENDPOINT)


@pytest.mark.parametrize(
    ("mode", "loopback", "row"),
    [
        (ProxyMode.IPTABLES, "127.0.0.1", Row.EXTERNAL_CLUSTER),
        (ProxyMode.IPTABLES, "::1", Row.LOOPBACK_NODE_PORT),
        (ProxyMode.NFTABLES, "127.0.0.1", Row.LOOPBACK_NODE_PORT),
        (ProxyMode.NFTABLES, "::1", Row.LOOPBACK_NODE_PORT),
        (ProxyMode.IPVS, "127.0.0.1", Row.LOOPBACK_NODE_PORT),
    ],
)
def test_node_ports_on_the_loopback_address(mode, loopback, row):
    source = ip_address(loopback)
    asked = packet(source, Destination.NODE_PORT, destination_is_loopback=True)

    assert ruling(mode, asked, detector=NO_OP).row is row


@pytest.mark.parametrize("row", Row)
def test_every_row_says_why_and_where(row):
    entry = kubeproxy.TABLE[row]

    assert entry.reason
    assert row is Row.NO_SERVICE or any(entry.chain(mode) for mode in ProxyMode)


def test_the_families_of_one_configuration_are_told_apart():
    found = kubeproxy.proxies(
        ProxyMode.NFTABLES, DetectLocal(cluster_cidrs=("2001:db8:96::/48",)), masquerade_all=True
    )

    assert found[Family.IPV6] == Proxy(mode=ProxyMode.NFTABLES, masquerade_all=True, detector=RANGE)
    assert found[Family.IPV4].detector == NO_OP


PACKETS = st.builds(
    ServicePacket,
    source=st.sampled_from([POD, OTHER, STRAY, NODE, CLIENT]),
    destination=st.sampled_from([Destination.CLUSTER_IP, *EXTERNAL]),
    policy=st.sampled_from(TrafficPolicy),
    endpoint=st.sampled_from([POD, OTHER, STRAY]),
    endpoint_on_node=st.booleans(),
    source_is_node=st.booleans(),
    in_interface=st.sampled_from([None, "cali1", "eth0"]),
)


@given(
    asked=PACKETS,
    mode=st.sampled_from(TABLES),
    everything=st.booleans(),
    detector=st.sampled_from([NO_OP, RANGE, LINKS]),
)
def test_rules_in_upstreams_order_come_to_the_same(asked, mode, everything, detector):
    """A packet walks through chains and may be marked on its way, as in the proxiers."""
    marked, chain = False, "service" if asked.policy is TrafficPolicy.CLUSTER else "local"
    implemented = detector.is_implemented
    local = implemented and detector.is_local(asked.source, asked.in_interface)
    if asked.destination is Destination.CLUSTER_IP:
        marked = everything or (implemented and not local)
    elif asked.policy is TrafficPolicy.CLUSTER:
        marked = True
    elif local:
        chain = "service"
    elif asked.source_is_node:
        marked, chain = True, "service"
    dropped = chain == "local" and not asked.endpoint_on_node
    marked = marked or asked.source == asked.endpoint

    found = ruling(mode, asked, detector=detector, everything=everything)

    assert found.verdict is (DROP if dropped else MASQUERADE if marked else KEEP)
