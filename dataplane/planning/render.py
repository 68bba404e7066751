"""A plan for eyes (tables of text) and for programs (JSON-able values, YAML)."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields, is_dataclass

import yaml

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.cloud import CloudPlan
from dataplane.model.egress import EgressPlan
from dataplane.model.ingress import IngressPlan
from dataplane.model.plan import Plan
from dataplane.planning.budget import render_budget
from dataplane.planning.resolved import Json

LAB_MODEL = "local"


def render_text(plan: Plan) -> str:
    """Return the plan as aligned tables, ending in a newline; the same on every machine."""
    sections = [
        _head(plan),
        _table(("RANGE", *_columns(plan)), _ranges(plan)),
        _table(("POD RANGE", "PER NODE", "BITS", "16 BIT RULE", "PODCIDRS SET BY"), _pools(plan)),
        *_cloud(plan.cloud),
        _table(("NODE", "ADDRESS", "POD PREFIX", "CLAT PREFIX", "PODS"), _nodes(plan)),
        _table(("POD", "NODE", "ADDRESS", "CLAT ADDRESS", "ROLE"), _pods(plan)),
        _table(("SERVICE", "ADDRESS", "PORT", "ENDPOINTS"), _services(plan)),
        _table(("SERVER", "NAME", "ADDRESS", "PORT"), _servers(plan)),
        *_ingress(plan.ingress),
        *_egress(plan.egress),
        _translation(plan),
        _flags(plan),
    ]
    if plan.cloud.model != LAB_MODEL or plan.advice:
        sections.append(_table(*_budget(plan)))
    sections += [f"advice: {problem.message}\n    -> {problem.remedy}" for problem in plan.advice]
    return "\n\n".join(sections) + "\n"


def render_yaml(plan: Plan) -> str:
    """Return the plan as YAML: what `structure` has, in that order."""
    return yaml.safe_dump(structure(plan), sort_keys=False, width=100)


def structure(plan: Plan) -> dict[str, Json]:
    """Return the plan as plain values for `json.dumps`: addresses and networks are text."""
    value = _plain(plan)
    if not isinstance(value, dict):
        raise TypeError(f"{plan!r} is no plan")
    return value


def _plain(value: object) -> Json:
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def _head(plan: Plan) -> str:
    stack = plan.families[0] + "-only" if len(plan.families) == 1 else "dual-stack"
    if len(plan.families) > 1:
        stack += f" ({plan.families[0]} first)"
    head = (
        f"cluster {_safe(plan.name)}: {stack}, {len(plan.nodes)} nodes, {len(plan.pods)} pods\n"
        f"provider {_safe(plan.provider)}, network plugin {_safe(plan.cni)}, seed {plan.seed}"
    )
    if plan.cloud.model == LAB_MODEL:
        return head
    source = f", IPv6 from {plan.cloud.source}" if plan.cloud.source else ""
    return f"{head}\ncloud model {plan.cloud.model}{source}"


def _columns(plan: Plan) -> tuple[Family, ...]:
    """Return the families of the ranges: the cluster's, and what nodes have beyond that."""
    ranges = (*plan.node_ranges, *plan.pod_ranges, *plan.service_ranges)
    return tuple(dict.fromkeys((*plan.families, *(family_of(network) for network in ranges))))


def _ranges(plan: Plan) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, networks in (
        ("nodes", plan.node_ranges),
        ("pods", plan.pod_ranges),
        ("services", plan.service_ranges),
        ("cluster DNS", plan.dns_addresses),
        ("resolver", plan.resolver),
    ):
        rows.append((name, *(_of(networks, family.bits) for family in _columns(plan))))
    return rows


def _of(values: Iterable[Address | Network], bits: int) -> str:
    return next((str(value) for value in values if value.max_prefixlen == bits), "-")


def _pools(plan: Plan) -> list[tuple[str, ...]]:
    return [
        (
            str(pool.network),
            f"/{pool.mask_size}",
            str(pool.bits),
            str(pool.rule),
            f"{_safe(pool.setter)} ({pool.allocator})",
        )
        for pool in plan.pools
    ]


def _cloud(cloud: CloudPlan) -> Iterator[str]:
    """Yield what a cloud has beside addresses, as far as it has any of it."""
    if cloud.subnets:
        head = ("SUBNET", "NETWORK", "IN USE", "ZONE", "PURPOSE")
        rows = [
            (
                subnet.name,
                str(subnet.network),
                str(subnet.pool or "-"),
                "-" if subnet.zone is None else str(subnet.zone),
                f"{subnet.purpose}, DNS64" if subnet.dns64 else subnet.purpose,
            )
            for subnet in cloud.subnets
        ]
        yield _table(head, rows)
    if cloud.routes:
        routes = [(r.table, str(r.destination), r.target, str(r.via or "-")) for r in cloud.routes]
        yield _table(("ROUTE TABLE", "DESTINATION", "TARGET", "VIA"), routes)
    if cloud.limits:
        limits = [(x.name, str(x.used), str(x.most), x.remark or "-") for x in cloud.limits]
        yield _table(("LIMIT", "USED", "MOST", "REMARK"), limits)
    if cloud.nat66:
        yield f"NAT66  {_join(cloud.nat66)} at the edge"
    if cloud.notes:
        yield "\n".join(f"note: {note}" for note in cloud.notes)


def _egress(egress: EgressPlan | None) -> Iterator[str]:
    """Yield what is said of the proxy that pods go out by."""
    if egress is not None:
        yield (
            f"EGRESS PROXY  {egress.dns_name} at {_join(egress.inside)} port {egress.port}, "
            f"goes out from {_join(egress.outside)}"
        )


def _ingress(ingress: IngressPlan | None) -> Iterator[str]:
    """Yield what clients from outside come in by."""
    if ingress is None:
        return
    agreed = "with PROXY protocol" if ingress.proxy_protocol else "without PROXY protocol"
    backends = ", ".join(f"{_safe(str(b.address))} port {b.port}" for b in ingress.backends)
    yield (
        f"INGRESS  {ingress.namespace}/{ingress.name}, {ingress.dns_name} port {ingress.port} to "
        f"{ingress.family}, target type {ingress.target}, {agreed}\n"
        f"         backends {backends}"
    )
    yield _table(
        ("BALANCER", "ADDRESS", "INSIDE", "IN DNS"),
        [
            (b.name, _join(b.addresses), _join(b.inside), "yes" if b.named else "no")
            for b in ingress.balancers
        ],
    )
    yield _table(("CLIENT", "ADDRESS"), [(c.name, _join(c.addresses)) for c in ingress.clients])


def _flags(plan: Plan) -> str:
    rows = [
        (component.name, str(flag)) for component in plan.components for flag in component.flags
    ]
    return _table(("COMPONENT", "FLAG"), rows)


def _budget(plan: Plan) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    head, *rows = render_budget(plan.budgets)
    return head, rows


def _nodes(plan: Plan) -> list[tuple[str, ...]]:
    return [
        (
            node.name,
            _join(node.addresses),
            _join(node.pod_prefixes),
            str(node.clat_prefix or "-"),
            str(len(node.pods)),
        )
        for node in (*plan.nodes, *(plan.neighbour.nodes if plan.neighbour else ()))
    ]


def _pods(plan: Plan) -> list[tuple[str, ...]]:
    return [
        (
            pod.name,
            pod.node,
            _join(pod.addresses),
            str(pod.clat_address or "-"),
            "actor" if pod.actor else "idle",
        )
        for pod in (*plan.pods, *(plan.neighbour.pods if plan.neighbour else ()))
    ]


def _services(plan: Plan) -> list[tuple[str, ...]]:
    return [
        (
            f"{service.namespace}/{service.name}",
            _join(service.addresses),
            f"{service.port} to {service.target_port}",
            ", ".join(service.endpoints),
        )
        for service in plan.services
    ]


def _servers(plan: Plan) -> list[tuple[str, ...]]:
    return [
        (server.name, server.dns_name, _join(server.addresses), str(server.port))
        for server in plan.servers
    ]


def _translation(plan: Plan) -> str:
    if plan.nat64 is None:
        own = any(pod.address(Family.IPV4) for pod in plan.pods)
        why = "the pods have IPv4 of their own" if own else "the pods reach IPv6 only"
        return f"NAT64 none: {why}"
    nat64 = plan.nat64
    where = ", on each node" if nat64.nodes else ""
    pool = f"pool {nat64.pool4}, seen outside as {nat64.public4}"
    lines = [
        f"NAT64  {nat64.prefix} by {_safe(plan.engine)}{where}, {pool}",
        *(f"       {n.node}: pool {n.pool4}, leaves as {n.source4}" for n in nat64.nodes),
        f"DNS64  {_safe(plan.dns64_server)} at {_join(plan.resolver)}",
    ]
    if plan.clat is None:
        lines.append("CLAT   none")
    else:
        lines.append(f"CLAT   in the {plan.clat.placement}, {plan.clat.address4} for applications")
    return "\n".join(lines)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return columns aligned by their widest cell, without trailing blanks."""
    lines = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _join(values: Iterable[Address | Network]) -> str:
    return ", ".join(str(value) for value in values) or "-"


def _safe(text: str) -> str:
    """Return manifest text with everything that a terminal might obey made visible."""
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text)
