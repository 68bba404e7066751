"""Where a cloud model decides how prefixes are handed out; one file per model.

A model is a module here with `assign(request) -> Addressing`, called like the provider type of the
manifest or chosen by name; a provider without a file of its own is planned as `local`. What models
have in common is in `ground`.
"""

from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, cast

from dataplane.model.address import Address, Network
from dataplane.model.cloud import Allocator, CloudPlan, PodPool
from dataplane.model.cluster import Cluster
from dataplane.model.infrastructure import Infrastructure
from dataplane.model.problem import Problem
from dataplane.planning.space import Space


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a model is asked: addresses for `nodes` nodes of a cluster.

    `space` knows every range of the manifest; the model takes from it what it hands out.
    `allocator` None leaves the choice to the keywords and to the model.
    """

    cluster: Cluster
    nodes: int
    seed: int
    space: Space
    allocator: Allocator | None = None
    infrastructure: Infrastructure = field(default_factory=Infrastructure)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addressing:
    """A model's answer: ranges (primary family first), and per node its addresses and pod prefixes.

    `pools` has one entry per pod range, in the same order. `vm_prefix` is the length of the IPv6
    prefix that the infrastructure gives to a VM, None where it gives addresses.
    """

    node_ranges: tuple[Network, ...]
    pod_ranges: tuple[Network, ...]
    service_ranges: tuple[Network, ...]
    node_addresses: tuple[tuple[Address, ...], ...]
    pod_prefixes: tuple[tuple[Network, ...], ...]
    pools: tuple[PodPool, ...] = ()
    cloud: CloudPlan = field(default_factory=CloudPlan)
    vm_prefix: int | None = None
    advice: tuple[Problem, ...] = ()


class Cloud(Protocol):
    """What a module of this package offers."""

    def assign(self, request: Request) -> Addressing:
        """Return the addressing; InvalidInputError when the ranges cannot serve the nodes."""


def names() -> tuple[str, ...]:
    """Return the models there are."""
    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.ispkg))


def model(provider: str) -> Cloud:
    """Return the model of a provider, `local` when it has none."""
    name = provider if provider in names() else "local"
    return cast("Cloud", import_module(f"{__name__}.{name}"))
