"""HAProxy as a load balancer of layer 4 (TCP mode), which sends the PROXY protocol, version 2."""

from dataplane.kernel.process import Process
from dataplane.model.address import Address
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import BalancerSpec
from dataplane.model.stimulus import Endpoint
from labs.dns64.seam import missing
from labs.programs import seam
from labs.site import Site

PROGRAM = PACKAGE = "haproxy"
CONNECT = 3  # seconds for a connection to a backend


def available() -> UnsupportedError | None:
    """Return why this machine cannot run it, None when it can."""
    return missing(PROGRAM, package=PACKAGE)


async def start(spec: BalancerSpec, site: Site) -> Process:
    """Start a balancer; returns when it listens everywhere it should."""
    name = f"haproxy-{spec.namespace}"
    directory = site.file(name)
    directory.mkdir()
    file = directory / "haproxy.cfg"
    file.write_text(render(spec))
    return await seam.start(
        name,
        program=PROGRAM,
        package=PACKAGE,
        arguments=("-db", "-f", str(file)),  # -db: in the foreground, and one process
        namespace=spec.namespace,
        listen=spec.listen,
        directory=directory,
        site=site,
    )


def render(spec: BalancerSpec) -> str:
    """Return haproxy.cfg of a balancer: no health checks, so that every connection is a client's."""
    idle = f"{round(spec.idle * 1000)}ms"
    binds = "\n".join(f"  bind {_place(endpoint)}" for endpoint in spec.listen)
    proxy = " send-proxy-v2" if spec.send_proxy else ""
    servers = "\n".join(
        f"  server backend-{number} {_place(endpoint)}{proxy}"
        for number, endpoint in enumerate(spec.backends)
    )
    return f"""\
global
  maxconn 256
  nbthread 1
defaults
  mode tcp
  timeout connect {CONNECT}s
  timeout client {idle}
  timeout server {idle}
listen ingress
{binds}
  balance roundrobin
{servers}
"""


def _place(endpoint: Endpoint) -> str:
    return f"{_literal(endpoint.address)}:{endpoint.port}"


def _literal(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)
