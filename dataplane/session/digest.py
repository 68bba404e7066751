"""A digest of the machine: what a watcher could have changed, before and after, and what differs.

Values are words of the kernel's own state, and the digest is a SHA-256 of them all. Comparing is pure.
"""

import hashlib
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Literal

from dataplane.kernel import cgroup, netns
from dataplane.kernel.clsact import NAME
from dataplane.kernel.machinestate import bpf_links, cgroup_programs
from dataplane.kernel.netstate import (
    Things,
    addresses,
    links,
    routes,
    sysctls,
    tcx,
    traffic_control,
)
from dataplane.kernel.nftstate import nftables
from dataplane.model.errors import UnsupportedError
from dataplane.model.node import NODE

HOOKS = ("tc", "tcx", "cgroup", "bpf-links")
"""The areas in which a probe may stand; in the others sixscope writes nothing at all.

Of the machine's BPF links (raw tracepoints have no other place) only those of our own programs count.
"""
LINKS = "links"
MOST = 64  # differences that one line tells
PROGRAM = re.compile(r"\(id (\d+)\)")
INDEX = re.compile(r"index \d+")
FILTER = f"bpf {NAME}, "

Read = Callable[[], Things]
NETWORK: Mapping[str, Read] = {
    LINKS: links,
    "addresses": addresses,
    "routes": routes,
    "nftables": nftables,
    "tc": traffic_control,
    "tcx": tcx,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One thing that is there: its area, its interface ("" for none), what it is, and how it is."""

    area: str
    interface: str
    thing: str
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Digest:
    """The JSON object of `sixscope digest`: the things of each namespace, and their SHA-256.

    The node's namespace is called `node`, those of pods by their owners. `seconds` is what taking
    it took, and no part of `sha256`. `not_read` says what could not be read, and why.
    """

    sha256: str
    seconds: float
    namespaces: Mapping[str, tuple[Thing, ...]]
    not_read: tuple[str, ...] = ()

    @property
    def things(self) -> int:
        """Return how many there are."""
        return sum(map(len, self.namespaces.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that is not as it was; "" stands for nothing. `note` says what is known of whose it is."""

    namespace: str
    area: str
    interface: str
    thing: str
    before: str
    after: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The machine before the first hook was set, and after the last one was gone.

    `hooks_same` is about the areas in which probes stand, without what came or went with an interface
    or is proven to be somebody else's doing; `left` counts what sixscope left. Of many differences the first are told, `untold` counts the others.
    """

    kind: Literal["digest"] = "digest"
    before: str
    after: str
    same: bool
    hooks_same: bool
    left: int
    things: int
    namespaces: int
    seconds: float
    differences: tuple[Difference, ...] = ()
    untold: int = 0
    not_read: tuple[str, ...] = ()


def take(pods: Mapping[str, Path], ours: Container[int] = ()) -> Digest:
    """Take the digest of the calling thread's namespace, of the machine, and of the pods' namespaces.

    `pods` are the paths of their namespaces; one that is gone is left out. About 10 ms for each.
    `ours` are the ids of programs that this process loaded.
    """
    begin = time.monotonic()
    taking = _Taking()
    taking.read(NODE, {**NETWORK, "sysctls": sysctls, **_machine(ours)})
    for name, path in sorted(pods.items()):
        try:
            netns.call(path, taking.read, name, {**NETWORK, "sysctls": _of_pod})
        except OSError as failure:
            taking.not_read.append(f"{name}: {failure.strerror or failure}")
    return _digest(taking.namespaces, tuple(taking.not_read), time.monotonic() - begin)


@dataclass(slots=True)
class _Taking:
    namespaces: dict[str, tuple[Thing, ...]] = field(default_factory=dict)
    not_read: list[str] = field(default_factory=list)

    def read(self, namespace: str, areas: Mapping[str, Read]) -> None:
        found: list[Thing] = []
        for area, read in areas.items():
            try:
                found += [
                    Thing(area=area, interface=where.interface, thing=where.thing, words=words)
                    for where, words in read().items()
                ]
            except (OSError, UnsupportedError) as failure:
                self.not_read.append(f"{area} of {namespace}: {failure}")
        self.namespaces[namespace] = tuple(found)


def _machine(ours: Container[int]) -> Mapping[str, Read]:
    return {
        "cgroup": lambda: cgroup_programs(cgroup.root()),
        "bpf-links": lambda: bpf_links(ours),
    }


def _of_pod() -> Things:
    return sysctls(all_of_them=False)


def _digest(
    namespaces: Mapping[str, tuple[Thing, ...]], not_read: tuple[str, ...], seconds: float
) -> Digest:
    canonical = json.dumps(
        {
            name: sorted([one.area, one.interface, one.thing, one.words] for one in things)
            for name, things in namespaces.items()
        },
        sort_keys=True,
    )
    return Digest(
        sha256=hashlib.sha256(canonical.encode()).hexdigest(),
        seconds=round(seconds, 3),
        namespaces=namespaces,
        not_read=not_read,
    )


def compare(before: Digest, after: Digest, ours: Container[int] = ()) -> Compared:
    """Say what differs. `ours` are the ids of programs that this process loaded."""
    found = list(_differences(before, after, ours))
    told = sorted(found, key=lambda one: (one.area not in HOOKS, one.namespace, one.area))
    return Compared(
        before=before.sha256,
        after=after.sha256,
        same=not found,
        hooks_same=not any(one.area in HOOKS and one.note != FOREIGN for one in found),
        left=sum(one.note == LEFT for one in found),
        things=after.things,
        namespaces=len(after.namespaces),
        seconds=round(before.seconds + after.seconds, 3),
        differences=tuple(told[:MOST]),
        untold=max(0, len(told) - MOST),
        not_read=tuple(dict.fromkeys((*before.not_read, *after.not_read))),
    )


LEFT = "left by sixscope"
NEVER = "sixscope writes nothing there"
FOREIGN = "not by sixscope: it is no program of ours that came"
WENT = "another program is gone; sixscope has no call that takes one away"
Key = tuple[str, str, str]


def _differences(before: Digest, after: Digest, ours: Container[int]) -> Iterator[Difference]:
    for name in sorted(before.namespaces.keys() | after.namespaces.keys()):
        was, now = before.namespaces.get(name), after.namespaces.get(name)
        if was is None or now is None:
            there, gone = ("not looked at", "is there") if was is None else ("is there", "gone")
            yield Difference(
                namespace=name, area="namespace", interface="", thing="namespace",
                before=there, after=gone, note="sixscope makes and removes none",
            )  # fmt: skip
            continue
        yield from _within(name, _by_key(was), _by_key(now), ours)


def _by_key(things: tuple[Thing, ...]) -> dict[Key, str]:
    return {(one.interface, one.area, one.thing): one.words for one in things}


def _within(
    namespace: str, was: Mapping[Key, str], now: Mapping[Key, str], ours: Container[int]
) -> Iterator[Difference]:
    moved = sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
    for interface, keys in groupby(moved, key=lambda key: key[0]):
        link = (interface, LINKS, "link")
        if interface and _identity(was.get(link)) != _identity(now.get(link)):
            yield _replaced(namespace, was.get(link, ""), now.get(link, ""), list(keys))
            continue
        for _, area, thing in keys:
            here, there = (
                was.get((interface, area, thing), ""),
                now.get((interface, area, thing), ""),
            )
            yield Difference(
                namespace=namespace,
                area=area,
                interface=interface,
                thing=thing,
                before=here,
                after=there,
                note=_note(area, here, there, ours),
            )


def _identity(link: str | None) -> str | None:
    """Return what tells an interface from another of its name."""
    found = INDEX.match(link or "")
    return found[0] if found else None


def _replaced(namespace: str, was: str, now: str, keys: list[Key]) -> Difference:
    """Return one difference for an interface that came or went, with all that came or went with it."""
    change = "came" if not was else "went" if not now else "is another one"
    with_it = Counter(area for _, area, _ in keys if area != LINKS)
    rest = ", ".join(f"{count} of {area}" for area, count in sorted(with_it.items()))
    return Difference(
        namespace=namespace,
        area=LINKS,
        interface=keys[0][0],
        thing="link",
        before=was,
        after=now,
        note=f"the interface {change} meanwhile; sixscope makes none" + (f" (with it {rest})" if rest else ""),
    )  # fmt: skip


def _note(area: str, was: str, now: str, ours: Container[int]) -> str:
    if area not in HOOKS:
        return NEVER
    there, then = _programs(now), _programs(was)
    came, went = there - then, then - there
    if any(number in ours for number in there) or now.startswith(FILTER):
        return LEFT
    # Only its own programs does sixscope put anywhere: what holds another one was put there by others.
    if came and (area == "tc" or not went):
        return FOREIGN
    return WENT if went and area != "tc" else ""


def _programs(words: str) -> set[int]:
    return {int(number) for number in PROGRAM.findall(words)}
