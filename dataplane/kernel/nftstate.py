"""The rules of nftables for comparing, straight from the kernel: no program is needed, none is run.

Handles, counters and what rules remember are left out, so that the same rules give the same words.
Sets whose elements come and go by themselves (timeout, dynamic) are told without their elements.
"""

import errno
import hashlib
import socket
import struct
from collections.abc import Iterator

from dataplane.kernel.netstate import Things, Where
from dataplane.kernel.rtnetlink import attributes, dump, walk

# include/uapi/linux/netfilter/nfnetlink.h, nf_tables.h
NETFILTER = 12  # NETLINK_NETFILTER
SUBSYSTEM = 10 << 8
GET_TABLE, GET_CHAIN, GET_RULE, GET_SET, GET_ELEMENT, GET_OBJECT, GET_FLOWTABLE = (
    SUBSYSTEM + number for number in (1, 4, 7, 10, 13, 19, 23)
)
FAMILIES = {1: "inet", 2: "ip", 3: "arp", 5: "netdev", 7: "bridge", 10: "ip6"}
REMEMBERS = {b"counter", b"quota", b"limit", b"last", b"connlimit"}
BY_ITSELF = 0x10 | 0x20  # NFT_SET_TIMEOUT, NFT_SET_EVAL
STEADY = {  # the attributes of each object that do not move by themselves
    "table": (2,),
    "chain": (4, 5, 7, 10),  # hook, policy, type, flags
    "set": (3, 4, 5, 6, 7, 11),  # flags, types and lengths of key and data, timeout
    "element": (1, 2, 3, 9, 10),  # key, data, flags, object, end of the key
    "object": (3,),
    "flowtable": (3,),
}


def nftables() -> Things:
    """Return tables, chains with their rules, sets, objects and flow tables of the calling thread's namespace.

    Empty where the kernel has no nftables.
    """
    found: Things = {}
    try:
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETFILTER
        ) as channel:
            rules = _rules(channel)
            found |= dict(_objects(channel, "table", GET_TABLE, (1,)))
            for where, words in _objects(channel, "chain", GET_CHAIN, (1, 3)):
                own = rules.get(where.thing, [])
                found[where] = f"{len(own)} rules {_hash(own)}, {words}"
            found |= dict(_sets(channel))
            found |= dict(_objects(channel, "object", GET_OBJECT, (1, 2)))
            found |= dict(_objects(channel, "flowtable", GET_FLOWTABLE, (1, 2)))
    except OSError as failure:
        if failure.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EPROTONOSUPPORT):
            raise
    return found


def _objects(
    channel: socket.socket, kind: str, request: int, named: tuple[int, ...]
) -> Iterator[tuple[Where, str]]:
    for family, given in _dump(channel, request):
        yield (
            Where("", _called(kind, family, *(given[number] for number in named))),
            _hash([given.get(number, b"") for number in STEADY[kind]]),
        )


def _rules(channel: socket.socket) -> dict[str, list[bytes]]:
    """Return the rules of each chain, in their order, without what they remember."""
    found: dict[str, list[bytes]] = {}
    for family, given in _dump(channel, GET_RULE):
        expressions = bytearray()
        for _, expression in walk(given.get(4, b"")):
            one = attributes(expression)
            name = one.get(1, b"").rstrip(b"\0")
            expressions += name + b"\0"
            if name not in REMEMBERS:
                expressions += one.get(2, b"")
        chain = _called("chain", family, given[1], given[2])
        found.setdefault(chain, []).append(bytes(expressions))
    return found


def _sets(channel: socket.socket) -> Iterator[tuple[Where, str]]:
    for family, given in _dump(channel, GET_SET):
        flags = int.from_bytes(given.get(3, b"\0"), "big")
        words = _hash([given.get(number, b"") for number in STEADY["set"]])
        if not flags & BY_ITSELF:
            elements = sorted(_elements(channel, family, given[1], given[2]))
            words = f"{len(elements)} elements {_hash(elements)}, {words}"
        called = _called("set", family, given[1], given[2])
        yield Where("", called), words


def _elements(channel: socket.socket, family: int, table: bytes, name: bytes) -> Iterator[bytes]:
    request = b"".join(
        struct.pack("=HH", len(value) + 4, kind) + value + b"\0" * (-len(value) % 4)
        for kind, value in ((1, table), (2, name))
    )
    for _, given in _dump(channel, GET_ELEMENT, family, request):
        for _, element in walk(given.get(3, b"")):
            one = attributes(element)
            yield b"\0".join(one.get(number, b"") for number in STEADY["element"])


def _dump(
    channel: socket.socket, request: int, family: int = 0, more: bytes = b""
) -> Iterator[tuple[int, dict[int, bytes]]]:
    """Yield family and attributes of every object (behind `struct nfgenmsg`)."""
    for body in dump(channel, request, struct.pack("=BBH", family, 0, 0) + more):
        yield body[0], attributes(body[4:])


def _called(kind: str, family: int, *names: bytes) -> str:
    words = [name.rstrip(b"\0").decode("utf-8", "replace") for name in names]
    return " ".join((kind, FAMILIES.get(family, str(family)), *words))


def _hash(values: list[bytes]) -> str:
    digest = hashlib.sha256()
    for value in values:
        digest.update(struct.pack("=I", len(value)) + value)
    return digest.hexdigest()[:12]
