"""Tinyproxy as a forward proxy (CONNECT): it resolves names itself and tries one address after the other."""

from pathlib import Path

from dataplane.kernel.process import Process
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import ForwardProxySpec
from labs.dns64.seam import missing
from labs.programs import seam
from labs.site import Site

PROGRAM = PACKAGE = "tinyproxy"
# Seconds of silence that end a connection, one that is being opened among them: what waits for an
# address that does not answer goes on with the next one after these.
PATIENCE = 2


def available() -> UnsupportedError | None:
    """Return why this machine cannot run it, None when it can."""
    return missing(PROGRAM, package=PACKAGE)


async def start(
    spec: ForwardProxySpec, site: Site, *, binds: tuple[tuple[Path, Path], ...]
) -> Process:
    """Start a proxy; returns when it listens everywhere it should.

    `binds` are the files that it finds its name servers in.
    """
    name = f"tinyproxy-{spec.namespace}"
    directory = site.file(name)
    directory.mkdir()
    file = directory / "tinyproxy.conf"
    file.write_text(render(spec))
    return await seam.start(
        name,
        program=PROGRAM,
        package=PACKAGE,
        arguments=("-d", "-c", str(file)),  # -d: in the foreground
        namespace=spec.namespace,
        listen=spec.listen,
        directory=directory,
        site=site,
        binds=binds,
    )


def render(spec: ForwardProxySpec) -> str:
    """Return tinyproxy.conf: everybody may ask for everything, and nothing is kept."""
    listen = "".join(f"Listen {endpoint.address}\n" for endpoint in spec.listen)
    (port,) = {endpoint.port for endpoint in spec.listen}
    return f"""\
Port {port}
{listen}Timeout {PATIENCE}
MaxClients 256
LogLevel Connect
DisableViaHeader Yes
"""
