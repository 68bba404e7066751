"""dnsmasq as a DHCPv6 server, and nothing else (dnsmasq(8)): no names, no router advertisements.

It finds the range to lease from by the prefix of an address that its interface has, so that this is the one
address of a lab that has a prefix on the link.
"""

from dataplane.kernel import netns
from dataplane.kernel.netlink import Batch
from dataplane.kernel.process import Process, find
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import DhcpServerSpec
from labs.dns64.seam import missing, unconfined
from labs.site import Site

PROGRAM, PACKAGE = "dnsmasq", "dnsmasq-base"
READY = 30.0  # seconds, on a machine that is busy with other things
LEASE = "1h"  # longer than a lab that is watched
DUID_LL = "00:03:00:01"  # RFC 8415 section 11.4, of an Ethernet: the hardware address follows


def available() -> UnsupportedError | None:
    """Return why nobody can lease addresses: the program is missing."""
    return missing(PROGRAM, package=PACKAGE)


def render(spec: DhcpServerSpec, *, leases: str, running: str) -> str:
    """Return dnsmasq.conf; `leases` and `running` are the files that it writes."""
    lines = [
        "port=0",  # no DNS
        "no-hosts",
        "no-resolv",
        f"interface={spec.interface}",
        "except-interface=lo",
        "bind-interfaces",
        "user=root",  # the run's directory is root's
        "group=root",
        "keep-in-foreground",
        "log-facility=-",
        "log-dhcp",
        f"pid-file={running}",
        f"dhcp-leasefile={leases}",
        f"dhcp-range={spec.first},{spec.last},{spec.subnet.prefixlen},{LEASE}",
    ]
    lines += [f"dhcp-host=id:{DUID_LL}:{mac},[{address}]" for mac, address in spec.reserved]
    if spec.preferred:
        lines.append("dhcp-authoritative")
    return "\n".join([*lines, ""])


async def start(spec: DhcpServerSpec, site: Site) -> Process:
    """Start a server; returns when it listens."""
    name = f"dnsmasq-{spec.namespace}"
    directory = site.file(name)
    directory.mkdir()
    configuration, running = directory / "dnsmasq.conf", directory / "dnsmasq.pid"
    configuration.write_text(render(spec, leases=str(directory / "leases"), running=str(running)))
    netns.call(site.namespace(spec.namespace), _address, spec)
    found = find(PROGRAM, package=PACKAGE)
    program, place = unconfined(found, site.placement(spec.namespace), directory)
    argv = [program, "-C", str(configuration)]
    process = await Process.start(name, argv, place, log=site.file(f"{name}.log"))

    async def written() -> bool:
        return running.exists()

    try:
        await process.ready(written, seconds=READY)
    except BaseException:
        await process.stop()
        raise
    return process


def _address(spec: DhcpServerSpec) -> None:
    batch = Batch()
    batch.address(spec.index, spec.address, length=spec.subnet.prefixlen)
    batch.apply()
