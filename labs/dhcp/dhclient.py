"""dhclient, ISC's client, in a node (dhclient(8)): what it leases becomes a host address of the uplink.

All that it writes is in the run's directory, and what it learns is taken by a script of the lab's own
(`address.sh`), so that nothing of the host's name resolution changes. It tells the server who it is by its
hardware address (`-D LL`, RFC 8415 section 11.4), which is the topology's.
"""

from pathlib import Path

from dataplane.kernel.process import Process, find
from dataplane.kernel.routed import addressed
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import DhcpClientSpec
from labs.dns64.seam import missing, unconfined
from labs.patience import patiently
from labs.site import Site

PROGRAM, PACKAGE = "dhclient", "isc-dhcp-client"
SCRIPT = Path(__file__).with_name("address.sh")
# Seconds: a client asks after up to 1 s, takes answers for 1 s, and asks again after 1, 3 and 7 s
# (RFC 8415 sections 7.6 and 15).
LEASE = 12.0


def available() -> UnsupportedError | None:
    """Return why nodes cannot lease addresses: the program is missing."""
    return missing(PROGRAM, package=PACKAGE)


async def start(spec: DhcpClientSpec, site: Site) -> Process:
    """Start a client; returns when the node has an address, or could have had one for long.

    Who has none by then gets none: the lab may have been built so.
    """
    name = f"dhclient-{spec.namespace}"
    directory = site.file(name)
    directory.mkdir()
    (directory / "dhclient.conf").write_text("request;\n")  # nothing but an address
    found = find(PROGRAM, package=PACKAGE)
    program, place = unconfined(found, site.placement(spec.namespace), directory)
    argv = [program, "-6", "-d", "-D", "LL", "-sf", str(SCRIPT)]
    for option, file in (("-cf", "dhclient.conf"), ("-lf", "leases"), ("-pf", "dhclient.pid")):
        argv += [option, str(directory / file)]
    process = await Process.start(
        name, [*argv, spec.interface], place, log=site.file(f"{name}.log")
    )
    try:
        await patiently(lambda: addressed(site.namespace(spec.namespace)), LEASE)
    except BaseException:
        await process.stop()
        raise
    return process
