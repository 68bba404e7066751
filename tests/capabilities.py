"""What the machine can do, found out by trying: once per process, and only what a test asks for.

A probe returns None when the capability is there and otherwise the reason why it is not.
"""

import ctypes
import errno
import fcntl
import importlib.util
import os
import platform
import shutil
import struct
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

from dataplane.kernel import netns

ROOT = Path(__file__).resolve().parent.parent
KERNELS = Path(os.environ.get("SIXSCOPE_CACHE", ROOT / ".cache")) / "kernels"

BPF_PROG_LOAD, BPF_PROG_QUERY, BPF_LINK_CREATE = 5, 16, 28
BPF_PROG_TYPE_SCHED_CLS = 3
BPF_TCX_INGRESS, BPF_TCX_EGRESS = 46, 47
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000

NAT_RULESET = """
table ip6 probe {
  chain c { type nat hook postrouting priority 100; ip6 daddr 2001:db8::1 masquerade; }
  chain d { type nat hook prerouting priority -100; ip6 daddr 2001:db8::1 tcp dport 80 dnat to 2001:db8::2; }
}
"""


def bpf(command: int, attributes: bytes, *, room: int = 128) -> bytes:
    """Call bpf(2); return the attributes as the kernel left them, raise OSError when it fails.

    The call's own result (a descriptor, mostly) comes first, as a little-endian 32-bit number.
    """
    number = {"x86_64": 321, "aarch64": 280}[platform.machine()]
    buffer = ctypes.create_string_buffer(attributes, room)
    libc = ctypes.CDLL(None, use_errno=True)
    result = libc.syscall(number, command, ctypes.byref(buffer), room)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return struct.pack("<i", result) + buffer.raw


def load_empty_program() -> int:
    """Load `r0 = 0; exit` as a traffic-control classifier and return its descriptor."""
    instructions = struct.pack("<BBhi", 0xB7, 0, 0, 0) + struct.pack("<BBhi", 0x95, 0, 0, 0)
    code = ctypes.create_string_buffer(instructions)
    licence = ctypes.create_string_buffer(b"GPL")
    attributes = struct.pack(
        "<IIQQ", BPF_PROG_TYPE_SCHED_CLS, 2, ctypes.addressof(code), ctypes.addressof(licence)
    )
    return descriptor(bpf(BPF_PROG_LOAD, attributes))


def descriptor(answer: bytes) -> int:
    """Return the result of a bpf(2) call."""
    return int.from_bytes(answer[:4], "little", signed=True)


def _root() -> str | None:
    return None if os.geteuid() == 0 else f"runs as user {os.geteuid()}"


def _netns() -> str | None:
    name = f"sx-probe-{os.getpid()}"
    netns.create(name)
    netns.remove(name)
    return None


def _bpf() -> str | None:
    if importlib.util.find_spec("bcc") is None:
        return "no module bcc (distribution package python3-bpfcc)"
    os.close(load_empty_program())
    return None


def _tcx() -> str | None:
    def attach_to_loopback() -> None:
        program = load_empty_program()
        try:
            link = struct.pack("<IIII", program, 1, BPF_TCX_INGRESS, 0)
            os.close(descriptor(bpf(BPF_LINK_CREATE, link)))
        finally:
            os.close(program)

    return _inside_new_namespace(attach_to_loopback)


def _btf() -> str | None:
    types = Path("/sys/kernel/btf/vmlinux")
    return None if types.is_file() else f"no {types} (CONFIG_DEBUG_INFO_BTF)"


def _cgroup2() -> str | None:
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    for line in mounts:
        _, where, kind, *_ = line.split()
        if kind == "cgroup2":
            group = Path(where) / f"sx-probe-{os.getpid()}"
            group.mkdir()
            group.rmdir()
            return None
    mount = 'mount -t cgroup2 none /mnt && mkdir "/mnt/$1" && rmdir "/mnt/$1"'
    return _tried("unshare", "--mount", "sh", "-c", mount, "sh", f"sx-probe-{os.getpid()}")


def _nft() -> str | None:
    return _tried("unshare", "--net", "nft", "-f", "-", stdin=NAT_RULESET)


def _tun() -> str | None:
    def open_device() -> None:
        device = os.open("/dev/net/tun", os.O_RDWR)
        try:
            fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", b"t0", IFF_TUN | IFF_NO_PI))
        finally:
            os.close(device)

    return _inside_new_namespace(open_device)


def _inside_new_namespace(function: Callable[[], None]) -> str | None:
    name = f"sx-probe-{os.getpid()}"
    netns.create(name)
    try:
        netns.call(name, function)
    finally:
        netns.remove(name)
    return None


def _tayga() -> str | None:
    return None if shutil.which("tayga") else "no program tayga"


def _vm() -> str | None:
    if shutil.which("busybox") is None:
        return "no program busybox (distribution package busybox-static)"
    return _tried("qemu-system-x86_64", "-accel", "help")


def _kernel61() -> str | None:
    if any(KERNELS.glob("6.1.*/boot/vmlinuz-*")):
        return None
    return (
        f"no unpacked kernel 6.1 in {KERNELS} (`./run test` fetches one where the archive has it)"
    )


def _vagrant() -> str | None:
    if not any(Path("/usr/share").glob("rubygems-integration/*/gems/vagrant-libvirt-*")):
        return "no vagrant with its libvirt provider (distribution package vagrant-libvirt)"
    # Not tried: every call of it writes into the home directory.
    return None if shutil.which("vagrant") else "no program vagrant"


def _debootstrap() -> str | None:
    return _root() or _tried("debootstrap", "--version")


def _grpc() -> str | None:
    lacking = [name for name in ("grpc", "google.protobuf") if not _importable(name)]
    return f"no module {' and '.join(lacking)} (the extra `node`)" if lacking else None


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # its package
        return False


def _containerd() -> str | None:
    for program in ("runc", "busybox", "ctr"):
        if shutil.which(program) is None:
            return f"no program {program}"
    if not any(Path(folder, "ptp").exists() for folder in ("/usr/lib/cni", "/opt/cni/bin")):
        return "no CNI plugins (distribution package containernetworking-plugins)"
    return _tried("containerd", "--version")


def _tried(*command: str, stdin: str = "") -> str | None:
    done = subprocess.run(  # noqa: PLW1510 - the result is the answer
        command, input=stdin, capture_output=True, text=True, timeout=30
    )
    if done.returncode == 0:
        return None
    words = (done.stderr or done.stdout).strip().splitlines() or ["no message"]
    return f"`{' '.join(command[:3])}` ended {done.returncode}: {words[-1]}"


PROBES: dict[str, Callable[[], str | None]] = {
    "root": _root,
    "netns": _netns,
    "bpf": _bpf,
    "tcx": _tcx,
    "btf": _btf,
    "cgroup2": _cgroup2,
    "nft": _nft,
    "tun": _tun,
    "tayga": _tayga,
    "bind": lambda: _tried("named", "-v"),
    "unbound": lambda: _tried("unbound", "-V"),
    "haproxy": lambda: _tried("haproxy", "-v"),
    "nginx": lambda: _tried("nginx", "-v"),
    "tinyproxy": lambda: _tried("tinyproxy", "-v"),
    "radvd": lambda: _tried("radvd", "-c", "-C", "/dev/stdin", stdin="interface lo { };\n"),
    "containerd": _containerd,
    "grpc": _grpc,
    "prometheus": lambda: _tried("promtool", "--version") or _tried("prometheus", "--version"),
    "nfdump": lambda: _tried("nfcapd", "-V") or _tried("nfdump", "-V"),
    "kubernetes-validate": lambda: (
        None
        if _importable("kubernetes_validate")
        else "no module kubernetes_validate (extra `dev`)"
    ),
    "kubectl": lambda: _tried("kubectl", "version", "--client"),
    "dnsmasq": lambda: _tried("dnsmasq", "--test", "-C", "/dev/null"),
    "dhclient": lambda: _tried("dhclient", "--version"),
    "curl": lambda: _tried("curl", "--version"),
    "dig": lambda: _tried("dig", "-v"),
    "ping": lambda: _tried("ping", "-V"),
    "tshark": lambda: _tried("tshark", "--version"),
    "git": lambda: _tried("git", "--version"),
    "shellcheck": lambda: _tried("shellcheck", "--version"),
    "qemu": _vm,
    "kernel61": _kernel61,
    "vagrant": _vagrant,
    "debootstrap": _debootstrap,
}


@cache
def missing(capability: str) -> str | None:
    """Return why the machine lacks a capability, None when it has it."""
    try:
        return PROBES[capability]()
    except OSError as failure:
        name = errno.errorcode.get(failure.errno or 0, "?")
        return f"{failure.strerror or failure} ({name})"
    except subprocess.TimeoutExpired as failure:
        return str(failure)
