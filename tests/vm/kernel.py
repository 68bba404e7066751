"""Kernels to boot in QEMU: fetched from the distribution's archive and unpacked, never installed.

`python -m tests.vm.kernel` fetches what is missing; each lies in `.cache/kernels/RELEASE/` with the
paths that the package has (`boot/vmlinuz-RELEASE`, `lib/modules/RELEASE`).
"""

import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.capabilities import KERNELS

# The generic flavour: Debian's cloud kernels have no 9p.
PACKAGE = re.compile(r"linux-image-(?P<release>(?P<series>\d+\.\d+)\.\d+-(?P<build>\d+)-amd64)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """An unpacked kernel; `release` is what `uname -r` says in it."""

    release: str
    tree: Path

    @property
    def image(self) -> Path:
        """Return the bootable image."""
        return self.tree / "boot" / f"vmlinuz-{self.release}"

    @property
    def modules(self) -> Path:
        """Return the directory that belongs at /lib/modules/RELEASE."""
        return self.tree / "lib" / "modules" / self.release


def unpacked(series: str) -> Kernel | None:
    """Return the newest unpacked kernel of a series such as "6.1", None when there is none."""
    found = [
        (int(match["build"]), tree)
        for tree in KERNELS.glob(f"{series}.*")
        if (match := PACKAGE.fullmatch(f"linux-image-{tree.name}"))
    ]
    if not found:
        return None
    _, tree = max(found)
    return Kernel(release=tree.name, tree=tree)


def fetch(series: str) -> Kernel | None:
    """Return a kernel of a series, fetched if there is none yet; None when the archive has none."""
    kernel = unpacked(series)
    if kernel is not None:
        return kernel
    names = _packages(series)
    if not names:
        _run("apt-get", "-qq", "update")
        names = _packages(series)
    if not names:
        return None
    package = names[0]
    KERNELS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=KERNELS, prefix=".fetching-") as place:
        directory = Path(place)
        _run(
            "apt-get", "-qq", "-o", "APT::Sandbox::User=root", "download", package, where=directory
        )
        (archive,) = directory.glob("*.deb")
        _run("dpkg-deb", "--extract", str(archive), str(directory / "tree"))
        archive.unlink()
        release = package.removeprefix("linux-image-")
        _run("depmod", "--basedir", str(directory / "tree"), release)
        shutil.rmtree(KERNELS / release, ignore_errors=True)
        (directory / "tree").rename(KERNELS / release)
    return unpacked(series)


def _packages(series: str) -> list[str]:
    """Return the archive's generic kernel packages of a series, newest first."""
    found = []
    for name in _run("apt-cache", "pkgnames", f"linux-image-{series}.").split():
        match = PACKAGE.fullmatch(name)
        if match and "Candidate: (none)" not in _run("apt-cache", "policy", name):
            found.append((int(match["build"]), name))
    return [name for _, name in sorted(found, reverse=True)]


def _run(*command: str, where: Path | None = None) -> str:
    done = subprocess.run(command, cwd=where, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


if __name__ == "__main__":
    kernel61 = fetch("6.1")
    sys.stdout.write(f"{kernel61.release if kernel61 else 'this archive has no kernel 6.1'}\n")
