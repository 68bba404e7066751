"""DNS64 servers: one module each, with a `SERVER` in it."""

import importlib
import pkgutil

from dataplane.model.errors import UnsupportedError
from labs.dns64.seam import Server


def names() -> tuple[str, ...]:
    """Return the names of all servers: this package's modules that are one."""
    return tuple(sorted(server.name for server in _servers()))


def server(name: str) -> Server:
    """Return the server of that name; UnsupportedError when there is none."""
    for candidate in _servers():
        if candidate.name == name:
            return candidate
    raise UnsupportedError(
        f"DNS64 server {name}", needs=f"one of {', '.join(names())}", found="no such server"
    )


def _servers() -> list[Server]:
    modules = (
        importlib.import_module(f"{__name__}.{m.name}") for m in pkgutil.iter_modules(__path__)
    )
    return [module.SERVER for module in modules if hasattr(module, "SERVER")]
