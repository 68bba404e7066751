"""`sixscope explain CHECK`: what a check asks, what it looks at, what to do when it is broken."""

import argparse

from dataplane.checks import checks
from dataplane.commands.verb import Exit, UsageError, Verb, add_output, print_json
from labs.fault import faults


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="CHECK", help="a check or a fault; all without")
    add_output(parser)


def _run(options: argparse.Namespace) -> int:
    if options.name is None:
        return _list({check.name: check.title for check in checks()}, options)
    texts = {fault.name: (fault.title, fault.doc) for fault in faults().values()}
    texts |= {check.name: (check.title, check.doc) for check in checks()}  # a check goes first
    if options.name not in texts:
        raise UsageError(f"{options.name}: no such check or fault; there are: {', '.join(texts)}")
    title, doc = texts[options.name]
    if options.output == "json":
        print_json({"name": options.name, "title": title, "text": doc.strip()})
        return Exit.HOLDS
    print(f"{options.name}: {title}\n\n{doc.strip()}")
    return Exit.HOLDS


def _list(titles: dict[str, str], options: argparse.Namespace) -> int:
    if options.output == "json":
        print_json(
            {"checks": [{"name": n, "title": t} for n, t in titles.items()]}, dict[str, object]
        )
        return Exit.HOLDS
    width = max(map(len, titles))
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
