"""`sixscope digest`: what the machine looks like, to be compared by hand with what it was."""

import argparse
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from dataplane.commands.verb import (
    Exit,
    UsageError,
    Verb,
    add_output,
    add_schema,
    print_json,
    print_schema,
    require_root,
)
from dataplane.session.digest import Compared, Digest, compare, take
from dataplane.session.guard_text import lines
from probes.node.interfaces import pod_interfaces

SHAPES = Digest | Compared


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pods", action="store_true", help="look into the pods' namespaces, too (10 ms each)"
    )
    parser.add_argument(
        "--compare",
        type=Path,
        metavar="FILE",
        help="say what differs from what `sixscope digest -o json` printed into FILE",
    )
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(SHAPES)
    require_root("taking the digest")
    before = _read(options.compare) if options.compare else None
    now = take(
        {pod.owner: pod.namespace for pod in pod_interfaces() if pod.namespace}
        if options.pods
        else {}
    )
    if before is None:
        _print(now, options.output)
        return Exit.HOLDS
    compared = compare(before, now)
    if options.output == "json":
        print_json(compared)
    else:
        print("\n".join(lines(compared)))
    return Exit.HOLDS if compared.same else Exit.BROKEN


def _print(now: Digest, output: str) -> None:
    if output == "json":
        print_json(now)
        return
    print(f"{now.sha256}  {now.things} things, {now.seconds:.2f} s")
    for name, things in now.namespaces.items():
        areas: dict[str, int] = {}
        for one in things:
            areas[one.area] = areas.get(one.area, 0) + 1
        print(f"{name}: {', '.join(f'{count} {area}' for area, count in areas.items())}")
    for words in now.not_read:
        print(f"not read: {words}")


def _read(path: Path) -> Digest:
    try:
        return TypeAdapter(Digest).validate_json(path.read_bytes())
    except (OSError, ValidationError) as failure:
        words = str(failure).splitlines()[0]
        raise UsageError(
            f"--compare {path}: {words}; it takes what `sixscope digest -o json` printed"
        ) from failure


VERB = Verb(
    name="digest",
    help="say what the machine's network looks like, to compare it with before",
    description="Read everything that a watcher of this namespace could have changed (qdiscs, filters and TCX\n"
    "programs, programs of control groups, BPF links, nftables, sysctls, links, addresses, routes), and\n"
    "print its SHA-256; -o json prints it all. Compare by hand:\n\n"
    "  sixscope digest -o json > before.json; ...; sixscope digest --compare before.json\n\n"
    "Exit code 1 where something differs. `attach` does this by itself, before and after.",
    configure=_configure,
    run=_run,
    order=45,
)
