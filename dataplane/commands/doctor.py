"""`sixscope doctor`: can it run here, what is missing, what did killed runs leave behind."""

import argparse
import os
import socket

from dataplane.commands.abilities import tried
from dataplane.commands.diagnosis import Diagnosis, lines
from dataplane.commands.verb import (
    Exit,
    Verb,
    add_output,
    add_schema,
    print_json,
    print_schema,
    require_root,
)
from dataplane.kernel.clsact import TrafficControl
from dataplane.kernel.presence import others
from dataplane.model.errors import UnsupportedError
from dataplane.session.nodelook import NodeLook, look
from labs.claim import is_alive
from labs.site import RUNS
from labs.sweep import sweep


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sweep", action="store_true", help="remove what killed runs left behind")
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Diagnosis)
    if options.sweep:
        require_root("sweeping")
    features = tuple(tried())
    swept = sweep().swept if options.sweep else ()
    alive, left_behind, untold = _runs()
    filters_removed = sweep_filters() if options.sweep else ()
    node, node_untold = _node()
    diagnosis = Diagnosis(
        able=all(feature.there for feature in features if feature.needed),
        features=features,
        alive=tuple(alive),
        left_behind=tuple(left_behind),
        untold=tuple(untold),
        swept=swept,
        filters_removed=filters_removed,
        node=node,
        node_untold=node_untold,
    )
    if options.output == "json":
        print_json(diagnosis)
    else:
        print("\n".join(lines(diagnosis)))
    return Exit.HOLDS if diagnosis.able else Exit.REFUSED


def _node() -> tuple[NodeLook | None, str]:
    """Return what `attach` would meet here, or why nobody can tell."""
    if os.geteuid() != 0:
        return None, "only root can tell"
    try:
        return look(), ""
    except (OSError, UnsupportedError) as failure:
        return None, str(failure)


def _runs() -> tuple[list[str], list[str], list[str]]:
    """Return the runs whose owner lives, those whose owner was killed, and those not to be told."""
    alive: list[str] = []
    dead: list[str] = []
    untold: list[str] = []
    for directory in sorted(RUNS.iterdir()) if RUNS.is_dir() else []:
        try:
            (alive if is_alive(directory) else dead).append(directory.name)
        except PermissionError:
            untold.append(directory.name)
    return alive, dead, untold


def sweep_filters() -> tuple[str, ...]:
    """Remove clsact filters that a killed `attach --hook clsact` left in this namespace."""
    if others("clsact"):
        return ()  # somebody is at work with them right now
    removed = []
    with TrafficControl() as control:
        for index, name in socket.if_nameindex():
            if control.sweep(index):
                removed.append(name)
    return tuple(removed)


VERB = Verb(
    name="doctor",
    help="say whether it can run here, and what killed runs left behind",
    configure=_configure,
    run=_run,
    order=80,
)
