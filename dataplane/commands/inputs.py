"""How verbs read manifests and scenarios: files, standard input, options that shape a plan."""

import argparse
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import TypeVar

from dataplane.commands.verb import UsageError, describe, say
from dataplane.model.cloud import Allocator
from dataplane.model.infrastructure import NOTHING_GIVEN, Infrastructure
from dataplane.model.nearest import suggest
from dataplane.planning import clouds
from dataplane.session.prepare import Prepared, Shape, prepare_manifest, prepare_scenario
from labs import scenario as scenarios

Value = TypeVar("Value")

LIMIT = 1 << 20  # octets of a manifest; more is no manifest (dataplane.manifest refuses it, too)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that shape a plan: size, seed, programs, what is discovered, what is given."""
    parser.add_argument("--nodes", type=_count(1, 250), metavar="N", help="number of nodes (2)")
    parser.add_argument("--pods", type=_count(1, 500), metavar="M", help="number of pods (4)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="seed of every choice (0)")
    parser.add_argument("--engine", metavar="E", help="translator engine (the scenario's, tayga)")
    parser.add_argument("--dns64", choices=("bind", "unbound"), help="DNS64 server (bind)")
    parser.add_argument("--clat", choices=("pod", "node", "none"), help="place of the CLAT (pod)")
    parser.add_argument(
        "--nat64", choices=("gateway", "node", "none"), help="place of the NAT64 (gateway)"
    )
    parser.add_argument(
        "--neighbours", choices=("permanent", "resolved"), help="IPv6 next hops (permanent)"
    )
    parser.add_argument(
        "--default-routes", choices=("static", "advertised"), help="of nodes, IPv6 (static)"
    )
    parser.add_argument(
        "--node-addresses", choices=("static", "leased"), help="of nodes, IPv6 (static)"
    )
    cloud = parser.add_argument_group("what the cloud gives")
    cloud.add_argument("--cloud", choices=clouds.names(), help="its model (spec.provider.type)")
    cloud.add_argument(
        "--allocator",
        type=Allocator,
        choices=tuple(Allocator),
        help="who sets the nodes' PodCIDRs (as keywords and cloud have it)",
    )
    cloud.add_argument(
        "--vpc", type=_vpc, metavar="PREFIX", help="the cluster's IPv6 block; none: a flat network"
    )
    cloud.add_argument("--zones", type=_count(1, 85), default=1, metavar="N", help="zones (1)")
    cloud.add_argument(
        "--node-address",
        type=_each(ip_address),
        action="append",
        default=[],
        metavar="A[,A]",
        help="a node's addresses; repeatable, node by node",
    )
    cloud.add_argument(
        "--pod-cidr",
        type=_each(ip_network),
        action="append",
        default=[],
        metavar="C[,C]",
        help="a node's PodCIDRs; repeatable, node by node",
    )


def _vpc(text: str) -> Infrastructure:
    if text == "none":
        return Infrastructure(flat=True)
    try:
        return Infrastructure(prefix=IPv6Network(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; write an IPv6 prefix, or none") from error


def _each(read: Callable[[str], Value]) -> Callable[[str], tuple[Value, ...]]:
    """Return a reader of a list of values with commas between them."""

    def values(text: str) -> tuple[Value, ...]:
        try:
            return tuple(read(part) for part in text.split(","))
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return values


def _count(low: int, high: int) -> "type[int]":
    def number(text: str) -> int:
        value = int(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    number.__name__ = "number"
    return number  # type: ignore[return-value]  # argparse only calls it


def read_text(name: str) -> str:
    """Return the text of a file, `-` for standard input; UsageError says what is wrong with it."""
    try:
        if name == "-":
            data = sys.stdin.buffer.read(LIMIT + 1)
        else:
            with Path(name).open("rb") as file:
                data = file.read(LIMIT + 1)
        if len(data) > LIMIT:
            raise UsageError(f"{name}: larger than {LIMIT} octets, so it is no manifest")
        return data.decode()
    except FileNotFoundError as error:
        raise UsageError(f"{name}: no such file") from error
    except PermissionError as error:
        raise UsageError(f"{name}: may not be read by user {os.geteuid()}") from error
    except IsADirectoryError as error:
        raise UsageError(f"{name}: is a directory; name a manifest file") from error
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name}: not UTF-8 text (octet {error.start}); is this a manifest?"
        ) from error


def require_writable(path: Path) -> None:
    """Raise UsageError when no file can be written there: said before the work, not after it."""
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: is no regular file; name a file to write")
    directory = path.resolve().parent
    if not directory.is_dir():
        raise UsageError(f"{path}: there is no directory {directory}")
    if not os.access(directory, os.W_OK):
        raise UsageError(f"{path}: {directory} cannot be written to")


def shape_of(options: argparse.Namespace) -> Shape:
    """Return the shape that the options of `add_plan_options` ask for."""
    return Shape(
        nodes=options.nodes,
        pods=options.pods,
        seed=options.seed,
        engine=options.engine,
        dns64=options.dns64,
        clat=options.clat,
        nat64=options.nat64,
        neighbours=options.neighbours,
        default_routes=options.default_routes,
        node_addresses=options.node_addresses,
        cloud=options.cloud,
        allocator=options.allocator,
        infrastructure=replace(
            options.vpc or NOTHING_GIVEN,
            zones=options.zones,
            node_addresses=tuple(options.node_address),
            pod_cidrs=tuple(options.pod_cidr),
        ),
    )


def _manifest(name: str) -> str:
    """Return the text of a manifest; what is neither path nor file was meant to be a scenario."""
    if name == "-" or os.sep in name or Path(name).suffix or Path(name).exists():
        return read_text(name)
    advice = suggest(name, scenarios.names(), listing="sixscope scenarios")
    raise UsageError(f"{name}: no such file, and no scenario of that name; {advice}")


def prepare(options: argparse.Namespace) -> Prepared:
    """Prepare the scenario or manifest `what` with the faults and the shape of the options.

    What the manifest is warned about is said on stderr, when it is somebody's own.
    """
    return prepare_shaped(options.what, shape_of(options), tuple(options.fault))


def prepare_shaped(what: str, shape: Shape, faults: tuple[str, ...]) -> Prepared:
    """Prepare a scenario, or a manifest, as `prepare` does."""
    if what in scenarios.names():
        return prepare_scenario(scenarios.load(what), shape, faults)
    prepared = prepare_manifest(_manifest(what), what, shape, faults)
    for problem in prepared.problems:
        say(describe(problem, what))
    return prepared
