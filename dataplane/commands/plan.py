"""`sixscope plan`: every address of the cluster, before anything is built."""

import argparse
from dataclasses import dataclass
from ipaddress import IPv6Network, ip_network

from dataplane.commands.inputs import add_plan_options, read_text, shape_of
from dataplane.commands.plan_lines import Answer, plan_lines
from dataplane.commands.verb import (
    Exit,
    UsageError,
    Verb,
    add_output,
    add_schema,
    describe,
    print_json,
    print_schema,
    say,
)
from dataplane.model.cluster import Cluster
from dataplane.model.plan import Plan
from dataplane.planning.drawing import render_svg
from dataplane.planning.pool import share
from dataplane.planning.render import render_text, render_yaml
from dataplane.planning.resolved import render_manifest
from dataplane.session.prepare import plan_of, prepare_scenario, read_cluster
from labs import scenario as scenarios

FORMATS = {"text": render_text, "yaml": render_yaml, "svg": render_svg}


@dataclass(frozen=True, slots=True, kw_only=True)
class Landscape:
    """The JSON object of `sixscope plan --pool`: one plan per manifest, in their order."""

    plans: tuple[Plan, ...]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "manifest",
        nargs="*",
        metavar="SCENARIO|MANIFEST",
        help="what to plan, - for standard input (default); several with --pool",
    )
    add_plan_options(parser)
    parser.add_argument(
        "--pool",
        type=ip_network,
        action="append",
        default=[],
        metavar="PREFIX",
        help="plan all manifests in one landscape, IPv6 out of this pool; repeatable",
    )
    parser.add_argument(
        "--resolved",
        action="store_true",
        help="print the manifest with its ranges filled in, and the nodes' v1.Node objects",
    )
    parser.add_argument(
        "--jsonl",
        action="store_true",
        help='answer planning questions on stdin, each a line: {"kind": ..., "args": {...}}',
    )
    add_output(parser, "yaml", "svg")
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Answer if options.jsonl else Landscape if options.pool else Plan)
    if options.jsonl:
        if options.manifest:
            raise UsageError("--jsonl takes all from the lines; leave out the manifest")
        return plan_lines()
    if options.pool:
        plans = _shared(options)
    elif len(options.manifest) > 1:
        raise UsageError("several manifests are planned together; say out of which --pool")
    else:
        plans = (_single(options, options.manifest[0] if options.manifest else "default"),)
    if options.resolved:
        print("---\n".join(render_manifest(plan) for plan in plans), end="")
    elif options.output == "json":
        print_json(Landscape(plans=plans) if options.pool else plans[0])
    else:
        print("\n".join(FORMATS[options.output](plan) for plan in plans))
    return Exit.HOLDS


def _single(options: argparse.Namespace, name: str) -> Plan:
    shape = shape_of(options)
    if name in scenarios.names():
        return prepare_scenario(scenarios.load(name), shape).plan
    return plan_of(_cluster(name), shape)


def _shared(options: argparse.Namespace) -> tuple[Plan, ...]:
    """Plan several manifests in one landscape."""
    if any(not isinstance(pool, IPv6Network) for pool in options.pool):
        raise UsageError("--pool: IPv4 ranges may repeat; only an IPv6 prefix is a pool")
    if options.output == "svg" and len(options.manifest) > 1:
        raise UsageError("-o svg draws one cluster; leave out --pool, or name one manifest")
    shape = shape_of(options)
    clusters = [_cluster(name) for name in options.manifest or ["-"]]
    return share(
        clusters,
        pools=options.pool,
        nodes=shape.nodes or 2,
        pods=shape.pods or 4,
        seed=shape.seed,
        model=shape.cloud,
        infrastructure=shape.infrastructure,
    )


def _cluster(name: str) -> Cluster:
    """Read a manifest; what it is warned about is said on stderr."""
    cluster, problems = read_cluster(read_text(name), name)
    for problem in problems:
        say(describe(problem, name))
    return cluster


VERB = Verb(
    name="plan",
    help="print every range and address that a manifest leads to",
    configure=_configure,
    run=_run,
    order=20,
)
