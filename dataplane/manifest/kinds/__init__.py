"""The kinds of objects that can be judged; a module of this package ends in `KIND = Kind(...)`.

A module with several kinds of one API group ends in `KINDS = (Kind(...), ...)`.
"""

from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from dataplane.manifest.case import Kind


@cache
def kinds() -> tuple[Kind, ...]:
    """Return every kind there is."""
    found: list[Kind] = []
    for info in iter_modules(__path__):
        module = import_module(f"{__name__}.{info.name}")
        found += getattr(module, "KINDS", None) or (module.KIND,)
    return tuple(found)


def kind(name: str, api_version: str | None = None) -> Kind | None:
    """Return the kind of that name, None when there is none.

    Where an apiVersion is given, its group has to fit; without one the name alone decides.
    """
    group = (api_version or "").rpartition("/")[0]
    for found in kinds():
        if found.name == name and (not api_version or not found.groups or group in found.groups):
            return found
    return None
