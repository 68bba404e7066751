"""The option of verbs that hand flows over to a collector of IPFIX."""

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zlib import crc32

from dataplane.commands.verb import UsageError, say
from dataplane.rules.ipfix import PORT
from dataplane.session.export import Export

MACHINE = Path("/etc/machine-id")


def add_export_options(parser: argparse.ArgumentParser) -> None:
    """Add where flows go."""
    parser.add_argument(
        "--ipfix",
        type=_collector,
        metavar="HOST:PORT",
        help=f"send flows and changed sources to a collector of IPFIX, over UDP (port {PORT})",
    )


@contextmanager
def exporting(options: argparse.Namespace) -> Iterator[Export | None]:
    """Have a socket to the collector while the body runs, and tell what was sent; None without one.

    UsageError when its name leads nowhere.
    """
    if options.ipfix is None:
        yield None
        return
    host, port = options.ipfix
    try:
        export = Export(host, port, domain=_domain())
    except OSError as failure:
        raise UsageError(
            f"--ipfix {host}: {failure}; give a name or address that is known here"
        ) from failure
    with export:
        yield export
        say(
            f"ipfix: {export.records} records in {export.messages} messages to {host} port {port}, "
            f"{export.lost} of them refused"
        )


def _collector(text: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\s]+))(?::(\d{1,5}))?", text)
    port = int(match[3] or PORT) if match else 0
    if not match or not 0 < port < 65536:
        raise argparse.ArgumentTypeError(f"{text}: write HOST, HOST:PORT or [ADDRESS]:PORT")
    return match[1] or match[2], port


def _domain() -> int:
    """Return a number that is another one on every node, and the same after a restart."""
    try:
        return crc32(MACHINE.read_bytes())
    except OSError:
        return 0
