"""`sixscope explain CHECK`: what a check asks, what it looks at, what to do when it is broken."""

import argparse

from dataplane.checks import checks
from dataplane.commands.verb import Exit, UsageError, Verb, add_output, print_json
from dataplane.model.nearest import suggest
from labs.fault import faults


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="CHECK", help="a check or a fault; all without")
    add_output(parser)


def _run(options: argparse.Namespace) -> int:
    if options.name is None:
        return _list(
            {
                "checks": {check.name: check.title for check in checks()},
                "faults": {fault.name: fault.title for fault in faults().values()},
            },
            options,
        )
    texts = {fault.name: (fault.title, fault.doc) for fault in faults().values()}
    texts |= {check.name: (check.title, check.doc) for check in checks()}  # a check goes first
    if options.name not in texts:
        advice = suggest(options.name, texts, listing="sixscope explain")
        raise UsageError(f"{options.name}: no such check or fault; {advice}")
    title, doc = texts[options.name]
    if options.output == "json":
        print_json({"name": options.name, "title": title, "text": doc.strip()})
        return Exit.HOLDS
    print(f"{options.name}: {title}\n\n{doc.strip()}")
    return Exit.HOLDS


def _list(kinds: dict[str, dict[str, str]], options: argparse.Namespace) -> int:
    if options.output == "json":
        lists = {
            kind: [{"name": name, "title": title} for name, title in titles.items()]
            for kind, titles in kinds.items()
        }
        print_json(lists, dict[str, object])
        return Exit.HOLDS
    width = max(len(name) for titles in kinds.values() for name in titles)
    for place, (kind, titles) in enumerate(kinds.items()):
        print(f"{chr(10) if place else ''}{kind.upper()}")
        for name, title in titles.items():
            print(f"{name:<{width}}  {title}")
    return Exit.HOLDS


VERB = Verb(
    name="explain",
    help="say what a check means and what to do when it is broken",
    configure=_configure,
    run=_run,
    order=70,
)
