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
from collections.abc import Callable
from pathlib import Path

from dataplane.kernel import bpfcall, cgroup, netns, process, tun
from dataplane.model.errors import LabFailedError, UnsupportedError

SCHED_CLS, TCX_INGRESS = 3, 46  # linux/bpf.h
LOOPBACK = 1  # the interface index of `lo` in every namespace
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


def btf() -> str | None:
    """Look for the kernel's description of its own types."""
    path = Path("/sys/kernel/btf/vmlinux")
    return None if path.is_file() else f"no {path} (CONFIG_DEBUG_INFO_BTF)"


def cgroup2() -> str | None:
    """Make a group in the cgroup2 hierarchy."""
    group = cgroup.root() / f"sx-probe-{secrets.token_hex(3)}"
    group.mkdir()
    group.rmdir()
    return None


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


def app_armor() -> str | None:
    """Look for AppArmor, which could confine the lab's servers."""
    switch = Path("/sys/module/apparmor/parameters/enabled")
    if not switch.exists() or switch.read_text().strip() != "Y":
        return None
    return "AppArmor is on: profiles of named and unbound are kept out of the way by another path"


def memory() -> str | None:
    """Look for memory enough to compile the programs (about 120 MB resident)."""
    free = shutil.disk_usage("/run").free  # runs keep their files and logs there
    if free < 10_000_000:
        return f"only {free} octets free in /run"
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            available = int(line.split()[1])
            if available < 200_000:
                return f"only {available} kB of memory available"
    return None


def _empty_program() -> int:
    """Load `r0 = -1; exit` as a traffic-control classifier and return its descriptor."""
    instructions = struct.pack("=BBhi", 0xB7, 0, 0, -1) + struct.pack("=BBhi", 0x95, 0, 0, 0)
    code = ctypes.create_string_buffer(instructions)
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = ctypes.create_string_buffer(
        struct.pack("=IIQQ", SCHED_CLS, 2, ctypes.addressof(code), ctypes.addressof(licence)), 128
    )
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
