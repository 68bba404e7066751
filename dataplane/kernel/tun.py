"""Persistent TUN devices, made before their reader attaches so that routes and probes find them."""

import fcntl
import os
import struct
from pathlib import Path

# include/uapi/linux/if_tun.h
DEVICE = Path("/dev/net/tun")
TUNSETIFF, TUNSETPERSIST, TUNSETIFINDEX = 0x400454CA, 0x400454CB, 0x400454DA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000


def create(interface: str, *, index: int) -> None:
    """Create a TUN device with a given interface index in the calling thread's namespace.

    It stays until the namespace ends. OSError: EBUSY when name or index is taken, ENOENT or ENODEV
    when the kernel has no TUN driver.
    """
    # IFF_NO_PI changes between packet formats; whoever attaches sets it anew.
    device = os.open(DEVICE, os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(device, TUNSETIFINDEX, struct.pack("i", index))
        request = struct.pack("16sH22x", interface.encode(), IFF_TUN | IFF_NO_PI)
        fcntl.ioctl(device, TUNSETIFF, request)
        fcntl.ioctl(device, TUNSETPERSIST, 1)
    finally:
        os.close(device)
