"""`sixscope lab up|status|exec|down`: a lab that stays, to look around in."""

import argparse
import os
import secrets
import sys

from dataplane.commands.inputs import add_plan_options, prepare
from dataplane.commands.progress import Progress
from dataplane.commands.verb import (
    Exit,
    Layout,
    UsageError,
    Verb,
    add_output,
    print_json,
    require_root,
    say,
)
from labs import supervisor
from labs.control import NoSuchRunError
from labs.supervisor import Status


def _configure(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    up = _action(actions, "up", "build a lab and leave it standing")
    up.add_argument(
        "what",
        nargs="?",
        default="default",
        metavar="SCENARIO|MANIFEST",
        help="what to build (default)",
    )
    up.add_argument(
        "--fault", action="append", default=[], metavar="F", help="put a fault in; repeatable"
    )
    up.add_argument("--name", metavar="RUN", help="name of the run (a random one)")
    add_plan_options(up)
    add_output(up)
    up.set_defaults(do=_up)
    status = _action(actions, "status", "say what stands")
    status.add_argument("run_name", nargs="?", metavar="RUN", help="which one (all)")
    add_output(status)
    status.set_defaults(do=_status)
    execute = _action(actions, "exec", "run a command inside a pod, a node or a server")
    execute.add_argument("--run", dest="run_name", metavar="RUN", help="which one (the only one)")
    execute.add_argument("member", metavar="POD", help="pod-a, node-0, gateway, server-dual ...")
    execute.add_argument("command", nargs=argparse.REMAINDER, metavar="-- CMD ...")
    execute.set_defaults(do=_execute)
    down = _action(actions, "down", "take a lab down; nothing is left of it")
    down.add_argument("run_name", nargs="?", metavar="RUN", help="which one (the only one)")
    add_output(down)
    down.set_defaults(do=_down)


def _action(
    actions: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, text: str
) -> argparse.ArgumentParser:
    return actions.add_parser(name, help=text, description=text, formatter_class=Layout)


def _run(options: argparse.Namespace) -> int:
    require_root(f"lab {options.action}")
    try:
        return int(options.do(options))
    except NoSuchRunError as failure:
        raise UsageError(str(failure)) from failure


def _up(options: argparse.Namespace) -> int:
    prepared = prepare(options)
    name = options.name or secrets.token_hex(3)
    with Progress() as progress:
        progress(f"building {len(prepared.plan.nodes)} nodes, {len(prepared.plan.pods)} pods")
        try:
            status = supervisor.up(prepared.topology, run=name)
        except ValueError as failure:
            raise UsageError(f"--name {name}: {failure}") from failure
    if options.output == "json":
        print_json(status)
        return Exit.HOLDS
    actor = prepared.plan.actors[0].name
    sys.stdout.write(
        f"run {name} is up: {len(status.namespaces)} namespaces, {len(status.programs)} programs\n"
        f"  sixscope lab exec {actor} -- ping -c1 {prepared.plan.servers[-1].dns_name}\n"
        f"  sixscope lab down {name}\n"
    )
    return Exit.HOLDS


def _status(options: argparse.Namespace) -> int:
    names = (options.run_name,) if options.run_name else supervisor.runs()
    found = tuple(supervisor.status(name) for name in names)
    if options.output == "json":
        print_json({"runs": found}, dict[str, tuple[Status, ...]])
        return Exit.HOLDS
    for status in found:
        sys.stdout.write(
            f"{status.run}: up for {status.seconds:.0f} s\n"
            f"  namespaces  {', '.join(status.namespaces)}\n"
            f"  programs    {', '.join(status.programs)}\n"
        )
        for name in status.casualties:
            sys.stdout.write(f"  {name} has ended by itself; its log is in {status.directory}\n")
    if not found:
        sys.stdout.write("no lab stands here\n")
    return Exit.HOLDS


def _execute(options: argparse.Namespace) -> int:
    argv = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not argv:
        raise UsageError("name the command to run: sixscope lab exec pod-a -- ip -6 route")
    name = _only(options.run_name)
    try:
        command = supervisor.command(name, options.member, argv)
    except KeyError as failure:
        members = ", ".join(supervisor.status(name).namespaces)
        raise UsageError(f"{options.member}: not in run {name}; there are {members}") from failure
    sys.stdout.flush()
    os.execv(command[0], command)  # noqa: S606 - argv as given, no shell; terminal and signals are its own


def _down(options: argparse.Namespace) -> int:
    name = _only(options.run_name)
    supervisor.down(name)
    if options.output == "json":
        print_json({"down": name})
    else:
        say(f"run {name} is down")
    return Exit.HOLDS


def _only(name: str | None) -> str:
    """Return the named run, or the only one there is."""
    if name:
        return name
    runs = supervisor.runs()
    if len(runs) != 1:
        known = f"there are {', '.join(runs)}; name one" if runs else "none stands here"
        raise UsageError(f"which run? {known}")
    return runs[0]


VERB = Verb(
    name="lab",
    help="a lab that stays: up, status, exec, down",
    configure=_configure,
    run=_run,
    order=35,
)
