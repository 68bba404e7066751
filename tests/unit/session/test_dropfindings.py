"""Drops become findings where they are faults: not the first packet that was too big, nor any other."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from dataplane.model.address import Family
from dataplane.model.seen import DropSeen
from dataplane.session.dropfindings import DropFindings
from dataplane.session.follow_text import line

S = 1_000_000_000
DROP = DropSeen(
    owner="default/web", interface="eth0", reason="PKT_TOO_BIG", place="ip6_forward",
    family=Family.IPV6, protocol=6, source=ip_address("2001:db8::2"),
    destination=ip_address("2001:db8:f::1"), source_port=40000, destination_port=443, packets=3,
    first_ns=S, last_ns=S,
)  # fmt: skip


@pytest.fixture
def findings():
    def process(pod, address, port):
        known = (pod, address, port) == (DROP.owner, DROP.destination, 443)
        return "curl" if known else ""

    return DropFindings(process)


def looks(findings, *times, **other):
    told = []
    for at in times:
        told += findings.fresh([replace(DROP, last_ns=int(at * S), **other)])
    return told


def test_a_tuple_that_goes_on_being_too_big_is_one_finding(findings):
    (told,) = looks(findings, 1, 1.2, 1.6, 2.4, 4, 7.2)

    assert (told.pod, told.process, told.what) == ("default/web", "curl", "too-big")
    assert told.finding.subject == "default/web: curl"
    assert "ICMPv6 Packet Too Big" in told.finding.remedy
    assert "40000 -> [2001:db8:f::1]:443 at eth0" in told.finding.evidence[0]
    assert "PKT_TOO_BIG in ip6_forward" in told.finding.evidence[1]
    assert line(told).startswith("LOST    curl in default/web at eth0: too-big\n")


@pytest.mark.parametrize(
    "times",
    [
        (1, 1, 1, 1, 1),  # one burst, seen by every look
        (1, 1.1, 1.2),  # one burst, while it came
        (1, 601, 1201),  # path MTU discovery after each expiry (RFC 8201 section 4)
    ],
)
def test_path_mtu_discovery_at_work_is_none(findings, times):
    assert looks(findings, *times) == []


@pytest.mark.parametrize(
    ("reason", "place"),
    [("NEIGH_FAILED", "ndisc_error_report"), ("NOT_SPECIFIED", "ndisc_error_report")],
)
def test_a_neighbour_that_does_not_answer_is_one_finding_per_destination(findings, reason, place):
    told = looks(findings, 1, 2, 3, reason=reason, place=place, source_port=7)
    told += looks(findings, 1, 2, 3, reason=reason, place=place, source_port=8)

    (one,) = told
    assert (one.what, one.process) == ("neighbour", "curl")
    assert "neighbour solicitations" in one.finding.remedy
    four = {"family": Family.IPV4, "destination": ip_address("192.0.2.1")}
    (other,) = looks(findings, 1, reason=reason, place=place, **four)
    assert "ARP" in other.finding.remedy
    assert other.process == ""


@pytest.mark.parametrize(
    ("reason", "place"),
    [
        ("NO_SOCKET", "__udp6_lib_rcv"),
        ("NETFILTER_DROP", "nf_hook_slow"),
        ("NEIGH_QUEUEFULL", "__neigh_event_send"),
        ("TCP_OLD_DATA", "tcp_data_queue"),
    ],
)
def test_other_drops_are_none(findings, reason, place):
    assert looks(findings, 1, 3, 5, 7, reason=reason, place=place) == []
