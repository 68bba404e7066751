"""`spec.networking` of a Shoot as an object of its own: `pkg/api/core/validation/shoot.go`."""

from collections.abc import Sequence
from re import compile as regex
from typing import NamedTuple

from dataplane.model.address import Family, Network
from dataplane.model.problem import Problem
from dataplane.rules.fielderror import forbidden, invalid, required
from dataplane.rules.gardener import cidrs

PODS_V4, SERVICES_V4 = "100.96.0.0/11", "100.64.0.0/13"  # v1beta1constants.Default*NetworkCIDR
NODES_V4 = "10.250.0.0/16"  # the habit of Gardener's documentation and local set-up
KINDS = ("nodes", "pods", "services")  # upstream's order of errors
STATUS = (*KINDS, "egressCIDRs")
_LABEL_NAME = regex(
    r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?"
)  # IsQualifiedName, after the prefix


class Range(NamedTuple):
    """One of a Shoot's ranges: `kind` is nodes, pods or services, `text` is how it is written."""

    path: str
    kind: str
    text: str
    network: Network

    @property
    def noun(self) -> str:
        """Return the word for it in upstream's errors: node, pod or service."""
        return self.kind.removesuffix("s")


def networking_required(path: str) -> Problem:
    """Return the error for a Shoot with workers and no networking section."""
    detail = "networking should not be nil for a Shoot with workers"
    remedy = "add spec.networking with type, pods, nodes, services and ipFamilies"
    return required(path, detail, remedy=remedy)


def network_type(path: str, value: str | None, *, profile: str = "current") -> list[Problem]:
    """Check `type`, the name of the networking extension; it becomes part of a label.

    The first release with GEP-21 did not care what a label may be called.
    """
    if not value:
        detail = "networking type must be provided"
        return [required(path, detail, remedy="name the network plugin: calico or cilium")]
    if profile != "gep21" and (len(value) > 63 or not _LABEL_NAME.fullmatch(value)):
        detail = "type must be a valid label name"
        remedy = "at most 63 letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
        return [invalid(path, value, detail, remedy=remedy)]
    return []


def workerless(path: str) -> Problem:
    """Return the error for a field that needs nodes in a Shoot that has none."""
    return forbidden(
        path,
        "this field should not be set for workerless Shoot clusters",
        remedy="add spec.provider.workers, or leave this field out",
    )


def range_of(
    path: str, kind: str, text: str, families: Sequence[Family]
) -> tuple[Range | None, list[Problem]]:
    """Read one range: it must parse, be of the only family there is, and have no host bits."""
    value, problems = cidrs.parse(path, text)
    if value is None:
        return None, problems
    problems += cidrs.family(path, value, families)
    problems += cidrs.canonical(path, text, value)
    return Range(path, kind, text, value.network), problems


def status(path: str, ranges: Sequence[str]) -> list[Problem]:
    """Check a list of `status.networking`: CIDRs of any family without host bits."""
    problems = []
    for index, text in enumerate(ranges):
        where = f"{path}[{index}]"
        value, found = cidrs.parse(where, text)
        problems += found
        if value is not None:
            problems += cidrs.canonical(where, text, value)
    return problems
