"""nginx in a pod: it answers whom it takes for its client, and whose connection that came by.

The answer is JSON: `peer` is the client ([address, port]), by the header of the PROXY protocol where
that is read, else the sender of the connection; `via` is always the sender of the connection.
"""

from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from dataplane.kernel.process import Process
from dataplane.model.address import Address, Family
from dataplane.model.errors import UnsupportedError
from dataplane.model.programs import WebSpec
from dataplane.model.stimulus import Endpoint
from labs.dns64.seam import missing
from labs.programs import seam
from labs.site import Site

PROGRAM = PACKAGE = "nginx"
ANY: dict[Family, Address] = {Family.IPV4: IPv4Address(0), Family.IPV6: IPv6Address(0)}
# Where a program of this name would write as it is compiled: here, into its own directory.
SCRATCH = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def available() -> UnsupportedError | None:
    """Return why this machine cannot run it, None when it can."""
    return missing(PROGRAM, package=PACKAGE)


async def start(spec: WebSpec, site: Site) -> Process:
    """Start a web server; returns when it listens for every family it should."""
    name = f"nginx-{spec.namespace}"
    directory = site.file(name)
    directory.mkdir()
    file = directory / "nginx.conf"
    file.write_text(render(spec, directory))
    return await seam.start(
        name,
        program=PROGRAM,
        package=PACKAGE,
        arguments=("-p", str(directory), "-e", "stderr", "-c", str(file)),
        namespace=spec.namespace,
        listen=[Endpoint(address=ANY[family], port=spec.port) for family in spec.families],
        directory=directory,
        site=site,
    )


def render(spec: WebSpec, directory: Path) -> str:
    """Return nginx.conf: one process in the foreground, which writes nowhere else."""
    proxy = " proxy_protocol" if spec.accept_proxy else ""
    listen = "\n".join(f"    listen {_any(family)}:{spec.port}{proxy};" for family in spec.families)
    believed = "" if not spec.accept_proxy else BELIEVED
    scratch = "\n".join(f"  {kind}_temp_path {directory}/{kind};" for kind in SCRATCH)
    return f"""\
daemon off;
master_process off;
pid {directory}/pid;
error_log stderr info;
events {{
  worker_connections 64;
}}
http {{
  access_log off;
  default_type application/json;
{scratch}
  server {{
{listen}
{believed}    location = / {{
      return 200 '{ANSWER % spec.namespace}';
    }}
  }}
}}
"""


BELIEVED = """\
    set_real_ip_from 0.0.0.0/0;
    set_real_ip_from ::/0;
    real_ip_header proxy_protocol;
"""
ANSWER = (
    '{"peer": ["$remote_addr", $remote_port], "via": ["$realip_remote_addr", $realip_remote_port], '
    '"server": "%s"}'
)


def _any(family: Family) -> str:
    return f"[{ANY[family]}]" if family is Family.IPV6 else str(ANY[family])
