"""`sixscope doctor`: can it run here, what is missing, what did killed runs leave behind."""

import argparse
import socket
from dataclasses import dataclass

from dataplane.commands.verb import (
    Exit,
    Verb,
    add_output,
    add_schema,
    print_json,
    print_schema,
    require_root,
)
from dataplane.kernel import features
from dataplane.kernel.clsact import TrafficControl
from dataplane.kernel.features import Probe
from dataplane.kernel.presence import others
from labs.claim import is_alive
from labs.site import RUNS
from labs.sweep import Swept, sweep

# What a lab cannot do without, what it can, each with what goes missing with it.
LEASED = "scenarios with node_addresses: leased"
NEEDED: dict[str, tuple[Probe, str]] = {
    "root": (features.root, "nothing works without"),
    "network namespaces": (features.network_namespaces, "the lab is made of them"),
    "bcc": (features.bcc, "every probe is compiled by it"),
    "eBPF programs": (features.bpf, "every probe is one"),
    "nft": (features.nft, "services and masquerading"),
    "TUN devices": (features.tun_devices, "the translator tayga"),
    "tayga": (features.program("tayga", "tayga"), "the translator"),
    "named": (features.program("named", "bind9"), "the lab's name servers"),
}
WELCOME: dict[str, tuple[Probe, str]] = {
    "TCX": (features.tcx, "clsact is used instead; attach watches at raw tracepoints"),
    "cgroup2": (features.cgroup2, "no pod is known by its control group; connects are unknown"),
    "BTF": (features.btf, "attach --mode zero-touch"),
    "unbound": (features.program("unbound", "unbound"), "the scenario unbound"),
    "haproxy": (features.program("haproxy", "haproxy"), "scenarios with an ingress"),
    "tinyproxy": (features.program("tinyproxy", "tinyproxy"), "scenarios with an egress proxy"),
    "nginx": (features.program("nginx", "nginx"), "scenarios with an ingress"),
    "radvd": (features.program("radvd", "radvd"), "scenarios with default_routes: advertised"),
    "dnsmasq": (features.program("dnsmasq", "dnsmasq-base"), LEASED),
    "dhclient": (features.program("dhclient", "isc-dhcp-client"), LEASED),
    "memory": (features.memory, "compiling may be killed"),
    "AppArmor": (features.app_armor, "servers run from another path"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One thing that was tried: whether it is there, whether a lab needs it, what hangs on it."""

    name: str
    there: bool
    needed: bool
    reason: str
    without: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The JSON object of `sixscope doctor`: `alive` runs, `left_behind` ones, those just `swept`.

    Of `untold` runs only root can say which they are.
    """

    able: bool
    features: tuple[Feature, ...]
    alive: tuple[str, ...]
    left_behind: tuple[str, ...]
    untold: tuple[str, ...]
    swept: tuple[Swept, ...]
    filters_removed: tuple[str, ...]


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sweep", action="store_true", help="remove what killed runs left behind")
    add_output(parser)
    add_schema(parser)


def _run(options: argparse.Namespace) -> int:
    if options.schema:
        return print_schema(Diagnosis)
    if options.sweep:
        require_root("sweeping")
    tried = (*_try(NEEDED, needed=True), *_try(WELCOME, needed=False))
    swept = sweep().swept if options.sweep else ()
    alive, left_behind, untold = _runs()
    diagnosis = Diagnosis(
        able=all(feature.there for feature in tried if feature.needed),
        features=tried,
        alive=tuple(alive),
        left_behind=tuple(left_behind),
        untold=tuple(untold),
        swept=swept,
        filters_removed=_sweep_filters() if options.sweep else (),
    )
    if options.output == "json":
        print_json(diagnosis)
    else:
        _print(diagnosis)
    return Exit.HOLDS if diagnosis.able else Exit.REFUSED


def _try(probes: dict[str, tuple[Probe, str]], *, needed: bool) -> list[Feature]:
    found = []
    for name, (probe, without) in probes.items():
        reason = features.missing(probe)
        found.append(
            Feature(
                name=name, there=reason is None, needed=needed, reason=reason or "", without=without
            )
        )
    return found


def _runs() -> tuple[list[str], list[str], list[str]]:
    """Return the runs whose owner lives, those whose owner was killed, and those not to be told."""
    alive: list[str] = []
    dead: list[str] = []
    untold: list[str] = []
    for directory in sorted(RUNS.iterdir()) if RUNS.is_dir() else []:
        try:
            (alive if is_alive(directory) else dead).append(directory.name)
        except PermissionError:
            untold.append(directory.name)
    return alive, dead, untold


def _sweep_filters() -> tuple[str, ...]:
    """Remove clsact filters that a killed `attach --hook clsact` left in this namespace."""
    if others("clsact"):
        return ()  # somebody is at work with them right now
    removed = []
    with TrafficControl() as control:
        for index, name in socket.if_nameindex():
            if control.sweep(index):
                removed.append(name)
    return tuple(removed)


def _print(diagnosis: Diagnosis) -> None:
    for feature in diagnosis.features:
        mark = "yes" if feature.there else "NO " if feature.needed else "no "
        why = "" if feature.there else f"  {feature.reason}  (without: {feature.without})"
        print(f"{mark}  {feature.name:<20}{why}".rstrip())
    print("\nA lab can run here." if diagnosis.able else "\nA lab cannot run here.")
    if diagnosis.alive:
        print(f"Running: {', '.join(diagnosis.alive)}")
    if diagnosis.untold:
        print(f"Alive or left behind, only root can tell: {', '.join(diagnosis.untold)}")
    if diagnosis.left_behind:
        names = ", ".join(diagnosis.left_behind)
        print(f"Left behind by killed runs: {names}; `sixscope doctor --sweep` removes it")
    if diagnosis.filters_removed:
        print(f"Filters removed from {', '.join(diagnosis.filters_removed)}")
    for gone in diagnosis.swept:
        print(f"Swept {gone.run}: {len(gone.namespaces)} namespaces, {gone.processes} processes")


VERB = Verb(
    name="doctor",
    help="say whether it can run here, and what killed runs left behind",
    configure=_configure,
    run=_run,
    order=80,
)
