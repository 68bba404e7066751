"""`sixscope build-programs`: compile the probes' programs for machines without a compiler."""

import argparse
from pathlib import Path

from dataplane.commands.verb import Exit, UsageError, Verb, require_root
from dataplane.kernel import bpf, built
from probes.programs import recipes


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("directory", type=Path, metavar="DIR", help="where to put them")


def _run(options: argparse.Namespace) -> int:
    require_root("build-programs")
    directory: Path = options.directory
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as failure:
        raise UsageError(
            f"{directory}: {failure.strerror}; name a directory to write to"
        ) from failure
    for recipe in recipes():
        made = bpf.build(recipe)
        path = built.write(recipe, made, directory)
        print(f"{path}  {', '.join(made.programs)}")
    return Exit.HOLDS


VERB = Verb(
    name="build-programs",
    help="compile the probes' programs for machines without a compiler",
    description="Compile the programs of all probes and write them to a directory: their instructions, and\n"
    f"what maps they need. With {built.VARIABLE}=DIR they are loaded from there on any machine, also\n"
    "where BCC is not, or has not the memory to compile. Programs that have changed since are not.",
    configure=_configure,
    run=_run,
    order=97,
)
