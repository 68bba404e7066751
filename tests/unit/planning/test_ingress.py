"""Load balancers before a cluster: addresses, the Service, what is built of them."""

from ipaddress import ip_address

import pytest

from dataplane.model.address import Family, family_of
from dataplane.model.ingress import IngressWish, TargetType
from dataplane.model.problem import InvalidInputError
from dataplane.model.topology import Point, Role
from dataplane.planning.plan import plan as make_plan
from dataplane.planning.render import render_text, structure
from dataplane.planning.topology import topology
from dataplane.session.prepare import Shape, plan_of, read_cluster
from labs import scenario as scenarios
from tests.unit.incoming import four_only

AWS4, AWS6 = scenarios.load("dual-stack-ingress"), scenarios.load("ipv6-only-services")


def planned(scenario, **more):
    cluster, _ = read_cluster(scenario.manifest_text, scenario.manifest)
    return plan_of(cluster, Shape(**more).over(scenario))


def every_address(plan):
    hosts = (*plan.nodes, *plan.pods, *plan.servers, *plan.services)
    found = [a for host in hosts for a in host.addresses]
    found += [*plan.dns_addresses, *plan.resolver]
    for part in (plan.transit.fabric, plan.transit.edge, plan.transit.internet):
        found += part
    if plan.nat64:
        found += [plan.nat64.translator4, plan.nat64.translator6]
    for balancer in plan.ingress.balancers:
        found += [*balancer.addresses, *balancer.inside]
    found += [a for client in plan.ingress.clients for a in client.addresses]
    return [*found, plan.ingress.service_address]


@pytest.mark.parametrize("scenario", [AWS4, AWS6, scenarios.load("balancer-migration")])
@pytest.mark.parametrize("seed", range(5))
def test_no_address_is_given_twice(scenario, seed):
    found = every_address(planned(scenario, seed=seed))

    assert len(found) == len(set(found))


def test_on_aws_public_ipv6_comes_from_a_public_subnet():
    plan = planned(AWS4)
    public = next(s.network for s in plan.cloud.subnets if s.name == "public-0")

    (balancer,) = plan.ingress.balancers
    assert balancer.address(Family.IPV6) in public
    assert [family_of(a) for a in balancer.inside] == [Family.IPV4]


def test_instances_are_reached_by_their_node_port_and_pods_by_themselves():
    four, six = planned(AWS4).ingress, planned(AWS6)

    assert [(str(b.address), b.port) for b in four.backends] == [
        ("10.250.0.10", 30080),
        ("10.250.0.11", 30080),
    ]
    assert [b.address for b in six.ingress.backends] == [p.addresses[0] for p in six.actors]
    assert {b.port for b in six.ingress.backends} == {8081}
    assert six.ingress.family is Family.IPV6


def test_without_an_ingress_nothing_of_it_is_planned():
    plan = planned(scenarios.load("default"))
    built = topology(plan)

    assert plan.ingress is None
    assert (built.balancers, built.webs) == ((), ())
    assert not {n.role for n in built.namespaces} & {Role.BALANCER, Role.CLIENT}
    assert [family_of(a) for a in built.authority.listen] == [Family.IPV6]


def test_the_rest_of_the_plan_is_the_same_with_and_without():
    cluster, _ = read_cluster(AWS4.manifest_text, AWS4.manifest)
    without, with_one = (make_plan(cluster, ingress=wish) for wish in (None, IngressWish()))

    changed = {k for k, v in structure(without).items() if structure(with_one)[k] != v}
    assert changed == {"ingress"}


def test_what_is_built_of_it():
    plan = four_only(migration=True)
    built = topology(plan)
    names = [record for record in built.authority.records if record.name == "web.internet.test"]

    assert {spec.namespace for spec in built.balancers} == {"balancer", "balancer-old"}
    assert {ip_address(r.value) for r in names} == set(plan.ingress.balancers[0].addresses)
    assert {tap.name for tap in built.taps if tap.point is Point.BALANCER} == {
        *("balancer-front", "balancer-back", "balancer-old-front", "balancer-old-back"),
    }
    assert {spec.namespace for spec in built.webs} == {pod.name for pod in plan.actors}
    rule = next(rule for rule in built.services if rule.name == "shop/web")
    assert (rule.node_port, rule.target_port, len(rule.endpoints)) == (30080, 8081, 4)
    assert len({(r.namespace, r.interface, r.destination, r.via) for r in built.routes}) == len(
        built.routes
    )


def test_it_is_shown():
    text = render_text(four_only(migration=True))

    assert "INGRESS  shop/web, web.internet.test port 80 to IPv4, target type ip" in text
    assert "with PROXY protocol" in text
    assert "balancer-old" in text
    assert "client-dual" in text


def test_a_dual_stack_cluster_needs_none():
    scenario = scenarios.load("dual-stack")
    cluster, _ = read_cluster(scenario.manifest_text, scenario.manifest)

    with pytest.raises(InvalidInputError) as caught:
        make_plan(cluster, ingress=IngressWish(target=TargetType.IP))

    (problem,) = caught.value.problems
    assert problem.field == "ingress"
    assert problem.remedy
