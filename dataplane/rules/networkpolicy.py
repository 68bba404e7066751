"""NetworkPolicy of networking.k8s.io/v1: its peers, and whether they forget IPv6.

Sources: `pkg/apis/networking/validation/validation.go` (ValidateNetworkPolicyPeer, ValidateIPBlock),
`apimachinery/pkg/util/validation/ip.go` (parseCIDR, GetWarningsForCIDR); the gate
StrictIPCIDRValidation is off, as it is by default, so that what it would refuse is a warning.
What the lint says is GEP-21's: where a policy names 0.0.0.0/0, it needs ::/0 as well.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from dataplane.model.address import Network
from dataplane.model.problem import Problem, Severity, Source
from dataplane.rules import names
from dataplane.rules.fielderror import advice, forbidden, invalid, quoted, required
from dataplane.rules.gocidr import GoCIDR, parse_cidr
from dataplane.rules.sloppy import mask_length, parse_sloppy_cidr

EVERYTHING_V4, EVERYTHING_V6 = IPv4Network("0.0.0.0/0"), IPv6Network("::/0")
_GLOBAL_V6 = IPv6Network("2000::/3")  # all global unicast addresses there are
_METADATA_V4 = IPv4Network("169.254.169.254/32")
# What stands for what, for the exceptions of a twin; the addresses of AWS's metadata service.
_TWINS = (
    (_METADATA_V4, ("fd00:ec2::254/128",)),
    (IPv4Network("10.0.0.0/8"), ("fe80::/10", "fc00::/7")),
    (IPv4Network("172.16.0.0/12"), ("fe80::/10", "fc00::/7")),
    (IPv4Network("192.168.0.0/16"), ("fe80::/10", "fc00::/7")),
    (IPv4Network("100.64.0.0/10"), ("fe80::/10", "fc00::/7")),
    (IPv4Network("169.254.0.0/16"), ("fe80::/10",)),
    (IPv4Network("127.0.0.0/8"), ("::1/128",)),
    (IPv4Network("224.0.0.0/4"), ("ff00::/8",)),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """An ipBlock at `path`."""

    path: str
    cidr: str = ""
    exceptions: tuple[str, ...] = ()

    @property
    def network(self) -> Network | None:
        """Return the network, None where it cannot be read."""
        value = _parsed(self.cidr)
        return value.network if value else None

    @property
    def texts(self) -> tuple[str, ...]:
        """Return every CIDR that is written here."""
        return (self.cidr, *self.exceptions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One peer; `selectors` counts podSelector and namespaceSelector."""

    path: str
    block: Block | None = None
    selectors: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule; `path` is that of its peers' list, `ports` a text that is equal for equal ports.

    Without peers a rule is about everybody, with empty `ports` about all of them.
    """

    path: str
    peers: tuple[Peer, ...] = ()
    ports: str = ""

    @property
    def blocks(self) -> tuple[Block, ...]:
        """Return the blocks of its peers."""
        return tuple(peer.block for peer in self.peers if peer.block)

    @property
    def opens_ipv6(self) -> bool:
        """Tell whether it is about every IPv6 address that there is in the Internet."""
        networks = (block.network for block in self.blocks)
        return not self.peers or any(
            isinstance(network, IPv6Network) and _GLOBAL_V6.subnet_of(network)
            for network in networks
        )


def check_peer(peer: Peer, known: Collection[str] = ()) -> list[Problem]:
    """Check a peer; CIDRs of `known` stand in the policy before an update, and are let through."""
    problems = check_block(peer.block, known) if peer.block else []
    source = Source.KUBERNETES
    if peer.block is None and not peer.selectors:
        remedy = "write podSelector, namespaceSelector or ipBlock; for everybody leave out the list"
        problems.append(required(peer.path, "must specify a peer", remedy=remedy, source=source))
    elif peer.block is not None and peer.selectors:
        detail = "may not specify both ipBlock and another peer"
        remedy = "make two items of the list"
        problems.append(forbidden(peer.path, detail, remedy=remedy, source=source))
    return problems


def check_block(block: Block, known: Collection[str] = ()) -> list[Problem]:
    """Check an ipBlock: readable, and every exception a part of it."""
    where = f"{block.path}.cidr"
    if not block.cidr:
        remedy = 'write a CIDR such as 10.0.0.0/8, or "::/0" for all of IPv6'
        return [names.missing(where, remedy=remedy, source=Source.KUBERNETES)]
    problems = [] if block.cidr in known else _readable(where, block.cidr)
    whole = _parsed(block.cidr)
    if whole is None:
        return problems
    for index, text in enumerate(block.exceptions):
        where = f"{block.path}.except[{index}]"
        problems += [] if text in known else _readable(where, text)
        part = _parsed(text)
        if part is None:
            continue
        inside = part.network.network_address in whole.network
        if not inside or mask_length(block.cidr) >= mask_length(text):
            detail = "must be a strict subset of `cidr`"
            remedy = f"name a part of {whole.network}, or leave it out"
            source = Source.KUBERNETES
            problems.append(invalid(where, text, detail, remedy=remedy, source=source))
    return problems


def unpaired(rules: Sequence[Rule]) -> list[Problem]:
    """Warn of rules of one direction that open IPv4 to a peer, and nothing of IPv6.

    In a cluster with IPv6 such a policy lets no IPv6 through, and nothing says so.
    """
    problems = []
    opened = {rule.ports for rule in rules if rule.opens_ipv6}
    for rule in rules:
        if opened & {"", rule.ports}:
            continue
        everything = [block for block in rule.blocks if block.network == EVERYTHING_V4]
        problems += [_without_twin(rule, block) for block in everything]
        versions = {block.network.version for block in rule.blocks if block.network}
        if not everything and versions == {4}:
            detail = "has IPv4 blocks only: no IPv6 packet matches them"
            remedy = "in a cluster with IPv6, add the same peers' IPv6 ranges"
            source, severity = Source.SEED, Severity.INFO
            problems.append(
                advice(rule.path, detail, remedy=remedy, source=source, severity=severity)
            )
    return problems


def twin_exceptions(texts: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the IPv6 exceptions that stand for those of IPv4, and those that nothing stands for."""
    exceptions: dict[str, None] = {}
    others = []
    for text in texts:
        value = _parsed(text)
        found = next((twin for net, twin in _TWINS if value and _within(value.network, net)), None)
        exceptions.update(dict.fromkeys(found or ()))
        if found is None:
            others.append(text)
    return tuple(exceptions), tuple(others)


def _without_twin(rule: Rule, block: Block) -> Problem:
    exceptions, others = twin_exceptions(block.exceptions)
    twin = f'{{ipBlock: {{cidr: "{EVERYTHING_V6}"}}}}'
    if exceptions:
        listed = ", ".join(f'"{text}"' for text in exceptions)
        twin = f'{{ipBlock: {{cidr: "{EVERYTHING_V6}", except: [{listed}]}}}}'
    remedy = f"add to {rule.path}: - {twin}"
    if others:
        shown = ", ".join(quoted(text[:63]) for text in others)
        remedy += f"; except there too the IPv6 ranges of {shown}"
    detail = f"{EVERYTHING_V4} without {EVERYTHING_V6}: with IPv6 this rule lets nothing through"
    return advice(f"{block.path}.cidr", detail, remedy=remedy, source=Source.SEED)


def _within(part: Network, whole: IPv4Network) -> bool:
    return isinstance(part, IPv4Network) and part.subnet_of(whole)


def _readable(path: str, text: str) -> list[Problem]:
    """Check a CIDR of a field that is older than Kubernetes' strictness; it warns instead."""
    value = _parsed(text)
    if value is None:
        detail = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"
        remedy = "write address and length; a single address is /32, or /128 for IPv6"
        return [invalid(path, text, detail, remedy=remedy, source=Source.KUBERNETES)]
    shown, details = quoted(text), []
    if not value.canonical:
        single = f"{value.address}/{128 if ':' in text else 32}"
        details.append(
            f"CIDR value {shown} is ambiguous in this context "
            f"(should be {quoted(str(value.network))} or {quoted(single)}?)"
        )
    if not _strict(text) or (value.network.version == 4 and ":" in text):
        details.append(
            f"non-standard CIDR value {shown} will be considered invalid in a future Kubernetes "
            f"release: use {quoted(str(value.network))}"
        )
    if not details and value.network.version == 6 and str(value.network) != text:
        details.append(
            f"IPv6 CIDR value {shown} should be in RFC 5952 canonical format "
            f"({quoted(str(value.network))})"
        )
    remedy = f"write {value.network}"
    return [advice(path, detail, remedy=remedy, source=Source.KUBERNETES) for detail in details]


def _strict(text: str) -> bool:
    """Tell whether netip.ParsePrefix takes the text: no leading zero, in the length either."""
    length = text.rpartition("/")[2]
    if len(length) > 1 and length.startswith("0"):
        return False
    try:
        parse_cidr(text)
    except ValueError:
        return False
    return True


def _parsed(text: str) -> GoCIDR | None:
    try:
        return parse_sloppy_cidr(text)
    except ValueError:
        return None
