"""What the AWS load balancer controller makes of a Service: a network load balancer (NLB).

Source: kubernetes-sigs/aws-load-balancer-controller, `pkg/service/model_build_load_balancer.go`,
`model_build_target_group.go`, `service_utils.go`, `pkg/annotations/parser.go`. The functions carry
upstream's names in Python's spelling; ValueError has the controller's own error text. A Service is
given as in its manifest; what an API server would fill in counts as not written.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from hashlib import sha256
from re import fullmatch, sub

from dataplane.rules.fielderror import quoted

PREFIX = "service.beta.kubernetes.io/"
IP_ADDRESS_TYPE = "aws-load-balancer-ip-address-type"
SCHEME = "aws-load-balancer-scheme"
INTERNAL = "aws-load-balancer-internal"
TARGET_TYPE = "aws-load-balancer-nlb-target-type"
TYPE = "aws-load-balancer-type"
PROXY_PROTOCOL = "aws-load-balancer-proxy-protocol"
PROXY_PROTOCOL_PER_TARGET_GROUP = "aws-load-balancer-proxy-protocol-per-target-group"
TARGET_GROUP_ATTRIBUTES = "aws-load-balancer-target-group-attributes"
ATTRIBUTES = "aws-load-balancer-attributes"
NAME = "aws-load-balancer-name"
LOAD_BALANCER_CLASS = "service.k8s.aws/nlb"
IGNORE = "extensions.gardener.cloud/ignore-load-balancer"
OLD_LOAD_BALANCER = "gardener.cloud/old-load-balancer-name"
PROXY_V2 = "proxy_protocol_v2.enabled"
PRESERVE_CLIENT_IP = "preserve_client_ip.enabled"
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_LONGEST_NAME = 32

Service = Mapping[str, object]
Result = str | bool | dict[str, str] | None


class Owner(StrEnum):
    """Who makes the load balancer of a Service."""

    CONTROLLER = "controller"
    CLOUD_PROVIDER = "cloud provider"  # the cloud-controller-manager: IPv4 only
    NOBODY = "nobody"


class Succession(StrEnum):
    """What becomes of the old load balancer when a Service changes."""

    KEPT = "kept"
    LEFT_OVER = "left over"  # a new one is made, the old one stays, and costs
    REPLACED = "replaced"  # a new one is made, the old one is deleted with its connections


def annotation(service: Service, suffix: str) -> str | None:
    """Return an annotation of the controller, None where the Service does not have it."""
    value = _annotations(service).get(PREFIX + suffix)
    return value if isinstance(value, str) else None


def build_load_balancer_ip_address_type(service: Service) -> str:
    """Return `ipv4` or `dualstack`; the case of the letters matters."""
    value = annotation(service, IP_ADDRESS_TYPE)
    if value not in {None, "ipv4", "dualstack"}:
        raise ValueError(f"unknown IPAddressType: {value}")
    return value or "ipv4"


def build_load_balancer_scheme(service: Service) -> str:
    """Return `internal` or `internet-facing`, for a Service that has no load balancer yet."""
    value = annotation(service, SCHEME)
    if value is None:
        internal = _boolean(service, INTERNAL)
        return "internet-facing" if internal is False else "internal"
    if value not in {"internal", "internet-facing"}:
        raise ValueError(f"unknown scheme: {value}")
    return value


def build_target_type(service: Service, port: int | None = None) -> str:
    """Return `instance` (the nodes' NodePort) or `ip` (the pods themselves) for a port."""
    target_type = annotation(service, TARGET_TYPE)
    target_type = "instance" if target_type is None else target_type
    if annotation(service, TYPE) == "nlb-ip" or target_type == "ip":
        return "ip"
    spec = _mapping(service, "spec")
    if spec.get("type") == "ClusterIP":
        raise ValueError(
            f'unsupported service type "ClusterIP" for load balancer target type "{target_type}"'
        )
    if (
        not _port(service, port).get("nodePort")
        and spec.get("allocateLoadBalancerNodePorts") is False
    ):
        raise ValueError("unable to support instance target type with an unallocated NodePort")
    return "instance"


def build_target_group_ip_address_type(service: Service) -> str:
    """Return the family between balancer and targets, `ipv4` or `ipv6`."""
    families = _mapping(service, "spec").get("ipFamilies")
    if not isinstance(families, list) or "IPv6" not in families:
        return "ipv4"
    if build_load_balancer_ip_address_type(service) != "dualstack":
        raise ValueError("unsupported IPv6 configuration, lb not dual-stack")
    return "ipv6"


def build_target_group_attributes(service: Service, port: int | None = None) -> dict[str, str]:
    """Return the attributes of a port's target group, sorted by their names."""
    number = _port(service, port).get("port", 0)
    attributes = {PROXY_V2: "false"}
    attributes |= _attributes(service, TARGET_GROUP_ATTRIBUTES)
    of_port = _attributes(service, f"{TARGET_GROUP_ATTRIBUTES}.{number}")
    attributes |= {key: value for key, value in of_port.items() if value}
    per_group = annotation(service, PROXY_PROTOCOL_PER_TARGET_GROUP)
    if per_group is not None:
        ports = [part.strip() for part in per_group.split(",") if part.strip()]
        for part in ports:
            if not fullmatch(r"[+-]?[0-9]+", part):
                raise ValueError(f"invalid port number in proxy-protocol-per-target-group: {part}")
        attributes[PROXY_V2] = "true" if str(number) in ports else "false"
    proxy = annotation(service, PROXY_PROTOCOL)
    if proxy is not None:
        if proxy != "*":
            raise ValueError(
                f"invalid value {proxy} for Load Balancer proxy protocol v2 annotation, "
                "only value currently supported is *"
            )
        attributes[PROXY_V2] = "true"
    if not attributes[PROXY_V2]:
        del attributes[PROXY_V2]
    return dict(sorted(attributes.items()))


def build_preserve_client_ip_flag(service: Service, port: int | None = None) -> bool:
    """Tell whether targets see the client's own address without PROXY protocol."""
    value = build_target_group_attributes(service, port).get(PRESERVE_CLIENT_IP)
    if value is not None:
        return value in _TRUE
    return build_target_type(service, port) == "instance"


def build_load_balancer_attributes(service: Service) -> dict[str, str]:
    """Return the attributes of the balancer itself; those of own annotations win."""
    attributes = _string_map(service, ATTRIBUTES)
    if _boolean(service, "aws-load-balancer-access-log-enabled"):
        attributes["access_logs.s3.enabled"] = "true"
        for suffix, key in (("bucket-name", "bucket"), ("bucket-prefix", "prefix")):
            value = annotation(service, f"aws-load-balancer-access-log-s3-{suffix}")
            if value is not None:
                attributes[f"access_logs.s3.{key}"] = value
    cross_zone = _boolean(service, "aws-load-balancer-cross-zone-load-balancing-enabled")
    if cross_zone is not None:
        attributes["load_balancing.cross_zone.enabled"] = str(cross_zone).lower()
    return dict(sorted(attributes.items()))


def build_load_balancer_name(service: Service, cluster: str = "") -> str:
    """Return the balancer's name: the scheme is part of it, a new scheme makes a new balancer."""
    name = annotation(service, NAME)
    if name is not None:
        if len(name.encode()) > _LONGEST_NAME:
            raise ValueError("load balancer name cannot be longer than 32 characters")
        return name
    metadata = _mapping(service, "metadata")
    parts = [metadata.get(key) for key in ("namespace", "name", "uid")]
    space, own, uid = (part if isinstance(part, str) else "" for part in parts)
    identity = sha256(f"{cluster}{uid}{build_load_balancer_scheme(service)}".encode()).hexdigest()
    plain = (sub(r"[^0-9A-Za-z]", "", part)[:8] for part in (space, own))
    return f"k8s-{'-'.join(plain)}-{identity[:10]}"


def is_service_supported(service: Service) -> bool:
    """Tell whether the controller feels responsible (IsServiceSupported)."""
    chosen = _mapping(service, "spec").get("loadBalancerClass")
    if chosen is not None:
        return chosen == LOAD_BALANCER_CLASS
    kind = annotation(service, TYPE)
    if kind == "nlb-ip":
        return True
    return kind == "external" and annotation(service, TARGET_TYPE) in {"ip", "instance"}


def owner(service: Service) -> Owner:
    """Return who makes the load balancer of a Service in a cluster that has the controller."""
    spec = _mapping(service, "spec")
    if spec.get("type") != "LoadBalancer":
        return Owner.NOBODY
    if is_service_supported(service):
        return Owner.CONTROLLER
    foreign = spec.get("loadBalancerClass") is not None or annotation(service, TYPE) == "external"
    return Owner.NOBODY if foreign else Owner.CLOUD_PROVIDER


def succession(old: Service, new: Service) -> Succession:
    """Return what a change does to the load balancer that is there."""
    before, after = owner(old), owner(new)
    freed = _annotations(old).get(IGNORE) == "true" != _annotations(new).get(IGNORE)
    if before is Owner.CLOUD_PROVIDER and (
        after is Owner.CONTROLLER  # the two do not know of each other's balancers
        or (freed and after is Owner.CLOUD_PROVIDER)  # Gardener's webhook makes it the controller's
    ):
        return Succession.LEFT_OVER
    if before is Owner.CONTROLLER and after is Owner.CLOUD_PROVIDER:
        return Succession.REPLACED
    if before is after is Owner.CONTROLLER:
        try:
            same = build_load_balancer_scheme(old) == build_load_balancer_scheme(new)
        except ValueError:
            same = True  # the controller stops before it makes anything
        return Succession.KEPT if same else Succession.REPLACED
    return Succession.KEPT


_FUNCTIONS: dict[str, Callable[[Service, int | None], Result]] = {
    "IsServiceSupported": lambda service, _: is_service_supported(service),
    "buildLoadBalancerAttributes": lambda service, _: build_load_balancer_attributes(service),
    "buildLoadBalancerIPAddressType": lambda service, _: build_load_balancer_ip_address_type(
        service
    ),
    "buildLoadBalancerName": lambda service, _: build_load_balancer_name(service),
    "buildLoadBalancerScheme": lambda service, _: build_load_balancer_scheme(service),
    "buildPreserveClientIPFlag": build_preserve_client_ip_flag,
    "buildTargetGroupAttributes": build_target_group_attributes,
    "buildTargetGroupIPAddressType": lambda service, _: build_target_group_ip_address_type(service),
    "buildTargetType": build_target_type,
}
FUNCTIONS = tuple(_FUNCTIONS)


def evaluate(function: str, service: Service, port: int | None = None) -> Result:
    """Return what an upstream function makes of a Service.

    `function` is one of FUNCTIONS; `buildTargetGroupAttributes(name)` asks for one attribute, None
    where it is not set. `port` chooses one of `spec.ports`, the first by default. ValueError has
    upstream's error text; LookupError names the functions there are.
    """
    name, bracket, selected = function.partition("(")
    called = _FUNCTIONS.get(name.strip())
    if called is None:
        raise LookupError(
            f"function {quoted(function)} is unknown; known are {', '.join(FUNCTIONS)}"
        )
    result = called(service, port)
    if not bracket or not isinstance(result, dict):
        return result
    return result.get(selected.rstrip(") ").strip())


def _annotations(service: Service) -> Mapping[str, object]:
    return _mapping(_mapping(service, "metadata"), "annotations")


def _mapping(value: Mapping[str, object], key: str) -> Mapping[str, object]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _port(service: Service, number: int | None) -> Mapping[str, object]:
    """Return a port of `spec.ports`: the first, or that of the number."""
    ports = _mapping(service, "spec").get("ports")
    found = [port for port in ports if isinstance(port, dict)] if isinstance(ports, list) else []
    for port in found:
        if number is None or port.get("port") == number:
            return port
    return {} if number is None else {"port": number}


def _boolean(service: Service, suffix: str) -> bool | None:
    """Return an annotation as strconv.ParseBool reads it."""
    value = annotation(service, suffix)
    if value is None:
        return None
    if value not in _TRUE | _FALSE:
        raise ValueError(
            f"failed to parse bool annotation, {PREFIX}{suffix}: {value}: {_unparsed(value)}"
        )
    return value in _TRUE


def _string_map(service: Service, suffix: str) -> dict[str, str]:
    """Return an annotation of comma separated `key=value` pairs."""
    raw = annotation(service, suffix) or ""
    pairs = {}
    for part in filter(None, (part.strip() for part in raw.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not key:
            raise ValueError(f"failed to parse stringMap annotation, {PREFIX}{suffix}: {raw}")
        pairs[key] = value
    return pairs


def _attributes(service: Service, suffix: str) -> dict[str, str]:
    """Return target group attributes (validateAndParseAttributes)."""
    attributes = _string_map(service, suffix)
    value = attributes.get(PRESERVE_CLIENT_IP)
    if value is not None and value not in _TRUE | _FALSE:
        raise ValueError(
            f"failed to parse attribute {PRESERVE_CLIENT_IP}={value}: {_unparsed(value)}"
        )
    return attributes


def _unparsed(value: str) -> str:
    return f"strconv.ParseBool: parsing {quoted(value)}: invalid syntax"
