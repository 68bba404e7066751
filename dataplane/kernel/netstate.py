"""What a network namespace looks like, for comparing: links, addresses, routes, rules, sysctls, hooks.

Everything is asked of the kernel in the calling thread's namespace, and nothing is changed. What moves
by itself is left out: counters, lifetimes, the state of a carrier, neighbours, learned addresses'
flags. The values are words, the same ones as long as nothing has changed.
"""

import hashlib
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from dataplane.kernel import bpfcall, devconf
from dataplane.kernel.clsact import Parent, TrafficControl
from dataplane.kernel.rtnetlink import attributes, dump, route_socket, walk

# include/uapi/linux/rtnetlink.h, if_link.h, if_addr.h, fib_rules.h, pkt_sched.h
GET_LINK, GET_ADDRESS, GET_ROUTE, GET_RULE, GET_QDISC = 18, 22, 26, 34, 38
WITHOUT_STATISTICS = struct.pack("=HHI", 8, 29, 1 << 3)  # IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS
STEADY_FLAGS = 0x1 | 0x2 | 0x8 | 0x80 | 0x100 | 0x200 | 0x1000  # up ... promiscuous, multicast
PASSING = 0x04 | 0x20 | 0x40  # optimistic, deprecated, tentative: time alone changes them
PERMANENT = 0x80
CLONED = 0x200  # RTM_F_CLONED: a cache's entry
TCX = {"ingress": 46, "egress": 47}
SHORT = 12  # digits of a hash that stands for what has no words
ROOT = Path("/proc/sys")
PER_INTERFACE = {"conf": ("all", "default"), "neigh": ("default",)}  # the others come with links
MOVING = {"nf_conntrack_count", "tcp_fastopen_key", "stable_secret", "nf_conntrack_buckets"}


class Where(NamedTuple):
    """A thing: its interface ("" for none) and what it is."""

    interface: str
    thing: str


Things = dict[Where, str]
"""What there is, in words, by where it is."""


def links() -> Things:
    """Return the interfaces: index, address, MTU, flags, kind, master, queue, XDP program."""
    found: Things = {}
    messages = _links()
    names = {index: name for index, name, *_ in messages}
    for index, name, flags, given in messages:
        words = [
            f"index {index}",
            f"flags {flags & STEADY_FLAGS:#x}",
            *(
                f"{label} {_number(given[kind])}"
                for kind, label in ((4, "mtu"), (13, "txqlen"), (27, "group"), (30, "promiscuity"))
                if kind in given
            ),
            f"address {given.get(1, b'').hex(':')}",
        ]
        if 18 in given:
            words.append(f"kind {_text(attributes(given[18]).get(1, b''))}")
        if 10 in given:
            words.append(f"master {names.get(_number(given[10]), '?')}")
        if 5 in given:
            words.append(f"peer {_number(given[5])}")
        if 20 in given:
            words.append(f"alias {_text(given[20])}")
        words.append(f"xdp {_xdp(given.get(43, b''))}")
        found[Where(name, "link")] = ", ".join(words)
    return found


def addresses() -> Things:
    """Return the addresses; those that expire are told without when."""
    names = _names()
    found: Things = {}
    with route_socket() as channel:
        for body in dump(channel, GET_ADDRESS, bytes(8)):
            _, length, flags, scope, index = struct.unpack_from("=BBBBI", body)
            given = attributes(body[8:])
            flags = _number(given[8]) if 8 in given else flags
            text = ip_address(given.get(2) or given[1])
            stays = "for ever" if flags & PERMANENT else "for a time"
            found[Where(names.get(index, str(index)), f"address {text}/{length}")] = (
                f"scope {scope}, {stays}, flags {flags & ~PASSING:#x}"
            )
    return found


def routes() -> Things:
    """Return the routes of all tables and the rules that choose among them."""
    names = _names()
    found: Things = {}
    with route_socket() as channel:
        for family in (socket.AF_INET, socket.AF_INET6):
            request = struct.pack("=BBBBBBBBI", family, 0, 0, 0, 0, 0, 0, 0, 0)
            for body in dump(channel, GET_ROUTE, request):
                for where, words in _route(body, names):
                    found[where] = f"{found[where]}; {words}" if where in found else words
            for body in dump(channel, GET_RULE, request):
                where, words = _rule(body, "IPv4" if family == socket.AF_INET else "IPv6")
                found[where] = f"{found[where]}; {words}" if where in found else words
    return found


def _route(body: bytes, names: dict[int, str]) -> Iterator[tuple[Where, str]]:
    family, length, _, tos, table, protocol, scope, kind, flags = struct.unpack_from(
        "=BBBBBBBBI", body
    )
    if flags & CLONED:
        return
    given = attributes(body[12:])
    table = _number(given[15]) if 15 in given else table
    to = f"{_address(given.get(1), family)}/{length}"
    metric = _number(given[6]) if 6 in given else 0
    words = f"protocol {protocol}, scope {scope}, type {kind}, tos {tos}"
    if 7 in given:
        words += f", source {_address(given[7], family)}"
    words += f", metrics {_short(given[8])}" if 8 in given else ""
    words += f", encapsulated {_short(given[22])}" if 22 in given else ""
    for hop in _hops(given):
        via = _gateway(hop, family)
        index = _number(hop[4]) if 4 in hop else 0
        called = f"route {to} table {table} metric {metric}" + (f" via {via}" if via else "")
        yield Where(names.get(index, ""), called), words


def _hops(given: dict[int, bytes]) -> Iterator[dict[int, bytes]]:
    """Yield the attributes of each next hop (`struct rtnexthop`), or the route's own."""
    data = given.get(9, b"")
    if not data:
        yield given
    at = 0
    while at + 8 <= len(data):
        length, _, _, index = struct.unpack_from("=HBBi", data, at)
        if length < 8:
            return
        yield {**attributes(data[at + 8 : at + length]), 4: struct.pack("=i", index)}
        at += (length + 3) & ~3


def _gateway(hop: dict[int, bytes], family: int) -> str:
    if 5 in hop:
        return _address(hop[5], family)
    return str(ip_address(hop[18][2:])) if 18 in hop else ""


def _rule(body: bytes, family: str) -> tuple[Where, str]:
    given = attributes(body[12:])
    table = _number(given[15]) if 15 in given else body[4]
    order = _number(given[6]) if 6 in given else 0
    return Where("", f"{family} rule {order}"), f"table {table}, {_short(body)}"


def sysctls(*, all_of_them: bool = True) -> Things:
    """Return the settings below net, those of every interface, and whether programs are timed.

    `all_of_them` false leaves out what is not below `conf`: a pod's namespace has the node's there.
    """
    found: Things = {}
    rest = list(_beside_the_arrays())
    for _, name, _, given in _links():
        for setting, number in devconf.settings(given.get(26, b"")):
            found[Where(name, setting)] = str(number)
        for directory, setting in rest:
            if (text := _text_of(directory / name / setting)) is not None:
                found[Where(name, f"{directory.parent.name}/conf/{setting}")] = text
    tops = (
        ("net", "kernel/bpf_stats_enabled") if all_of_them else ("net/ipv4/conf", "net/ipv6/conf")
    )
    for top in tops:
        for path in _files(ROOT / top):
            if (text := _text_of(path)) is not None:
                found[Where("", str(path.relative_to(ROOT)))] = text
    return found


def _beside_the_arrays() -> Iterator[tuple[Path, str]]:
    """Yield settings of interfaces, as (net/*/conf, name), that rtnetlink does not give."""
    for family, names in (("ipv4", devconf.FOUR), ("ipv6", devconf.SIX)):
        directory = ROOT / "net" / family / "conf"
        with suppress(FileNotFoundError):  # a kernel without IPv6
            known = {*names.split(), *MOVING}
            names_there = (path.name for path in (directory / "default").iterdir())
            yield from ((directory, name) for name in names_there if name not in known)


def _text_of(path: Path) -> str | None:
    """Return what a setting says; None where it is to be written only, or went with its interface."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return os.read(descriptor, 4096).decode("utf-8", "replace").strip()
        finally:
            os.close(descriptor)
    return None


def _files(top: Path) -> Iterator[Path]:
    if top.is_file():
        yield top
    for directory, below, files in os.walk(top):
        only = PER_INTERFACE.get(Path(directory).name)
        if only is not None:
            below[:] = [name for name in below if name in only]
        yield from (Path(directory, name) for name in files if name not in MOVING)


def traffic_control() -> Things:
    """Return the qdiscs, and the filters of clsact with their programs."""
    names = _names()
    found: Things = {}
    halves = []
    with route_socket() as channel:
        for body in dump(channel, GET_QDISC, bytes(20)):
            _, index, handle, parent, _ = struct.unpack_from("=BxxxiIII", body)
            given = attributes(body[20:])
            kind = _text(given.get(1, b""))
            name = names.get(index, str(index))
            if kind in ("clsact", "ingress"):
                halves.append((index, name))
            thing = f"qdisc {kind} {handle >> 16:x}: of {parent:x}"
            found[Where(name, thing)] = _short(given.get(2, b""))
    with TrafficControl() as control:
        for index, name in halves:
            for parent in Parent:
                for one in control.filters(index, parent):
                    side = f"{parent.name.lower()} filter pref {one.preference}"
                    words = f"{one.kind} {one.name}".strip()
                    of = f", {program(one.program)}" if one.program else ""
                    found[Where(name, f"{side} handle {one.handle:#x}")] = words + of
    return found


def tcx() -> Things:
    """Return the programs on the TCX hooks, first to last."""
    found: Things = {}
    for index, name in _names().items():
        for direction, hook in TCX.items():
            with suppress(OSError):  # no TCX in this kernel, or the interface has gone
                there = bpfcall.attached(index, hook).programs
                if there:
                    found[Where(name, f"TCX {direction}")] = ", ".join(map(program, there))
    return found


def program(number: int) -> str:
    """Return a program's name and id."""
    try:
        descriptor = bpfcall.program_by_id(number)
    except OSError:
        return f"(id {number})"
    try:
        return f"{bpfcall.program_info(descriptor).name} (id {number})"
    finally:
        os.close(descriptor)


def _links() -> list[tuple[int, str, int, dict[int, bytes]]]:
    """Return index, name, flags and attributes of every link."""
    found = []
    with route_socket() as channel:
        for body in dump(channel, GET_LINK, bytes(16) + WITHOUT_STATISTICS):
            _, _, index, flags, _ = struct.unpack_from("=BxHiII", body)
            given = attributes(body[16:])
            found.append((index, _text(given.get(3, b"")), flags, given))
    return found


def _names() -> dict[int, str]:
    return dict(socket.if_nameindex())


def _xdp(data: bytes) -> str:
    given = attributes(data)
    numbers = [_number(value) for kind, value in walk(data) if kind in (4, 5, 6, 7)]
    return program(numbers[0]) if numbers else str(given.get(2, b"\0")[0])


def _number(value: bytes) -> int:
    return int.from_bytes(value[:4], "little" if struct.pack("=H", 1)[0] else "big")


def _address(value: bytes | None, family: int) -> str:
    if value is None:
        return "0.0.0.0" if family == socket.AF_INET else "::"  # noqa: S104 - a route, not a socket
    return str(ip_address(value)) if len(value) in (4, 16) else value.hex()


def _text(value: bytes) -> str:
    return value.split(b"\0", 1)[0].decode("utf-8", "replace")


def _short(value: bytes) -> str:
    return hashlib.sha256(value).hexdigest()[:SHORT] if value else ""
