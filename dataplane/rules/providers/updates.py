"""What may not change once it is set: `apivalidation.ValidateImmutableField`."""

from dataplane.model.problem import Problem, Source
from dataplane.rules.fielderror import invalid


def immutable(path: str, new: object, old: object) -> list[Problem]:
    """Check that a field is as it was."""
    if new == old:
        return []
    remedy = "put back what was there; the cluster would have to be made anew"
    return [invalid(path, new, "field is immutable", source=Source.PROVIDER, remedy=remedy)]
