"""What the lab asks of a translator engine."""

from typing import Protocol

from dataplane.model.errors import UnsupportedError
from dataplane.model.topology import TranslatorSpec
from labs.site import Site


class Running(Protocol):
    """A program of the lab at work."""

    @property
    def name(self) -> str:
        """Return the name under which the lab reports it."""

    @property
    def died(self) -> bool:
        """Return whether it ended without having been told to."""

    async def stop(self) -> None:
        """End it."""


class Engine(Protocol):
    """A way to translate (RFC 7915, RFC 6146): makes the device first, then puts life into it.

    Addresses, routes and probes are put on the device between the two, by the lab.
    """

    @property
    def name(self) -> str:
        """Return what `TranslatorSpec.engine` calls it."""

    def available(self) -> UnsupportedError | None:
        """Return why this machine cannot run it, None when it can."""

    def annexes(self, spec: TranslatorSpec) -> tuple[str, ...]:
        """Return the names of namespaces that the engine wants for itself; the lab makes them."""

    def device(self, spec: TranslatorSpec) -> None:
        """Make `spec.interface` with index `spec.index` in the calling thread's namespace."""

    async def start(self, spec: TranslatorSpec, site: Site) -> Running:
        """Start translating; returns when the first packet would be translated."""
