"""What a fallback means, for whoever has to mend it: per cause what it is, and what to do."""

import errno
from collections.abc import Mapping
from dataclasses import dataclass

from dataplane.model.fallback import Why
from dataplane.model.problem import Severity

RESOLVER = (
    "see what answers in the resolver for AAAA: the zone's server, a rule of CoreDNS, a filter"
)


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one cause. `{name}` is the destination, `{pod}` the pod."""

    cause: str
    remedy: str
    severity: Severity = Severity.ERROR


WORDS: Mapping[Why, Words] = {
    Why.REFUSED: Words(
        "IPv6 of {name} is refused",
        "let the server listen on IPv6 too (bind ::), or find the rule that rejects it",
    ),
    Why.BLACK_HOLE: Words(
        "nobody answers over IPv6 at {name}",
        "follow the packet: who drops it, or has no way back to {pod}",
    ),
    Why.UNREACHABLE: Words(
        "a router says that {name} cannot be reached over IPv6",
        "ask the router that says so for its route, its rule and its neighbour",
    ),
    Why.NO_ROUTE: Words(
        "{pod} has no way to {name} over IPv6",
        "give the pod an IPv6 address and a default route (the CNI plugin's, or the node's advertisement)",
    ),
    Why.PROHIBITED: Words(
        "the kernel of {pod} is told not to send IPv6 to {name}",
        "find the rule, the policy or the route of type prohibit in the pod's namespace",
    ),
    Why.NEIGHBOUR: Words(
        "the next hop towards {name} does not say its hardware address over IPv6",
        "see who should answer neighbour solicitations there, and what drops ICMPv6 types 135 and 136",
    ),
    Why.TOO_BIG: Words(
        "packets to {name} over IPv6 are too big for a link on the way",
        "let ICMPv6 Packet Too Big (type 2) through, or give all links one MTU",
    ),
    Why.RACE_LOST: Words(
        "IPv6 of {name} answers too late for the client's patience",
        "find what delays IPv6: another way, a lost SYN, a busy server",
    ),
    Why.NOT_TRIED: Words(
        "the client takes IPv4 though it was told IPv6 addresses of {name}",
        "see what the application does with them: it prefers IPv4, or takes the first answer",
    ),
    Why.SORTED_LAST: Words(
        "RFC 6724 sorts IPv4 first: the IPv6 address of {pod} is unique local, that of {name} global",
        "give pods global addresses, or have the application ask for IPv6",
        Severity.WARNING,
    ),
    Why.AAAA_UNANSWERED: Words("the question for AAAA of {name} is not answered", RESOLVER),
    Why.AAAA_FAILED: Words("the resolver fails where AAAA of {name} is asked for", RESOLVER),
    Why.AAAA_DENIED: Words(
        "the resolver says of AAAA that there is no such name as {name}, which has an A record",
        f"{RESOLVER}; no record of a type is NOERROR (RFC 4074 section 4.2)",
    ),
    Why.AAAA_MISSING: Words(
        "the resolver tells {pod} of no AAAA record of {name}, and others of one",
        RESOLVER,
    ),
    Why.NOT_ASKED: Words(
        "the client asks for A alone, and {name} has AAAA records",
        "have the application ask for both families (AF_UNSPEC)",
    ),
    Why.IPV4_ONLY: Words(
        "{name} has no AAAA record, and the cluster has IPv6 alone",
        "let a DNS64 and a NAT64 stand in for it",
    ),
}

UNREACHABLE = frozenset({"EHOSTUNREACH", "ENETUNREACH", "EACCES"})
"""What a socket gets after its packet went out where somebody has said so (icmpv6_err_convert)."""
CODES = {
    0: "no route to destination",
    1: "communication administratively prohibited",
    2: "beyond scope of source address",
    3: "address unreachable",
    4: "port unreachable",
    5: "source address failed ingress or egress policy",
    6: "reject route to destination",
}
"""ICMPv6 type 1 (RFC 4443 section 3.1)."""
PORT = 4
WAYLESS = frozenset({"ENETUNREACH", "EHOSTUNREACH", "EADDRNOTAVAIL", "EINVAL"})
FORBIDDEN = frozenset({"EPERM", "EACCES"})


def error_name(number: int | None) -> str:
    """Return the name of an errno, empty for none."""
    return "" if not number else errno.errorcode.get(number, str(number))
