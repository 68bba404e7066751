"""One report per file, each with `render(result) -> str`. The package lists its own modules."""

import importlib
import pkgutil
from collections.abc import Callable

from dataplane.model.answer import RunResult

Render = Callable[[RunResult], str]


def reports() -> dict[str, Render]:
    """Return every report's `render` by the report's name (`jsonline`, `junit`, `text`)."""
    modules = {
        module.name: importlib.import_module(f"{__name__}.{module.name}")
        for module in pkgutil.iter_modules(__path__)
    }
    return {name: module.render for name, module in sorted(modules.items())}


def printable(text: str) -> str:
    r"""Return hostile text harmless: what a terminal would obey is written out (`\x1b`, `\u202e`).

    Controls, bidirectional marks, surrogates and spaces other than U+0020 are meant. A backslash is
    doubled, so that what is written out can be told from what was there.
    """
    return "".join(_shown(character) for character in text)


def _shown(character: str) -> str:
    if character == "\\":
        return r"\\"
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
