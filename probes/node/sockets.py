"""The sockets of a network namespace that wait for others: on which address, for which families."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from dataplane.kernel import sockdiag
from dataplane.kernel.sockdiag import Waiting
from dataplane.model.address import family_of
from dataplane.model.seen import ListenerSeen

PROC = Path("/proc")
SOCKET = "socket:["


def listening(owner: str) -> tuple[ListenerSeen, ...]:
    """Return what waits for others in the calling thread's namespace, which is `owner`'s.

    OSError when the kernel cannot say.
    """
    return tuple(seen(owner, each) for each in sockdiag.waiting())


def seen(owner: str, each: Waiting, processes: Mapping[int, str] | None = None) -> ListenerSeen:
    """Return a socket of `owner` as evidence; `processes` are those that `holders` found."""
    return ListenerSeen(
        owner=owner,
        protocol=each.protocol,
        family=family_of(each.address),
        address=each.address,
        port=each.port,
        v6only=each.v6only,
        process=(processes or {}).get(each.inode, ""),
    )


def holders(inodes: Iterable[int]) -> dict[int, str]:
    """Return which process has each of these sockets open, the oldest one; those without are left out.

    All file descriptors of all processes are looked at, about 2 us each.
    """
    wanted = {f"{SOCKET}{inode}]": inode for inode in inodes}
    found: dict[int, str] = {}
    if not wanted:
        return found
    for process in sorted(PROC.glob("[0-9]*"), key=lambda entry: int(entry.name)):
        with suppress(OSError):  # it ended, or may not be looked into
            for descriptor in (process / "fd").iterdir():
                with suppress(OSError):
                    inode = wanted.get(str(descriptor.readlink()))
                    if inode is not None and inode not in found:
                        name = (process / "comm").read_text().strip()
                        found[inode] = f"{name} ({process.name})"
    return found
