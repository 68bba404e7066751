"""Hostile packets: whatever is sent, the program reads it as the reference does, and says "next"."""

import errno
from collections import defaultdict

import pytest

from probes.flows import ALWAYS, SAMPLE_MASK
from tests.bpf import frames, reference

pytestmark = pytest.mark.needs("root", "bpf")


def expect(readings):
    """Add up what the tables must hold, from readings in their order."""
    flows, stamps, verdicts = defaultdict(lambda: [0, 0, 0, 0, 0]), [], defaultdict(int)
    for reading in readings:
        verdicts[reading.verdict] += 1
        if reading.verdict != "ip":
            continue
        flow = flows[reading.key]
        flow[0] += 1
        flow[1] += reading.octets
        flow[2] += reading.fragment
        flow[3] |= reading.tcp_flags
        flow[4] = max(flow[4], reading.length)
        always = reading.kind <= reference.RST or flow[0] <= ALWAYS
        if reading.kind and (always or not reading.stamp & SAMPLE_MASK):
            stamps.append((reading.kind, reading.length, reading.stamp, reading.key))
    return dict(flows), stamps, verdicts


def found_flows(dry):
    table = dry.flows.module.table("flows").read()
    flows = {}
    for key, shares in table.page():
        (share,) = (share for share in shares if share[0])
        packets, octets, _, _, fragments, flags, largest = share
        flows[(*key[:2], *key[3:7])] = [packets, octets, fragments, flags, largest]
    return flows


def found_stamps(dry):
    dry.stamps.ring.consume()
    events = [dry.stamps._layout.codec.unpack(event) for event in dry.stamps._events]
    return [(*e[9:12], (*e[:2], *e[3:7])) for e in events]


def compare(dry, count, seed):
    readings, refused = [], 0
    for frame in frames.mutations(count, seed):
        try:
            dry.run(frame)
        except OSError as failure:
            # the kernel does not build a packet of less than its base headers: sent raw elsewhere
            assert failure.errno == errno.EINVAL  # noqa: PT017 - the others pass
            refused += 1
            continue
        readings.append(reference.read(frame))
        if len(readings) % 5000 == 0:
            dry.stamps.ring.consume()  # it has room for some 58,000 events
    flows, stamps, verdicts = expect(readings)
    assert found_flows(dry) == flows
    assert found_stamps(dry) == stamps
    books = dry.books()
    assert (books.broken, books.foreign) == (verdicts["broken"], verdicts["foreign"])
    assert books.packets == verdicts["ip"]
    assert books.inserted == len(flows)
    assert (books.unkept, books.lost) == (0, 0)
    return readings, refused


def test_ten_thousand_mutations_without_a_difference(dry):
    readings, refused = compare(dry, 16_000, seed=6)
    assert len(readings) >= 10_000
    assert refused
    # the corpus reaches what it is for
    assert {r.verdict for r in readings} == {"ip", "foreign", "broken"}
    assert {r.kind for r in readings} == {0, *range(1, 7)}
    protocols = {r.protocol for r in readings if r.family == 6}
    assert protocols >= {6, 17, 58, 59, 50, *reference.EXTENSION_HEADERS}
    assert any(r.fragment and r.family == family for r in readings for family in (4, 6))


@pytest.mark.long
@pytest.mark.parametrize("seed", range(100, 110))
def test_a_million_mutations_without_a_difference(dry, seed):
    readings, _ = compare(dry, 100_000, seed=seed)
    assert len(readings) > 60_000
