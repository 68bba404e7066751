"""A pcapng file, read back by somebody else's reader (scapy) and by its own structure."""

import io
import struct

from hypothesis import given
from hypothesis import strategies as st
from scapy.utils import PcapNgReader, RawPcapNgReader

from dataplane.rules.pcapng import ETHERNET, RAW_IP, Interface, Packet, pcapng

INTERFACES = (
    Interface(name="node-0/uplink", description="node-0: uplink", link_type=ETHERNET),
    Interface(name="gateway/nat64", description="gateway: translator", link_type=RAW_IP),
)
TIME_NS = 1_795_000_000_123_456_789


def packet(octets=b"\x45" + bytes(19), **fields):
    values = {"interface": 1, "time_ns": TIME_NS, "length": len(octets), "outbound": True}
    return Packet(octets=octets, **(values | fields))


def written(*packets):
    return pcapng(INTERFACES, packets, comment="a trace", application="sixscope 0")


def blocks(octets):
    """Split a file by the length that stands before and behind each block (section 3.1)."""
    found, at = [], 0
    while at < len(octets):
        kind, length = struct.unpack_from("<II", octets, at)
        assert length % 4 == 0
        assert struct.unpack_from("<I", octets, at + length - 4) == (length,)
        found.append((kind, octets[at + 8 : at + length - 4]))
        at += length
    return found


def test_scapy_reads_octets_time_direction_and_comment():
    octets = bytes(range(61))
    file = io.BytesIO(written(packet(octets, comment="hop 1: pod-a", length=90)))

    with RawPcapNgReader(file) as reader:
        data, told = next(reader)

    assert data == octets
    assert (told.linktype, told.wirelen, told.direction) == (RAW_IP, 90, 2)
    assert told.comments == [b"hop 1: pod-a"]
    assert (told.tshigh << 32 | told.tslow, told.tsresol) == (TIME_NS, 1_000_000_000)
    assert told.ifname == b"gateway/nat64"


def test_interfaces_keep_their_order_and_names():
    kinds = blocks(written())

    assert [kind for kind, _ in kinds] == [0x0A0D0D0A, 1, 1]
    assert [struct.unpack_from("<H", body)[0] for _, body in kinds[1:]] == [1, 101]
    assert b"node-0/uplink" in kinds[1][1]
    assert b"gateway: translator" in kinds[2][1]
    assert b"a trace" in kinds[0][1]


@given(st.binary(max_size=90), st.text(max_size=200))
def test_every_length_of_octets_and_comment_is_padded_right(octets, comment):
    file = written(packet(octets, comment=comment), packet(b"\x60" + bytes(39), interface=0))

    assert [kind for kind, _ in blocks(file)] == [0x0A0D0D0A, 1, 1, 6, 6]
    with RawPcapNgReader(io.BytesIO(file)) as reader:
        assert next(data for data, _ in reader) == octets


def test_a_comment_that_is_too_long_is_cut_between_characters():
    file = written(packet(comment="ü" * 40_000))

    with PcapNgReader(io.BytesIO(file)) as reader:
        comment = reader.read_packet().comment

    assert comment.decode() == "ü" * 32_767
