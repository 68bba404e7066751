"""What a follower tells, from what the probes hand it; no kernel is needed for that."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from dataplane.model.address import Family
from dataplane.model.errors import ProbeRefusedError
from dataplane.model.seen import (
    ConnectResult,
    ConnectSeen,
    DropSeen,
    FlowSeen,
    PacketKind,
    PacketSeen,
)
from dataplane.model.topology import Point, Tap
from dataplane.session.drops import Dropped
from dataplane.session.follow import Follower, SourceChanged
from dataplane.session.follow_text import line
from dataplane.session.remembered import Remembered
from dataplane.session.residents import Moved
from probes.node.interfaces import PodInterface

POD = Tap(
    name="cali1", namespace="", interface="cali1", index=7, point=Point.POD, owner="pod x",
    leaving_is_ingress=True,
)  # fmt: skip
UPLINK = Tap(
    name="eth0", namespace="", interface="eth0", index=2, point=Point.UPLINK, owner="node",
    leaving_is_ingress=False,
)  # fmt: skip
PACKET = PacketSeen(
    tap="cali1", leaving=True, time_ns=1, packet=PacketKind.TCP_SYN, stamp=99, family=Family.IPV6,
    protocol=6, source=ip_address("2001:db8::2"), destination=ip_address("2001:db8:f::1"),
    source_port=1000, destination_port=443,
)  # fmt: skip
ATTEMPT = ConnectSeen(
    time_ns=1, pid=4, comm="curl\x1b[31m", owner=None, netns_cookie=77, socket_cookie=5,
    call="connect", protocol=6, family=Family.IPV4, destination=ip_address("198.51.100.7"), port=80,
    result=ConnectResult.UNSENT,
)  # fmt: skip
FLOW = FlowSeen(
    tap="cali1", leaving=True, family=Family.IPV6, protocol=6, source=ip_address("2001:db8::2"),
    destination=ip_address("2001:db8:f::1"), source_port=1, destination_port=2, packets=3, bytes=4,
    first_ns=5, last_ns=6,
)  # fmt: skip


DROP = DropSeen(
    owner="node", interface="eth0", reason="PKT_TOO_BIG", place="ip6_forward", family=Family.IPV6,
    protocol=17, source=ip_address("2001:db8::2"), destination=ip_address("2001:db8:f::1"),
    source_port=1, destination_port=2, packets=3, first_ns=4, last_ns=5,
)  # fmt: skip


class FakeWatch:
    """Hands out what a test puts in, as the probes would: each packet and attempt once."""

    def __init__(self) -> None:
        self.packets, self.attempts, self.table = [], [], []
        self.joined, self.left, self.refusal = [], [], None
        self.given_up, self.known, self.messages = [], {}, []
        self.failed, self.refused = [], []

    def join(self, tap, *, hook):
        assert hook == "tcx"
        if self.refusal:
            raise self.refusal
        self.joined.append(tap)

    def take_unreachable(self):
        taken, self.refused = tuple(self.refused), []
        return taken

    def take_failures(self):
        taken, self.failed = tuple(self.failed), []
        return taken

    def take_dns(self):
        taken, self.messages = tuple(self.messages), []
        return taken

    def drops(self):
        return tuple(self.given_up)

    def know(self, cookie, owner):
        self.known[cookie] = owner

    def reports(self):
        return ()

    def leave(self, tap):
        self.left.append(tap)

    def take_packets(self):
        taken, self.packets = tuple(self.packets), []
        return taken

    def take_connects(self, *, last=False):
        pending = () if last else [a for a in self.attempts if a.result is ConnectResult.PENDING]
        taken = tuple(a for a in self.attempts if a not in pending)
        self.attempts = list(pending)
        return taken

    def flows(self):
        return tuple(self.table)

    def each_flow(self):
        return iter(self.flows())


@pytest.fixture
def watch():
    return FakeWatch()


def follower(watch, **options):
    return Follower(watch, (POD, UPLINK), {77: "pod x"}, **options)


def changes(told):
    return [value for value in told if isinstance(value, SourceChanged)]


def test_a_changed_source_is_told_once(watch):
    changed = replace(PACKET, tap="eth0", time_ns=2, source=ip_address("2001:db8:e::1"))
    following = follower(watch)
    watch.packets = [PACKET, changed]
    first = changes(following.look())
    watch.packets = [replace(PACKET, time_ns=3), replace(changed, time_ns=4)]
    second = changes(following.look())

    assert [(c.owner, str(c.source), str(c.seen_as)) for c in first] == [
        ("pod x", "2001:db8::2", "2001:db8:e::1")
    ]
    assert second == []


def test_a_way_that_two_looks_share_is_pieced_together(watch):
    following = follower(watch)
    watch.packets = [PACKET]
    assert changes(following.look()) == []

    watch.packets = [replace(PACKET, tap="eth0", time_ns=2, source=ip_address("2001:db8:e::1"))]

    assert len(changes(following.look())) == 1


def test_a_kept_source_is_not_told(watch):
    watch.packets = [PACKET, replace(PACKET, tap="eth0", time_ns=2)]

    assert changes(follower(watch).look()) == []


def test_attempts_are_told_of_pods_by_their_namespace(watch):
    strange = replace(ATTEMPT, netns_cookie=1)
    loopback = replace(ATTEMPT, destination=ip_address("127.0.0.1"))
    watch.attempts = [ATTEMPT, strange, loopback]
    told = list(follower(watch).look())

    assert [attempt.owner for attempt in told] == ["pod x"]

    watch.attempts = [ATTEMPT, strange, loopback]
    assert len(list(follower(watch, everybody=True).look())) == 2


def test_a_pending_attempt_is_told_at_the_end(watch):
    following = follower(watch)
    watch.attempts = [replace(ATTEMPT, result=ConnectResult.PENDING)]

    assert list(following.look()) == []
    assert len(list(following.look(last=True))) == 1


def test_a_flow_is_told_when_it_is_new(watch):
    following = follower(watch)
    watch.table = [FLOW]

    assert list(following.look()) == [FLOW]
    assert list(following.look()) == []


def test_lines_are_harmless_and_say_the_family():
    said = line(replace(ATTEMPT, owner="pod x"))

    assert said.startswith("IPV4 ")
    assert "\x1b" not in said
    assert "198.51.100.7:80: unsent" in said


def test_what_is_remembered_is_bounded():
    remembered = Remembered(2)

    assert [remembered.is_new((n,)) for n in (1, 2, 1, 3, 1)] == [True, True, False, True, True]


NEW = PodInterface(interface="cali2", index=8, owner="pod y", cookie=88)


def moved(change, pod=NEW):
    return Moved(change=change, tap=pod.tap(), pod=pod)


def test_a_pod_that_came_is_watched_and_named_by_its_namespace(watch):
    following = follower(watch)
    told = following.settle(moved("came"), hook="tcx")
    assert (told.change, told.where, told.owner, told.note) == ("came", "cali2", "pod y", "")
    assert [tap.name for tap in watch.joined] == ["cali2"]

    watch.attempts = [replace(ATTEMPT, netns_cookie=88)]
    watch.packets = [replace(PACKET, tap="cali2"), replace(PACKET, tap="eth0", time_ns=2)]
    (attempt,) = following.look()
    assert attempt.owner == "pod y"

    named = replace(NEW, owner="default/y")
    assert following.settle(moved("named", named), hook="tcx").owner == "default/y"
    watch.attempts = [replace(ATTEMPT, netns_cookie=88)]
    (attempt,) = following.look()
    assert attempt.owner == "default/y"

    following.settle(moved("gone", named), hook="tcx")
    assert [tap.name for tap in watch.left] == ["cali2"]


def test_a_pod_that_cannot_be_watched_is_told_with_the_reason(watch):
    watch.refusal = ProbeRefusedError("cali2", "its place is taken")
    told = follower(watch).settle(moved("came"), hook="tcx")
    assert "its place is taken" in told.note
    assert "not watched" in line(told)


def test_drops_on_the_node_are_told_of_pods_by_their_addresses(watch):
    watch.table = [FLOW]
    reply = replace(DROP, source=FLOW.destination, destination=FLOW.source, reason="NO_SOCKET")
    hosts = replace(DROP, source=ip_address("2001:db8:e::1"))
    watch.given_up = [DROP, reply, hosts]
    following = follower(watch)
    first = [told for told in following.look() if isinstance(told, DropSeen)]
    again = [told for told in following.look() if isinstance(told, DropSeen)]

    assert [(drop.owner, drop.reason) for drop in first] == [
        ("pod x", "PKT_TOO_BIG"),
        ("pod x", "NO_SOCKET"),
    ]
    assert again == []
    everybody = follower(watch, everybody=True)
    list(everybody.look())
    assert "node" in {told.owner for told in everybody.totals() if isinstance(told, Dropped)}


def test_drops_are_added_up_by_owner_reason_and_place(watch):
    inside = replace(DROP, owner="pod x", reason="NOT_SPECIFIED", place="neigh_invalidate")
    watch.given_up = [inside, replace(inside, source_port=7, packets=1)]
    following = follower(watch)
    list(following.look())
    (total,) = [told for told in following.totals() if isinstance(told, Dropped)]

    assert (total.owner, total.packets, total.tuples) == ("pod x", 4, 2)
    assert total.means == "the neighbour's hardware address is not resolved"
    assert line(total) == (
        "drops   pod x            NOT_SPECIFIED in neigh_invalidate: the neighbour's hardware address "
        "is not resolved; 4 packets of 2 tuples"
    )
    assert line(DROP) == (
        "DROP    0:00:00 node at eth0: IPv6 udp [2001:db8::2]:1 -> [2001:db8:f::1]:2: PKT_TOO_BIG in "
        "ip6_forward (too big for the next link)"
    )


def test_drops_in_the_namespace_of_a_pod_that_came_are_its_own(watch):
    follower(watch).settle(moved("came"), hook="tcx")

    assert watch.known
