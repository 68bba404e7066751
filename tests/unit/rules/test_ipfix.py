"""Messages as RFC 7011 lays them out, read back by a reader that knows templates only."""

import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.rules import ipfix
from dataplane.rules.ipfix import Exporter, Flow, Translation


def flow(number=1, *, source="2001:db8::1", destination="2001:db8::2", egress=False):
    return Flow(
        start_ms=1_000_000_000_000 + number,
        end_ms=1_000_000_000_500 + number,
        octets=64 * number,
        packets=number,
        source=ip_address(source),
        destination=ip_address(destination),
        source_port=40000,
        destination_port=443,
        protocol=6,
        tcp_flags=0x1B,
        interface=7,
        egress=egress,
    )


def change(source, post_source, destination, post_destination):
    return Translation(
        time_ms=1_000_000_000_000,
        protocol=17,
        source=ip_address(source),
        source_port=5353,
        destination=ip_address(destination),
        destination_port=53,
        post_source=ip_address(post_source),
        post_source_port=60000,
        post_destination=ip_address(post_destination),
        post_destination_port=53,
    )


class Reader:
    """A collecting process: it learns templates, and reads records by them."""

    def __init__(self):
        self.templates, self.records, self.sequences = {}, [], []

    def read(self, message):
        version, length, _, sequence, domain = struct.unpack_from("!HHIII", message)
        assert (version, length, domain) == (10, len(message), 77)
        self.sequences.append(sequence)
        at = 16
        while at < length:
            number, size = struct.unpack_from("!HH", message, at)
            content = message[at + 4 : at + size]
            assert size >= 4
            assert at + size <= length
            self.read_templates(content) if number == 2 else self.read_set(number, content)
            at += size

    def read_templates(self, content):
        while content:
            number, count = struct.unpack_from("!HH", content)
            fields = list(struct.iter_unpack("!HH", content[4 : 4 + 4 * count]))
            self.templates[number], content = fields, content[4 + 4 * count :]

    def read_set(self, number, content):
        while content:
            record = {}
            for element, width in self.templates[number]:
                record[element] = int.from_bytes(content[:width])
                assert len(content) >= width
                content = content[width:]
            self.records.append((number, record))


def read(records, **options):
    exporter, reader = Exporter(77, **options), Reader()
    for message in exporter.messages(records, 1_000_000):
        reader.read(message)
    return reader


def test_a_flow_is_read_back_whole():
    ((number, record),) = read([flow(3)]).records
    assert number >= 256
    assert record == {
        152: 1_000_000_000_003,
        153: 1_000_000_000_503,
        1: 192,
        2: 3,
        27: int(ip_address("2001:db8::1")),
        28: int(ip_address("2001:db8::2")),
        7: 40000,
        11: 443,
        4: 6,
        6: 0x1B,
        10: 7,
        14: 0,
        61: 0,
    }


def test_families_and_directions_are_told_apart():
    four = flow(source="192.0.2.1", destination="198.51.100.1", egress=True)
    (_, record), (_, other) = read([four, flow()]).records
    assert (record[8], record[12]) == (0xC0000201, 0xC6336401)
    assert (record[10], record[14], record[61]) == (0, 7, 1)
    assert 8 not in other


@pytest.mark.parametrize(
    ("ends", "event", "sources"),
    [
        (("10.0.0.1", "192.0.2.1", "198.51.100.1", "198.51.100.1"), 4, (8, 225)),
        (("fd00::1", "2001:db8::1", "2001:db8::2", "2001:db8::2"), 1, (27, 281)),
        (("2001:db8::1", "192.0.2.1", "64:ff9b::c633:6401", "198.51.100.1"), 6, (27, 225)),
    ],
)
def test_translations_have_both_sides_and_the_event_of_their_families(ends, event, sources):
    ((_, record),) = read([change(*ends)]).records
    assert record[230] == event
    assert tuple(record[element] for element in sources) == tuple(
        int(ip_address(end)) for end in ends[:2]
    )
    assert (record[7], record[227], record[11], record[228]) == (5353, 60000, 53, 53)


@given(st.lists(st.sampled_from(["6", "4", "nat"]), max_size=300), st.integers(200, 1500))
def test_nothing_is_lost_and_no_message_is_too_long(kinds, largest):
    made = {
        "6": flow(),
        "4": flow(source="192.0.2.1", destination="198.51.100.1"),
        "nat": change("10.0.0.1", "192.0.2.1", "198.51.100.1", "198.51.100.1"),
    }
    exporter, reader, lengths = Exporter(77, largest=largest), Reader(), []
    for message in exporter.messages([made[kind] for kind in kinds], 5):
        reader.read(message)
        lengths.append(len(message))
    assert len(reader.records) == len(kinds)
    assert max(lengths[1:], default=0) <= largest
    # so that a collector can tell how many records it missed
    assert reader.sequences[0] == 0
    assert reader.sequences == sorted(reader.sequences)


def test_the_sequence_number_counts_data_records_and_not_templates():
    exporter, reader = Exporter(77), Reader()
    for _ in range(3):
        for message in exporter.messages([flow()] * 40, 9):
            reader.read(message)
    following = next(iter(exporter.messages([flow()], 9)))
    assert struct.unpack_from("!I", following, 8) == (120,)


def test_templates_come_first_and_again():
    exporter = Exporter(77, resend=60)

    def sets(now):
        return [struct.unpack_from("!H", m, 16)[0] for m in exporter.messages([flow()], now)]

    assert sets(100) == [2, ipfix.FLOW6]
    assert sets(159) == [ipfix.FLOW6]
    assert sets(160) == [2, ipfix.FLOW6]


def test_the_templates_fit_one_message():
    (message,) = Exporter(77).messages([], 0)
    assert len(message) <= ipfix.LARGEST
