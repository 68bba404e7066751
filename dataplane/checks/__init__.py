"""One check per file, each ending in `CHECK = Check(...)`.

The package lists its own modules: a new file is a new check. What several checks stand on is in
the subpackage `ground`.
"""

import importlib
import pkgutil

from dataplane.model.view import Check


def checks() -> tuple[Check, ...]:
    """Return every check, by name.

    TypeError when a module of this package does not end in a `CHECK` of type Check.
    """
    found: list[Check] = []
    for module in pkgutil.iter_modules(__path__):
        if module.ispkg:
            continue
        name = f"{__name__}.{module.name}"
        check = getattr(importlib.import_module(name), "CHECK", None)
        if not isinstance(check, Check):
            raise TypeError(f"{name}: a check file ends in CHECK = Check(...); found {check!r}")
        found.append(check)
    return tuple(sorted(found, key=lambda check: check.name))
