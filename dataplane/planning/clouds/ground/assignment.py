"""How a request is answered: ranges, then node addresses, then the nodes' pod prefixes.

A model derives from `Assignment` and says only what is its own: where an IPv6 range comes from, how
long a node's prefix is, which prefix the infrastructure gives to a node. IPv4 is the same for all:
ranges as written or private, one block per node.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from dataplane.model.address import Address, Family, Network, family_of
from dataplane.model.cloud import Allocator, CloudPlan, PodPool, PoolRule, RoutePlan
from dataplane.model.cluster import RangeWish, Strategy
from dataplane.model.problem import InvalidInputError, Problem, Source
from dataplane.planning import allocators, budget
from dataplane.planning.clouds import Addressing, Request
from dataplane.planning.clouds.ground import ranges as space_of
from dataplane.planning.clouds.ground.ranges import host, within
from dataplane.rules import clusterip, nodeipam
from dataplane.rules.fielderror import advice, invalid
from dataplane.rules.gardener import cidrs

POOL_BITS = 12  # nodes of a pod range whose mask nobody chose: 4096, on a nibble boundary
FIRST_NODE = {Family.IPV4: 10, Family.IPV6: 0x10}
Ranges = dict[Family, Network]
Hosts = dict[Family, tuple[Address, ...]]


class Assignment:
    """One request on its way; problems are collected, not thrown one by one."""

    model = "local"
    usual = Allocator.RANGE  # the allocator of a cluster with IPv6 that asks for none
    delegate = allocators.CONTROLLER_MANAGER  # who tells Kubernetes what the infrastructure gave
    prefix_per_vm = False  # IPv6 pods have the prefix of their VM, whoever hands it out
    routes_by_itself = False  # no other prefix than that finds its way to a VM

    def __init__(self, request: Request) -> None:
        self.request = request
        self.cluster = request.cluster
        self.given = request.infrastructure
        self.problems: list[Problem] = []
        self.advice: list[Problem] = []
        self.nodes: Ranges = {}
        self.pods: Ranges = {}
        self.services: Ranges = {}
        self.hosts: Hosts = {}
        usual = self.usual if Family.IPV6 in self.pod_families else Allocator.RANGE
        self.allocator = allocators.choose(request.cluster, request.allocator, usual)

    # What a model may say for itself.

    def prepare(self) -> None:
        """Take what the cluster stands on before any range is chosen (a VPC, a subnet)."""

    def ipv6(self, kind: str, wish: RangeWish) -> Network | None:
        """Return the IPv6 range of `kind`; None when there is no room, or after `refuse`."""
        raise NotImplementedError

    def addresses(self, network: Network, blocked: Sequence[Network]) -> tuple[Address, ...]:
        """Return one address per node, past the first few and outside of what is `blocked`."""
        return self.consecutive(network, blocked, self.request.nodes)

    def mask(self, wish: RangeWish, network: Network) -> int:
        """Return the node mask: as written, Kubernetes' default, or fitting where a keyword chose."""
        default = nodeipam.DEFAULT_MASK_SIZE[wish.family]
        written = self.cluster.node_mask_size.get(wish.family)
        if written is not None or wish.strategy is Strategy.CIDR:
            return written or default
        return min(max(default, network.prefixlen + POOL_BITS), wish.family.bits - 4)

    def delegated(
        self, wish: RangeWish, network: Network, used: Sequence[Network]
    ) -> tuple[Network, ...]:
        """Return the pod prefixes that the infrastructure gives; CidrSetError when it cannot."""
        return allocators.in_order(network, self.mask(wish, network), self.request.nodes, used)

    def vm_prefix(self) -> int | None:
        """Return the length of the IPv6 prefix that the infrastructure gives to a VM, if it does."""
        return self.node_prefix(Family.IPV6)

    def cloud(self) -> CloudPlan:
        """Return what the cloud has beside addresses; all ranges and prefixes are known by now."""
        return CloudPlan(model=self.model)

    def routes(self, prefixes: Sequence[Sequence[Network]]) -> tuple[RoutePlan, ...]:
        """Return the routes that the cloud needs; `prefixes` are the nodes' pod prefixes."""
        del prefixes  # a cloud that routes by itself needs none
        return ()

    # What all have in common.

    @property
    def pod_families(self) -> tuple[Family, ...]:
        """Return the families that pods have."""
        return tuple(wish.family for wish in self.cluster.pods)

    def answer(self) -> Addressing:
        """Return the addressing; InvalidInputError with every range that cannot serve."""
        self.prepare()
        self.stop()
        self.nodes = self._ranges("nodes", self.cluster.nodes)
        self.services = self._ranges("services", self.cluster.services)
        self._check_from_node()
        self.pods = self._ranges("pods", self.cluster.pods)
        self.stop()
        self.hosts = {family: self._hosts(network) for family, network in self.nodes.items()}
        self.stop()
        prefixes = {wish.family: self._pod_prefixes(wish) for wish in self.cluster.pods}
        self._check_pod_cidrs()
        self.stop()
        by_node = tuple(zip(*prefixes.values(), strict=True))
        cloud = self.cloud()
        cloud = replace(cloud, routes=(*cloud.routes, *self.routes(by_node)))
        self.stop()
        pools = self._pools(by_node[0])
        self.advice += budget.warn(self.vm_prefix(), flat=self.given.flat)
        return Addressing(
            node_ranges=tuple(self.nodes.values()),
            pod_ranges=tuple(self.pods.values()),
            service_ranges=tuple(self.services.values()),
            node_addresses=tuple(zip(*self.hosts.values(), strict=True)),
            pod_prefixes=by_node,
            pools=pools,
            cloud=cloud,
            vm_prefix=self.vm_prefix(),
            advice=tuple(self.advice),
        )

    def node_prefix(self, family: Family) -> int | None:
        """Return the length that `+prefix` asks for, None when it does not."""
        lengths = (wish.node_prefix for wish in self.cluster.nodes if wish.family is family)
        return next((length for length in lengths if length is not None), None)

    def node_routes(
        self, table: str, prefixes: Sequence[Sequence[Network]]
    ) -> tuple[RoutePlan, ...]:
        """Return a route to every node's pods, by the node's address of that family."""
        return tuple(
            RoutePlan(
                table=table,
                destination=prefix,
                target=f"node-{index}",
                via=self.hosts[family_of(prefix)][index],
            )
            for index, own in enumerate(prefixes)
            for prefix in own
            if family_of(prefix) in self.hosts
        )

    def setter(self, wish: RangeWish) -> str:
        """Return the component that writes the pod CIDRs of a family."""
        return allocators.setter(self._allocator(wish), cloud=self.delegate, cni=self.cluster.cni)

    def by_zone(
        self, subnets: Sequence[Network], blocked: Sequence[Network]
    ) -> tuple[Address, ...]:
        """Return one address per node; the nodes are dealt to the zones' subnets in turn."""
        zones = len(subnets)
        found = [
            self.consecutive(subnet, blocked, len(range(zone, self.request.nodes, zones)))
            for zone, subnet in enumerate(subnets)
        ]
        if self.problems:
            return ()
        return tuple(found[index % zones][index // zones] for index in range(self.request.nodes))

    def consecutive(
        self, network: Network, blocked: Sequence[Network], count: int
    ) -> tuple[Address, ...]:
        """Return one address after the other, from the tenth or sixteenth on."""
        addresses: list[Address] = []
        offset = FIRST_NODE[family_of(network)]
        inside = [other for other in blocked if cidrs.intersect(other, network)]
        try:
            while len(addresses) < count:
                address = clusterip.at(network, offset)
                blocking = next((other for other in inside if address in other), None)
                if blocking is None:
                    addresses.append(address)
                    offset += 1
                else:
                    offset = int(blocking[-1]) - int(network[0]) + 1
        except ValueError:
            detail = f"no room for {count} node addresses"
            if inside:
                detail += f" beside the Services ({inside[0]})"
            self.refuse("nodes", str(network), detail, "use a shorter prefix for the nodes")
        return tuple(addresses)

    def refuse(
        self, kind: str, value: str, detail: str, remedy: str, *, source: Source = Source.SIXSCOPE
    ) -> None:
        """Note a problem of `spec.networking`."""
        path = f"spec.networking.{kind}"
        self.problems.append(invalid(path, value, detail, remedy=remedy, source=source))

    def refuse_wish(self, kind: str, wish: RangeWish, detail: str, remedy: str) -> None:
        """Note that a model cannot do what is written for `kind`."""
        self.refuse(kind, wish_text(wish), detail, remedy, source=Source.PROVIDER)

    def stop(self) -> None:
        """Raise InvalidInputError when there are problems."""
        if self.problems:
            raise InvalidInputError(self.cluster.name, self.problems)

    def _ranges(self, kind: str, wishes: Iterable[RangeWish]) -> Ranges:
        found: Ranges = {}
        for wish in wishes:
            before = len(self.problems)
            network: Network | None
            if wish.strategy in allocators.FROM_NODE:
                network = self.nodes.get(wish.family)
            elif wish.family is Family.IPV6:
                network = self.ipv6(kind, wish)
            elif wish.network is not None:
                network = wish.network
            else:
                network = space_of.private_v4(self.request, kind, wish.size)
            if network is not None:
                found[wish.family] = network
            elif len(self.problems) == before and not (self.problems and kind == "pods"):
                detail = f"the {self.model} model has no free range of this size left"
                remedy = "ask for a longer prefix, or write a CIDR"
                self.refuse(kind, wish_text(wish), detail, remedy)
        return found

    def _allocator(self, wish: RangeWish) -> Allocator:
        return allocators.of_wish(wish, self.allocator)

    def _check_from_node(self) -> None:
        asked = {wish.family for wish in self.cluster.nodes}
        for wish in self.cluster.pods:
            if self.prefix_per_vm and wish.family not in asked:
                detail = f"pods have the prefix of their VM, but the nodes have no {wish.family}"
                self.refuse_wish("pods", wish, detail, f"give the nodes {wish.family}")
                continue
            if wish.strategy not in allocators.FROM_NODE:
                continue
            if wish.family not in asked:
                self.refuse("pods", str(wish.strategy), "requires +prefix on nodes", "add it")
            elif self.allocator in {Allocator.RANGE, Allocator.CNI}:
                detail = f"the allocator {self.allocator} does not know the prefix of a node"
                remedy = "take the allocator cloud or external, or give the pods a range"
                self.refuse("pods", str(wish.strategy), detail, remedy)

    def _pools(self, first: Sequence[Network]) -> tuple[PodPool, ...]:
        """Describe the pod ranges; `first` are the prefixes of the first node, like all others'."""
        pools = tuple(
            allocators.pool(
                self.pods[wish.family],
                prefix.prefixlen,
                self._allocator(wish),
                self.setter(wish),
                given=bool(self.given.pod_cidrs),
            )
            for wish, prefix in zip(self.cluster.pods, first, strict=True)
        )
        for pool in pools:
            if pool.rule is PoolRule.AT_THE_LIMIT:
                detail = (
                    f"{pool.network} in blocks of /{pool.mask_size} is a pool of {pool.bits} bits, "
                )
                detail += "the most that nodeipam takes; the advice is to stay below"
                remedy = "make the range one bit longer or the node mask one bit shorter"
                found = advice("spec.networking.pods", detail, remedy=remedy, source=Source.SEED)
                self.advice.append(found)
        return pools

    def _hosts(self, network: Network) -> tuple[Address, ...]:
        blocked = [n for n in self.services.values() if n.version == network.version]
        given = self.given.node_addresses
        if not given:
            return self.addresses(network, blocked)
        own = tuple(a for addresses in given for a in addresses if a.version == network.version)
        wrong = None
        if len(given) != self.request.nodes or len(own) != len(given):
            wrong = f"{len(own)} {family_of(network)} addresses for {self.request.nodes} nodes"
        elif len(set(own)) != len(own):
            wrong = "two nodes have the same address"
        else:
            stray = next((a for a in own if a not in network), None)
            meets = next((a for a in own for other in blocked if a in other), None)
            if stray is not None:
                wrong = f"{stray} is outside of the nodes' range"
            elif meets is not None:
                wrong = f"{meets} lies in the range of the Services"
        if wrong is not None:
            remedy = "give every node one address per family, out of the nodes' range"
            self.refuse(
                "nodes", str(network), f"the given node addresses do not fit: {wrong}", remedy
            )
        return own

    def _used(self, network: Network) -> list[Network]:
        """Return what of a pod range other things have: node addresses and Services."""
        family = family_of(network)
        used = [host(address) for address in self.hosts.get(family, ())]
        used += [other for other in self.services.values() if other.version == network.version]
        return [other for other in used if cidrs.intersect(other, network)]

    def _pod_prefixes(self, wish: RangeWish) -> tuple[Network, ...]:
        network = self.pods[wish.family]
        used = self._used(network)
        covering = next((other for other in used if other.prefixlen <= network.prefixlen), None)
        if covering is not None:
            detail = f"no pod prefix is left: the Services have {covering}"
            self.refuse("pods", str(network), detail, "give pods and Services ranges of their own")
            return ()
        count = self.request.nodes
        six = wish.family is Family.IPV6
        try:
            match self._allocator(wish):
                case Allocator.RANGE:
                    blocks = allocators.ranged(network, self.mask(wish, network), count, used)
                    if six and self.routes_by_itself:
                        detail = f"{self.model} routes to a node its own prefix, and no other block"
                        remedy = "take the allocator cloud, external or cni"
                        self.refuse_wish("pods", wish, detail, remedy)
                    return blocks
                case Allocator.CNI if not (six and self.prefix_per_vm):
                    block = allocators.CNI_BLOCK[wish.family]
                    return allocators.in_order(network, block, count, used)
                case Allocator.EXTERNAL if self.given.pod_cidrs:
                    given = (n for own in self.given.pod_cidrs for n in own)
                    return tuple(n for n in given if n.version == network.version)
                case _:
                    return self.delegated(wish, network, used)
        except nodeipam.CidrSetError as error:
            mask = self.mask(wish, network)
            remedy = (
                f"{count} nodes need as many blocks of /{mask}: use a shorter prefix for the range, "
                "or another node mask (spec.kubernetes.kubeControllerManager)"
            )
            if str(error) == nodeipam.SUBNET_TOO_BIG:
                remedy += ", or an allocator without nodeipam's limit (cloud, external)"
            self.refuse("pods", str(network), str(error), remedy, source=Source.KUBERNETES)
            return ()

    def _check_pod_cidrs(self) -> None:
        """Check what another controller has set; CIDRs that nobody asked for are a mistake."""
        given = self.given.pod_cidrs
        if not given:
            return
        remedy = "correct the PodCIDRs of v1.Node, or let an allocator choose them"
        if self.allocator is not Allocator.EXTERNAL:
            detail = f"PodCIDRs are given, but the allocator is {self.allocator}"
            self.refuse("pods", str(given[0][0]) if given[0] else "", detail, remedy)
            return
        if len(given) != self.request.nodes:
            detail = f"PodCIDRs of {len(given)} nodes are given, for {self.request.nodes} nodes"
            self.refuse("pods", "", detail, remedy)
        taken = [other for network in self.pods.values() for other in self._used(network)]
        asked = tuple(
            self.pods[wish.family]
            for wish in self.cluster.pods
            if self._allocator(wish) is Allocator.EXTERNAL
        )
        for cidr, detail in allocators.misplaced(given, asked, taken):
            self.refuse("pods", str(cidr or ""), detail, remedy)


def wish_text(wish: RangeWish) -> str:
    """Return a wish about as it was written."""
    text = str(wish.network or wish.strategy)
    if wish.size is not None and wish.network is None:
        text += f"/{wish.size}"
    return f"{text}+prefix/{wish.node_prefix}" if wish.node_prefix is not None else text


def covers(outer: Network, inner: Sequence[Network]) -> bool:
    """Tell whether all networks lie in one."""
    return all(within(network, outer) for network in inner)
