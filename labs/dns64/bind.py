"""BIND 9 as resolver with DNS64, and as the authoritative server of the lab's internet.

Both run in the foreground, with one worker thread, without a control channel and without DNSSEC
validation; everything that they write goes into the run's directory.
"""

from collections.abc import Iterable, Sequence
from ipaddress import IPv6Network
from pathlib import Path

from dataplane.kernel.process import Process, find
from dataplane.model.address import Address
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import AuthoritySpec, ResolverSpec
from labs.dns64.seam import answering, missing, unconfined
from labs.dns64.zones import zone_files
from labs.site import Site

PACKAGE = "bind9"


class Bind:
    """The DNS64 server `bind`."""

    name = "bind"

    def available(self) -> UnsupportedError | None:
        """Return why it cannot run: the program is missing."""
        return missing("named", package=PACKAGE)

    async def start(self, spec: ResolverSpec, site: Site) -> Process:
        """Start the resolver; returns when it answers."""
        directory = site.file("resolver")
        directory.mkdir()
        process = await _start(
            "resolver", spec.namespace, directory, render_resolver(spec, directory), site
        )
        return await answering(process, site.namespace(spec.namespace), spec.listen)


async def start_authority(spec: AuthoritySpec, site: Site) -> Process:
    """Start the authoritative server; returns when it answers."""
    directory = site.file("authority")
    directory.mkdir()
    zones = zone_files(spec)
    for file, text in zones.values():
        (directory / file).write_text(text)
    files = {apex: file for apex, (file, _) in zones.items()}
    process = await _start(
        "authority", spec.namespace, directory, render_authority(spec, files, directory), site
    )
    return await answering(process, site.namespace(spec.namespace), spec.listen, zones=tuple(zones))


def render_resolver(spec: ResolverSpec, directory: Path) -> str:
    """Return named.conf of the resolver: everything is asked of `upstream`, nothing of a root server."""
    dns64 = "" if spec.dns64 is None else _dns64(spec.dns64, spec)
    return f"""\
options {{
{_common(directory, spec.listen)}
  recursion yes;
  allow-recursion {{ any; }};
  forward only;
  forwarders {{ {spec.upstream}; }};
  max-cache-size 16m;
{dns64}}};
{_TAIL}"""


def render_authority(spec: AuthoritySpec, files: dict[str, str], directory: Path) -> str:
    """Return named.conf of the authoritative server; `files` are the zone files by apex."""
    zones = "\n".join(
        f'zone "{apex}" {{ type primary; file "{file}"; }};' for apex, file in files.items()
    )
    return f"""\
options {{
{_common(directory, spec.listen)}
  recursion no;
}};
{_TAIL}{zones}
"""


_TAIL = "controls { };\n"


def _dns64(prefix: IPv6Network, spec: ResolverSpec) -> str:
    # RFC 6147 section 5.1.4: IPv4-mapped addresses are no usable AAAA record.
    unusable = "any" if spec.translate_all else "::ffff:0:0/96"
    return f"""\
  dns64 {prefix} {{
    clients {{ any; }};
    mapped {{ {spec.mapped or "any"}; }};
    exclude {{ {unusable}; }};
  }};
"""


def _common(directory: Path, listen: Sequence[Address]) -> str:
    return f"""\
  directory "{directory}";
  listen-on port 53 {{ {_list(a for a in listen if a.version == 4)} }};
  listen-on-v6 port 53 {{ {_list(a for a in listen if a.version == 6)} }};
  pid-file none;
  session-keyfile none;
  allow-query {{ any; }};
  dnssec-validation no;
  empty-zones-enable no;
  notify no;"""


def _list(addresses: Iterable[Address]) -> str:
    return " ".join(f"{address};" for address in addresses) or "none;"


async def _start(
    name: str, namespace: str, directory: Path, configuration: str, site: Site
) -> Process:
    file = directory / "named.conf"
    file.write_text(configuration)
    program, place = unconfined(
        find("named", package=PACKAGE), site.placement(namespace), directory
    )
    # -g: in the foreground, messages on its own output; -n: threads, of which it makes one per CPU.
    argv = [program, "-g", "-n", "1", "-c", str(file)]
    return await Process.start(name, argv, place, log=site.file(f"{name}.log"))


SERVER = Bind()
