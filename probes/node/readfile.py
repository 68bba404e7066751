"""Files of a node that configure a program, and the arguments of one: what they say, if anything."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from dataplane.manifest import read_documents
from dataplane.model.node import Word
from dataplane.model.problem import InvalidInputError

LARGEST = 1 << 20  # octets of a file that is read


def documents(path: Path, called: Path | str) -> Iterator[Word]:
    """Yield what a file of YAML or JSON says; nothing when it is missing, unreadable or something else."""
    with suppress(OSError, ValueError, InvalidInputError):
        with path.open("rb") as file:
            text = file.read(LARGEST + 1).decode()
        for document in read_documents(text, name=str(called)):
            if isinstance(document.value, dict):
                yield Word(where=str(called), content=document.value)


def arguments(words: Iterable[str]) -> dict[str, str]:
    """Return `--name=value` and `--name value` by name; a flag without a value is `true`."""
    given: dict[str, str] = {}
    name = ""
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            given[name] = value or "true"
        elif name and given[name] == "true":
            given[name] = word
    return given
