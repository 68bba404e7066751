"""Options of the verbs that serve: where to listen, who may ask."""

import argparse
import os
from pathlib import Path

from dataplane.api.settings import PORT, Settings, SettingsError, read_token
from dataplane.commands.verb import UsageError


def add_serve_options(parser: argparse.ArgumentParser, *, switch: bool = True) -> None:
    """Add the options of the endpoint; `switch` adds `--serve` itself."""
    group = parser.add_argument_group("endpoint")
    if switch:
        group.add_argument("--serve", action="store_true", help="serve the result until Ctrl-C")
    group.add_argument(
        "--host", default="localhost", metavar="ADDRESS", help="where to listen (localhost)"
    )
    group.add_argument(
        "--port", type=int, default=PORT, metavar="N", help=f"port to listen on ({PORT})"
    )
    group.add_argument(
        "--token-file", type=Path, metavar="FILE", help="bearer token; else SIXSCOPE_TOKEN"
    )
    group.add_argument("--certificate", type=Path, metavar="PEM", help="serve TLS with this ...")
    group.add_argument("--key", type=Path, metavar="PEM", help="... and this key")
    group.add_argument(
        "--insecure-http", action="store_true", help="beyond loopback without TLS, on purpose"
    )
    group.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="a further Host; repeatable",
    )


def settings_of(options: argparse.Namespace) -> Settings:
    """Return the endpoint's settings; UsageError when they would be unsafe or cannot work."""
    try:
        settings = Settings(
            host=options.host,
            port=options.port,
            token=read_token(options.token_file, os.environ),
            certificate=options.certificate,
            key=options.key,
            insecure_http=options.insecure_http,
            allow_hosts=tuple(options.allow_host),
        )
        settings.tls()  # so that a certificate that does not fit is said before anything begins
    except SettingsError as error:
        raise UsageError(str(error)) from error
    return settings
