"""`sixscope plan`: every address of the cluster, before anything is built."""

import argparse

from dataplane.commands.inputs import add_plan_options, read_text, shape_of
from dataplane.commands.verb import (
    Exit,
    Verb,
    add_output,
    add_schema,
    describe,
    print_json,
    print_schema,
    say,
)
from dataplane.model.plan import Plan
from dataplane.planning.render import render_text
from dataplane.session.prepare import plan_of, prepare_scenario, read_cluster
from labs import scenario as scenarios


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "manifest",
        nargs="?",
        default="default",
        metavar="SCENARIO|MANIFEST",
        help="what to plan, - for standard input (default)",
    )
    add_plan_options(parser)
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Plan)
    shape = shape_of(options)
    if options.manifest in scenarios.names():
        prepared = prepare_scenario(scenarios.load(options.manifest), shape)
        plan = prepared.plan
    else:
        name = options.manifest
        cluster, problems = read_cluster(read_text(name), name)
        plan = plan_of(cluster, shape)
        for problem in problems:
            say(describe(problem, name))
    if options.output == "json":
        print_json(plan)
    else:
        print(render_text(plan))
    return Exit.HOLDS


VERB = Verb(
    name="plan",
    help="print every range and address that a manifest leads to",
    configure=_configure,
    run=_run,
    order=20,
)
