"""Carry packets between a TUN device and a device in an annex, exchanging one IPv6 prefix for another.

TAYGA 0.9.2 takes every address in ::/8 for reserved (RFC 2373), except 64:ff9b::/96 itself; so it
refuses the local-use prefixes of RFC 8215, which are what a lab with documentation addresses needs
(RFC 6052 section 3.1). It therefore works in an annex with a stand-in prefix, and this relay
exchanges the two, so that outside nothing but the prefix of the plan is ever seen. The stand-in has
the same one's complement sum (as in RFC 6296 section 2.6): no checksum changes, of no protocol.

Run as a script (`python3 -I -S relay.py INTERFACE ANNEX INNER PREFIX STANDIN LENGTH`) inside the
namespace of INTERFACE: standard library only.
"""

import ctypes
import errno
import fcntl
import ipaddress
import os
import select
import socket
import struct
import sys
from contextlib import suppress

CLONE_NEWNET = 0x40000000
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
SOL_PACKET, PACKET_IGNORE_OUTGOING, SO_RCVBUFFORCE = 263, 23, 33
ETH_P_ALL, ETH_P_IP, ETH_P_IPV6 = 0x0003, 0x0800, 0x86DD
ICMPV6, INFORMATIONAL = 58, 128  # RFC 4443 section 2.1: below are errors, which quote a packet
SOURCE, DESTINATION = 8, 24  # octets into an IPv6 header
QUOTED = 48  # octets to the quoted packet: IPv6 header and 8 octets of ICMPv6
LARGEST = 65575
BURST = 64  # packets from one side before the other one gets its turn
GONE = {errno.ENETDOWN, errno.EBADFD, errno.EIO}  # a device that is down, or not up yet


def exchange(packet: bytearray, old: bytes, new: bytes, bits: int) -> None:
    """Exchange a prefix wherever a packet has it as an address, or an ICMPv6 error quotes it."""
    if packet[0] >> 4 != 6 or len(packet) < QUOTED - 8:
        return
    starts = [0]
    if packet[6] == ICMPV6 and len(packet) >= QUOTED + 40 and packet[40] < INFORMATIONAL:
        starts.append(QUOTED)
    for start in starts:
        for at in (start + SOURCE, start + DESTINATION):
            _replace(packet, at, old, new, bits)


def stand_in(prefix: ipaddress.IPv6Network) -> ipaddress.IPv6Network:
    """Return the prefix in 2001:db8::/32 (RFC 3849) with the same length and one's complement sum.

    ValueError for a prefix shorter than /48: the third word is what makes the sums equal.
    """
    if prefix.prefixlen < 48:
        raise ValueError(f"{prefix}: shorter than /48")
    words = list(struct.unpack("!8H", prefix.network_address.packed))
    words[:3] = 0x2001, 0x0DB8, (sum(words[:3]) - 0x2001 - 0x0DB8) % 0xFFFF
    return ipaddress.IPv6Network((struct.pack("!8H", *words), prefix.prefixlen))


def refused(prefix: ipaddress.IPv6Network) -> bool:
    """Return whether TAYGA 0.9.2 refuses a prefix as reserved."""
    own = ipaddress.IPv6Network("64:ff9b::/96")
    return prefix.network_address.packed[0] == 0 and prefix != own


def main(arguments: list[str]) -> None:
    """Relay until killed."""
    interface, annex, inner, prefix, other, bits = arguments
    real = ipaddress.IPv6Address(prefix).packed
    standing = ipaddress.IPv6Address(other).packed
    outside = _tun(interface)
    _enter(annex)
    inside = _packet_socket(inner)
    poll = select.poll()
    poll.register(outside, select.POLLIN)
    poll.register(inside, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _ in poll.poll()}
        with suppress(BlockingIOError):
            for _ in range(BURST if outside in ready else 0):
                packet = bytearray(os.read(outside, LARGEST))
                exchange(packet, real, standing, int(bits))
                protocol = ETH_P_IPV6 if packet[0] >> 4 == 6 else ETH_P_IP
                with _dropping():
                    inside.sendto(packet, (inner, protocol))
        with suppress(BlockingIOError):
            for _ in range(BURST if inside.fileno() in ready else 0):
                packet = bytearray(inside.recv(LARGEST))
                exchange(packet, standing, real, int(bits))
                with _dropping():
                    os.write(outside, packet)


def _replace(packet: bytearray, at: int, old: bytes, new: bytes, bits: int) -> None:
    shift = 128 - bits
    address = int.from_bytes(packet[at : at + 16], "big")
    if address >> shift == int.from_bytes(old, "big") >> shift:
        rest = address & ((1 << shift) - 1)
        packet[at : at + 16] = (int.from_bytes(new, "big") | rest).to_bytes(16, "big")


class _dropping:  # noqa: N801 - reads as a verb where it is used
    """A full queue or a device that is not up drops the packet, as a wire would."""

    def __enter__(self) -> None:
        """Try."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        """Forget what a wire would forget."""
        return isinstance(error, BlockingIOError) or (
            isinstance(error, OSError) and error.errno in {*GONE, errno.ENOBUFS, errno.EINVAL}
        )


def _tun(interface: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", interface.encode(), IFF_TUN | IFF_NO_PI))
    return device


def _enter(path: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    if libc.setns(descriptor, CLONE_NEWNET):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot enter {path}: {os.strerror(number)}")
    os.close(descriptor)


def _packet_socket(interface: str) -> socket.socket:
    channel = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK, 0)
    channel.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
    channel.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    channel.bind((interface, ETH_P_ALL))
    return channel


if __name__ == "__main__":
    main(sys.argv[1:])
