"""What a follower counts becomes metrics, with no more owners than there may be."""

import itertools
from ipaddress import ip_address

from dataplane.api.live import LiveSource
from dataplane.api.sightings import Sightings
from dataplane.api.source import CROWD, OWNERS
from dataplane.model.address import Family
from dataplane.model.seen import DropSeen
from dataplane.session.growth import Growth
from tests.api.test_metrics import exposition, values


def drop(packets, *, port=1, reason="PKT_TOO_BIG"):
    return DropSeen(
        owner="pod-a",
        interface="eth0",
        reason=reason,
        place="ip6_forward",
        family=Family.IPV6,
        protocol=17,
        source=ip_address("2001:db8::1"),
        destination=ip_address("2001:db8::2"),
        source_port=port,
        destination_port=53,
        packets=packets,
        first_ns=1,
        last_ns=2,
    )


async def test_everything_that_is_counted_is_there():
    source = LiveSource()
    source.sightings.promise(["IPv6"])
    source.sightings.changed("pod-a", Family.IPV6, designed=False)
    source.sightings.changed("pod-a", Family.IPV6, designed=False)
    source.sightings.changed("pod-a", Family.IPV6, designed=True)
    source.sightings.dropped("pod-a", "PKT_TOO_BIG", 7)
    source.sightings.looked()
    families = await exposition(source)

    assert values(families, "sixscope_expected_family", family="IPv6") == [1]
    assert values(families, "sixscope_expected_family", family="IPv4") == []
    assert values(families, "sixscope_looks_total") == [1]
    assert values(families, "sixscope_source_changes_total", designed="no", owner="pod-a") == [2]
    assert values(families, "sixscope_source_changes_total", designed="yes") == [1]
    assert values(families, "sixscope_dropped_packets_total", reason="PKT_TOO_BIG") == [7]


async def test_nothing_of_it_is_there_where_nobody_follows_a_node():
    families = await exposition(LiveSource())
    assert values(families, "sixscope_looks_total") == []


def test_owners_beyond_what_there_may_be_are_one():
    sightings = Sightings()
    for number in range(OWNERS + 5):
        sightings.dropped(f"pod-{number}", "NO_SOCKET", 1)
    counted = sightings.sighted().dropped
    assert len(counted) == OWNERS + 1
    assert counted[CROWD, "NO_SOCKET"] == 5


def test_only_what_is_new_of_a_drop_is_counted():
    growth = Growth()

    def look(*drops):
        assert tuple(growth.watch(drops)) == drops
        return growth.take()

    assert look(drop(3)) == (("pod-a", "PKT_TOO_BIG", 3),)
    assert look(drop(3)) == ()
    assert look(drop(5), drop(1, port=2)) == (
        ("pod-a", "PKT_TOO_BIG", 2),
        ("pod-a", "PKT_TOO_BIG", 1),
    )
    assert look() == ()
    assert look(drop(4)) == (("pod-a", "PKT_TOO_BIG", 4),), "it was evicted, and is another entry"


def test_an_entry_that_was_evicted_and_made_anew_between_two_looks_counts_as_new():
    growth = Growth()
    for packets, grown in itertools.pairwise([0, 9, 2]):
        tuple(growth.watch([drop(grown)]))
        assert [more for _, _, more in growth.take()] == [grown], packets
