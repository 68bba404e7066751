"""Fallbacks: a process that took IPv4 where IPv6 was there to be had, and everything that is known of it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from dataplane.model.address import Address, Family
from dataplane.model.answer import Finding
from dataplane.model.seen import ConnectResult, Quoted


class Why(StrEnum):
    """Why a process went to IPv4. One word each, so that findings can be counted and compared."""

    REFUSED = "refused"  # somebody said no: a reset, or ICMPv6 "port unreachable"
    BLACK_HOLE = "black-hole"  # nobody said anything
    UNREACHABLE = "unreachable"  # a router said that it cannot or must not deliver
    NO_ROUTE = "no-route"  # the pod itself has no way: no packet was made
    PROHIBITED = "prohibited"  # the pod's own kernel was told not to send it
    NEIGHBOUR = "neighbour"  # the next hop did not say its hardware address
    TOO_BIG = "too-big"  # connected, then stuck on a link with a smaller MTU
    RACE_LOST = "race-lost"  # the answer came after the client had gone to IPv4
    NOT_TRIED = "not-tried"  # the name's IPv6 addresses were known, and none was tried
    SORTED_LAST = "sorted-last"  # so RFC 6724 wants it: the pod's address is unique local
    AAAA_UNANSWERED = "aaaa-unanswered"
    AAAA_FAILED = "aaaa-failed"  # SERVFAIL and the like, for AAAA alone (RFC 4074 section 4.3)
    AAAA_DENIED = "aaaa-denied"  # "no such name", for AAAA alone (RFC 4074 section 4.2)
    AAAA_MISSING = "aaaa-missing"  # no AAAA record here, and one in somebody else's answer
    NOT_ASKED = "not-asked"  # the client asked for A alone
    IPV4_ONLY = "ipv4-only"  # no AAAA record at all, in a cluster that has IPv6 alone


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureSeen:
    """An error that the kernel gave to a socket of its own accord: a reset, an ICMP error, a timeout.

    What `connect` answers at once is not told. `errno` is the positive number of errno(3); `socket_cookie` that of an attempt (`ConnectSeen`).
    """

    kind: Literal["failure"] = "failure"
    time_ns: int
    socket_cookie: int
    errno: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreachableSeen:
    """Somebody's word that a packet was not delivered (ICMPv6 type 1, ICMPv4 type 3 but for code 4).

    `source` says so, `code` is the message's (RFC 4443 section 3.1, RFC 792), `refused` the packet
    that it is about.
    """

    kind: Literal["unreachable"] = "unreachable"
    tap: str
    leaving: bool
    time_ns: int
    family: Family
    source: Address
    destination: Address
    code: int
    refused: Quoted


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """One attempt of a fallback: `after_ms` the first thing that was tried, and for `took_ms` it lasted.

    `error` is the name of the errno that the process got, empty where none is known.
    """

    family: Family
    destination: Address
    port: int
    result: ConnectResult
    after_ms: float
    took_ms: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fallback:
    """A process of a pod that reached a name over IPv4 where IPv6 was to be expected.

    `name` is empty where no DNS answer with the address was seen. `cost_ms` lies between the first
    thing that IPv6 needed (the question for AAAA, else the first attempt) and the attempt over IPv4
    that succeeded. `names` are the DNS questions and what was answered, in words; `six` the IPv6
    addresses that anybody was told for the name.
    """

    kind: Literal["fallback"] = "fallback"
    time_ns: int
    pod: str
    pid: int
    comm: str
    name: str
    why: Why
    cost_ms: float
    tried: tuple[Tried, ...]
    names: tuple[str, ...]
    six: tuple[Address, ...]
    finding: Finding
