"""What nodes enforce is what the rules decide: two ways to the same verdict, for every packet."""

from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import product

import pytest

from dataplane.model.ingress import IngressWish
from dataplane.model.plan import Exposure
from dataplane.model.policy import Direction, Policy, PolicyRule
from dataplane.model.problem import InvalidInputError
from dataplane.planning import neighbour
from dataplane.planning.plan import plan as make_plan
from dataplane.planning.policies import policies_of, specs
from dataplane.planning.topology import topology
from dataplane.rules.members import labels, members
from dataplane.rules.policy import decide
from labs import scenario as scenarios
from labs.fault import faults
from tests.unit.planning.clusters import read
from tests.unit.plans import dual_stack, six_only

FILES = ("policies", "public-networks", "public-networks-ipv4", "blocked", "blocked-without-ipv6")
WAYS = (("tcp", 8080), ("tcp", 8081), ("tcp", 53), ("udp", 8080), ("udp", 53), ("icmp", 0))
FOREIGN = tuple(map(ip_address, ("198.51.100.46", "10.9.9.9", "2001:db8:f2::4046", "fd00::1")))


def cluster(*files):
    texts = [(scenarios.MANIFESTS / f"{name}.yaml").read_text() for name in files]
    return read("\n---\n".join(texts))


def passes(found, address, protocol, port):
    """Tell whether a filter lets a packet through, as nftables reads its rule."""
    if found.network is not None:
        inside = address in found.network and not any(address in e for e in found.exceptions)
        if not inside:
            return False
    if found.protocol is None:
        return True
    return found.protocol == protocol and (found.first is None or found.first <= port <= found.last)


@pytest.mark.parametrize("manifest", ["gep-21", "dual-stack"])
@pytest.mark.parametrize("file", FILES)
def test_the_filters_of_a_pod_let_through_what_the_rules_allow(manifest, file):
    plan = make_plan(cluster(manifest, file))
    found = {(spec.interface, spec.direction): spec for spec in specs(plan)}
    parties = tuple(members(plan))
    outside = tuple(
        replace(parties[0], name=str(a), address=a, namespace="", labels=()) for a in FOREIGN
    )

    assert found
    verdicts = set()
    for source, destination, way in product((*parties, *outside), (*parties, *outside), WAYS):
        if source.name == destination.name or source.address.version != destination.address.version:
            continue
        enforced = True
        for pod, direction, other in (
            (source, Direction.EGRESS, destination),
            (destination, Direction.INGRESS, source),
        ):
            spec = found.get((pod.name, direction))
            if spec is not None:
                enforced &= any(passes(f, other.address, *way) for f in spec.allowed)
        assert enforced is decide(plan.policies, source, destination, *way).allowed, (
            source.name,
            destination.name,
            way,
        )
        verdicts.add(enforced)
    assert verdicts == {True, False}


def test_every_isolated_pod_is_enforced_on_its_own_node():
    plan = make_plan(cluster("dual-stack", "policies"))

    assert {(s.namespace, s.interface, s.direction) for s in topology(plan).policies} == {
        ("node-0", "pod-b", Direction.EGRESS),
        ("node-1", "pod-d", Direction.INGRESS),
    }


@pytest.mark.parametrize("plan", [six_only(), dual_stack()])
def test_without_policies_nothing_is_enforced(plan):
    assert topology(plan).policies == ()


def test_the_first_pod_stands_for_a_component_of_a_control_plane():
    plan = make_plan(cluster("gep-21"))
    first, *others = (labels(plan, pod) for pod in plan.pods)

    label = "networking.gardener.cloud/to-public-networks=allowed"
    assert label in first
    assert not any(label in other for other in others)
    assert all("app=echo" in of for of in (first, *others))


def test_policies_of_two_namespaces_are_refused():
    base = cluster("gep-21")
    given = (Policy(name="a", namespace="one"), Policy(name="b", namespace="two"))

    with pytest.raises(InvalidInputError) as caught:
        policies_of(replace(base, policies=given))

    (problem,) = caught.value.problems
    assert problem.field == "metadata.namespace"
    assert "one, two" in problem.detail


def test_gardeners_policies_join_the_namespace_of_the_others():
    base = replace(cluster("gep-21"), policies=(Policy(name="a", namespace="garden"),))
    made = policies_of(replace(base, blocked=(ip_network("198.51.100.0/24"),)))

    assert [policy.name for policy in made] == ["a", "allow-to-dns", "allow-to-public-networks"]
    assert {policy.namespace for policy in made} == {"garden"}


@pytest.mark.parametrize(
    "option",
    [{"ingress": IngressWish()}, {"exposure": Exposure(type="NodePort")}],
    ids=["ingress", "exposure"],
)
def test_policies_and_clients_from_outside_are_refused_together(option):
    given = cluster("dual-stack", "policies")

    with pytest.raises(InvalidInputError) as caught:
        make_plan(given, **option)

    assert [problem.field for problem in caught.value.problems] == ["policy"]


def test_policies_and_a_second_cluster_are_refused_together():
    with pytest.raises(InvalidInputError) as caught:
        neighbour.check(cluster("dual-stack", "policies"), cluster("gep-21"))

    assert ["policies" in problem.detail for problem in caught.value.problems] == [True]


def test_the_fault_has_nothing_to_break_where_no_ipv6_is_denied():
    fault = faults()["policy-for-ipv4-only"]
    everything = Policy(name="all", egress=(PolicyRule(),))

    assert "no NetworkPolicies" in fault.applies(six_only())
    assert "denies any IPv6" in fault.applies(replace(six_only(), policies=(everything,)))
    assert fault.applies(make_plan(cluster("gep-21", "policies"))) is None
