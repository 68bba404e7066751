"""What this machine can do, found out by trying, never by comparing versions.

Every probe returns None when the feature is there, and otherwise the reason why it is not. Probes
make what they need in namespaces of their own, and take it away again.
"""

import ctypes
import errno
import importlib.util
import os
import secrets
import shutil
import struct
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from dataplane.kernel import bpfcall, cgroup, limits, netns, process, tun
from dataplane.model.errors import LabFailedError, UnsupportedError

# linux/bpf.h: types of programs, and where they may go
SCHED_CLS, RAW_TRACEPOINT, CGROUP_SOCK_ADDR = 3, 17, 18
INET6_CONNECT, TCX_INGRESS = 11, 46
POINT = "netif_receive_skb"
LOOPBACK = 1  # the interface index of `lo` in every namespace
# At most resident while `attach` compiles its four files; 249 MB were measured.
NEEDED_MEMORY = 280_000_000
ENFORCE = "enforce"
UNMOVED = {"nft", "tayga"}  # programs of the lab that run from where the distribution has them
SERVERS = {"named", "unbound", "haproxy", "tinyproxy", "nginx", "radvd", "dnsmasq", "dhclient"}
RULESET = """
table ip6 probe {
  chain masquerading { type nat hook postrouting priority 100; ip6 daddr 2001:db8::1 masquerade; }
  chain services { type nat hook prerouting priority -100; ip6 daddr 2001:db8::1 tcp dport 80 dnat to 2001:db8::2; }
}
"""

Probe = Callable[[], str | None]


def missing(probe: Probe) -> str | None:
    """Run a probe; whatever it fails with is the reason."""
    try:
        return probe()
    except (UnsupportedError, LabFailedError, subprocess.TimeoutExpired) as failure:
        return str(failure)
    except OSError as failure:
        name = errno.errorcode.get(failure.errno or 0, "?")
        return f"{failure.strerror or failure} ({name})"


def root() -> str | None:
    """Try to be root."""
    return None if os.geteuid() == 0 else f"user id {os.geteuid()}; try sudo"


def network_namespaces() -> str | None:
    """Make a network namespace and give it a name."""
    return _in_new_namespace(lambda: None)


def bcc() -> str | None:
    """Look for the distribution's BCC (PyPI's project of that name is something else)."""
    if importlib.util.find_spec("bcc") is None:
        return "no module bcc: install the distribution's python3-bpfcc, use a venv that sees it"
    return None


def bpf() -> str | None:
    """Load an eBPF program."""
    os.close(_empty_program())
    return None


def tcx() -> str | None:
    """Attach a program by a TCX link (Linux 6.6)."""

    def attach() -> None:
        program = _empty_program()
        try:
            os.close(bpfcall.link(program, LOOPBACK, TCX_INGRESS))
        finally:
            os.close(program)

    return _in_new_namespace(attach)


def raw_tracepoints() -> str | None:
    """Attach a program that does nothing to a raw tracepoint, for a moment (Linux 4.17)."""
    program = _empty_program(RAW_TRACEPOINT)
    try:
        os.close(bpfcall.raw_tracepoint(program, POINT))
    finally:
        os.close(program)
    return None


def btf() -> str | None:
    """Look for the kernel's description of its own types."""
    path = Path("/sys/kernel/btf/vmlinux")
    return None if path.is_file() else f"no {path} (CONFIG_DEBUG_INFO_BTF)"


def cgroup2() -> str | None:
    """Make a group in the cgroup2 hierarchy."""
    with _group():
        return None


def cgroup_programs() -> str | None:
    """Link a program to a control group of its own (Linux 5.7, CONFIG_CGROUP_BPF)."""
    with _group() as group:
        program = _empty_program(CGROUP_SOCK_ADDR, hook=INET6_CONNECT)
        directory = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.close(bpfcall.link(program, directory, INET6_CONNECT))
        finally:
            os.close(directory)
            os.close(program)
    return None


@contextmanager
def _group() -> Iterator[Path]:
    """Make a control group for a moment."""
    group = cgroup.root() / f"sx-probe-{secrets.token_hex(3)}"
    group.mkdir()
    try:
        yield group
    finally:
        group.rmdir()


def nft() -> str | None:
    """Load what the lab's services need of nftables: IPv6 DNAT and masquerading."""
    program = process.find("nft", package="nftables")
    return _in_new_namespace(
        lambda: subprocess.run(
            [program, "-f", "-"], input=RULESET, text=True, check=True, capture_output=True
        )
    )


def tun_devices() -> str | None:
    """Make a TUN device."""
    if not tun.DEVICE.exists():
        return f"no {tun.DEVICE} (kernel module tun)"
    return _in_new_namespace(lambda: tun.create("probe", index=1000))


def program(name: str, package: str) -> Probe:
    """Return a probe for a program of the distribution."""

    def find() -> str | None:
        process.find(name, package=package)
        return None

    return find


def app_armor(root: Path = limits.ROOT) -> str | None:
    """Look for AppArmor profiles that refuse what a lab does: this process', those of its programs.

    Servers are started under a path that no profile names; `UNMOVED` run from where they are.
    """
    profile, mode = limits.confined(root)
    if mode == ENFORCE:
        return (
            f"this process runs under the AppArmor profile {profile}, and so would all its servers"
        )
    with suppress(PermissionError):
        loaded = limits.profiles(root)
        if refusing := [name for name in _enforced(loaded) if Path(name).name in UNMOVED]:
            return f"AppArmor enforces a profile of {', '.join(refusing)}"
    return None


def app_armor_note(root: Path = limits.ROOT) -> str:
    """Tell which profiles are enforced for servers of the lab, and do not matter."""
    try:
        loaded = limits.profiles(root)
    except PermissionError:
        return "which profiles there are only root can tell"
    known = [name for name in _enforced(loaded) if Path(name).name in SERVERS]
    if not known:
        return "not in the way (no server of the lab has an enforced profile)"
    return f"enforced for {', '.join(known)}: the lab starts them under another path, which it does not name"


def _enforced(loaded: Mapping[str, str]) -> list[str]:
    return sorted(name for name, mode in loaded.items() if mode == ENFORCE)


def lockdown(root: Path = limits.ROOT) -> str | None:
    """Look whether programs may read the kernel's memory, as those at raw tracepoints do."""
    if limits.lockdown(root) == limits.CONFIDENTIALITY:
        return "lockdown=confidentiality: no program may read the kernel's memory"
    return None


def lockdown_note(root: Path = limits.ROOT) -> str:
    """Tell the mode, which refuses nothing that is done here."""
    return f"not in the way (mode {limits.lockdown(root)})"


def memory(root: Path = limits.ROOT) -> str | None:
    """Look for memory enough to compile the programs (`NEEDED_MEMORY`), and room for a run's files."""
    free = shutil.disk_usage(root / "run").free  # runs keep their files and logs there
    if free < 10_000_000:
        return f"only {free} octets free in /run"
    bound = limits.memory_limit(root)
    if bound is not None and bound.room < NEEDED_MEMORY:
        return (
            f"{bound.group} allows {_mega(bound.limit)} and has {_mega(bound.room)} left; compiling the "
            f"programs takes {_mega(NEEDED_MEMORY)}, and the kernel would kill it"
        )
    for line in (root / "proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1]) * 1024
            if available < NEEDED_MEMORY:
                return f"only {_mega(available)} of memory available, {_mega(NEEDED_MEMORY)} are needed"
    return None


def memory_note(root: Path = limits.ROOT) -> str:
    """Tell how much the tightest limit of the own control groups leaves."""
    bound = limits.memory_limit(root)
    if bound is None:
        return "no limit"
    return f"{bound.group} has {_mega(bound.room)} of {_mega(bound.limit)} left"


def _mega(octets: int) -> str:
    return f"{octets / 1_000_000:.0f} MB"


def _empty_program(kind: int = SCHED_CLS, *, hook: int = 0) -> int:
    """Load `r0 = 1; exit` (of a classifier, -1: next) and return its descriptor.

    `hook` is where it may go, for the types that have to say so (`expected_attach_type`).
    """
    result = -1 if kind == SCHED_CLS else 1
    instructions = struct.pack("=BBhi", 0xB7, 0, 0, result) + struct.pack("=BBhi", 0x95, 0, 0, 0)
    code = ctypes.create_string_buffer(instructions)
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = ctypes.create_string_buffer(
        struct.pack("=IIQQ", kind, 2, ctypes.addressof(code), ctypes.addressof(licence)), 128
    )
    struct.pack_into("=I", attributes, 68, hook)
    return bpfcall.call(bpfcall.Command.PROG_LOAD, attributes)


def _in_new_namespace(function: Callable[[], object]) -> str | None:
    name = f"sx-probe-{secrets.token_hex(3)}"
    netns.create(name)
    try:
        netns.call(name, function)
    except subprocess.CalledProcessError as failure:
        words = (failure.stderr or failure.stdout or "no message").strip().splitlines()
        return words[-1]
    finally:
        netns.remove(name)
    return None
