"""CIDR notation exactly as Go reads it: `net.ParseCIDR`, `net/netip.ParseAddr`.

Gardener and Kubernetes accept what Go accepts, and Python's `ipaddress` differs from it in both
directions: it takes bare addresses, netmasks (`10.0.0.0/255.0.0.0`) and zones, and refuses `/08`.
Source: the Go standard library, `net/ip.go` (ParseCIDR, dtoi) and `net/netip/netip.go`
(ParseAddr, parseIPv4Fields, parseIPv6), as of Go 1.22 and later.
"""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from dataplane.model.address import Address, Network

_DIGITS = frozenset("0123456789")
_HEX = frozenset("0123456789abcdefABCDEF")
_BIG = 0xFFFFFF  # net.dtoi gives up here
_MAPPED = 0xFFFF << 32  # ::ffff:0:0/96


@dataclass(frozen=True, slots=True, kw_only=True)
class GoCIDR:
    """What `net.ParseCIDR` returns: the address as written, and the network it lies in.

    An IPv4-mapped IPv6 network (`::ffff:10.0.0.0/104`) counts as IPv4, as `IP.To4()` has it; it
    is an IPv4Network here.
    """

    address: Address
    network: Network

    @property
    def canonical(self) -> bool:
        """Tell whether no host bit is set."""
        return self.address == self.network.network_address


def parse_cidr(text: str) -> GoCIDR:
    """Return the CIDR in `text`; ValueError with Go's own words when Go would refuse it."""
    refused = ValueError(f"invalid CIDR address: {text}")
    written, slash, mask = text.partition("/")
    if not slash:
        raise refused
    try:
        address = parse_address(written)
    except ValueError:
        raise refused from None
    if not mask or not _DIGITS.issuperset(mask):
        raise refused
    length = 0
    for digit in mask:  # digit by digit: a thousand leading zeros are fine, a huge number is not
        length = length * 10 + int(digit)
        if length >= _BIG:
            raise refused
    if length > address.max_prefixlen:
        raise refused
    if isinstance(address, IPv4Address):
        return GoCIDR(address=address, network=IPv4Network((address, length), strict=False))
    network = IPv6Network((address, length), strict=False)
    if int(network.network_address) >> 32 << 32 == _MAPPED and length >= 96:
        inner = IPv4Address(int(address) & 0xFFFFFFFF)
        return GoCIDR(address=inner, network=IPv4Network((inner, length - 96), strict=False))
    return GoCIDR(address=address, network=network)


def parse_address(text: str) -> Address:
    """Return the address in `text` as `netip.ParseAddr` reads it; ValueError otherwise.

    Zones (`fe80::1%eth0`) are refused, since ParseCIDR refuses them right after.
    """
    for character in text:
        if character == ".":
            return IPv4Address(_ipv4_octets(text))
        if character == ":":
            return IPv6Address(_ipv6_bytes(text))
        if character == "%":
            break
    raise ValueError(f"unable to parse IP: {text}")


def _ipv4_octets(text: str) -> bytes:
    fields = text.split(".")
    if len(fields) != 4:
        raise ValueError(f"IPv4 address needs four fields: {text}")
    for field in fields:
        if not field or len(field) > 3 or not _DIGITS.issuperset(field):
            raise ValueError(f"unexpected IPv4 field: {text}")
        if len(field) > 1 and field[0] == "0":
            raise ValueError(f"IPv4 field has octet with leading zero: {text}")
        if int(field) > 255:
            raise ValueError(f"IPv4 field has value >255: {text}")
    return bytes(int(field) for field in fields)


def _ipv6_bytes(text: str) -> bytes:
    head, ellipsis, tail = text.partition("::")
    if "::" in tail or tail.startswith(":"):
        raise ValueError(f"multiple :: in address: {text}")
    if not ellipsis:
        whole = _groups(head, text)
        if len(whole) != 16:
            raise ValueError(f"IPv6 address needs sixteen octets: {text}")
        return whole
    before = _groups(head, text) if head else b""
    after = _groups(tail, text) if tail else b""
    if head and "." in head:
        raise ValueError(f"embedded IPv4 address must end the address: {text}")
    zeros = 16 - len(before) - len(after)
    if zeros < 2:
        raise ValueError(f"the :: must expand to at least one field of zeros: {text}")
    return before + bytes(zeros) + after


def _groups(part: str, text: str) -> bytes:
    octets = b""
    fields = part.split(":")
    for position, field in enumerate(fields):
        if position == len(fields) - 1 and "." in field:
            octets += _ipv4_octets(field)
        elif not field or len(field) > 4 or not _HEX.issuperset(field):
            raise ValueError(f"unexpected IPv6 field: {text}")
        else:
            octets += int(field, 16).to_bytes(2, "big")
    return octets
