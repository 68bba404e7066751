"""A node is judged by the lab's checks, with what somebody vouches for and nothing else."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dataplane import manifest
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.evidence import Evidence, Header
from dataplane.model.node import NODE, NodeFacts, Word
from dataplane.model.problem import Severity
from dataplane.model.seen import (
    AddressSeen,
    FlowSeen,
    ListenerSeen,
    PacketKind,
    PacketSeen,
    ProbeReport,
    SettingSeen,
)
from dataplane.model.topology import Point, Tap
from dataplane.rules.nodeexpected import expect
from dataplane.session.expecting import (
    NEEDS,
    Contradiction,
    Promise,
    Ways,
    answers,
    by_manifest,
    promises,
)
from dataplane.session.follow_text import line
from tests.unit.shoots import SIX

WHERE = "etc/cni/net.d/10-a.conflist"
POD, SOURCE, SEEN_AS, FAR = map(ip_address, ("2001:db8:0:1::7", "2001:db8:0:1::7", "2001:db8:e::1", "2001:db8:f::1"))  # fmt: skip
TAPS = (
    Tap(name="veth1", namespace="", interface="veth1", index=7, point=Point.POD,
        owner="default/web-0", leaving_is_ingress=True),
    Tap(name="eth0", namespace="", interface="eth0", index=2, point=Point.UPLINK, owner=NODE,
        leaving_is_ingress=False),
)  # fmt: skip
PACKET = PacketSeen(
    tap="veth1", leaving=True, time_ns=1, packet=PacketKind.TCP_SYN, stamp=9, family=Family.IPV6,
    protocol=6, source=SOURCE, destination=FAR, source_port=1000, destination_port=443,
)  # fmt: skip
FLOW = FlowSeen(
    tap="veth1", leaving=True, family=Family.IPV6, protocol=6, source=SOURCE, destination=FAR,
    source_port=1000, destination_port=443, packets=3, bytes=4, first_ns=5, last_ns=6,
)  # fmt: skip
FLOW_OUT = replace(FLOW, tap="eth0")
SERVER = ListenerSeen(
    owner="default/web-0", protocol=6, family=Family.IPV6, address=ip_address("::"), port=80, v6only=False
)  # fmt: skip


def facts(*, masquerade=False, **more):
    ipam = {"type": "host-local", "subnet": "2001:db8:0:1::/80"}
    plugin = {"type": "ptp", "ipMasq": masquerade, "ipam": ipam}
    own = (ip_address("2001:db8:e::1"),)
    away = (ip_network("2001:db8:e::/64"),)
    cni = (Word(where=WHERE, content=plugin),)
    return NodeFacts(cni=cni, addresses=own, networks=away, **more)


def evidence(*packets, flows=(FLOW, FLOW_OUT), addresses=(SOURCE,), listeners=(SERVER,)):
    books = [
        ProbeReport(probe=probe, where=tap.name, hook="tcx", counted=1)
        for tap in TAPS
        for probe in ("flows", "stamps")
    ]
    books.append(ProbeReport(probe="sysctls", where=NODE, hook="procfs", counted=2))
    books += (
        ProbeReport(probe=probe, where=where, hook="", counted=1)
        for probe in ("addresses", "sockets")
        for where in (NODE, "default/web-0")
    )
    settings = tuple(
        SettingSeen(owner=NODE, name=f"net/ipv6/conf/{name}/forwarding", value="1")
        for name in ("all", "default")
    )
    header = Header(version="0", scenario="attach", engine="", plan=None, taps=TAPS)
    return Evidence(
        header=header,
        flows=flows,
        packets=packets,
        settings=settings,
        addresses=tuple(
            AddressSeen(owner="default/web-0", interface="eth0", address=one, length=128)
            for one in addresses
        ),
        listeners=listeners,
        reports=tuple(books),
    )


def judged(expected, given):
    return {one.check: one for one in answers(expected, given, ())}


def way(source=SOURCE):
    return PACKET, replace(PACKET, tap="eth0", time_ns=2, source=source)


def test_what_is_kept_holds_and_what_nobody_vouches_for_is_unknown():
    found = judged(expect(facts()), evidence(*way()))
    states = {name: one.state for name, one in found.items()}
    unknown = {"cluster-cidr-mismatch", "pool-size"}
    assert states == {
        name: State.UNKNOWN if name in unknown else State.HOLDS for name in {*NEEDS, "pool-size"}
    }


def test_nothing_known_is_unknown_with_the_missing_word():
    expected = expect(NodeFacts())
    found = judged(expected, evidence(*way()))
    assert {one.state for one in found.values()} == {State.UNKNOWN}
    assert found["ipv4-leak"].reason == expected.families.missing


def test_a_hidden_source_is_broken_unless_the_plugin_was_told_to_hide_it():
    packets = way(SEEN_AS)
    found = judged(expect(facts()), evidence(*packets))["masquerade"]
    assert found.state is State.BROKEN
    assert found.findings[0].subject == "default/web-0"

    found = judged(expect(facts(masquerade=True)), evidence(*packets))["masquerade"]
    assert found.state is State.HOLDS
    (finding,) = found.findings
    assert finding.severity is Severity.INFO
    assert WHERE in finding.cause


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (("192.0.2.7",), State.BROKEN),
        (("fe80::7",), State.BROKEN),
        (("192.0.2.7", "2001:db8:0:1::7"), State.HOLDS),
    ],
)
def test_a_pod_without_an_address_of_its_cluster_is_told(given, state):
    seen = evidence(*way(), addresses=tuple(map(ip_address, given)))
    found = judged(expect(facts()), seen)["pod-families"]
    assert (found.state, found.looked_at) == (state, len(given))
    for finding in found.findings:
        assert f"(node-file: {WHERE})" in finding.expected
        assert finding.cause == "default/web-0 has no IPv6 address"


def test_a_pod_that_nobody_could_look_into_is_unknown():
    seen = evidence(*way())
    blind = tuple(
        replace(one, blind="gone") if one.where == "default/web-0" else one for one in seen.reports
    )
    found = judged(expect(facts()), replace(seen, addresses=(), listeners=(), reports=blind))
    for check in ("pod-families", "listeners"):
        assert found[check].state is State.UNKNOWN
        assert "gone" in found[check].reason


def test_findings_name_the_file_and_not_a_manifest():
    v4 = replace(FLOW, family=Family.IPV4, source=ip_address("192.0.2.7"))
    foreign = replace(FLOW, source=ip_address("2001:db8:9::1"))
    found = judged(expect(facts()), evidence(*way(), flows=(v4, foreign)))
    for check in ("ipv4-leak", "source-range"):
        (finding,) = found[check].findings
        assert f"(node-file: {WHERE})" in finding.expected
        assert "manifest" not in finding.expected


def test_kube_proxys_range_is_compared_with_the_pods():
    content = {"clusterCIDR": "2001:db8:2::/64"}
    said = facts(kube_proxy=(Word(where="kube-proxy.conf", content=content),))
    found = judged(expect(said), evidence(*way()))["cluster-cidr-mismatch"]
    assert found.state is State.BROKEN
    assert "kube-proxy.conf" in found.findings[0].expected


def test_ways_keep_the_first_packet_of_each_kind_and_leave_out_unknown_services():
    ways = Ways()
    pod, out = way()
    service = ip_address("2001:db8:5e::a")
    ways.keep(pod, out)
    ways.keep(replace(pod, time_ns=5), replace(out, time_ns=6))
    to_service = replace(pod, destination=service)
    ways.keep(to_service, out)

    assert ways.packets() == (pod, out)
    assert ways.packets([service]) == (pod, out, to_service, out)


def cluster(pods):
    parsed = manifest.parse(SIX % pods, name="shoot.yaml")
    assert parsed.cluster is not None
    return parsed.cluster


def test_a_manifest_gives_what_lacks_and_leaves_a_nodes_own_part():
    expected = by_manifest(expect(facts()), cluster("2001:db8::/48"), "shoot.yaml")
    assert expected.pod_prefixes.value == (ip_network("2001:db8:0:1::/80"),)
    assert expected.service_ranges.value == (ip_network("2001:db8:5e::/112"),)
    assert expected.service_ranges.where == "shoot.yaml: spec.networking.services"
    assert expected.contradictions == ()
    nothing = by_manifest(expect(NodeFacts()), cluster("2001:db8::/48"), "shoot.yaml")
    assert nothing.pod_prefixes.value == (ip_network("2001:db8::/48"),)


@pytest.mark.parametrize(
    ("given", "pods", "words"),
    [
        (facts(), "2001:db8:aaaa::/48", "outside of the manifest's 2001:db8:aaaa::/48"),
        (
            facts(kube_proxy=(Word(where="p", content={"mode": "ipvs", "clusterCIDR": "2001:db8::/32"}),)),
            "2001:db8::/48",
            "p has kube-proxy's mode ipvs, shoot.yaml iptables",
        ),
        (
            facts(kube_proxy=(Word(where="p", content={"clusterCIDR": "2001:db8:2::/48"}),)),
            "2001:db8::/48",
            "p has the clusterCIDR 2001:db8:2::/48, which does not contain 2001:db8::/48",
        ),
        (
            NodeFacts(cni=(Word(where="c", content={"ipam": {"subnet": "10.0.0.0/24"}}),)),
            "2001:db8::/48",
            "c give pods IPv4, shoot.yaml: spec.networking.ipFamilies IPv6",
        ),
    ],
)  # fmt: skip
def test_what_a_manifest_says_otherwise_is_told(given, pods, words):
    expected = by_manifest(expect(given), cluster(pods), "shoot.yaml")
    assert any(words in told for told in expected.contradictions), expected.contradictions


def test_everything_is_told_in_lines_with_its_source():
    expected = replace(expect(facts()), contradictions=("a says x, b y",))
    told = list(promises(expected))
    texts = [line(one) for one in told]
    assert f"expect  pod prefixes: 2001:db8:0:1::/80 (node-file: {WHERE})" in texts
    assert any(text.startswith("expect  service ranges: unknown; no file") for text in texts)
    assert texts[-1] == "against a says x, b y"
    assert {type(one) for one in told} == {Promise, Contradiction}
    broken = judged(expect(facts()), evidence(*way(SEEN_AS)))["masquerade"]
    first, *rest = line(broken).splitlines()
    assert first.startswith("answer  masquerade             BROKEN   1 looked at; 1 finding")
    assert any("remedy" in text for text in rest)
