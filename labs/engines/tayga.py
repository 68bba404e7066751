"""TAYGA: a translator in user space behind a TUN device (tayga(8), tayga.conf(5)).

Stateless by itself: as NAT64 it maps every IPv6 source to an address of its pool, and the gateway
masquerades the pool. As CLAT (RFC 6877) it maps one address to one. It refuses to carry non-global
IPv4 addresses under 64:ff9b::/96 (RFC 6052 section 3.1), and knows no other prefix in ::/8; for the
latter it is put into an annex (`labs.engines.relay`).
"""

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from dataplane.kernel import netlink, netns, tun
from dataplane.kernel.process import Process, find
from dataplane.model.errors import LabFailedError, UnsupportedError
from dataplane.model.topology import TranslatorSpec
from labs.engines import relay
from labs.site import Site

READY = 30.0  # seconds: a busy machine may be slow to start a program; a healthy one needs 0.1
PACKAGE = "tayga"
INNER, INNER_INDEX = "tayga", 2  # TAYGA's device in an annex, where nothing else is
LARGEST_MTU = 65535  # packets meet their MTU at the outer device


@dataclass(frozen=True, slots=True)
class Pair:
    """TAYGA in its annex, with the relay in front of it."""

    tayga: Process
    relay: Process

    @property
    def name(self) -> str:
        """Return TAYGA's name, or the relay's when that is what died."""
        return self.relay.name if self.relay.died else self.tayga.name

    @property
    def died(self) -> bool:
        """Return whether one of the two ended without having been told to."""
        return self.tayga.died or self.relay.died

    async def stop(self) -> None:
        """End both."""
        try:
            await self.relay.stop()
        finally:
            await self.tayga.stop()


class Tayga:
    """The engine `tayga`: the distribution's package of that name."""

    name = "tayga"

    def available(self) -> UnsupportedError | None:
        """Return why it cannot run: the program is missing, or the kernel's TUN driver."""
        try:
            find("tayga", package=PACKAGE)
        except UnsupportedError as missing:
            return missing
        if not tun.DEVICE.exists():
            return UnsupportedError(
                "engine tayga", needs=f"{tun.DEVICE} (kernel module tun)", found="no such device"
            )
        return None

    def annexes(self, spec: TranslatorSpec) -> tuple[str, ...]:
        """Return one annex where TAYGA cannot use the prefix itself."""
        return (f"{spec.namespace}-{spec.kind}",) if relay.refused(spec.prefix) else ()

    def device(self, spec: TranslatorSpec) -> None:
        """Make a persistent TUN device."""
        tun.create(spec.interface, index=spec.index)

    async def start(self, spec: TranslatorSpec, site: Site) -> Process | Pair:
        """Start the program; the device's carrier says that somebody reads it."""
        annexes = self.annexes(spec)
        if not annexes:
            return await _start(spec, site, name=_name(spec))
        (annex,) = annexes
        netns.call(site.namespace(annex), _inner_device)
        inner = replace(spec, namespace=annex, interface=INNER, prefix=relay.stand_in(spec.prefix))
        tayga = await _start(inner, site, name=_name(spec))
        try:
            return Pair(tayga, await _start_relay(spec, inner, site))
        except BaseException:
            await tayga.stop()
            raise


def _name(spec: TranslatorSpec) -> str:
    return f"tayga-{spec.kind}-{spec.namespace}"


async def _start(spec: TranslatorSpec, site: Site, *, name: str) -> Process:
    configuration = site.file(f"{name}.conf")
    configuration.write_text(render(spec))
    # -d keeps it in the foreground with its messages on its own output, not in syslog.
    argv = [find("tayga", package=PACKAGE), "-d", "-c", str(configuration)]
    return await _reading(spec, name, argv, site)


async def _start_relay(spec: TranslatorSpec, inner: TranslatorSpec, site: Site) -> Process:
    argv = [
        *(sys.executable, "-I", "-S", str(Path(relay.__file__))),
        *(spec.interface, str(netns.path(site.namespace(inner.namespace))), inner.interface),
        *(str(spec.prefix.network_address), str(inner.prefix.network_address)),
        str(spec.prefix.prefixlen),
    ]
    return await _reading(spec, f"relay-{spec.kind}-{spec.namespace}", argv, site)


async def _reading(spec: TranslatorSpec, name: str, argv: list[str], site: Site) -> Process:
    """Start a program and wait until it reads the device."""
    place = site.placement(spec.namespace)
    process = await Process.start(name, argv, place, log=site.file(f"{name}.log"))
    try:
        await netlink.carrier(site.namespace(spec.namespace), spec.interface, seconds=READY)
    except TimeoutError as failure:
        error = process.failure(f"did not read {spec.interface} within {READY:g} s")
        await process.stop()
        raise error from failure
    except BaseException:
        await process.stop()
        raise
    return process


def _inner_device() -> None:
    tun.create(INNER, index=INNER_INDEX)
    batch = netlink.Batch()
    batch.up(INNER_INDEX, mtu=LARGEST_MTU)
    batch.apply()


def render(spec: TranslatorSpec) -> str:
    """Return tayga.conf for a translator; LabFailedError when the specification is no translator."""
    lines = [
        f"tun-device {spec.interface}",
        f"prefix {spec.prefix}",
        f"ipv4-addr {spec.translator4}",
    ]
    if spec.translator6 is not None:
        lines.append(f"ipv6-addr {spec.translator6}")
    if spec.pool4 is not None:
        # Without data-dir the mappings end with the program, which is what a lab wants.
        lines.append(f"dynamic-pool {spec.pool4}")
    if spec.address4 is not None and spec.address6 is not None:
        lines.append(f"map {spec.address4} {spec.address6}")
    elif spec.pool4 is None:
        raise LabFailedError(
            spec.namespace,
            f"configuring {spec.interface}",
            stderr="a translator needs a pool (nat64) or a pair of addresses (clat)",
        )
    return "\n".join([*lines, ""])


ENGINE = Tayga()
