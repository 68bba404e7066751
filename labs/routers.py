"""radvd: a router that advertises itself to the nodes on its links (radvd(8), radvd.conf(5)).

It advertises no prefix to make addresses of, because addresses are the topology's or leased, and not its
own hardware address (RFC 4861 section 4.2 lets a router leave it out): a node that hears of it still has
to ask for it. Where addresses are leased it says so, with the prefix that they are of. That prefix is not
on-link (section 4.6.2, flag L): pods of other nodes are in it, and are reached by the router.
"""

from collections.abc import Iterator

from dataplane.kernel.process import Process, find
from dataplane.kernel.routed import routed
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import AdvertiserSpec
from labs.dns64.seam import missing
from labs.patience import patiently
from labs.site import Site

PROGRAM = PACKAGE = "radvd"
READY = 30.0  # seconds, on a machine that is busy with other things
LEARN = 8.0  # seconds: twice the longest pause between two advertisements
SOONEST, LATEST = 3, 4  # seconds between two advertisements: the least that RFC 4861 6.2.1 allows
DEFAULT = "::/0"


def available() -> UnsupportedError | None:
    """Return why routers cannot advertise themselves: the program is missing."""
    return missing(PROGRAM, package=PACKAGE)


def render(spec: AdvertiserSpec) -> str:
    """Return radvd.conf."""
    return "\n".join(
        f"""\
interface {interface} {{
  AdvSendAdvert on;
  MinRtrAdvInterval {SOONEST};
  MaxRtrAdvInterval {LATEST};
  AdvDefaultLifetime {spec.lifetime};
  AdvSourceLLAddress off;
{"".join(_managed(spec))}}};
"""
        for interface in spec.interfaces
    )


def _managed(spec: AdvertiserSpec) -> Iterator[str]:
    if spec.managed:
        yield "  AdvManagedFlag on;\n  AdvOtherConfigFlag on;\n"
    for prefix in spec.prefixes:
        yield f"  prefix {prefix} {{\n    AdvOnLink off;\n    AdvAutonomous off;\n  }};\n"


async def start(spec: AdvertiserSpec, site: Site) -> Process:
    """Start it; returns when everybody has learned a default route, or could have twice.

    Who has not by then never hears of it: the lab may have been built so.
    """
    name = f"radvd-{spec.namespace}"
    configuration, running = site.file(f"{name}.conf"), site.file(f"{name}.pid")
    configuration.write_text(render(spec))
    # -n: in the foreground; -m stderr: messages on its own output, not in syslog.
    argv = [find(PROGRAM, package=PACKAGE), "-n", "-m", "stderr"]
    argv += ["-C", str(configuration), "-p", str(running)]
    place = site.placement(spec.namespace)
    process = await Process.start(name, argv, place, log=site.file(f"{name}.log"))

    async def written() -> bool:
        return running.exists()

    try:
        await process.ready(written, seconds=READY)
        await _learned(spec, site)
    except BaseException:
        await process.stop()
        raise
    return process


async def _learned(spec: AdvertiserSpec, site: Site) -> None:
    """Wait for the default routes of all learners, one after another, up to a common deadline."""

    async def all_of_them() -> None:
        for learner in spec.learners:
            await routed(site.namespace(learner), DEFAULT)

    await patiently(all_of_them, LEARN)
