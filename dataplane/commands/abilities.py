"""What is tried on a machine: what a lab needs, what is welcome, what goes missing without, what to do."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from dataplane.kernel import features
from dataplane.kernel.features import Probe

LEASED = "scenarios with node_addresses: leased"
AS_ROOT = "run it with sudo, and ask again"
REFUSED = ("EACCES", "EPERM", "not permitted", "Permission denied")
PRIVILEGED = "in a container: run it privileged, or on the host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """One thing to try. `note` says more where it is there."""

    name: str
    probe: Probe
    without: str
    remedy: str
    needed: bool = False
    note: Callable[[], str] = str


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One thing that was tried: whether it is there, whether a lab needs it, what hangs on it.

    `reason` is why it is not there, `remedy` what to do about that; `note` says more where it is.
    """

    name: str
    there: bool
    needed: bool
    reason: str
    without: str
    remedy: str = ""
    note: str = ""


def _package(name: str, package: str, without: str, *, needed: bool = False) -> Ability:
    return Ability(
        name=name,
        probe=features.program(name, package),
        without=without,
        remedy=f"apt-get install --no-install-recommends {package}",
        needed=needed,
    )


ABILITIES: tuple[Ability, ...] = (
    Ability(
        name="root",
        probe=features.root,
        without="nothing works without",
        remedy="run it with sudo",
        needed=True,
    ),
    Ability(
        name="network namespaces",
        probe=features.network_namespaces,
        without="the lab is made of them",
        remedy=PRIVILEGED,
        needed=True,
    ),
    Ability(
        name="bcc",
        probe=features.bcc,
        without="every probe is compiled by it",
        remedy="apt-get install python3-bpfcc, and a virtual environment with --system-site-packages",
        needed=True,
    ),
    Ability(
        name="eBPF programs",
        probe=features.bpf,
        without="every probe is one",
        remedy=f"a kernel with CONFIG_BPF_SYSCALL; {PRIVILEGED}",
        needed=True,
    ),
    Ability(
        name="nft",
        probe=features.nft,
        without="services and masquerading",
        remedy="apt-get install nftables; modprobe nft_chain_nat nft_masq",
        needed=True,
    ),
    Ability(
        name="TUN devices",
        probe=features.tun_devices,
        without="the translator tayga",
        remedy="modprobe tun; in a container: give it /dev/net/tun",
        needed=True,
    ),
    _package("tayga", "tayga", "the translator", needed=True),
    _package("named", "bind9", "the lab's name servers", needed=True),
    Ability(
        name="TCX",
        probe=features.tcx,
        without="clsact is used instead; attach watches at raw tracepoints",
        remedy="Linux 6.6 or newer has it; nothing has to be done for attach",
    ),
    Ability(
        name="cgroup2",
        probe=features.cgroup2,
        without="no pod is known by its control group; connects are unknown",
        remedy=f"mount the version 2 hierarchy; {PRIVILEGED}",
    ),
    Ability(
        name="cgroup programs",
        probe=features.cgroup_programs,
        without="nobody sees who tried to connect: connects are unknown",
        remedy="Linux 5.7 or newer with CONFIG_CGROUP_BPF",
    ),
    Ability(
        name="raw tracepoints",
        probe=features.raw_tracepoints,
        without="attach --mode zero-touch, drops, and errors of sockets",
        remedy="Linux 4.17 or newer with CONFIG_TRACEPOINTS",
    ),
    Ability(
        name="BTF",
        probe=features.btf,
        without="attach --mode zero-touch, drops, and errors of sockets",
        remedy="a kernel with CONFIG_DEBUG_INFO_BTF",
    ),
    Ability(
        name="lockdown",
        probe=features.lockdown,
        without="attach --mode zero-touch, drops, and errors of sockets; --mode tc works",
        remedy="boot with lockdown=integrity, which refuses nothing that sixscope does",
        note=features.lockdown_note,
    ),
    _package("unbound", "unbound", "the scenario unbound"),
    _package("haproxy", "haproxy", "scenarios with an ingress"),
    _package("tinyproxy", "tinyproxy", "scenarios with an egress proxy"),
    _package("nginx", "nginx", "scenarios with an ingress"),
    _package("radvd", "radvd", "scenarios with default_routes: advertised"),
    _package("dnsmasq", "dnsmasq-base", LEASED),
    _package("dhclient", "isc-dhcp-client", LEASED),
    Ability(
        name="memory",
        probe=features.memory,
        without="compiling may be killed",
        remedy="raise the memory limit of the container or service to 320 MiB or more",
        note=features.memory_note,
    ),
    Ability(
        name="AppArmor",
        probe=features.app_armor,
        without="servers of the lab are refused their files, and mounts",
        remedy="in a container: appArmorProfile Unconfined; otherwise aa-complain PROFILE while it runs",
        note=features.app_armor_note,
    ),
)


def tried() -> Iterator[Feature]:
    """Try everything, one after the other: about a second."""
    asked_as_root = features.missing(features.root) is None
    for ability in ABILITIES:
        reason = features.missing(ability.probe)
        remedy = ability.remedy
        if reason is not None and not asked_as_root and any(word in reason for word in REFUSED):
            remedy = AS_ROOT
        yield Feature(
            name=ability.name,
            there=reason is None,
            needed=ability.needed,
            reason=reason or "",
            without=ability.without,
            remedy="" if reason is None else remedy,
            note=ability.note() if reason is None else "",
        )
