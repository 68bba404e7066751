"""A Shoot, or the `networking` fragment of one, to a Cluster."""

from dataclasses import dataclass, replace

from dataplane.manifest import networking
from dataplane.manifest.documents import Document, read_documents
from dataplane.manifest.fields import Section, root
from dataplane.model.address import Family
from dataplane.model.cluster import Cluster, RangeWish
from dataplane.model.problem import InvalidInputError, Problem, ProblemType, Severity, Source
from dataplane.rules import gardener, keywords, providers
from dataplane.rules.fielderror import advice, invalid, not_supported, required

API_VERSION = "core.gardener.cloud/v1beta1"
KIND = "Shoot"
MOST_PODS = 1 << 20  # per node; far beyond what a kubelet does
_MASKS = {Family.IPV4: "nodeCIDRMaskSize", Family.IPV6: "nodeCIDRMaskSizeIPv6"}


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
    text: str, *, name: str = "manifest", profile: str = "current", strict: bool = False
) -> Parsed:
    """Read the first Shoot of a text, with everything that is wrong about it.

    `name` is the cluster's name where the manifest gives none. Profiles: `current` is today's
    Gardener plus the proposals' keywords, `gep21` the first step of GEP-21. `strict` is for our
    own files: an unknown field is an error there.
    """
    if profile not in gardener.PROFILES:
        raise ValueError(f"profile {profile} is none of {', '.join(gardener.PROFILES)}")
    try:
        documents = read_documents(text, name=name)
    except InvalidInputError as error:
        return Parsed(cluster=None, problems=error.problems)
    problems: list[Problem] = []
    cluster = None
    chosen = False
    for document in documents:
        top = root(document)
        if not isinstance(document.value, dict):
            problems += top.problems
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
        remedy = f"give a manifest of kind Shoot ({API_VERSION}) or its networking section"
        problems.append(required("kind", detail, remedy=remedy, source=Source.SIXSCOPE))
    if any(p.severity is Severity.ERROR for p in problems):
        cluster = None
    return Parsed(cluster=cluster, problems=tuple(problems))


def _is_cluster(value: dict[str, object]) -> bool:
    if "kind" in value:
        return value["kind"] == KIND
    spec = value.get("spec")
    return "networking" in value or (isinstance(spec, dict) and "networking" in spec)


def _cluster(top: Section, *, name: str, profile: str, strict: bool) -> Cluster | None:
    fragment = "kind" not in top.values
    if not fragment:
        _api_version(top)
    if strict:
        known = ("apiVersion", "kind", "metadata", "spec", "status", "networking")
        top.unknown(known, strict=True)
    bare = fragment and "networking" in top.values
    spec = top if bare else top.section("spec")
    provider = spec.section("provider")
    workers = provider.sections("workers")
    workerless = bool(provider.values) and not workers
    section = spec.section("networking")
    section.unknown(networking.KNOWN, strict=strict)
    if "networking" not in spec and not workerless:
        detail = "networking should not be nil for a Shoot with workers"
        remedy = "add spec.networking with type, pods, nodes, services and ipFamilies"
        spec.add([required(section.path, detail, remedy=remedy)])
        return None
    cni = section.text("type")
    if workerless:
        fields = ("type", "providerConfig", "pods", "nodes")
        section.add(gardener.workerless(section.at(key)) for key in fields if key in section)
    elif cni is not None or (workers and "type" not in section):  # excerpts may leave it out
        section.add(gardener.network_type(section.at("type"), cni))
    provider_type = provider.text("type") or "local"
    ranges = networking.read(section, profile=profile, provider=provider_type)
    if ranges is None:
        return None
    masks = _masks(spec, workers, ranges.families)
    networking.check_ranges(section, ranges, masks)
    overlay = section.section("providerConfig").section("overlay")
    enabled = overlay.values.get("enabled")
    section.add(providers.overlay(overlay.at("enabled"), enabled, ranges.families, provider_type))
    _advise(section, ranges, fragment=fragment)
    nothing: tuple[RangeWish, ...] = ()
    metadata = top.section("metadata")
    return Cluster(
        name=metadata.text("name") or metadata.text("generateName") or name,
        families=ranges.families,
        nodes=nothing if workerless else ranges.nodes,
        pods=nothing if workerless else ranges.pods,
        services=ranges.services,
        cni=cni or "calico",
        provider=provider_type,
        node_mask_size=masks,
    )


def _api_version(top: Section) -> None:
    version = top.text("apiVersion")
    if version is None and "apiVersion" not in top:
        remedy = f"write apiVersion: {API_VERSION}"
        top.add([required("apiVersion", "must be set", remedy=remedy, source=Source.KUBERNETES)])
    elif version is not None and version != API_VERSION:
        remedy = f"write apiVersion: {API_VERSION}"
        top.add([not_supported("apiVersion", version, (API_VERSION,), remedy=remedy)])


def _masks(
    spec: Section, workers: tuple[Section, ...], families: tuple[Family, ...]
) -> dict[Family, int]:
    """Return the node mask sizes that the manifest decides, by `nodeCIDRMaskSize*` or `maxPods`."""
    kubernetes = spec.section("kubernetes")
    controller = kubernetes.section("kubeControllerManager")
    written = {family: controller.integer(key) for family, key in _MASKS.items()}
    sizes = {family: size for family, size in written.items() if size is not None}
    spec.add(gardener.node_mask_size(controller.path, sizes, families))
    most = _max_pods((kubernetes, *(worker.section("kubernetes") for worker in workers)))
    plain = sizes.get(Family.IPV4)  # about the only family, or about IPv4
    family = families[0] if len(families) == 1 else Family.IPV4
    if plain is not None:
        spec.add(gardener.room_for_pods(controller.at(_MASKS[Family.IPV4]), plain, family, most))
    if plain is not None and family is Family.IPV6:
        del sizes[Family.IPV4]
        sizes.setdefault(Family.IPV6, plain)
    if Family.IPV4 in families and plain is None and most is not None:
        sizes[Family.IPV4] = gardener.default_node_mask_size(most)
    return {family: size for family, size in sizes.items() if family in families}


def _max_pods(kubernetes: tuple[Section, ...]) -> int | None:
    """Return the highest `maxPods` of all kubelets, None when none is set."""
    most = None
    for section in kubernetes:
        kubelet = section.section("kubelet")
        pods = kubelet.integer("maxPods")
        if pods is None:
            continue
        if 1 <= pods <= MOST_PODS:
            most = max(most or 0, pods)
            continue
        detail, remedy = f"must be between 1 and {MOST_PODS}", "write the number of pods per node"
        source = Source.KUBERNETES
        kubelet.add([invalid(kubelet.at("maxPods"), pods, detail, source=source, remedy=remedy)])
    return most


def _advise(section: Section, ranges: networking.Ranges, *, fragment: bool) -> None:
    values = [section.values.get(kind) for kind in networking.KINDS]
    notes = []
    if not fragment and any(
        not isinstance(value, str) or keywords.is_proposal(value) for value in values if value
    ):
        detail = "keywords and tuples are a proposal; today's Gardener API refuses them"
        remedy = "for a Gardener of today, write one CIDR per field or leave the field out"
        notes.append(advice(section.path, detail, remedy=remedy, source=Source.SEED))
    if len(ranges.families) > 1:
        detail = "dual-stack hides failures: what does not work over one family takes the other"
        remedy = "for a new cluster go IPv6-only, with NAT64, DNS64 and 464XLAT for the IPv4 world"
        path = section.at("ipFamilies")
        notes.append(advice(path, detail, remedy=remedy, source=Source.SEED))
    section.add(replace(note, severity=Severity.INFO) for note in notes)


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
