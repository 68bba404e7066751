"""What is handed over of a flow: only what came since, at its time, and who saw it."""

import socket
from dataclasses import replace
from ipaddress import ip_address

import pytest

from dataplane.commands.exports import _collector
from dataplane.model.address import Family
from dataplane.model.seen import FlowSeen
from dataplane.model.topology import Point, Tap
from dataplane.session.export import Deltas, Export

POD = Tap(
    name="pod",
    namespace="",
    interface="cali1",
    index=7,
    point=Point.POD,
    owner="pod",
    leaving_is_ingress=True,
)
FLOW = FlowSeen(
    tap="pod",
    leaving=True,
    family=Family.IPV6,
    protocol=6,
    source=ip_address("2001:db8::1"),
    destination=ip_address("2001:db8::2"),
    source_port=1,
    destination_port=2,
    packets=3,
    bytes=300,
    first_ns=1_000_000,
    last_ns=9_000_000,
    tcp_flags=2,
)


@pytest.fixture
def looked():
    deltas = Deltas(1_000_000_000_000)
    return lambda *flows: list(deltas.of(flows, {"pod": POD}))


def test_the_first_time_it_is_the_whole_flow(looked):
    (record,) = looked(FLOW)
    assert (record.packets, record.octets) == (3, 300)
    assert (record.start_ms, record.end_ms) == (1_000_001, 1_000_009)
    assert (record.interface, record.egress) == (7, False)


def test_what_arrives_at_a_pod_goes_out_at_the_nodes_side(looked):
    (record,) = looked(replace(FLOW, leaving=False))
    assert record.egress


def test_afterwards_it_is_what_came_since(looked):
    looked(FLOW)
    assert looked(FLOW) == []
    (record,) = looked(replace(FLOW, packets=5, bytes=420, last_ns=20_000_000))
    assert (record.packets, record.octets) == (2, 120)
    assert (record.start_ms, record.end_ms) == (1_000_009, 1_000_020)


def test_an_evicted_entry_begins_anew(looked):
    looked(FLOW)
    (record,) = looked(replace(FLOW, packets=1, bytes=80, first_ns=30_000_000, last_ns=30_000_000))
    assert (record.packets, record.octets, record.start_ms) == (1, 80, 1_000_030)


def test_a_collector_that_is_not_there_is_counted_and_no_error():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as unused:
        unused.bind(("::1", 0))
        port = unused.getsockname()[1]
    with Export("::1", port) as export:
        for _ in range(5):
            export.send([replace(FLOW, packets=export.records + 4)], [POD])
        assert export.lost > 0
        assert export.lost < export.messages


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("collector", ("collector", 4739)),
        ("192.0.2.1:2055", ("192.0.2.1", 2055)),
        ("[2001:db8::1]:9995", ("2001:db8::1", 9995)),
        ("[::1]", ("::1", 4739)),
    ],
)
def test_how_a_collector_is_named(text, found):
    assert _collector(text) == found


@pytest.mark.parametrize("text", ["", "2001:db8::1", "host:", "host:0", "host:65536", "a b:1"])
def test_how_it_is_not(text):
    with pytest.raises(Exception, match="write HOST"):
        _collector(text)
