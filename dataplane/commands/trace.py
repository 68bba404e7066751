"""`sixscope trace`: one packet's way, hop by hop, in a lab or on a node."""

import argparse
import importlib
import re
import sys
from pathlib import Path

from dataplane.commands.verb import (
    Exit,
    UsageError,
    Verb,
    add_output,
    add_runtime_options,
    add_schema,
    print_json,
    print_schema,
    require_root,
)
from dataplane.model.trace import Sights, State, Trace, TraceResult
from dataplane.session.trace_text import render
from dataplane.session.trace_write import numbered, select
from dataplane.session.trace_write import render as pcapng_of

CODES = {State.ANSWERED: Exit.HOLDS, State.UNKNOWN: Exit.UNKNOWN}
TRANSPORTS = ("tcp", "udp", "icmp")
UNITS = {"": 1, "s": 1, "m": 60}


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([sm]?)", text)
    if not match or float(match[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text}: write 2s, 0.5s or 1m")
    return float(match[1]) * UNITS[match[2]]


def _between(low: int, high: int, what: str) -> "type[int]":
    def number(text: str) -> int:
        if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"{text}: {what} is a number from {low} to {high}")
        return int(text)

    return number  # type: ignore[return-value]  # argparse only calls it


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "destination",
        nargs="?",
        metavar="DESTINATION",
        help="an address of either family, or a name: it is resolved in the pod, as the pod would",
    )
    parser.add_argument(
        "--from", dest="pod", default="", metavar="POD", help="from this pod (the first one)"
    )
    parser.add_argument(
        "--port", type=_between(1, 65535, "a port"), metavar="N", help="to this port"
    )
    parser.add_argument(
        "--protocol",
        choices=TRANSPORTS,
        help="by this (tcp where there is a port, else icmp: a ping; on a node without --send: any)",
    )
    parser.add_argument(
        "--count",
        type=_between(1, 100, "a count"),
        default=1,
        metavar="N",
        help="how many times (1)",
    )
    parser.add_argument(
        "--size",
        type=_between(1, 60_000, "a size"),
        default=0,
        metavar="OCTETS",
        help="carry as much, and have it sent back (tcp, udp)",
    )
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="T",
        help="how long to wait for an answer (2s), on a node without --send for a packet (1m)",
    )
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="write the packets here, as pcapng with comments"
    )
    lab = parser.add_argument_group("in a lab")
    lab.add_argument(
        "--scenario", metavar="SCENARIO|MANIFEST", help="build this, and take it down afterwards"
    )
    lab.add_argument("--lab", metavar="RUN", help="in this one, which `lab up` has built")
    lab.add_argument(
        "--fault", action="append", default=[], metavar="F", help="put a fault in; repeatable"
    )
    lab.add_argument("--seed", type=int, default=0, metavar="N", help="seed of every choice (0)")
    node = parser.add_argument_group("on a node (without --scenario and --lab)")
    node.add_argument(
        "--send",
        action="store_true",
        help="send from inside the pod, rather than wait for what it sends (needs --from)",
    )
    add_runtime_options(node)
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(TraceResult)
    _check(options)
    require_root("trace")
    kind = "lab" if options.scenario or options.lab else "node"
    # What a lab needs need not be there on a node.
    return int(importlib.import_module(f"dataplane.commands.trace{kind}").run(options))


def _check(options: argparse.Namespace) -> None:
    """Settle what the options leave open; UsageError for what cannot be."""
    if options.destination is None:
        raise UsageError(
            "name a destination: sixscope trace v4only.internet.test --scenario default"
        )
    in_lab = bool(options.scenario or options.lab)
    if in_lab or options.send:
        options.protocol = options.protocol or ("tcp" if options.port else "icmp")
    if in_lab and options.send:
        raise UsageError("--send is for a node: in a lab it is sent anyway")
    if options.protocol == "icmp" and options.port:
        raise UsageError("--protocol icmp has no ports: leave --port out")
    if options.scenario and options.lab:
        raise UsageError("--scenario builds a lab, --lab names one that stands: choose one")
    if options.fault and not options.scenario:
        raise UsageError("--fault is for a lab that is built: add --scenario default")
    if options.size and (options.protocol == "icmp" or not (in_lab or options.send)):
        raise UsageError("--size is for what is sent by tcp and udp: add --port")
    if options.write is not None:
        _require_writable(options.write)


def _require_writable(path: Path) -> None:
    """Say before the work, not after it, that no file can be written there."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: is no regular file; name a file to write")
    if not path.resolve().parent.is_dir():
        raise UsageError(f"{path}: there is no directory {path.resolve().parent}")


def _protocol(options: argparse.Namespace) -> str:
    protocol = options.protocol or "any protocol"
    return f"{protocol} port {options.port}" if options.port else protocol


def conclude(  # noqa: PLR0913 - what is told of is named, and given once
    options: argparse.Namespace,
    sights: Sights,
    traces: tuple[Trace, ...],
    *,
    origin: str,
    where: str,
    notes: tuple[str, ...] = (),
) -> int:
    """Write the file that is asked for, print the result; return the exit code."""
    chosen = select(sights, traces)
    result = TraceResult(
        destination=options.destination,
        origin=origin,
        protocol=_protocol(options),
        where=where,
        traces=numbered(traces, chosen if options.write else ()),
        looked_at=len(sights.packets),
        gaps=sights.gaps,
        notes=notes,
        written=str(options.write) if options.write else "",
        frames=len(chosen) if options.write else 0,
    )
    if options.write:
        title = f"sixscope trace {options.destination} from {origin or 'any pod'} ({where})"
        options.write.write_bytes(pcapng_of(sights, traces, title=title))
    if options.output == "json":
        print_json(result)
    else:
        sys.stdout.write(render(result, colour=sys.stdout.isatty()))
        sys.stdout.flush()
    return CODES.get(result.state, Exit.BROKEN)


VERB = Verb(
    name="trace",
    help="follow one packet hop by hop, there and back",
    description="Follow one packet or connection hop by hop, there and back: pod, CLAT, node, NAT64, server. Each\n"
    "hop says when, where, what was rewritten since the one before, and what ended it. In a lab it is\n"
    "sent from a pod; on a node it is awaited, for nothing is changed there.",
    configure=_configure,
    run=_run,
    order=37,
)
