"""From a scenario or a manifest to everything that a run needs to know beforehand. No effects."""

from dataclasses import dataclass, replace
from random import Random

from dataplane import manifest
from dataplane.checks import checks
from dataplane.model.answer import Expectation, State
from dataplane.model.cloud import Allocator
from dataplane.model.cluster import Cluster
from dataplane.model.errors import UnsupportedError
from dataplane.model.infrastructure import NOTHING_GIVEN, Infrastructure
from dataplane.model.ingress import IngressWish
from dataplane.model.nearest import suggest
from dataplane.model.plan import (
    ClatPlacement,
    DefaultRoutes,
    Exposure,
    Nat64Placement,
    Neighbours,
    NodeAddresses,
    Plan,
)
from dataplane.model.problem import InvalidInputError, Problem, Severity
from dataplane.model.topology import Topology
from dataplane.planning import neighbour
from dataplane.planning.plan import plan as make_plan
from dataplane.planning.pool import apart
from dataplane.planning.topology import topology as make_topology
from labs.fault import faults as known_faults
from labs.scenario import Scenario, Wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """Options that shape a plan; None leaves the choice to the scenario or the default."""

    nodes: int | None = None
    pods: int | None = None
    seed: int = 0
    engine: str | None = None
    dns64: str | None = None
    clat: str | None = None
    nat64: str | None = None
    cloud: str | None = None
    allocator: Allocator | None = None
    infrastructure: Infrastructure = NOTHING_GIVEN
    ingress: IngressWish | None = None
    egress_proxy: bool = False
    exposure: Exposure | None = None
    neighbours: Neighbours | None = None
    default_routes: DefaultRoutes | None = None
    node_addresses: NodeAddresses | None = None

    def over(self, scenario: Scenario) -> "Shape":
        """Return this shape with the scenario's choices where it leaves them open."""
        return replace(
            self,
            nodes=scenario.nodes if self.nodes is None else self.nodes,
            pods=scenario.pods if self.pods is None else self.pods,
            engine=self.engine or scenario.engine,
            dns64=self.dns64 or scenario.dns64,
            clat=self.clat or scenario.clat,
            nat64=self.nat64 or scenario.nat64,
            cloud=self.cloud or scenario.cloud,
            ingress=self.ingress or scenario.ingress,
            egress_proxy=self.egress_proxy or scenario.egress_proxy,
            exposure=self.exposure or scenario.exposure,
            neighbours=self.neighbours or scenario.neighbours,
            default_routes=self.default_routes or scenario.default_routes,
            node_addresses=self.node_addresses or scenario.node_addresses,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """What is to be run: the plan, the topology with its faults in it, and what is expected."""

    name: str
    title: str
    plan: Plan
    topology: Topology
    expected: dict[str, Expectation] | None
    problems: tuple[Problem, ...] = ()


def read_cluster(text: str, name: str) -> tuple[Cluster, tuple[Problem, ...]]:
    """Parse a manifest; InvalidInputError with all problems when one of them is an error."""
    parsed = manifest.parse(text, name=name)
    if parsed.cluster is None or any(p.severity is Severity.ERROR for p in parsed.problems):
        raise InvalidInputError(name, parsed.problems)
    return parsed.cluster, parsed.problems


def plan_of(cluster: Cluster, shape: Shape, second: Cluster | None = None) -> Plan:
    """Plan a cluster in the wanted shape, and a small second one beside it where there is one.

    InvalidInputError lists what two clusters cannot both have (an IPv6 range), or both need.
    """
    if second is None:
        return _make(cluster, shape, shape.infrastructure)
    neighbour.check(cluster, second)

    def beside(other: Cluster, given: Infrastructure) -> Plan:
        # What is known of the first cluster's infrastructure is not the second one's.
        around = Infrastructure(
            pools=given.pools, occupied=given.occupied, landscape=given.landscape
        )
        return make_plan(
            other,
            nodes=neighbour.NODES,
            pods=neighbour.PODS,
            seed=shape.seed,
            clat=None,
            infrastructure=around,
        )

    first, other = apart(
        [(cluster, lambda own, given: _make(own, shape, given)), (second, beside)],
        shape.infrastructure,
    )
    return neighbour.joined(first, other)


def _make(cluster: Cluster, shape: Shape, infrastructure: Infrastructure) -> Plan:
    clat = None if shape.clat == "none" else ClatPlacement(shape.clat or "pod")
    nat64 = None if shape.nat64 == "none" else Nat64Placement(shape.nat64 or "gateway")
    return make_plan(
        cluster,
        nodes=2 if shape.nodes is None else shape.nodes,
        pods=4 if shape.pods is None else shape.pods,
        seed=shape.seed,
        engine=shape.engine or "tayga",
        dns64=shape.dns64 or "bind",
        clat=clat,
        nat64_place=nat64,
        model=shape.cloud,
        allocator=shape.allocator,
        infrastructure=infrastructure,
        ingress=shape.ingress,
        egress_proxy=shape.egress_proxy,
        exposure=shape.exposure or Exposure(),
        neighbours=shape.neighbours or "permanent",
        default_routes=shape.default_routes or "static",
        node_addresses=shape.node_addresses or "static",
    )


def prepare_scenario(scenario: Scenario, shape: Shape, faults: tuple[str, ...] = ()) -> Prepared:
    """Prepare a scenario; faults named on top make its expectations void."""
    cluster, problems = read_cluster(scenario.manifest_text, scenario.manifest)
    second = None
    if scenario.second is not None and scenario.second_text is not None:
        second, also = read_cluster(scenario.second_text, scenario.second)
        problems += also
    plan = plan_of(cluster, shape.over(scenario), second)
    topology, victims = _break(plan, (*scenario.faults, *faults))
    return Prepared(
        name=scenario.name,
        title=scenario.title,
        plan=plan,
        topology=topology,
        expected=None if faults else _expected(plan, scenario.expect, victims),
        problems=problems,
    )


def prepare_manifest(text: str, name: str, shape: Shape, faults: tuple[str, ...] = ()) -> Prepared:
    """Prepare somebody's own manifest: nothing is expected of it."""
    cluster, problems = read_cluster(text, name)
    plan = plan_of(cluster, shape)
    topology, _ = _break(plan, faults)
    return Prepared(
        name=cluster.name,
        title=name,
        plan=plan,
        topology=topology,
        expected=None,
        problems=problems,
    )


def _break(plan: Plan, names: tuple[str, ...]) -> tuple[Topology, tuple[str, ...]]:
    """Put faults into the plan's topology; each fault's choices hang on the seed and its name alone."""
    known = known_faults()
    topology, subjects = make_topology(plan), set[str]()
    for name in names:
        if name not in known:
            raise UnsupportedError(
                f"fault {name}",
                needs=f"the name of a fault: {suggest(name, known, listing='sixscope explain')}",
                found="no such fault",
            )
        if reason := known[name].applies(plan):
            raise UnsupportedError(f"fault {name}", needs="another manifest", found=reason)
        faulted = known[name].apply(topology, plan, Random(f"{plan.seed}/{name}"))  # noqa: S311 - repeatable
        topology = faulted.topology
        subjects |= set(faulted.subjects)
    return topology, tuple(sorted(subjects))


def _expected(
    plan: Plan, wanted: dict[str, Wanted], victims: tuple[str, ...]
) -> dict[str, Expectation]:
    """Return what is expected of every check that applies: what is written, else that it holds."""
    expected = {
        check.name: Expectation(state=State.HOLDS)
        for check in checks()
        if check.applies(plan) is None
    }
    for name, want in wanted.items():
        subjects = want.subjects if isinstance(want.subjects, tuple | None) else victims
        expected[name] = Expectation(state=want.state, subjects=subjects)
    return expected
