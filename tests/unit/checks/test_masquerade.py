from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dataplane.checks.masquerade import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.expected import Witness
from dataplane.model.problem import Severity
from dataplane.model.seen import PacketKind, PacketSeen
from dataplane.model.topology import Point
from dataplane.verify import judge
from tests.unit.network import DROP, Faults
from tests.unit.plans import SERVERS, dual_stack, six_only
from tests.unit.world import World

PLAN = six_only()


def driven(faults=None, plan=PLAN):
    return World(plan, faults).drive(CHECK.stimuli(plan))


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def test_every_actor_sends_off_its_node():
    stimuli = CHECK.stimuli(PLAN)

    assert {s.pod for s in stimuli} == {pod.name for pod in PLAN.actors}
    assert {s.family for s in stimuli} == {Family.IPV6}
    assert {(s.pod, s.label) for s in stimuli} >= {("pod-a", "pod-other-node")}


def test_every_way_into_a_service_is_tried():
    vip = ip_address("2001:db8:4::1")
    stimuli = CHECK.stimuli(exposed(load_balancer=(vip,)))
    pod = PLAN.pod("pod-c")

    tried = {(s.label, s.target, s.port) for s in stimuli if s.pod == pod.name}
    node = PLAN.node(pod.node).addresses[0]
    assert tried >= {
        ("pod-service", str(_service(PLAN)), 80),
        ("pod-balancer", str(vip), 80),
        ("pod-node-port", str(node), 30080),
    }


def test_an_open_service_has_a_client_outside():
    vip = ip_address("2001:db8:4::1")
    stimuli = CHECK.stimuli(exposed(load_balancer=(vip,)))

    outside = {(s.pod, s.label, s.target, s.port) for s in stimuli if s.label.startswith("outside")}
    ways = {("server-v6", "outside-balancer", str(vip), 80)}
    ways |= {
        ("server-v6", "outside-node-port", str(node.addresses[0]), 30080) for node in PLAN.nodes
    }
    assert outside == ways
    assert not any(s.label.startswith("outside") for s in CHECK.stimuli(PLAN))


def test_a_changed_source_names_pod_node_and_both_addresses():
    found = answer(driven(Faults(masquerading={"node-1"})).evidence())

    first, second = found.findings
    assert (first.subject, second.subject) == ("pod-c", "pod-d")
    assert str(PLAN.pod("pod-c").addresses[0]) in first.expected
    node = PLAN.node("node-1").addresses[0]
    assert first.seen == f"they leave with {node}, the address of node-1"
    assert "became" in first.evidence[0]


def test_a_source_that_is_nobodys_is_said_to_be():
    evidence = driven(Faults(masquerading={"node-1"})).evidence()
    node = PLAN.node("node-1").addresses[0]
    stranger = PLAN.node("node-0").addresses[0]
    packets = tuple(
        replace(p, source=stranger) if p.source == node else p for p in evidence.packets
    )

    found = answer(replace(evidence, packets=packets))

    assert "no address of this node" in found.findings[0].seen


def test_ipv4_is_not_judged():
    plan = dual_stack()
    evidence = driven(plan=plan).evidence()
    four = tuple(
        replace(p, source=plan.node("node-0").address(Family.IPV4))
        if p.family is Family.IPV4 and p.tap == "node-0"
        else p
        for p in evidence.packets
    )

    assert answer(replace(evidence, packets=four)).state is State.HOLDS


def test_one_pods_dropped_packets_do_not_make_the_answer_unknown():
    own = PLAN.pod("pod-b").addresses[0]
    dropped = Faults(rule=lambda _, s, __: DROP if s == own else None)
    found, whole = answer(driven(dropped).evidence()), answer(driven().evidence())

    assert found.state is State.HOLDS
    assert whole.looked_at == len(CHECK.stimuli(PLAN))
    assert 0 < found.looked_at < whole.looked_at


def test_packets_that_left_by_another_way_make_it_unknown():
    evidence = driven().evidence()
    uplink = PLAN.pod("pod-b").node
    own = PLAN.pod("pod-b").addresses[0]
    packets = tuple(p for p in evidence.packets if p.tap != uplink or p.source != own)

    found = answer(replace(evidence, packets=packets))

    assert found.state is State.UNKNOWN
    assert found.reason == "pod-b: left node-0 by an interface that is not watched"


def test_a_blind_uplink_makes_it_unknown_and_never_kept():
    evidence = driven().evidence()
    reports = tuple(
        replace(r, blind="cil_to_netdev runs behind the probe") if r.where == "node-1" else r
        for r in evidence.reports
    )

    found = answer(replace(evidence, reports=reports))

    assert found.state is State.UNKNOWN
    assert "cil_to_netdev" in found.reason


def test_ambiguous_stamps_give_no_verdict():
    evidence = driven(Faults(masquerading={"node-0"})).evidence()
    syns = [p for p in evidence.packets if p.packet is PacketKind.TCP_SYN and p.leaving]
    at_uplink = [p for p in syns if p.tap == "node-0"]
    twins = tuple(replace(p, source_port=p.source_port + 1) for p in at_uplink)

    found = answer(replace(evidence, packets=(*evidence.packets, *twins)))

    assert found.state is State.UNKNOWN
    assert "ambiguous" in found.reason


def test_service_translation_is_no_finding():
    plan = six_only()
    world = World(plan)
    for pod in plan.actors:
        for _ in range(len(plan.actors)):
            assert world.attempt(pod, CHECK.stimuli(plan)[0].transport, _service(plan), 80) is None

    found = answer(world.evidence())

    assert found.state is State.HOLDS
    assert found.looked_at, "some endpoints are on the other node"


def _service(plan):
    return plan.services[0].addresses[0]


def test_it_rests_on_pods_and_uplinks_alone():
    evidence = driven().evidence()
    edges = {t.name for t in evidence.header.taps if t.point in {Point.EDGE, Point.TRANSLATOR}}
    reports = tuple(replace(r, lost=7) if r.where in edges else r for r in evidence.reports)

    assert answer(replace(evidence, reports=reports)).state is State.HOLDS


SERVICES = [s for s in CHECK.stimuli(PLAN) if s.label == "pod-service"]


def services(faults=None, plan=PLAN, evidence=None):
    """Return the answer on what every actor sends to the service, often enough to meet all pods."""
    world = World(plan, faults)
    for turn in range(len(plan.actors)):
        world.drive((*SERVICES[turn:], *SERVICES[:turn]))
    return answer((evidence or (lambda e: e))(world.evidence()))


def configured(**changes):
    return replace(PLAN, proxy=replace(PLAN.proxy, **changes))


def exposed(plan=PLAN, **changes):
    """Return the plan with its service open to outside."""
    (service,) = plan.services
    service = replace(service, type="NodePort", node_port=30080, **changes)
    return replace(plan, services=(service,))


def test_kube_proxy_hides_a_pod_from_itself_only():
    found = services()

    assert found.state is State.HOLDS
    assert found.looked_at == len(SERVICES) * len(PLAN.actors)


def test_a_pod_that_kube_proxy_takes_for_none_is_named_with_the_row():
    found = services(Faults(foreign_cluster_cidr={"node-1"}))

    assert found.state is State.BROKEN
    assert {f.subject for f in found.findings} == {"pod-c", "pod-d"}
    first = found.findings[0]
    assert first.cause == (
        "node-1 hides pod-c from whoever serves the ClusterIP of echo; kube-proxy must not"
    )
    assert "row cluster-ip-local" in first.expected
    assert "manifest" in first.expected
    assert first.seen == f"they see {PLAN.node('node-1').addresses[0]}, the address of node-1"


def test_a_missing_masquerade_is_found_too():
    found = services(Faults(unmasqueraded={"node-0"}))

    assert {f.subject for f in found.findings} == {"pod-a", "pod-b"}
    assert "row hairpin" in found.findings[0].expected
    assert found.findings[0].seen.endswith("unchanged")


def test_masquerade_all_is_expected_of_every_call():
    plan = configured(masquerade_all=True)

    assert services(Faults(foreign_cluster_cidr={"node-0", "node-1"}), plan).state is State.HOLDS
    found = services(plan=plan)
    assert found.state is State.BROKEN
    assert "row masquerade-all" in found.findings[0].expected


@pytest.mark.parametrize(
    "plan",
    [replace(PLAN, proxy=None), configured(mode="kernelspace"), configured(source=Witness.UNKNOWN)],
    ids=["nobody knows", "a mode without rules", "a source that is none"],
)
def test_without_an_expectation_there_is_no_finding(plan):
    found = services(Faults(foreign_cluster_cidr={"node-0"}), plan)

    assert found.state is State.UNKNOWN
    assert found.findings == ()
    assert "kube-proxy" in found.reason


def test_who_is_hidden_from_everybody_is_not_called_kube_proxys():
    world = World(PLAN, Faults(masquerading={"node-0"}))
    found = answer(world.drive(CHECK.stimuli(PLAN)).drive(SERVICES * 4).evidence())

    assert {f.cause for f in found.findings} == {
        f"node-0 translates the source of {pod}'s IPv6 packets (masquerade or SNAT)"
        for pod in ("pod-a", "pod-b")
    }


def test_a_source_inside_the_service_range_is_another_checks():
    dns = PLAN.dns_addresses[0]
    node = PLAN.node("node-0").addresses[0]

    def swap(evidence):
        packets = tuple(replace(p, source=dns) if p.source == node else p for p in evidence.packets)
        return replace(evidence, packets=packets)

    found = services(Faults(foreign_cluster_cidr={"node-0"}), evidence=swap)

    assert found.state is State.HOLDS


def test_a_translation_by_design_is_named_and_no_error():
    own, cache = PLAN.pod("pod-a").addresses[0], ip_address("fd30:1319:f1e:230b::1")
    evidence = driven().evidence()
    packets = tuple(
        replace(p, source=cache) if p.source == own and p.tap == "node-0" else p
        for p in evidence.packets
    )

    found = answer(replace(evidence, packets=packets))

    assert found.state is State.HOLDS
    (only,) = found.findings
    assert only.severity is Severity.INFO
    assert only.cause == "node-local-dns: translated by design (node-local-dns)"


def from_outside(plan, *, endpoint, source):
    """Return evidence of a client outside that asked a NodePort of node-0 for a pod there."""
    evidence = World(plan).evidence()
    client = SERVERS[1].addresses[0]
    node = plan.node("node-0").addresses[0]
    common = {
        "packet": PacketKind.TCP_SYN,
        "stamp": 77,
        "family": Family.IPV6,
        "protocol": 6,
        "source_port": 4711,
    }
    hops = (
        PacketSeen(
            tap="node-0",
            leaving=False,
            time_ns=1,
            source=client,
            destination=node,
            destination_port=30080,
            **common,
        ),
        PacketSeen(
            tap=endpoint,
            leaving=False,
            time_ns=2,
            source=client if source is None else source,
            destination=plan.pod(endpoint).addresses[0],
            destination_port=8080,
            **common,
        ),
    )
    return replace(evidence, packets=hops)


@pytest.mark.parametrize(
    ("policy", "hidden", "row"),
    [
        ("Cluster", True, None),
        ("Cluster", False, "row external-cluster"),
        ("Local", False, None),
        ("Local", True, "row external-local-client"),
    ],
)
def test_a_client_outside_is_hidden_by_policy(policy, hidden, row):
    plan = exposed(external_traffic_policy=policy)
    node = plan.node("node-0").addresses[0]

    found = answer(from_outside(plan, endpoint="pod-a", source=node if hidden else None))

    assert found.looked_at == 1
    if row is None:
        assert found.state is State.HOLDS
    else:
        assert [f.subject for f in found.findings] == ["node-0"]
        assert row in found.findings[0].expected


def ula():
    """Return the plan of pods with unique local addresses, and the range of all of them."""
    inside = ip_network("fd6d:3b64:e11::/48")
    evidence = driven().evidence()
    swapped = {p.addresses[0]: inside[number + 5] for number, p in enumerate(PLAN.pods)}
    packets = tuple(
        replace(
            p,
            source=swapped.get(p.source, p.source),
            destination=swapped.get(p.destination, p.destination),
        )
        for p in evidence.packets
    )
    return inside, replace(evidence, packets=packets)


@pytest.mark.parametrize(
    ("planned", "severity", "state"),
    [(True, Severity.ERROR, State.BROKEN), (False, Severity.WARNING, State.HOLDS)],
)
def test_unique_local_addresses_do_not_leave_untranslated(planned, severity, state):
    inside, evidence = ula()
    plan = replace(PLAN, cloud=replace(PLAN.cloud, nat66=(inside,))) if planned else PLAN

    found = answer(replace(evidence, header=replace(evidence.header, plan=plan)))

    assert found.state is state
    (only,) = found.findings
    assert (only.subject, only.severity) == ("gateway", severity)
    assert ("RFC 4193" in only.expected) is not planned
    assert (str(inside) in only.expected) is planned
