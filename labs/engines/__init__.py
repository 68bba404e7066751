"""Translator engines: one module each, with an `ENGINE` in it."""

import importlib
import pkgutil

from dataplane.model.errors import UnsupportedError
from labs.engines.seam import Engine


def names() -> tuple[str, ...]:
    """Return the names of all engines: this package's modules that are one."""
    return tuple(sorted(engine.name for engine in _engines()))


def engine(name: str) -> Engine:
    """Return the engine of that name; UnsupportedError when there is none."""
    for candidate in _engines():
        if candidate.name == name:
            return candidate
    raise UnsupportedError(
        f"engine {name}", needs=f"one of {', '.join(names())}", found="no such engine"
    )


def _engines() -> list[Engine]:
    modules = (
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    )
    return [module.ENGINE for module in modules if hasattr(module, "ENGINE")]
