"""What a scenario is: a manifest, faults, and what is to be found. One YAML file each.

Fields: `title` and `manifest` (a file of labs/manifests) are required; `tags`, `nodes`, `pods`,
`engine`, `dns64`, `clat` (`pod`, `node`, `none`), `nat64` (`gateway`, `node`, `none`), `cloud` (a model of dataplane/planning/clouds, where
the manifest's provider is not the one), `second` (the manifest of another cluster in the same lab),
`ingress`, `egress_proxy`, `service` and `external_traffic_policy` (the echo Service's `type` and policy), `neighbours`
(`permanent`, `resolved`), `default_routes` (`static`, `advertised`), `node_addresses` (`static`,
`leased`), `faults` and `expect` are not.
`ingress` puts load balancers with both families before a cluster that has one, `egress_proxy` a forward
proxy with both families beside it. `expect` names the
checks that do not hold; every other check that applies must hold. `subjects: victims` stands for the
names that the faults picked.

`policy` names files with NetworkPolicies, or a Seed with `blockCIDRs`, that stand beside the manifest.

A manifest that must not get as far as a lab has `expect_problems` instead: what `validate` and `plan`
say of it, with `old` (a manifest, too) as an update. Every error must be listed; of the rest, what
is listed must be there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked

from dataplane.model.answer import State
from dataplane.model.ingress import IngressWish, TargetType
from dataplane.model.plan import (
    DefaultRoutes,
    Exposure,
    Neighbours,
    NodeAddresses,
    ServiceType,
    TrafficPolicy,
)
from dataplane.model.problem import InvalidInputError, Problem, ProblemType, Severity, Source

DIRECTORY = Path(__file__).parent / "scenarios"
MANIFESTS = Path(__file__).parent / "manifests"
STRICT = ConfigDict(extra="forbid")


@checked(frozen=True, slots=True, kw_only=True, config=STRICT)
class Wanted:
    """What is expected of one check: its state, and whom its findings are about."""

    state: State
    subjects: Literal["victims"] | tuple[str, ...] | None = None


@checked(frozen=True, slots=True, kw_only=True, config=STRICT)
class WantedProblem:
    """What is expected of one problem: where, which type, and words of its detail."""

    field: str
    type: ProblemType
    contains: str
    severity: Severity = Severity.ERROR

    def fits(self, problem: Problem) -> bool:
        """Tell whether a problem is the one that is meant."""
        same = (problem.field, problem.type, problem.severity)
        return same == (self.field, self.type, self.severity) and self.contains in problem.detail


@checked(frozen=True, slots=True, kw_only=True, config=STRICT)
class _Ingress:
    target: TargetType = TargetType.INSTANCE
    proxy_protocol: bool = True
    migration: bool = False


@checked(frozen=True, slots=True, kw_only=True, config=STRICT)
class _File:
    title: str
    manifest: str
    tags: tuple[str, ...] = ()
    nodes: int = 2
    pods: int = 4
    engine: str = "tayga"
    dns64: Literal["bind", "unbound"] = "bind"
    clat: Literal["pod", "node", "none"] = "pod"
    nat64: Literal["gateway", "node", "none"] = "gateway"
    cloud: str | None = None
    second: str | None = None
    policy: tuple[str, ...] = ()
    ingress: _Ingress | None = None
    egress_proxy: bool = False
    service: ServiceType = "ClusterIP"
    external_traffic_policy: TrafficPolicy = "Cluster"
    neighbours: Neighbours = "permanent"
    default_routes: DefaultRoutes = "static"
    node_addresses: NodeAddresses = "static"
    faults: tuple[str, ...] = ()
    expect: dict[str, Wanted] = field(default_factory=dict)
    old: str | None = None
    expect_problems: tuple[WantedProblem, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A scenario as its file has it, with its manifest's text.

    `second_text` is the manifest of another cluster that is built beside it. With `expect_problems`
    nothing is built; `old_text` is the manifest as it was before an update.
    """

    name: str
    title: str
    manifest: str
    manifest_text: str
    tags: tuple[str, ...]
    nodes: int
    pods: int
    engine: str
    dns64: Literal["bind", "unbound"]
    clat: Literal["pod", "node", "none"]
    cloud: str | None
    exposure: Exposure
    faults: tuple[str, ...]
    expect: dict[str, Wanted]
    nat64: Literal["gateway", "node", "none"] = "gateway"
    second: str | None = None
    second_text: str | None = None
    ingress: IngressWish | None = None
    egress_proxy: bool = False
    neighbours: Neighbours = "permanent"
    default_routes: DefaultRoutes = "static"
    node_addresses: NodeAddresses = "static"
    old: str | None = None
    old_text: str | None = None
    expect_problems: tuple[WantedProblem, ...] = ()


@cache
def names() -> tuple[str, ...]:
    """Return the names of all scenarios, sorted."""
    return tuple(sorted(path.stem for path in DIRECTORY.glob("*.yaml")))


def built() -> tuple[str, ...]:
    """Return the names of the scenarios that a lab is built for, sorted."""
    return tuple(name for name in names() if not load(name).expect_problems)


@cache
def load(name: str) -> Scenario:
    """Read a scenario by name; KeyError when there is none, InvalidInputError when it is wrong."""
    if name not in names():
        raise KeyError(name)
    return read(DIRECTORY / f"{name}.yaml")


def read(path: Path) -> Scenario:
    """Read a scenario file; InvalidInputError lists all its problems."""
    try:
        content = TypeAdapter(_File).validate_python(yaml.safe_load(path.read_text()))
    except yaml.YAMLError as error:
        raise InvalidInputError(path.name, [_problem("", str(error))]) from error
    except ValidationError as error:
        raise InvalidInputError(
            path.name,
            [_problem(".".join(map(str, e["loc"])), e["msg"]) for e in error.errors()],
        ) from error
    if problems := [*_at_odds(content)]:
        raise InvalidInputError(path.name, problems)
    return Scenario(
        name=path.stem,
        title=content.title,
        manifest=content.manifest,
        manifest_text=_text(path, content),
        tags=content.tags,
        nodes=content.nodes,
        pods=content.pods,
        engine=content.engine,
        dns64=content.dns64,
        clat=content.clat,
        nat64=content.nat64,
        cloud=content.cloud,
        exposure=Exposure(
            type=content.service, external_traffic_policy=content.external_traffic_policy
        ),
        neighbours=content.neighbours,
        default_routes=content.default_routes,
        node_addresses=content.node_addresses,
        faults=content.faults,
        expect=content.expect,
        second=content.second,
        second_text=None if content.second is None else _manifest(path, "second", content.second),
        egress_proxy=content.egress_proxy,
        ingress=None if content.ingress is None else _wish(content.ingress),
        old=content.old,
        old_text=None if content.old is None else _manifest(path, "old", content.old),
        expect_problems=content.expect_problems,
    )


def _wish(given: _Ingress) -> IngressWish:
    return IngressWish(
        target=given.target, proxy_protocol=given.proxy_protocol, migration=given.migration
    )


def _text(path: Path, content: _File) -> str:
    """Return the manifest, and the documents of policies behind it, as one file may have them."""
    texts = [_manifest(path, "manifest", content.manifest)]
    texts += [_manifest(path, "policy", name) for name in content.policy]
    return "\n---\n".join(texts)


def _manifest(path: Path, key: str, name: str) -> str:
    """Return the text of a manifest that a scenario's file names."""
    manifest = MANIFESTS / name
    if manifest.parent != MANIFESTS or not manifest.is_file():
        raise InvalidInputError(path.name, [_problem(key, f"no such file in {MANIFESTS.name}/")])
    return manifest.read_text()


def _at_odds(content: _File) -> Iterator[Problem]:
    """Yield what cannot stand together: what is refused is not built, and nothing breaks in it."""
    refused = bool(content.expect_problems)
    for key, given in (
        ("faults", content.faults),
        ("expect", content.expect),
        ("second", content.second),
    ):
        if refused and given:
            yield _problem(key, "nothing is built where problems are expected, so leave it out")
    if content.service == "ClusterIP" and content.external_traffic_policy != "Cluster":
        detail = (
            "a Service of type ClusterIP has no way in from outside, so it has no policy for it"
        )
        yield _problem("external_traffic_policy", detail)
    if content.old is not None and not refused:
        yield _problem("old", "an update is only judged where problems are expected")


def _problem(field_path: str, detail: str) -> Problem:
    return Problem(
        severity=Severity.ERROR,
        type=ProblemType.INVALID,
        field=field_path,
        detail=detail,
        message=f"{field_path or 'scenario'}: {detail}",
        source=Source.SIXSCOPE,
        remedy="see docs/adding-a-scenario.md for the fields of a scenario",
    )
