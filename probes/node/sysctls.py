"""The sysctls of a network namespace that decide whether packets are forwarded."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from dataplane.model.seen import SettingSeen

# /proc/sys/net shows the namespace of the thread that opens a file in it.
ROOT = Path("/proc/sys")
CONF = "net/ipv6/conf"


def forwarding(owner: str) -> tuple[SettingSeen, ...]:
    """Return IPv6 forwarding of the calling thread's namespace: `all`, `default`, every interface.

    OSError when it cannot be read: a kernel without IPv6 has no such directory.
    """
    return tuple(_read(owner, sorted(entry.name for entry in (ROOT / CONF).iterdir())))


def _read(owner: str, interfaces: list[str]) -> Iterator[SettingSeen]:
    for interface in interfaces:
        name = f"{CONF}/{interface}/forwarding"
        with suppress(FileNotFoundError):  # the interface went away while we looked
            yield SettingSeen(owner=owner, name=name, value=(ROOT / name).read_text().strip())
