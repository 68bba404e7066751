"""Each fault is found by the check that is there for it, on the right subjects, and by no other."""

from ipaddress import IPv4Address, IPv6Network

import pytest

from dataplane.checks import checks
from dataplane.model.address import Family
from dataplane.model.answer import Expectation, State
from dataplane.verify import judge, met
from tests.unit.network import DROP, REFUSE, Faults, at_node_of
from tests.unit.plans import dual_stack, routed, six_only, with_neighbour
from tests.unit.world import World

SIX, DUAL = six_only(), dual_stack()
BESIDE = with_neighbour(DUAL)
PODS = tuple(pod.name for pod in DUAL.actors)
NODES = tuple(node.name for node in DUAL.nodes)
CLUSTER6 = IPv6Network("2001:db8:2::/48")


def broken(*subjects: str) -> Expectation:
    return Expectation(state=State.BROKEN, subjects=subjects)


def black_hole(name, *, both_ways=False):
    pod = DUAL.pod(name)
    own = pod.address(Family.IPV6)
    return Faults(rule=at_node_of(pod, DROP, lambda s, d: own in ((s, d) if both_ways else (s,))))


def refused(name):
    pod = DUAL.pod(name)
    own = pod.address(Family.IPV6)
    return Faults(rule=at_node_of(pod, REFUSE, lambda s, _: s == own))


def in_turn(name):
    pod = DUAL.pod(name)
    six, four = pod.address(Family.IPV6), pod.address(Family.IPV4)
    servers = {server.address(Family.IPV4) for server in DUAL.servers}
    return Faults(
        rule=at_node_of(
            pod, DROP, lambda s, d: (s == six and d in CLUSTER6) or (s == four and d in servers)
        )
    )


def pods_on(plan, name):
    return tuple(pod.name for pod in plan.node(name).pods if pod.actor)


CASES = {
    "healthy": (SIX, Faults(), {}),
    "dns64 off": (SIX, Faults(dns64_off=True), {"dns64": broken("gateway")}),
    "dns64 wrong prefix": (
        SIX,
        Faults(dns64=IPv6Network("64:ff9b:1:ffff::/96")),
        {"dns64": broken("gateway")},
    ),
    "large packets get lost on the IPv4 side": (
        SIX,
        Faults(floor={"server-v4"}),
        {"pmtu": broken("server-v4")},
    ),
    "nat64 down": (SIX, Faults(nat64_down=True), {"nat64": broken("gateway")}),
    "no AAAA for Services": (
        DUAL,
        Faults(without_records={Family.IPV6}),
        {"dns-family": broken("gateway")},
    ),
    "A records without IPv4": (
        SIX,
        Faults(foreign_records=(IPv4Address("198.19.255.1"),)),
        {"dns-family": broken("gateway")},
    ),
}
for title, plan in (("six", with_neighbour(SIX)), ("dual", BESIDE)):
    CASES |= {
        f"{title}: a second cluster beside it": (plan, Faults(), {}),
        f"{title}: nobody routes the second cluster": (
            plan,
            Faults(lost_prefixes={("other-node-0", Family.IPV6)}),
            {"reachability": broken("other-node-0")},
        ),
    }
for title, plan in (("six", with_neighbour(routed(SIX))), ("dual", routed(BESIDE))):
    CASES |= {
        f"{title}: Services are routed, and asked by a second cluster": (plan, Faults(), {}),
        f"{title}: nobody outside routes the Services": (
            plan,
            Faults(services_lost=True),
            {"service-range": broken("fabric")},
        ),
        f"{title}: the node that Services are routed to has no rules for them": (
            plan,
            Faults(untranslated={"node-0"}),
            {"service-range": broken("node-0")},
        ),
    }
for node in NODES:
    CASES[f"{node} hides its pods from the second cluster"] = (
        BESIDE,
        Faults(hiding_from_neighbour={node}),
        {"masquerade": broken(*pods_on(BESIDE, node))},
    )
    for title, plan in (("six", SIX), ("dual", DUAL)):
        CASES[f"{title}: {node} masquerades"] = (
            plan,
            Faults(masquerading={node}),
            {"masquerade": broken(*pods_on(plan, node))},
        )
        CASES[f"{title}: kube-proxy on {node} has a foreign cluster-cidr"] = (
            plan,
            Faults(foreign_cluster_cidr={node}),
            {
                "masquerade": broken(*pods_on(plan, node)),
                "cluster-cidr-mismatch": broken(*pods_on(plan, node)),
            },
        )
        CASES |= {
            f"{title}: {node} does not forward": (
                plan,
                Faults(not_forwarding={node}),
                {"forwarding": broken(node)},
            ),
            f"{title}: {node} loses large packets": (
                plan,
                Faults(narrow={node}),
                {"pmtu": broken(node)},
            ),
            f"{title}: {node} has an overlay": (
                plan,
                Faults(encapsulating={node}),
                {"overlay": broken(node)},
            ),
            f"{title}: Services are routed to {node}": (
                plan,
                Faults(service_route=node),
                {"service-range": broken(node)},
            ),
        }
    CASES[f"six: no route back to {node}"] = (
        SIX,
        Faults(lost_prefixes={(node, Family.IPV6)}),
        {"reachability": broken(node), "missing-return-route": broken(node)},
    )
    CASES[f"dual: no IPv6 route back to {node}"] = (
        DUAL,
        Faults(lost_prefixes={(node, Family.IPV6)}),
        {
            "reachability": broken(node),
            "missing-return-route": broken(node),
            "fallback": broken(*pods_on(DUAL, node)),
        },
    )
for name in PODS:
    hidden = {"reachability": broken(name), "fallback": broken(name)}
    CASES |= {
        f"{name}: black hole for what it sends": (DUAL, black_hole(name), hidden),
        f"{name}: black hole": (DUAL, black_hole(name, both_ways=True), hidden),
        f"{name}: refused": (DUAL, refused(name), hidden),
        f"{name}: both families in turn": (DUAL, in_turn(name), {"reachability": broken(name)}),
        f"{name}: leaks IPv4": (SIX, Faults(leaking={name}), {"ipv4-leak": broken(name)}),
        f"{name}: listens on IPv4 only": (
            DUAL,
            Faults(deaf={(name, Family.IPV6)}),
            {"reachability": broken(name), "listeners": broken(name)},
        ),
        f"{name}: its server is bound to loopback": (
            DUAL,
            Faults(loopback={name}),
            {"listeners": broken(name)},
        ),
        f"{name}: sees a Service as its client": (
            SIX,
            Faults(service_clients={name}),
            {"service-range": broken(name)},
        ),
        f"{name}: its link is too small": (SIX, Faults(too_small={name}), {"pmtu": broken(name)}),
        f"{name}: has no CLAT": (SIX, Faults(without_clat={name}), {"clat": broken(name)}),
        f"{name}: its CLAT is dead": (SIX, Faults(dead_clat={name}), {"clat": broken(name)}),
        f"{name}: cannot send IPv6": (
            DUAL,
            Faults(unsent={(name, Family.IPV6)}),
            hidden,
        ),
    }


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_found_where_it_is(case):
    plan, faults, expected = CASES[case]
    applicable = [check for check in checks() if check.applies(plan) is None]
    world = World(plan, faults).drive(s for check in applicable for s in check.stimuli(plan))

    answers, absent = judge(world.evidence(), checks())

    found = {
        a.check: (a.state, {f.subject for f in a.findings}, a.reason)
        for a in answers
        if a.state is not State.HOLDS
    }
    wanted = {name: (e.state, set(e.subjects)) for name, e in expected.items()}
    assert {name: entry[:2] for name, entry in found.items()} == wanted, found
    assert met(expected, answers, absent)
    for finding in (finding for answer in answers for finding in answer.findings):
        assert finding.cause
        assert finding.expected
        assert finding.seen
        assert finding.remedy
        assert finding.evidence
