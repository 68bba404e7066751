"""The Shoot of a text, or its networking fragment, to a Cluster."""

from dataclasses import dataclass, replace

from dataplane.manifest import beside
from dataplane.manifest.case import PROFILES, Case, Stage
from dataplane.manifest.documents import Document, read_documents
from dataplane.manifest.fields import Section, root
from dataplane.manifest.shoot.validation import VERSION
from dataplane.manifest.shoot.walk import walk
from dataplane.model.cluster import Cluster
from dataplane.model.problem import InvalidInputError, Problem, ProblemType, Severity, Source
from dataplane.rules.fielderror import required

KIND = "Shoot"
PROFILE = "proposal"  # who wants a lab may ask for what today's API does not know


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What came of a manifest; `cluster` is None when an error makes it unusable."""

    cluster: Cluster | None
    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Return the problems that make the manifest invalid."""
        return tuple(p for p in self.problems if p.severity is Severity.ERROR)


def parse(
    text: str, *, name: str = "manifest", profile: str = PROFILE, strict: bool = False
) -> Parsed:
    """Read the first Shoot of a text, with everything that keeps it from becoming a lab.

    NetworkPolicies and a Seed's `blockCIDRs` that stand beside it belong to its cluster.

    `name` is the cluster's name where the manifest gives none. `profile` is one of
    `case.PROFILES`. `strict` is for our own files: an unknown field is an error there.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile {profile} is none of {', '.join(PROFILES)}")
    try:
        documents = read_documents(text, name=name)
    except InvalidInputError as error:
        return Parsed(cluster=None, problems=error.problems)
    problems: list[Problem] = []
    others: list[Section] = []
    cluster = None
    chosen = False
    for document in documents:
        top = root(document)
        if not isinstance(document.value, dict):
            problems += top.problems
        elif beside.is_beside(top):
            others.append(top)
        elif not _is_cluster(document.value):
            problems += [
                *top.problems,
                _note(document, "is no Shoot and has no networking section"),
            ]
        elif chosen:
            problems.append(_note(document, "is one more cluster; only the first one is read"))
        else:
            chosen = True
            cluster = _cluster(top, name=name, profile=profile, strict=strict)
            problems += top.problems
    if not chosen and not any(p.severity is Severity.ERROR for p in problems):
        detail = "no Shoot and no networking section was found"
        remedy = f"give a manifest of kind Shoot ({VERSION}) or its networking section"
        problems.append(required("kind", detail, remedy=remedy, source=Source.SIXSCOPE))
    policies = tuple(policy for top in others for policy in beside.policies(top))
    blocked = tuple(network for top in others for network in beside.blocked(top))
    problems += [problem for top in others for problem in top.problems]
    if cluster is None or any(p.severity is Severity.ERROR for p in problems):
        return Parsed(cluster=None, problems=tuple(problems))
    cluster = replace(cluster, policies=policies, blocked=blocked)
    return Parsed(cluster=cluster, problems=tuple(problems))


def _cluster(top: Section, *, name: str, profile: str, strict: bool) -> Cluster | None:
    if "kind" in top and "apiVersion" not in top:
        remedy = f"write apiVersion: {VERSION}"
        source = Source.KUBERNETES
        top.add([required("apiVersion", "must be set", remedy=remedy, source=source)])
    if strict:
        known = ("apiVersion", "kind", "metadata", "spec", "status", "networking")
        top.unknown(known, strict=True)
    case = Case(top=top, profile=profile, stage=Stage.BOTH)
    return walk(case, name=name, building=True, strict=strict)


def _is_cluster(value: dict[str, object]) -> bool:
    if "kind" in value:
        return value["kind"] == KIND
    spec = value.get("spec")
    return "networking" in value or (isinstance(spec, dict) and "networking" in spec)


def _note(document: Document, detail: str) -> Problem:
    message = f"document {document.index} {detail}"
    return Problem(
        severity=Severity.INFO,
        type=ProblemType.ADVICE,
        field="kind",
        detail=detail,
        message=message,
        source=Source.SIXSCOPE,
        remedy="nothing to do, unless it was meant to be read",
        document=document.index,
    )
