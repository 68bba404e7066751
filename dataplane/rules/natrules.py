"""Which rule of a node changed a packet's source, and whether that is as it should be.

The rules are nft's own JSON (libnftables-json(5)); those of iptables-nft are in it, with what only
iptables understands as `xt`. A packet is walked through the source NAT chains as the kernel does
(nftables: base chains by priority, jump, goto, return, first translation counts). What nobody saw of
the packet (its mark, its connection) leaves a rule possible, and not certain.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from typing import Any, Literal

from dataplane.model.address import Address

DEPTH = 16  # of jumps, as the kernel allows (NFT_JUMP_STACK_SIZE)
NAT = frozenset({"masquerade", "snat"})
XT_NAT = frozenset({"MASQUERADE", "SNAT", "NETMAP"})
ENDS = frozenset({"accept", "drop", "reject", "queue"})
PROTOCOLS = {1: "icmp", 6: "tcp", 17: "udp", 58: "ipv6-icmp", 132: "sctp"}
NAMED = {"icmpv6": "ipv6-icmp"}
Key = tuple[str, str, str, int]
"""Family, table, chain and handle of a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NatPacket:
    """A packet where sources are translated: destination NAT is done by then. Ports 0 where none are."""

    source: Address
    destination: Address
    protocol: int
    source_port: int
    destination_port: int
    in_interface: str
    out_interface: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NatRule:
    """A rule that translates sources. `packets` is its counter, None where it has none.

    `certain` is false where it rests on something of the packet that was not seen.
    """

    family: str
    table: str
    chain: str
    handle: int
    text: str
    packets: int | None
    certain: bool

    @property
    def worded(self) -> str:
        """Return where the rule stands, its text, and what it has counted."""
        count = "no counter" if self.packets is None else f"{self.packets} packets"
        maybe = "" if self.certain else ", possibly"
        return f"{self.family} {self.table} {self.chain}: {self.text} ({count}{maybe})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Whose rule it is, what it is for, and whether a healthy cluster has it."""

    component: str
    reason: str
    healthy: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """A ruleset: nft's JSON objects, and each rule's text where it is known."""

    objects: Sequence[Mapping[str, Any]]
    texts: Mapping[Key, str]


KUBE_PROXY = Design(
    component="kube-proxy",
    reason="it masquerades what it has marked (0x4000): a NodePort or load balancer with policy Cluster, "
    "a pod that reaches itself by its Service (hairpin), or a client that it takes for no pod",
)
HOST_PORT = Design(
    component="CNI portmap", reason="a host port that a pod reaches from its own node"
)
IP_MASQ = Design(component="CNI plugin", reason="its network configuration has ipMasq")
CALICO = Design(component="Calico", reason="natOutgoing of the pod's IPPool", healthy=False)
CILIUM = Design(component="Cilium", reason="masquerading is on", healthy=False)
AGENT = Design(
    component="ip-masq-agent", reason="the destination is none it leaves alone", healthy=False
)
CHAINS = (
    ("KUBE-", KUBE_PROXY),
    ("CNI-HOSTPORT", HOST_PORT),
    ("CNI-", IP_MASQ),
    ("cali-", CALICO),
    ("CILIUM_", CILIUM),
    ("IP-MASQ", AGENT),
)


def design(rule: NatRule) -> Design | None:
    """Return whose rule it is by the names of its table and chain, None when nobody's who is known."""
    if rule.table == "kube-proxy":
        return KUBE_PROXY
    return next((known for prefix, known in CHAINS if rule.chain.startswith(prefix)), None)


def responsible(rules: Rules, packet: NatPacket) -> tuple[NatRule, ...]:
    """Return the rule that translates a packet's source, or those that may; none where none does.

    A rule whose counter is 0 has translated nothing.
    """
    walk = _Walk(rules, packet)
    walk.walk()
    found = [rule for rule in walk.found if rule.packets != 0]
    return tuple([rule for rule in found if rule.certain][:1] or found)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Course:
    """How a chain ends a packet's way: surely (`end`), or possibly (`doubt`)."""

    end: Literal["nat", "ended"] | None = None
    doubt: bool = False


class _Walk:
    """One packet on its way through the source NAT chains of one family."""

    def __init__(self, rules: Rules, packet: NatPacket) -> None:
        self.rules, self.packet = rules, packet
        self.found: list[NatRule] = []
        six = packet.source.version == 6
        self._families = {"inet", "ip6" if six else "ip"}
        self._seen: dict[str, Address | str | int] = {
            "saddr": packet.source,
            "daddr": packet.destination,
            "sport": packet.source_port,
            "dport": packet.destination_port,
            "iifname": packet.in_interface,
            "oifname": packet.out_interface,
            "l4proto": PROTOCOLS.get(packet.protocol, packet.protocol),
            "nfproto": "ipv6" if six else "ipv4",
        }
        self._chains: dict[tuple[str, str, str], list[Mapping[str, Any]]] = {}
        self._sets: dict[tuple[str, str, str], list[Any]] = {}
        for kind, entry in self._entries():
            place = (entry["family"], entry["table"], entry.get("chain") or entry.get("name", ""))
            if kind == "rule":
                self._chains.setdefault(place, []).append(entry)
            elif kind == "set":
                self._sets[place] = entry.get("elem", [])

    def _entries(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        for one in self.rules.objects:
            for kind, entry in one.items():
                if entry.get("family") in self._families and "table" in entry:
                    yield kind, entry

    def walk(self) -> None:
        """Walk the base chains by priority until one has surely translated."""
        bases = [
            entry
            for kind, entry in self._entries()
            if kind == "chain" and (entry.get("type"), entry.get("hook")) == ("nat", "postrouting")
        ]
        certain = True
        for base in sorted(bases, key=lambda entry: int(entry.get("prio", 0))):
            place = (base["family"], base["table"], base["name"])
            seen = len(self.found)
            if self._chain(place, certain=certain, depth=0).end == "nat":
                return
            certain = certain and len(self.found) == seen

    def _chain(self, place: tuple[str, str, str], *, certain: bool, depth: int) -> _Course:
        """Walk one chain; what stands behind a possible end is no longer certain."""
        doubt = False
        for rule in self._chains.get(place, ()) if depth <= DEPTH else ():
            met = self._met(place, rule)
            if met is False:
                continue
            here = certain and not doubt
            course, leaves = self._rule(place, rule, certain=here and met is True, depth=depth)
            if met is True and (course.end or leaves):
                return _Course(end=course.end, doubt=doubt or course.doubt)
            if course.end or course.doubt:
                doubt = True
            elif leaves:  # possibly: the rest of this chain is in doubt, its caller is not
                certain = False
        return _Course(doubt=doubt)

    def _rule(
        self, place: tuple[str, str, str], rule: Mapping[str, Any], *, certain: bool, depth: int
    ) -> tuple[_Course, bool]:
        """Return how a rule ends the packet's way, and whether it leaves the chain."""
        for statement in rule.get("expr", ()):
            for name, value in statement.items():
                if name in NAT or (name == "xt" and value and value.get("name") in XT_NAT):
                    self.found.append(self._noted(place, rule, certain=certain))
                    return _Course(end="nat"), True
                if name in ENDS:
                    return _Course(end="ended"), True
                if name == "return":
                    return _Course(), True
                if name in {"jump", "goto"}:
                    target = (place[0], place[1], value["target"])
                    course = self._chain(target, certain=certain, depth=depth + 1)
                    return course, name == "goto"
        return _Course(), False

    def _noted(
        self, place: tuple[str, str, str], rule: Mapping[str, Any], *, certain: bool
    ) -> NatRule:
        family, table, chain = place
        handle = int(rule.get("handle", 0))
        counters = [s["counter"] for s in rule["expr"] if isinstance(s.get("counter"), dict)]
        return NatRule(
            family=family,
            table=table,
            chain=chain,
            handle=handle,
            text=self.rules.texts.get((family, table, chain, handle), "its text was not read"),
            packets=counters[0].get("packets") if counters else None,
            certain=certain,
        )

    def _met(self, place: tuple[str, str, str], rule: Mapping[str, Any]) -> bool | None:
        """Tell whether a packet meets a rule's conditions; None when that is not known."""
        known: bool | None = True
        for statement in rule.get("expr", ()):
            if "match" in statement:
                met = self._match(place, statement["match"])
            elif isinstance(xt := statement.get("xt"), dict):
                met = True if xt.get("type") == "target" or xt.get("name") == "comment" else None
            else:
                continue
            if met is False:
                return False
            known = known if met is True else None
        return known

    def _match(self, place: tuple[str, str, str], match: Mapping[str, Any]) -> bool | None:
        left = match.get("left")
        looks = left if isinstance(left, dict) else {}
        payload, meta = looks.get("payload"), looks.get("meta")
        value = None
        if isinstance(payload, dict):
            if self._is_other(str(payload.get("protocol"))):
                return False
            value = self._seen.get(str(payload.get("field")))
        elif isinstance(meta, dict):
            value = self._seen.get(str(meta.get("key")))
        among = None if value is None else self._among(place, value, match.get("right"))
        operator = match.get("op", "==")
        if among is None or operator not in {"==", "!=", "in"}:
            return None
        return among is not (operator == "!=")

    def _is_other(self, protocol: str) -> bool:
        """Tell whether a condition is about a header that this packet does not have."""
        version = {"ip": 4, "ip6": 6}.get(protocol)
        if version is not None:
            return version != self.packet.source.version
        return protocol in PROTOCOLS.values() and protocol != PROTOCOLS.get(self.packet.protocol)

    def _among(
        self, place: tuple[str, str, str], value: Address | str | int, right: object
    ) -> bool | None:
        if isinstance(right, str) and right.startswith("@"):
            elements: Iterable[object] | None = self._sets.get((*place[:2], right[1:]))
        elif isinstance(right, dict) and "set" in right:
            elements = right["set"]
        else:
            elements = [right]
        if elements is None:
            return None
        told = [_is(value, element) for element in elements]
        if True in told:
            return True
        return None if None in told else False


def _is(value: Address | str | int, right: object) -> bool | None:
    """Tell whether a value is what a condition names; None for a form that is not understood."""
    if isinstance(right, dict):
        if isinstance(elem := right.get("elem"), dict):
            return _is(value, elem.get("val"))
        return _within(value, right)
    with suppress(ValueError):
        if isinstance(value, int):
            return value == int(str(right))
        if not isinstance(value, str):
            return value == ip_address(str(right))
        text = NAMED.get(str(right), str(right))
        return value.startswith(text[:-1]) if text.endswith("*") else value == text
    return None


def _within(value: Address | str | int, right: Mapping[str, Any]) -> bool | None:
    with suppress(ValueError, TypeError, LookupError):
        if isinstance(prefix := right.get("prefix"), dict) and not isinstance(value, str | int):
            return value in ip_network(f"{prefix['addr']}/{prefix['len']}", strict=False)
        if isinstance(bounds := right.get("range"), list):
            if isinstance(value, int):
                return int(bounds[0]) <= value <= int(bounds[1])
            if not isinstance(value, str):
                low, high = ip_address(bounds[0]), ip_address(bounds[1])
                return value.version == low.version and int(low) <= int(value) <= int(high)
    return None
