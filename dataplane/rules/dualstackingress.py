"""IPv4 and IPv6 ingress for a cluster on AWS: the annotations of a Service, and what they need.

Source: the guide "Using IPv4/IPv6 (dual-stack) Ingress in an IPv4 single-stack cluster". What the
AWS load balancer controller refuses (rules/awsloadbalancer.py) is an error of the provider, with the
controller's words; what it does silently, and nobody wants, is one too.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from difflib import get_close_matches

from dataplane.model.problem import Problem, ProblemType, Severity, Source
from dataplane.rules import awsloadbalancer as balancer
from dataplane.rules.awsloadbalancer import Service, Succession
from dataplane.rules.fielderror import advice, invalid, not_supported, quoted, required
from dataplane.rules.kubeservice import IP_FAMILIES, TYPE

_ANNOTATIONS = "metadata.annotations"
_COMMON = "aws-load-balancer-"
_SOURCE = Source.PROVIDER
_RECIPE = (balancer.TYPE, balancer.TARGET_TYPE, balancer.SCHEME, balancer.IP_ADDRESS_TYPE)
_NAMES = (*_RECIPE, balancer.PROXY_PROTOCOL)
_OTHERS = (
    balancer.PROXY_PROTOCOL_PER_TARGET_GROUP,
    balancer.NAME,
    "aws-load-balancer-enable-prefix-for-ipv6-source-nat",
)  # fmt: skip
_VALUES: tuple[tuple[str, Callable[[Service], object], str], ...] = (
    (balancer.IP_ADDRESS_TYPE, balancer.build_load_balancer_ip_address_type, "dualstack"),
    (balancer.SCHEME, balancer.build_load_balancer_scheme, "internet-facing"),
    (balancer.PROXY_PROTOCOL, balancer.build_target_group_attributes, '"*", with the quotes'),
)


def field(suffix: str) -> str:
    """Return the path of one of the controller's annotations."""
    return f"{_ANNOTATIONS}[{balancer.PREFIX}{suffix}]"


def is_dual_stack(service: Service) -> bool:
    """Tell whether a Service asks for a dual-stack load balancer."""
    return balancer.annotation(service, balancer.IP_ADDRESS_TYPE) == "dualstack"


def check(service: Service) -> list[Problem]:
    """Check the annotations of a Service; one without any has no problem."""
    annotations = _mapping(service, "metadata", "annotations")
    problems = list(_misspelt(annotations))
    if any(key.startswith(f"{balancer.PREFIX}{_COMMON}") for key in annotations):
        problems += [*_values(service), *_targets(service)]
        if is_dual_stack(service):
            problems += _recipe(service)
    leftover = annotations.get(balancer.OLD_LOAD_BALANCER)
    if isinstance(leftover, str) and leftover:
        path = f"{_ANNOTATIONS}[{balancer.OLD_LOAD_BALANCER}]"
        detail = f"the old load balancer {quoted(leftover[:255])} is still there, and costs"
        remedy = "delete it in AWS once nobody uses it, then remove this annotation"
        problems.append(advice(path, detail, source=Source.SEED, remedy=remedy))
    return problems


def update(old: Service, new: Service) -> list[Problem]:
    """Warn of what a change does to the load balancer that is there."""
    succession = balancer.succession(old, new)
    if succession is Succession.LEFT_OVER:
        detail = (
            "old load balancer is left over: the AWS load balancer controller makes a new one and "
            "nobody deletes the old one; its connections live on, and so do its costs"
        )
        remedy = "let DNS point to the new load balancer, then delete the old one in AWS by hand"
        return [advice(_ANNOTATIONS, detail, source=Source.SEED, remedy=remedy)]
    if succession is Succession.REPLACED:
        detail = "the load balancer is replaced: the old one goes with its name and connections"
        remedy = "make a second Service, let DNS point to it, then delete this one"
        return [advice(_ANNOTATIONS, detail, source=_SOURCE, remedy=remedy)]
    return []


def dual_stack_disabled(path: str, value: object, services: str) -> Problem:
    """Return the error that the VPC has no IPv6 for a dual-stack load balancer."""
    detail = (
        f"must be true for the dual-stack load balancer of {services}: VPC and subnets need IPv6"
    )
    return _must_be_true(path, value, detail)


def controller_disabled(path: str, value: object, services: str) -> Problem:
    """Return the error that nobody in the cluster can make a dual-stack load balancer."""
    detail = (
        f"must be true for the dual-stack load balancer of {services}: only the AWS load balancer "
        "controller makes one"
    )
    return _must_be_true(path, value, detail)


def other_provider(path: str, provider: str, services: str) -> Problem:
    """Return the error that the cluster is not on AWS."""
    problem = not_supported(
        path,
        provider,
        ("aws",),
        source=_SOURCE,
        remedy="this way of dual-stack ingress exists on AWS only; remove the annotations elsewhere",
    )
    detail = f"{problem.detail} for the dual-stack load balancer of {services}"
    message = problem.message.replace(problem.detail, detail)
    return replace(problem, detail=detail, message=message)


def _must_be_true(path: str, value: object, detail: str) -> Problem:
    remedy = f"set {path} to true and reconcile the cluster before"
    if value is None:
        return required(path, detail, source=_SOURCE, remedy=remedy)
    return invalid(path, value, detail, source=_SOURCE, remedy=remedy)


def _values(service: Service) -> Iterator[Problem]:
    for suffix, build, wanted in _VALUES:
        try:
            build(service)
        except ValueError as error:
            value = balancer.annotation(service, suffix)
            remedy = f"write {wanted}"
            yield invalid(field(suffix), value, str(error), source=_SOURCE, remedy=remedy)


def _targets(service: Service) -> Iterator[Problem]:
    """Check what the balancer sends its packets to."""
    spec = _mapping(service, "spec")
    kind = balancer.annotation(service, balancer.TYPE)
    target_type = balancer.annotation(service, balancer.TARGET_TYPE)
    where = field(balancer.TARGET_TYPE)
    if target_type not in {None, "instance", "ip"}:
        remedy = "write instance"
        yield not_supported(where, target_type, ("instance", "ip"), source=_SOURCE, remedy=remedy)
    elif kind == "external" and target_type is None and spec.get("loadBalancerClass") is None:
        detail = "without it nobody makes a load balancer of type external"
        yield required(where, detail, source=_SOURCE, remedy="write instance")
    if not balancer.is_service_supported(service):
        return
    try:
        balancer.build_target_group_ip_address_type(service)
    except ValueError as error:
        if "unknown" not in str(error):  # that has been said
            value, remedy = (
                spec.get("ipFamilies"),
                f"write {field(balancer.IP_ADDRESS_TYPE)}: dualstack",
            )
            yield invalid(IP_FAMILIES, value, str(error), source=_SOURCE, remedy=remedy)
    if spec.get("type") == "LoadBalancer":
        return
    kind = "ClusterIP" if spec.get("type") is None else str(spec["type"])  # as Kubernetes fills in
    remedy = "write type: LoadBalancer"
    try:
        balancer.build_target_type({**service, "spec": {**spec, "type": kind}})
    except ValueError as error:
        yield invalid(TYPE, kind, str(error), source=_SOURCE, remedy=remedy)
    else:
        detail = "only a Service of type LoadBalancer has a load balancer for sure"
        yield advice(TYPE, detail, source=Source.SEED, remedy=remedy)


def _recipe(service: Service) -> Iterator[Problem]:
    """Check a dual-stack load balancer against the guide."""
    spec = _mapping(service, "spec")
    kind = balancer.annotation(service, balancer.TYPE)
    if kind not in {"external", "nlb-ip"} and spec.get("loadBalancerClass") is None:
        where = field(balancer.TYPE)
        remedy = "write external; the cloud provider would make an IPv4 load balancer of it"
        if kind is None:
            detail = "must be external for a dual-stack load balancer"
            yield required(where, detail, source=_SOURCE, remedy=remedy)
        else:
            yield not_supported(where, kind, ("external",), source=_SOURCE, remedy=remedy)
    try:
        internal = balancer.build_load_balancer_scheme(service) == "internal"
    except ValueError:
        internal = False  # that has been said
    if internal:
        detail = "the load balancer is internal: no client of the internet reaches it"
        remedy = "write internet-facing, unless that is meant"
        yield advice(field(balancer.SCHEME), detail, source=Source.SEED, remedy=remedy)
    if "IPv6" in _texts(spec.get("ipFamilies")):
        detail = "targets and health checks are spoken to over IPv6: the pods must listen there"
        remedy = "for workload that has only IPv4 write ipFamilies: [IPv4]"
        severity = Severity.INFO
        yield advice(IP_FAMILIES, detail, source=Source.SEED, severity=severity, remedy=remedy)


def _misspelt(annotations: dict[str, object]) -> Iterator[Problem]:
    """Warn of annotations that are nearly one of the recipe's: they would do nothing."""
    short = {name.removeprefix(_COMMON): name for name in _NAMES}
    for key in annotations:
        _, _, name = key[:253].rpartition("/")
        if _COMMON not in name or key.removeprefix(balancer.PREFIX) in {*_NAMES, *_OTHERS}:
            continue
        close = get_close_matches(name.removeprefix(_COMMON), short, n=1, cutoff=0.8)
        if close:
            detail = f"unknown annotation {quoted(key[:253])} does nothing"
            path = f"{_ANNOTATIONS}[{quoted(key[:253])[1:-1]}]"
            meant = f"{balancer.PREFIX}{short[close[0]]}"
            note = advice(path, detail, remedy=f"did you mean {meant}?")
            yield replace(note, type=ProblemType.UNKNOWN_FIELD)


def _mapping(service: Service, *keys: str) -> dict[str, object]:
    value: object = service
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> tuple[str, ...]:
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list) else ()
