"""Fallbacks of a node that is followed: told once, when they have settled, and counted at the end."""

from dataclasses import replace
from ipaddress import ip_address
from types import SimpleNamespace

import pytest

from dataplane.model.answer import State
from dataplane.model.fallback import Fallback, Why
from dataplane.model.seen import ProbeReport
from dataplane.model.topology import Point, Tap
from dataplane.session.follow import Follower
from dataplane.session.follow_text import line
from dataplane.session.forensics import MOST, SETTLED_NS, Forensics
from tests.unit.rules.fallbackworld import FOUR, MS, OWN, POD, SIX, START, World
from tests.unit.session.test_follow import FLOW, FakeWatch

TAP = Tap(
    name="cali1", namespace="", interface="cali1", index=7, point=Point.POD, owner=POD,
    leaving_is_ingress=True,
)  # fmt: skip


@pytest.fixture
def world():
    made = World()
    made.resolved()
    made.tried(SIX, 5, "refused", 1, error="ECONNREFUSED")
    made.tried(FOUR, 7, "established", 1)
    return made


def forensics(**options):
    made = Forensics([TAP], **options)
    made.learn(replace(FLOW, source=OWN), TAP)
    return made


def feed(made, world):
    for attempt in world.attempts:
        made.attempted(attempt)
    made.take(failures=world.failures, names=world.names, packets=world.packets)


def fallbacks(made, world, at, **options):
    told = made.fresh(world.drops, START + at * MS, **options)
    return [one for one in told if isinstance(one, Fallback)]


def test_a_fallback_is_told_once_when_it_has_settled(world):
    made = forensics()
    feed(made, world)

    assert fallbacks(made, world, 100) == []
    (told,) = fallbacks(made, world, 8 + SETTLED_NS // MS)
    assert (told.why, told.cost_ms) == (Why.REFUSED, 2)
    assert fallbacks(made, world, 20_000) == []
    feed(made, world)
    assert fallbacks(made, world, 30_000) == []


def test_at_the_end_nothing_has_to_settle(world):
    made = forensics()
    feed(made, world)

    assert len(fallbacks(made, world, 10, last=True)) == 1


def test_the_pods_kernel_is_asked_where_ipv6_was_not_tried():
    world, asked = World(), []
    world.resolved()
    world.tried(FOUR, 7, "established", 1)

    def lacking(pod, address):
        asked.append((pod, address))
        return 101  # ENETUNREACH

    made = forensics(lacking=lacking)
    feed(made, world)
    (told,) = fallbacks(made, world, 10, last=True)

    assert told.why is Why.NO_ROUTE
    assert asked == [(POD, SIX)]


def test_the_answer_counts_attempts_and_is_broken_by_an_error(world):
    made = forensics()
    feed(made, world)
    list(made.fresh((), START + 10 * MS, last=True))
    drops, fallback = made.judged([])

    assert (drops.check, drops.state) == ("drops", State.HOLDS)
    assert (fallback.check, fallback.state, fallback.looked_at) == ("fallback", State.BROKEN, 2)
    assert len(fallback.findings) == 1


def test_what_a_probe_missed_makes_it_unknown_and_nothing_seen_does():
    blind = ProbeReport(probe="connects", where="cgroup", hook="none", blind="no cgroup v2")
    made = forensics()
    assert made.judged([])[1].state is State.UNKNOWN

    made.attempted(replace(world_attempt(), destination=SIX))
    assert made.judged([])[1].state is State.HOLDS
    (_, fallback) = made.judged([blind])
    assert (fallback.state, fallback.reason) == (State.UNKNOWN, "connects at cgroup: no cgroup v2")
    lost = replace(blind, probe="stamps", where="cali1", blind=None, lost=3)
    assert made.judged([lost])[1].reason == "stamps at cali1 lost 3"


def test_what_was_too_much_to_keep_is_said():
    made = forensics()
    for _ in range(MOST + 1):
        made.attempted(world_attempt())

    assert made.judged([])[1].state is State.UNKNOWN
    assert "1 attempts and DNS messages were too many" in made.judged([])[1].reason


def test_attempts_of_several_looks_are_judged_once_each_and_none_is_missed():
    world, made, told = World(), forensics(), []
    for number in range(8):
        at, name = number * 1000, f"{number}.example"
        six, four = SIX + number, FOUR + number
        world.resolved(at, name=name, six=(six,), four=(four,))
        world.tried(six, at + 5, "refused", 1)
        world.tried(four, at + 7, "established", 1)
        made.take(names=world.names)
        for attempt in world.attempts:
            made.attempted(attempt)
        world.names, world.attempts = [], []
        told += fallbacks(made, world, at + 100)
    told += fallbacks(made, world, 8000, last=True)

    assert [one.name for one in told] == [f"{number}.example" for number in range(8)]


def world_attempt():
    made = World()
    made.tried(SIX, 0, "established", 1)
    return made.attempts[0]


def test_others_than_pods_are_left_alone(world):
    made = forensics()
    world.attempts = [replace(seen, owner="node") for seen in world.attempts]
    feed(made, world)

    assert fallbacks(made, world, 10, last=True) == []
    assert made.judged([])[1].looked_at == 0


def test_a_pod_that_gets_its_name_later_keeps_its_addresses(world):
    made = Forensics([replace(TAP, owner="cali1")])
    made.learn(replace(FLOW, source=OWN), replace(TAP, owner="cali1"))
    made.know(TAP)
    feed(made, world)

    assert len(fallbacks(made, world, 10, last=True)) == 1


def test_a_follower_hands_on_all_that_the_probes_tell(monkeypatch):
    clock = SimpleNamespace(monotonic_ns=lambda: START + 20 * MS)
    monkeypatch.setattr("dataplane.session.follow.time", clock)
    world, watch = World(), FakeWatch()
    world.resolved()
    world.tried(SIX, 5, "timed-out", 1, error="ETIMEDOUT")
    world.said(1, 6)
    world.dropped("NETFILTER_DROP", "nft_do_chain", 6)
    world.answered_syn(9)
    world.tried(FOUR, 10, "established", 1)
    watch.attempts = [replace(seen, owner=None, netns_cookie=77) for seen in world.attempts]
    watch.table = [replace(FLOW, source=OWN)]
    watch.given_up, watch.messages = world.drops, world.names
    watch.failed, watch.refused, watch.packets = world.failures, world.unreachable, world.packets

    told = list(Follower(watch, (TAP,), {77: POD}).look(last=True))
    (found,) = [one for one in told if isinstance(one, Fallback)]

    assert found.why is Why.UNREACHABLE
    assert found.tried[0].error == "ETIMEDOUT"
    said = "\n".join(found.finding.evidence)
    for word in ("ICMPv6 type 1 code 1", "nft_do_chain", "answered the SYN", "AAAA"):
        assert word in said


def test_a_fallback_in_lines_names_everything_and_harms_no_terminal(world):
    world.attempts = [replace(seen, comm="curl\x1b[31m") for seen in world.attempts]
    made = forensics()
    feed(made, world)
    (told,) = fallbacks(made, world, 10, last=True)
    said = line(told)

    assert said.startswith("FALLBACK curl")
    assert "refused, 2.0 ms" in said.splitlines()[0]
    assert "\x1b" not in said
    for word in ("expected", "seen", "remedy", "evidence", f"[{SIX}]:443", "ECONNREFUSED"):
        assert word in said
    assert str(ip_address("192.0.2.80")) in said
