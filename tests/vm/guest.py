"""A machine of another kernel: this machine's own files, read-only, under QEMU's software emulation.

The guest's root is the host's root through 9p with a tmpfs above it, so that everything which is
installed here is installed there, and nothing it writes comes back but its command's output.
"""

import lzma
import shlex
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.vm.kernel import Kernel

MODULES = ("virtio_pci", "9pnet_virtio", "9p", "overlay")
MEMORY_MIB = 3072

# The initramfs: load what the root file system needs, put it together, go there.
FIRST = """#!/busybox sh
/busybox mkdir -p /proc /sys /dev /below /above /root
/busybox mount -t proc proc /proc
/busybox mount -t devtmpfs dev /dev
for module in $(/busybox cat /modules); do /busybox insmod /$module || echo "insmod $module failed"; done
/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro root /below
/busybox mount -t tmpfs tmpfs /above
/busybox mkdir /above/upper /above/work
/busybox mount -t overlay -o lowerdir=/below,upperdir=/above/upper,workdir=/above/work root /root
/busybox mount -t tmpfs tmpfs /root/run
/busybox mkdir -p /root/run/guest /root/run/lock /root/lib/modules
/busybox mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288 guest /root/run/guest
exec /busybox switch_root /root /bin/sh /run/guest/init
"""

# Process 1 of the guest. It never ends: the machine is switched off under it.
SECOND = """PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1
export PATH HOME LANG PYTHONDONTWRITEBYTECODE
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm /dev/net
mknod /dev/net/tun c 10 200 # systemd makes it, so that opening it loads the module
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf
mkdir -p /lib/modules/{release}
mount --bind {modules} /lib/modules/{release}
ip link set lo up
{command} >/run/guest/stdout 2>/run/guest/stderr </dev/null
echo $? >/run/guest/status
echo b >/proc/sysrq-trigger
read -r forever </dev/zero
"""


class GuestFailedError(Exception):
    """The machine did not get as far as running its command, or not to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command in the guest left: exit status, output, and the kernel's console."""

    status: int
    stdout: str
    stderr: str
    console: str


def run(kernel: Kernel, *command: str, where: Path, timeout: float = 540) -> Done:
    """Boot a kernel, run a command (argv) in the directory `where`, switch off.

    `timeout` is in seconds, boot included: about 6 s, and everything in the guest is some ten times
    slower than here.
    """
    with tempfile.TemporaryDirectory(prefix="sx-guest-") as place:
        share = Path(place) / "share"
        share.mkdir()
        words = f"(cd {shlex.quote(str(where))} && exec {shlex.join(command)})"
        (share / "init").write_text(
            SECOND.format(
                release=kernel.release, modules=shlex.quote(str(kernel.modules)), command=words
            )
        )
        initramfs = Path(place) / "initramfs"
        initramfs.write_bytes(_archive(_files(kernel)))
        console = Path(place) / "console"
        try:
            subprocess.run(
                _machine(kernel, initramfs, share, console),
                check=True,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=timeout,
            )
        except subprocess.CalledProcessError as failure:
            raise GuestFailedError(
                f"qemu ended {failure.returncode}: {failure.stderr}"
            ) from failure
        except subprocess.TimeoutExpired as failure:
            said = [_text(share / name)[-2000:] for name in ("stdout", "stderr")]
            raise GuestFailedError(
                f"not done in {timeout:.0f} s: {shlex.join(command)}\n{said}\n{_text(console)[-2000:]}"
            ) from failure
        status = _text(share / "status").strip()
        if not status:
            raise GuestFailedError(f"the machine stopped early:\n{_text(console)[-4000:]}")
        return Done(
            status=int(status),
            stdout=_text(share / "stdout"),
            stderr=_text(share / "stderr"),
            console=_text(console),
        )


def _machine(kernel: Kernel, initramfs: Path, share: Path, console: Path) -> list[str]:
    # KVM is not asked for: what counts here is that every machine gives the same result.
    return [
        "qemu-system-x86_64",
        *("-accel", "tcg,thread=multi", "-smp", "2", "-cpu", "max", "-M", "q35"),
        *("-m", str(MEMORY_MIB), "-nic", "none", "-no-reboot"),
        *("-display", "none", "-monitor", "none", "-serial", f"file:{console}"),
        *("-kernel", str(kernel.image), "-initrd", str(initramfs)),
        *("-append", "console=ttyS0 quiet panic=-1 mitigations=off rdinit=/init"),
        *("-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap"),
        *("-virtfs", f"local,path={share},mount_tag=guest,security_model=none"),
    ]


def _files(kernel: Kernel) -> dict[str, bytes]:
    """Return what the initramfs holds: busybox, the init script and modules, dependencies first."""
    busybox = shutil.which("busybox")
    if busybox is None:
        raise FileNotFoundError("busybox")
    order = _load_order(kernel, MODULES)
    files = {"busybox": Path(busybox).read_bytes(), "init": FIRST.encode()}
    files["modules"] = "\n".join(
        f"{Path(name).name.partition('.')[0]}.ko" for name in order
    ).encode()
    for name in order:
        content = (kernel.modules / name).read_bytes()
        if name.endswith(".xz"):
            content = lzma.decompress(content)
        files[f"{Path(name).name.partition('.')[0]}.ko"] = content
    return files


def _load_order(kernel: Kernel, wanted: tuple[str, ...]) -> list[str]:
    """Return paths of modules in an order in which they can be loaded (modules.dep(5))."""
    needs: dict[str, list[str]] = {}
    for line in (kernel.modules / "modules.dep").read_text().splitlines():
        path, _, rest = line.partition(":")
        needs[path] = rest.split()
    by_name = {Path(path).name.partition(".")[0].replace("-", "_"): path for path in needs}
    order: list[str] = []
    for name in wanted:
        if name not in by_name:
            continue  # built in
        # The last one of the list is the one that is needed first.
        for path in [*reversed(needs[by_name[name]]), by_name[name]]:
            if path not in order:
                order.append(path)
    return order


def _archive(files: dict[str, bytes]) -> bytes:
    """Pack an initramfs (the "newc" cpio format: Documentation/driver-api/early-userspace)."""
    entries = [
        *((name, 0o100755, content) for name, content in files.items()),
        ("TRAILER!!!", 0, b""),
    ]
    packed = bytearray()
    for inode, (name, mode, content) in enumerate(entries, start=1):
        numbers = (inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
        packed += b"070701" + b"".join(b"%08X" % number for number in numbers)
        packed += name.encode() + b"\0"
        packed += bytes(-len(packed) % 4)
        packed += content
        packed += bytes(-len(packed) % 4)
    return bytes(packed)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""
