"""What the programs before and behind pods (ingress, proxy) have in common: how they are started, and when they are ready."""

from collections.abc import Sequence
from pathlib import Path

from dataplane.kernel import netns, sockdiag
from dataplane.kernel.process import Process, find
from dataplane.model.stimulus import Endpoint
from labs.dns64.seam import unconfined
from labs.site import Site

READY = 30.0  # seconds: a busy machine may be slow to start a program
TCP = 6


async def start(  # noqa: PLR0913 - what a program is, each named
    name: str,
    *,
    program: str,
    package: str,
    arguments: Sequence[str],
    namespace: str,
    listen: Sequence[Endpoint],
    directory: Path,
    site: Site,
    binds: tuple[tuple[Path, Path], ...] = (),
) -> Process:
    """Start a program in a member's namespace; returns when it listens on all of these.

    `binds` are files that it sees in place of others.
    UnsupportedError when it is not installed, LabFailedError when it does not come up.
    """
    home = site.placement(namespace, binds=binds)
    found, place = unconfined(find(program, package=package), home, directory)
    process = await Process.start(name, [found, *arguments], place, log=site.file(f"{name}.log"))
    wanted = {(endpoint.address, endpoint.port) for endpoint in listen}

    async def listens() -> bool:
        waiting = netns.call(site.namespace(namespace), sockdiag.waiting)
        return wanted <= {(each.address, each.port) for each in waiting if each.protocol == TCP}

    try:
        await process.ready(listens, seconds=READY)
    except BaseException:
        await process.stop()
        raise
    return process
