"""No translator: the device is there and nobody reads it, as after a translator's crash."""

from dataclasses import dataclass

from dataplane.kernel import tun
from dataplane.model.errors import UnsupportedError
from dataplane.model.topology import TranslatorSpec
from labs.site import Site


@dataclass(frozen=True, slots=True, kw_only=True)
class Nobody:
    """What runs when nothing runs."""

    name: str
    died: bool = False

    async def stop(self) -> None:
        """There is nothing to end."""


class Nothing:
    """The engine `none`, which faults put in place of a real one."""

    name = "none"

    def available(self) -> UnsupportedError | None:
        """Return None: it can be had everywhere."""
        return None

    def annexes(self, _spec: TranslatorSpec) -> tuple[str, ...]:
        """Return nothing: it wants no namespaces of its own."""
        return ()

    def device(self, spec: TranslatorSpec) -> None:
        """Make the persistent TUN device that the routes lead to."""
        tun.create(spec.interface, index=spec.index)

    async def start(self, spec: TranslatorSpec, _site: Site) -> Nobody:
        """Start nothing."""
        return Nobody(name=f"none-{spec.kind}-{spec.namespace}")


ENGINE = Nothing()
