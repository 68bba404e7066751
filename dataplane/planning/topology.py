"""Plan to Topology: namespaces, links, routes, neighbours and servers. Everything point to point.

On every link the upper end (towards the internet) is fe80::1 and the lower fe80::2; IPv6 routes go
through these. IPv4 goes up through 169.254.1.1, an address that nobody has and that a permanent
neighbour entry leads to the upper end (as Calico does it), and down to on-link host routes. So no
packet ever waits for ARP or neighbour discovery, unless the plan says so: then the lower ends of
nodes and pods resolve fe80::1, and nodes learn it from router advertisements. A link carries a family only if its lower side has
addresses of it: nothing of IPv4 exists on the links of an IPv6-only cluster.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Address, collapse_addresses

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.plan import ClatPlacement, NodePlan, Plan, PodPlan
from dataplane.model.programs import AdvertiserSpec, AuthoritySpec, ListenerSpec, ResolverSpec
from dataplane.model.topology import (
    MasqueradeSpec,
    Point,
    ProxySpec,
    Role,
    Ruleset,
    ServiceRule,
    Topology,
    TranslatorSpec,
)
from dataplane.planning import egress, nat64wiring, neighbour, policies, underlay
from dataplane.planning import ingresswiring as ingress
from dataplane.planning.names import records, zones
from dataplane.planning.wiring import DEFAULT, Wiring, host, interface_name

CLAT = "clat"
DNS_PORT = 53
LOCAL = "Local"  # externalTrafficPolicy
POD_IPV4 = IPv4Network("169.254.64.0/18")  # RFC 3927; what pods use towards a CLAT on their node


def topology(plan: Plan) -> Topology:
    """Return what the lab has to build for a plan, in the order of building."""
    wiring = Wiring()
    wiring.namespace("internet", Role.INTERNET, forwarding=True)
    for server in plan.servers:
        wiring.namespace(server.name, Role.SERVER)
    wiring.namespace("gateway", Role.GATEWAY, forwarding=True)
    underlay.namespaces(wiring, plan)
    for node in plan.nodes:
        # 2: where an interface forwards, 1 takes no router advertisement.
        learning = 2 if underlay.learns(plan, node) else 0
        wiring.namespace(node.name, Role.NODE, forwarding=True, accept_ra=learning)
    in_pod = plan.clat is not None and plan.clat.placement is ClatPlacement.POD
    for pod in plan.pods:
        forwarding = in_pod and pod.clat_address is not None  # from eth0 to the CLAT device
        wiring.namespace(pod.name, Role.POD, forwarding=forwarding)
    if plan.neighbour is not None:
        neighbour.namespaces(wiring, plan.neighbour)
    _internet(wiring, plan)
    translators = _gateway(wiring, plan)
    for node in plan.nodes:
        translators += _node(wiring, plan, node)
    if plan.neighbour is not None:
        neighbour.wire(wiring, plan.neighbour)
    if plan.ingress is not None:
        ingress.wire(wiring, plan, plan.ingress)
    egress.wire(wiring, plan)
    servers, clients = underlay.dhcp(wiring, plan)
    return Topology(
        namespaces=tuple(wiring.namespaces),
        links=tuple(wiring.links),
        routes=tuple(wiring.routes),
        neighbours=tuple(wiring.neighbours),
        services=(*_services(plan), *ingress.services(plan)),
        translators=tuple(translators),
        masquerades=_masquerades(plan),
        authority=AuthoritySpec(
            namespace="internet",
            # Clients and proxies outside ask it themselves, in their own family.
            listen=plan.transit.internet
            if plan.ingress or plan.egress
            else _of(plan.transit.internet, Family.IPV6),
            zones=zones(),
            records=records(plan),
        ),
        resolver=ResolverSpec(
            namespace="gateway",
            server=plan.dns64_server,
            listen=plan.resolver,
            upstream=_of(plan.transit.internet, Family.IPV6)[0],
            zones=zones(),
            dns64=plan.nat64.prefix if plan.nat64 else None,
        ),
        listeners=_listeners(plan),
        taps=tuple(wiring.taps),
        rulesets=_nat66(plan),
        proxies=_proxies(plan),
        balancers=ingress.balancers(plan),
        webs=ingress.webs(plan),
        advertisers=_advertisers(plan),
        bridges=tuple(wiring.bridges),
        policies=policies.specs(plan),
        forward_proxies=egress.forward_proxies(plan),
        dhcp_servers=servers,
        dhcp_clients=clients,
    )


def _internet(wiring: Wiring, plan: Plan) -> None:
    """Wire the servers and the gateway to the internet, which knows the cluster's IPv6 only.

    What NAT66 hides at the edge is not even known there.
    """
    for server in plan.servers:
        wiring.link(("internet", server.name), (server.name, "eth0"), lower=server.addresses)
        wiring.up(server.name, "eth0", _families(server.addresses))
    wiring.link(
        ("internet", "gateway"),
        ("gateway", "edge"),
        upper=plan.transit.internet,
        lower=plan.transit.edge,
    )
    known = _of_network(underlay.announced(plan), Family.IPV6)
    inside = (
        *(network for network in known if network not in plan.cloud.nat66),
        *(host(address) for address in _of((*plan.transit.fabric, *plan.resolver), Family.IPV6)),
    )
    for network in inside:
        wiring.down("internet", "gateway", network)
    nat64wiring.outside(wiring, plan)
    _balancers(wiring, plan)


def _balancers(wiring: Wiring, plan: Plan) -> None:
    """Lead the addresses of load balancers to a node with an endpoint, which translates them.

    A balancer that passes packets on as they are (`ipMode: VIP`) picks such a node by its health
    check; this one has always the same node, the first.
    """
    for service in plan.services:
        if not service.endpoints:
            continue
        node = plan.node(plan.pod(service.endpoints[0]).node)
        for address in service.load_balancer:
            family = family_of(address)
            for place, below, hops in (
                ("internet", "gateway", plan.transit.edge),
                ("gateway", underlay.routers(plan)[family], plan.transit.fabric),
            ):
                wiring.down(place, below, host(address), via=_of(hops, family)[0])
            underlay.towards(wiring, plan, node, host(address))


def _gateway(wiring: Wiring, plan: Plan) -> list[TranslatorSpec]:
    """Wire the gateway to the fabric, with the NAT64 device beside it."""
    wiring.up("gateway", "edge", tuple(Family))
    underlay.wire(wiring, plan)
    translators = nat64wiring.gateway(wiring, plan)
    wiring.tap("gateway", "edge", Point.EDGE, "gateway")
    return translators


def _node(wiring: Wiring, plan: Plan, node: NodePlan) -> list[TranslatorSpec]:
    """Wire a node to the fabric and its pods to the node; routes as native routing has them."""
    underlay.node(wiring, plan, node)
    translators = nat64wiring.node(wiring, plan, node)
    for place, pod in enumerate(node.pods):
        translators += _pod(wiring, plan, pod, place)
    clat = plan.clat
    if clat is not None and clat.placement is ClatPlacement.NODE:
        shared = next((pod.clat_address for pod in node.pods if pod.clat_address), None)
        if shared is not None:
            translators.append(_clat(wiring, plan, node.name, shared))
    return translators


def _pod(wiring: Wiring, plan: Plan, pod: PodPlan, place: int) -> list[TranslatorSpec]:
    side = interface_name(pod.name)
    addresses = pod.addresses
    clat = plan.clat
    on_node = clat is not None and clat.placement is ClatPlacement.NODE and pod.clat_address
    if on_node:  # IPv4 for the way to the node only; the node's CLAT takes it from there
        addresses = (*addresses, POD_IPV4[2 + place])
    resolved = plan.neighbours == "resolved"
    wiring.link((pod.node, side), (pod.name, "eth0"), lower=addresses, resolved=resolved)
    wiring.up(pod.name, "eth0", _families(addresses))
    wiring.tap(pod.node, side, Point.POD, pod.name)
    if clat is None or pod.clat_address is None or on_node:
        return []
    wiring.down(pod.node, side, host(pod.clat_address))
    return [_clat(wiring, plan, pod.name, pod.clat_address)]


def _clat(wiring: Wiring, plan: Plan, namespace: str, address6: IPv6Address) -> TranslatorSpec:
    """Put a CLAT into a namespace: IPv4 goes into its device, so does what comes back in IPv6."""
    if plan.clat is None or plan.nat64 is None:
        raise AssertionError("a CLAT is planned with its NAT64 only")
    index = wiring.index()
    wiring.route(namespace, CLAT, DEFAULT[Family.IPV4], source=plan.clat.address4)
    wiring.route(namespace, CLAT, host(address6))
    wiring.tap(namespace, CLAT, Point.CLAT, namespace, index)
    return TranslatorSpec(
        namespace=namespace,
        kind="clat",
        engine=plan.engine,
        interface=CLAT,
        index=index,
        prefix=plan.nat64.prefix,
        translator4=plan.clat.translator4,
        address4=plan.clat.address4,
        address6=address6,
    )


def _services(plan: Plan) -> tuple[ServiceRule, ...]:
    """Return the rules that every node has: the echo Service and the cluster DNS, per family."""
    rules = []
    for service in plan.services:
        pods = [plan.pod(name) for name in service.endpoints]
        for address in service.addresses:
            found = [(pod.address(family_of(address)), pod.node) for pod in pods]
            rules.append(
                ServiceRule(
                    name=f"{service.namespace}/{service.name}",
                    address=address,
                    port=service.port,
                    endpoints=tuple(endpoint for endpoint, _ in found if endpoint is not None),
                    target_port=service.target_port,
                    homes=tuple(node for endpoint, node in found if endpoint is not None),
                    node_port=service.node_port,
                    load_balancer=_of(service.load_balancer, family_of(address)),
                    local=service.external_traffic_policy == LOCAL,
                )
            )
    for address in plan.dns_addresses:
        endpoints = _of(plan.resolver, family_of(address))
        rules.append(
            ServiceRule(
                name="kube-system/kube-dns",
                address=address,
                port=DNS_PORT,
                endpoints=endpoints,
                target_port=DNS_PORT,
            )
        )
    return tuple(rules)


def _proxies(plan: Plan) -> tuple[ProxySpec, ...]:
    """Return kube-proxy on every node, as the plan has it configured."""
    proxy = plan.proxy
    if proxy is None:
        return ()
    interface = {
        "BridgeInterface": proxy.bridge_interface,
        "InterfaceNamePrefix": f"{proxy.interface_name_prefix}*",
    }.get(proxy.detect_local, "")
    return tuple(
        ProxySpec(
            namespace=node.name,
            mode=proxy.mode,
            masquerade_all=proxy.masquerade_all,
            local_cidrs={
                "ClusterCIDR": proxy.cluster_cidrs,
                "NodeCIDR": node.pod_prefixes,
            }.get(proxy.detect_local, ()),
            local_interface=interface,
            addresses=node.addresses,
        )
        for node in plan.nodes
    )


def _advertisers(plan: Plan) -> tuple[AdvertiserSpec, ...]:
    """Return the router that the nodes hear of: the fabric, or the one of their network."""
    learners = tuple(node.name for node in plan.nodes if underlay.learns(plan, node))
    if not learners:
        return ()
    router = underlay.routers(plan)[Family.IPV6]
    links = (underlay.NODES,) if plan.cloud.routers else learners
    return (
        AdvertiserSpec(
            namespace=router,
            interfaces=links,
            learners=learners,
            managed=plan.leases is not None,
            prefixes=(plan.leases.subnet,) if plan.leases is not None else (),
        ),
    )


def _masquerades(plan: Plan) -> tuple[MasqueradeSpec, ...]:
    """Return where IPv4 sources are hidden: at the edge, behind a CLAT or a NAT64 on a node."""
    sources = [n for n in (*plan.node_ranges, *plan.pod_ranges) if isinstance(n, IPv4Network)]
    if plan.nat64 is not None and not plan.nat64.nodes:
        sources.append(plan.nat64.pool4)
    specs = nat64wiring.masquerades(plan)
    if sources:
        specs.append(MasqueradeSpec(namespace="gateway", interface="edge", sources=tuple(sources)))
    if plan.clat is not None and plan.clat.placement is ClatPlacement.NODE:
        specs += [
            MasqueradeSpec(namespace=node.name, interface=CLAT, sources=(POD_IPV4,))
            for node in plan.nodes
            if any(pod.clat_address for pod in node.pods)
        ]
    return tuple(specs)


def _nat66(plan: Plan) -> tuple[Ruleset, ...]:
    """Return IPv6 source translation at the edge, where the cloud does that to all who leave."""
    if not plan.cloud.nat66:
        return ()
    sources = ", ".join(str(network) for network in collapse_addresses(plan.cloud.nat66))
    text = f"""\
table ip6 sixscope-nat66 {{
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip6 saddr {{ {sources} }} oifname "edge" masquerade
  }}
}}
"""
    return (Ruleset(namespace="gateway", text=text),)


def _listeners(plan: Plan) -> tuple[ListenerSpec, ...]:
    port = plan.services[0].target_port if plan.services else 8080
    pods = (
        ListenerSpec(namespace=pod.name, addresses=pod.addresses, port=port) for pod in plan.actors
    )
    servers = (
        ListenerSpec(namespace=server.name, addresses=server.addresses, port=server.port)
        for server in plan.servers
    )
    return (*pods, *servers, *(neighbour.listeners(plan.neighbour) if plan.neighbour else ()))


def _families(addresses: Iterable[Address]) -> tuple[Family, ...]:
    return tuple(dict.fromkeys(family_of(address) for address in addresses))


def _of(addresses: Iterable[Address], family: Family) -> tuple[Address, ...]:
    return tuple(address for address in addresses if family_of(address) is family)


def _of_network(networks: Iterable[Network], family: Family) -> tuple[Network, ...]:
    return tuple(network for network in networks if family_of(network) is family)
