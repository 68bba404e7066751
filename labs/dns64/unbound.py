"""Unbound as resolver with DNS64 (module dns64 of unbound.conf(5))."""

from pathlib import Path

from dataplane.kernel.process import Process, find
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import ResolverSpec
from labs.dns64.seam import answering, missing, unconfined
from labs.site import Site

PACKAGE = "unbound"


class Unbound:
    """The DNS64 server `unbound`."""

    name = "unbound"

    def available(self) -> UnsupportedError | None:
        """Return why it cannot run: the program is missing."""
        return missing("unbound", package=PACKAGE)

    async def start(self, spec: ResolverSpec, site: Site) -> Process:
        """Start the resolver; returns when it answers."""
        directory = site.file("resolver")
        directory.mkdir()
        file = directory / "unbound.conf"
        file.write_text(render(spec, directory))
        program, place = unconfined(
            find("unbound", package=PACKAGE), site.placement(spec.namespace), directory
        )
        process = await Process.start(
            "resolver", [program, "-d", "-p", "-c", str(file)], place, log=site.file("resolver.log")
        )
        return await answering(process, site.namespace(spec.namespace), spec.listen)


def render(spec: ResolverSpec, directory: Path) -> str:
    """Return unbound.conf: everything is asked of `upstream`, nothing of a root server."""
    modules = "iterator" if spec.dns64 is None else "dns64 iterator"
    prefix = "" if spec.dns64 is None else f"\n  dns64-prefix: {spec.dns64}"
    if spec.dns64 is not None and spec.translate_all:
        prefix += '\n  dns64-ignore-aaaa: "."'
    listen = "\n".join(f"  interface: {address}" for address in spec.listen)
    # Unbound answers special-use names (RFC 6761: test., the reverse of private addresses) by
    # itself; the lab's own zones are made of just these.
    local = "\n".join(f'  local-zone: "{zone}" transparent' for zone in spec.zones)
    return f"""\
server:
  directory: "{directory}"
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  num-threads: 1
  msg-cache-size: 1m
  rrset-cache-size: 1m
{listen}
  do-not-query-localhost: no
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  module-config: "{modules}"{prefix}
{local}
remote-control:
  control-enable: no
stub-zone:
  name: "."
  stub-addr: {spec.upstream}
  stub-prime: no
"""


SERVER = Unbound()
