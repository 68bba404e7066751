"""The check `policy`: what is denied must not arrive, what is allowed must, in both families."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest

from dataplane.checks import checks
from dataplane.checks.ground.policies import Permissions, permitted
from dataplane.checks.ground.trials import trials
from dataplane.checks.policy import CHECK
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.policy import (
    IPBlock,
    Party,
    Policy,
    PolicyPeer,
    PolicyPort,
    PolicyRule,
    Requirement,
    Selector,
)
from dataplane.model.problem import Severity
from dataplane.model.stimulus import Reach, Resolve, Transport
from dataplane.rules.gardener import blockcidrs
from dataplane.rules.members import POD_NAME, members
from dataplane.rules.policy import decide
from dataplane.verify import judge
from tests.unit.network import DROP, Faults
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World


def named(*names):
    return Selector(requirements=(Requirement(key=POD_NAME, operator="In", values=names),))


def block(network, *exceptions):
    parts = tuple(map(ip_network, exceptions))
    return PolicyPeer(block=IPBlock(network=ip_network(network), exceptions=parts))


INSIDE = Policy(
    name="inside",
    pods=named("pod-b"),
    egress=(PolicyRule(peers=(PolicyPeer(namespaces=Selector()),)),),
)
FROM_TWO = Policy(
    name="from-two",
    pods=named("pod-d"),
    ingress=(PolicyRule(peers=(PolicyPeer(pods=named("pod-a", "pod-c")),)),),
)
IPV4_ONLY = Policy(
    name="ipv4", pods=named("pod-a"), egress=(PolicyRule(peers=(block("0.0.0.0/0"),)),)
)


def with_policies(plan, *policies, blocked=()):
    blocked = tuple(blocked)
    made = blockcidrs.policies(blocked) if blocked else ()
    return replace(plan, policies=(*policies, *made), blocked=blocked)


def engine(plan, *, families=tuple(Family), broken=(), dropping=()):
    """Return a rule of the nodes that enforces a plan's policies, and lets answers through.

    On the nodes of `broken` it does so for `families` alone. `dropping` are nodes with addresses to
    which they let nothing through.
    """
    known = {member.address: member for member in members(plan)}
    nodes = {address for node in plan.nodes for address in node.addresses}
    answers = {}  # the way back of the latest packet that was let through

    def rule(node, source, destination):
        if answers.get("way") == (source, destination):
            return None
        ends = [
            known.get(address) or Party(name=str(address), address=address)
            for address in (source, destination)
        ]
        here = source not in nodes and any(
            plan.pod(denial.pod).node == node
            for denial in decide(plan.policies, *ends, "tcp", 8080).denials
        )
        enforced = node not in broken or any(source.version == int(f[-1]) for f in families)
        if (here and enforced) or (node, destination) in dropping:
            return DROP
        answers["way"] = (destination, source)
        return None

    return Faults(rule=rule)


def answer(plan, faults, *, cut=lambda evidence: evidence):
    world = World(plan, faults).drive(CHECK.stimuli(plan))
    (only,), _ = judge(cut(world.evidence()), (CHECK,))
    return only


SOUND = {
    "six": with_policies(six_only(), INSIDE, FROM_TWO),
    "dual": with_policies(dual_stack(), INSIDE, FROM_TWO),
    "all blocked": with_policies(
        six_only(),
        blocked=map(ip_network, ("198.51.100.46", "2001:db8:f2::4046", "64:ff9b:1::c633:642e")),
    ),
    "both blocked": with_policies(
        dual_stack(), blocked=map(ip_network, ("198.51.100.46", "2001:db8:f2::4046"))
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_what_is_enforced_holds(name):
    plan = SOUND[name]
    found = answer(plan, engine(plan))

    assert (found.state, found.reason) == (State.HOLDS, "")
    assert found.looked_at == len(trials(plan))
    decided = {(trial.written.allowed, trial.family) for trial in trials(plan)}
    assert {allowed for allowed, family in decided if family is Family.IPV6} == {True, False}
    assert len(trials(plan)) <= 60


@pytest.mark.parametrize("plan", [six_only(), dual_stack()])
def test_without_policies_there_is_nothing_to_look_at(plan):
    assert "no NetworkPolicies" in CHECK.applies(plan)
    assert "selects" in CHECK.applies(
        replace(plan, policies=(Policy(name="p", pods=named("nobody"), egress=()),))
    )


@pytest.mark.parametrize(("node", "pod"), [("node-0", "pod-b"), ("node-1", "pod-d")])
def test_ipv6_that_gets_past_a_policy_is_the_isolated_pods(node, pod):
    plan = SOUND["dual"]
    found = answer(plan, engine(plan, families=(Family.IPV4,), broken={node}))

    assert found.state is State.BROKEN
    assert {finding.subject for finding in found.findings} == {pod}
    assert all("IPv6" in finding.cause for finding in found.findings)
    assert all("denies gets through" in finding.cause for finding in found.findings)


def test_nothing_enforced_is_found_in_each_family():
    found = answer(SOUND["dual"], Faults())

    causes = {(finding.subject, finding.cause[:4]) for finding in found.findings}
    assert causes == {(p, f) for p in ("pod-b", "pod-d") for f in ("IPv4", "IPv6")}


@pytest.mark.parametrize("base", [six_only(), dual_stack()])
def test_a_policy_that_opens_ipv4_alone_cuts_ipv6_off(base):
    plan = with_policies(base, IPV4_ONLY)
    (finding,) = answer(plan, engine(plan)).findings

    assert finding.subject == "pod-a"
    assert finding.cause.startswith("ipv4 opens 0.0.0.0/0 and not ::/0")
    assert "::/0" in finding.remedy


def test_ipv4_blocks_alone_are_warned_of_where_there_is_no_ipv4():
    rule = PolicyRule(peers=(block("198.51.100.0/24"),))
    given = Policy(name="four", pods=named("pod-a"), egress=(rule,))
    six, dual = (with_policies(base, given) for base in (six_only(), dual_stack()))

    found = answer(six, engine(six))
    (warned,) = found.findings
    assert found.state is State.HOLDS
    assert (warned.severity, warned.subject) == (Severity.WARNING, "pod-a")
    assert warned.cause == "four has IPv4 blocks alone, and the cluster has no IPv4"
    assert answer(dual, engine(dual)).findings == ()


@pytest.mark.parametrize(
    ("node", "to", "subjects"),
    [("node-1", "pod-d", {"pod-d"}), ("node-0", "pod-c", {"pod-b"}), ("node-0", "pod-d", set())],
)
def test_what_is_allowed_and_dropped_at_the_policy_is_found(node, to, subjects):
    plan = SOUND["dual"]
    lost = plan.pod(to).address(Family.IPV6)
    found = answer(plan, engine(plan, dropping={(node, lost)}))

    assert {finding.subject for finding in found.findings} == subjects
    assert all("allow is dropped" in finding.cause for finding in found.findings)


def test_what_is_lost_behind_the_policy_is_somebody_elses_business():
    plan = SOUND["dual"]
    faults = replace(engine(plan), lost_prefixes={("node-1", Family.IPV6)})

    assert not answer(plan, faults).findings


@pytest.mark.parametrize(
    ("base", "blocked", "way"),
    [
        (dual_stack(), ("198.51.100.46",), "over IPv6"),
        (dual_stack(), ("2001:db8:f2::4046",), "over IPv4"),
        (six_only(), ("198.51.100.46", "2001:db8:f2::4046"), "through NAT64"),
        (six_only(), ("198.51.100.4",), "through NAT64"),
    ],
)
def test_a_host_that_is_blocked_in_part_is_reached(base, blocked, way):
    plan = with_policies(base, blocked=map(ip_network, blocked))
    (finding,) = answer(plan, engine(plan)).findings

    assert finding.subject == ("server-v4" if "198.51.100.4" in blocked else "server-dual")
    assert finding.cause.endswith(f"is reached {way}")
    assert finding.cause.startswith("blockCIDRs have ")


def test_nothing_seen_is_unknown():
    plan = SOUND["dual"]
    found = answer(plan, engine(plan), cut=lambda e: replace(e, packets=()))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def test_a_blind_uplink_tells_nothing_of_what_is_denied():
    plan = SOUND["dual"]

    def blinded(evidence):
        reports = tuple(
            replace(r, blind="foreign program") if r.where == "node-0" else r
            for r in evidence.reports
        )
        return replace(evidence, reports=reports)

    assert answer(plan, engine(plan), cut=blinded).state is State.UNKNOWN


@pytest.mark.parametrize("name", SOUND)
def test_the_other_checks_hold_where_what_is_denied_is_not_asked_for(name):
    plan = SOUND[name]
    applicable = [check for check in checks() if check.applies(plan) is None]
    asked = [
        stimulus
        for check in applicable
        for stimulus in (
            check.stimuli(plan) if check is CHECK else permitted(plan, check.stimuli(plan))
        )
    ]

    answers, _ = judge(World(plan, engine(plan)).drive(asked).evidence(), checks())

    assert {a.check: (a.state, a.reason) for a in answers if a.state is not State.HOLDS} == {}
    assert {"policy", "reachability", "dns-family"} <= {a.check for a in answers}


def reach(pod, target, transport=Transport.TCP, port=8080):
    return Reach(id="x", check="x", pod=pod, target=target, transport=transport, port=port)


@pytest.mark.parametrize(
    ("stimulus", "permits"),
    [
        (reach("pod-b", "2001:db8:f2::4046"), False),
        (reach("pod-a", "2001:db8:f2::4046"), True),
        (reach("pod-b", "198.51.100.4"), False),  # by its CLAT
        (reach("pod-a", "198.51.100.4"), True),
        (reach("pod-b", "dual.internet.test"), False),
        (reach("pod-a", "dual.internet.test"), True),
        (reach("pod-b", "registry-1.docker.io"), False),
        (reach("server-dual", "2001:db8:2::2"), True),  # no pod, so that it is nobody's egress
        (Resolve(id="x", check="x", pod="pod-b", name="dual.internet.test"), True),
    ],
)
def test_what_is_asked_for_is_what_no_policy_denies(stimulus, permits):
    assert Permissions.of(SOUND["six"]).permits(stimulus) is permits


def test_a_service_is_asked_for_where_all_its_endpoints_are_open():
    plan = SOUND["six"]
    address = str(plan.services[0].addresses[0])
    may = {
        pod.name: Permissions.of(plan).permits(reach(pod.name, address, port=80))
        for pod in plan.actors
    }

    # pod-d is one of the endpoints, open to two others and to itself
    assert may == {"pod-a": True, "pod-b": False, "pod-c": True, "pod-d": True}


def test_who_may_not_ask_the_resolver_asks_for_no_name():
    closed = Policy(
        name="closed",
        pods=named("pod-a"),
        egress=(PolicyRule(ports=(PolicyPort(first=8080),)),),
    )
    plan = with_policies(six_only(), closed)
    permissions = Permissions.of(plan)

    assert permissions.permits(reach("pod-a", "2001:db8:f2::4046"))
    assert not permissions.permits(reach("pod-a", "dual.internet.test"))
    assert not permissions.permits(Resolve(id="x", check="x", pod="pod-a", name="any"))
    assert ip_address("2001:db8:f2::4046") in plan.server("server-dual").addresses
    names = {s.pod for check in checks() for s in check.stimuli(plan) if isinstance(s, Resolve)}
    assert "pod-a" not in names
    assert names
