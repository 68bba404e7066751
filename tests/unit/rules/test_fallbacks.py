"""Fallbacks: each cause is told once with its price, and what is as it should be is not told at all."""

import random
from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.address import Family
from dataplane.model.fallback import Why
from dataplane.model.problem import Severity
from dataplane.rules.fallbacks import fallbacks
from tests.unit.rules.fallbackworld import FOUR, NAME, OWN, PID, POD, ROUTER, SIX, World

LOCAL = ip_address("fd00::2")


def refused(world):
    world.resolved()
    world.tried(SIX, 5, "refused", 1, error="ECONNREFUSED")
    world.tried(FOUR, 7, "established", 1)


def refused_without_errno(world):
    world.resolved()
    world.tried(SIX, 5, "refused", 1)
    world.tried(FOUR, 7, "established", 1)


def black_hole(world):
    world.resolved()
    world.tried(SIX, 5, "timed-out", 1000, error="ETIMEDOUT")
    world.tried(FOUR, 131_000, "established", 1)


def black_hole_by_a_rule(world):
    world.resolved()
    world.tried(SIX, 5, "timed-out")
    world.dropped("NETFILTER_DROP", "nft_do_chain", 5)
    world.tried(FOUR, 205, "established", 1)


def unreachable(world):
    world.resolved()
    world.tried(SIX, 5, "refused", 2, error="EHOSTUNREACH")
    world.tried(FOUR, 8, "established", 1)


def prohibited_by_a_router(world):
    world.resolved()
    world.tried(SIX, 5, "refused", 2, error="EACCES")
    world.tried(FOUR, 8, "established", 1)


def prohibited_while_the_client_was_busy(world):
    """The socket is locked while its SYN goes out: what comes back that fast, it does not hear."""
    world.resolved()
    world.tried(SIX, 5, "timed-out")
    world.said(1, 5.1)
    world.tried(FOUR, 255, "established", 1)


def port_unreachable(world):
    world.resolved()
    world.tried(SIX, 5, "timed-out")
    world.said(4, 5.1)
    world.tried(FOUR, 255, "established", 1)


def no_route(world):
    world.resolved()
    world.tried(SIX, 5, "unsent")
    world.tried(FOUR, 6, "established", 1)


def neighbour(world):
    world.resolved()
    world.tried(SIX, 5, "timed-out", 1000)
    world.dropped("NEIGH_FAILED", "ndisc_error_report", 3005)
    world.tried(FOUR, 3006, "established", 1)


def too_big(world):
    world.resolved()
    world.tried(SIX, 5, "established", 1)
    world.dropped("PKT_TOO_BIG", "ip6_forward", 8)
    world.tried(FOUR, 2000, "established", 1)


def race_lost(world):
    world.resolved()
    world.tried(SIX, 5, "timed-out")
    world.tried(FOUR, 205, "established", 1)
    world.answered_syn(405)


def race_lost_and_established_later(world):
    world.resolved()
    world.tried(SIX, 5, "established", 400)
    world.tried(FOUR, 205, "established", 1)


def unanswered(world):
    world.asked("A", 0)
    world.asked("AAAA", 0, number=2)
    world.answered("A", 2, FOUR)
    world.tried(FOUR, 5000, "established", 1)


def answered_too_late(world):
    world.asked("A", 0)
    world.asked("AAAA", 0, number=2)
    world.answered("A", 2, FOUR)
    world.tried(FOUR, 53, "established", 1)
    world.answered("AAAA", 90, SIX, number=2)


def servfail(world):
    world.asked("A", 0)
    world.asked("AAAA", 0, number=2)
    world.answered("A", 2, FOUR)
    world.answered("AAAA", 2, rcode="SERVFAIL", number=2)
    world.tried(FOUR, 10, "established", 1)


def denied(world):
    world.asked("A", 0)
    world.asked("AAAA", 0, number=2)
    world.answered("A", 2, FOUR)
    world.answered("AAAA", 2, rcode="NXDOMAIN", number=2)
    world.tried(FOUR, 3, "established", 1)


def missing(world):
    world.resolved(0, tap="cali2")
    world.resolved(100, six=())
    world.tried(FOUR, 103, "established", 1)


def not_asked(world):
    world.resolved(0, tap="cali2")
    world.asked("A", 100)
    world.answered("A", 102, FOUR)
    world.tried(FOUR, 103, "established", 1)


def not_tried(world):
    world.resolved()
    world.tried(FOUR, 3, "established", 1)


CAUSES = {
    refused: (Why.REFUSED, 2),
    refused_without_errno: (Why.REFUSED, 2),
    black_hole: (Why.BLACK_HOLE, 130_995),
    black_hole_by_a_rule: (Why.BLACK_HOLE, 200),
    unreachable: (Why.UNREACHABLE, 3),
    prohibited_by_a_router: (Why.UNREACHABLE, 3),
    prohibited_while_the_client_was_busy: (Why.UNREACHABLE, 250),
    port_unreachable: (Why.REFUSED, 250),
    no_route: (Why.NO_ROUTE, 1),
    neighbour: (Why.NEIGHBOUR, 3001),
    too_big: (Why.TOO_BIG, 1995),
    race_lost: (Why.RACE_LOST, 200),
    race_lost_and_established_later: (Why.RACE_LOST, 200),
    unanswered: (Why.AAAA_UNANSWERED, 5000),
    answered_too_late: (Why.AAAA_UNANSWERED, 53),
    servfail: (Why.AAAA_FAILED, 10),
    denied: (Why.AAAA_DENIED, 0),
    missing: (Why.AAAA_MISSING, 0),
    not_asked: (Why.NOT_ASKED, 0),
    not_tried: (Why.NOT_TRIED, 0),
}
CASES = [pytest.param(story, *told, id=story.__name__) for story, told in CAUSES.items()]


@pytest.fixture
def world():
    return World()


@pytest.mark.parametrize(("story", "why", "cost"), CASES)
def test_each_cause_is_one_finding_with_its_price(world, story, why, cost):
    story(world)
    (told,) = fallbacks(world.sights())

    assert (told.why, told.cost_ms) == (why, cost)
    assert (told.pod, told.pid, told.comm, told.name) == (POD, PID, "curl", NAME)
    assert told.finding.severity is Severity.ERROR
    assert told.finding.subject == f"{POD}: curl"
    assert NAME in told.finding.cause
    assert told.tried[-1].family is Family.IPV4
    assert [one.family for one in told.tried[:-1]] == [Family.IPV6] * (len(told.tried) - 1)
    assert told.names
    assert all(told.finding.evidence)


def test_the_evidence_is_every_attempt_every_answer_and_every_drop(world):
    black_hole_by_a_rule(world)
    (told,) = fallbacks(world.sights())

    assert told.finding.evidence == (
        f"at 0.0 ms curl (pid 77) tried IPv6 [{SIX}]:443: timed-out",
        f"at 200.0 ms curl (pid 77) tried IPv4 {FOUR}:443: established after 1.0 ms",
        f"A {NAME} of 2001:db8:d::53: {FOUR} after 2.0 ms",
        f"AAAA {NAME} of 2001:db8:d::53: {SIX} after 2.0 ms",
        f"dropped at cali1 ({POD}): [{OWN}]:40123 -> [{SIX}]:443, 3 packets: NETFILTER_DROP in nft_do_chain",
    )
    assert told.finding.seen == "IPv6 timed-out; IPv4 took over and hides it, after 200.0 ms"


def test_what_was_said_is_told_with_who_said_it(world):
    prohibited_while_the_client_was_busy(world)
    (told,) = fallbacks(world.sights())

    said = f"{ROUTER} said: communication administratively prohibited (ICMPv6 type 1 code 1)"
    assert said in told.finding.evidence


def test_what_was_said_of_other_packets_is_not(world):
    black_hole(world)
    world.said(1, -5)
    world.said(1, 20_000)
    (told,) = fallbacks(world.sights())

    assert told.why is Why.BLACK_HOLE
    assert not any("said" in piece for piece in told.finding.evidence)


def healthy(world):
    world.resolved()
    world.tried(SIX, 3, "unsent", protocol=17, port=0)  # glibc sorts
    world.tried(SIX, 4, "established", 1)


def healthy_race(world):
    """RFC 8305: IPv4 was begun while IPv6 was on its way, and IPv6 was there first."""
    world.resolved()
    world.tried(SIX, 4, "established", 260)
    world.tried(FOUR, 254, "established", 90)


def both_on_purpose(world):
    world.resolved()
    world.tried(SIX, 4, "established", 1)
    world.tried(FOUR, 50, "established", 1)


def ipv4_only(world):
    world.resolved(six=())
    world.tried(FOUR, 4, "established", 1)


def ipv4_only_asked_for_a(world):
    world.asked("A", 0)
    world.answered("A", 2, FOUR)
    world.tried(FOUR, 4, "established", 1)


def ipv4_only_with_a_failure_that_was_mended(world):
    ipv4_only(world)
    world.asked("AAAA", -4000, number=9)
    world.answered("AAAA", -3990, rcode="SERVFAIL", number=9)


def down_in_both(world):
    world.resolved()
    world.tried(SIX, 4, "refused", 1)
    world.tried(FOUR, 6, "refused", 1)


def literal(world):
    world.tried(FOUR, 4, "established", 1)


def two_hosts(world):
    """Each has a name of its own: IPv4 of one has nothing to do with IPv6 of the other."""
    world.resolved(0, four=(), name="six.example.org")
    world.resolved(10, six=(), name="four.example.org")
    world.tried(SIX, 15, "refused", 1)
    world.tried(FOUR, 17, "established", 1)


def two_processes(world):
    world.resolved(six=())
    world.tried(SIX, 5, "refused", 1, pid=78)
    world.tried(FOUR, 7, "established", 1)


def loopback(world):
    world.tried(ip_address("::1"), 5, "refused", 1)
    world.tried(ip_address("127.0.0.1"), 6, "established", 1)


def resolver(world):
    world.resolved()
    world.tried(SIX, 5, "refused", 1, port=53)
    world.tried(FOUR, 6, "established", 1, port=53)


def truncated(world):
    world.asked("A", 0)
    world.asked("AAAA", 0, number=2)
    world.answered("A", 2, FOUR)
    world.answered("AAAA", 2, number=2, whole=False)
    world.tried(FOUR, 10, "established", 1)


def strangers(world):
    """A process of no pod."""
    refused(world)
    world.attempts = [replace(seen, owner=None) for seen in world.attempts]


TWINS = [
    healthy, healthy_race, both_on_purpose, ipv4_only, ipv4_only_asked_for_a,
    ipv4_only_with_a_failure_that_was_mended, down_in_both, literal, two_hosts, two_processes,
    loopback, resolver, truncated, strangers,
]  # fmt: skip


@pytest.mark.parametrize("story", TWINS)
def test_what_is_as_it_should_be_is_no_finding(world, story):
    story(world)

    assert list(fallbacks(world.sights())) == []


@pytest.mark.parametrize("story", CAUSES)
def test_a_pod_that_has_no_ipv6_has_none_to_fall_back_from(world, story):
    story(world)
    four = {"addresses": {POD: (ip_address("10.0.0.2"),)}}

    assert list(fallbacks(world.sights(**four))) == []
    assert list(fallbacks(world.sights(families=(Family.IPV4,)))) == []
    assert len(list(fallbacks(world.sights(families=(Family.IPV4, Family.IPV6), **four)))) == 1


def test_a_name_without_aaaa_needs_help_where_the_cluster_has_ipv6_alone(world):
    ipv4_only(world)
    (told,) = fallbacks(world.sights(families=(Family.IPV6,)))

    assert told.why is Why.IPV4_ONLY


def test_addresses_that_rfc_6724_sorts_last_are_a_warning(world):
    not_tried(world)
    (told,) = fallbacks(world.sights(addresses={POD: (LOCAL,)}))

    assert (told.why, told.finding.severity) == (Why.SORTED_LAST, Severity.WARNING)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        ("ENETUNREACH", Why.NO_ROUTE),
        ("EHOSTUNREACH", Why.NO_ROUTE),
        ("EACCES", Why.PROHIBITED),
        ("", Why.NOT_TRIED),
    ],
)
@pytest.mark.parametrize("story", [not_tried, no_route])
def test_the_pods_kernel_knows_whether_there_is_a_way(world, story, error, why):
    """Who sorts addresses does not try what there is no way to; others try, and nothing leaves."""
    story(world)
    (told,) = fallbacks(world.sights(ways={(POD, SIX): error}))

    assert told.why is (Why.NO_ROUTE if story is no_route and not error else why)


def test_without_names_it_is_a_guess_and_says_so(world):
    world.tried(SIX, 5, "refused", 1)
    world.tried(FOUR, 7, "established", 1)
    (told,) = fallbacks(world.sights())

    assert (told.name, told.why) == ("", Why.REFUSED)
    assert told.finding.severity is Severity.WARNING
    assert "no DNS answer" in told.finding.cause


def test_a_failure_after_a_success_is_found(world):
    world.resolved()
    world.tried(SIX, 4, "established", 1)
    world.tried(SIX, 5000, "refused", 1)
    world.tried(FOUR, 5002, "established", 1)
    (told,) = fallbacks(world.sights())

    assert (told.why, told.cost_ms, len(told.tried)) == (Why.REFUSED, 2, 2)


def test_one_finding_per_process_and_name(world):
    for at in (0, 1000, 2000):
        world.resolved(at)
        world.tried(SIX, at + 5, "refused", 1)
        world.tried(FOUR, at + 7, "established", 1)
    world.resolved(3000, name="b.example.org", six=(ip_address("2001:db8:e::81"),), four=(LOCAL,))
    world.tried(SIX, 3005, "refused", 1, pid=99)
    world.tried(FOUR, 3007, "established", 1, pid=99)

    told = list(fallbacks(world.sights()))
    assert [(one.pid, one.name) for one in told] == [(PID, NAME), (99, NAME)]
    assert told[0].cost_ms == 2


@given(st.sampled_from(sorted(CAUSES, key=lambda story: story.__name__)), st.randoms())
def test_the_order_in_which_it_is_told_makes_no_difference(story, chance):
    world = World()
    story(world)
    expected = list(fallbacks(world.sights()))
    for told in vars(world).values():
        if isinstance(told, list):
            chance.shuffle(told)

    assert list(fallbacks(world.sights())) == expected


@given(
    st.lists(st.sampled_from([*CAUSES, *TWINS[:5]]), min_size=1, max_size=6),
    st.integers(-3, 3),
    st.integers(0, 2**32),
)
def test_processes_of_one_pod_do_not_disturb_each_other(stories, skew, seed):
    """Each has a name and addresses of its own; the clocks of two hooks may be apart by some µs."""
    chance, whole, expected = random.Random(seed), World(), []
    for number, story in enumerate(stories):
        world = World()
        story(world)
        begin = chance.randrange(0, 60_000) * 1_000_000
        if story in CAUSES:
            expected.append((100 + number, f"{number}.{NAME}", CAUSES[story][0]))
        merge(whole, world, number, begin, skew * 1_000)

    told = [(one.pid, one.name, one.why) for one in fallbacks(whole.sights())]
    assert sorted(told) == sorted(expected)


def merge(whole, world, number, begin, skew):
    def own(address):
        return address + number if address in (SIX, FOUR) else address

    for seen in world.attempts:
        whole.attempts.append(
            replace(
                seen, pid=100 + number, time_ns=seen.time_ns + begin + skew,
                socket_cookie=seen.socket_cookie + 1000 * number, destination=own(seen.destination),
            )
        )  # fmt: skip
    for seen in world.failures:
        whole.failures.append(
            replace(
                seen, time_ns=seen.time_ns + begin + skew,
                socket_cookie=seen.socket_cookie + 1000 * number,
            )
        )  # fmt: skip
    for seen in world.names:
        whole.names.append(
            replace(
                seen, name=f"{number}.{seen.name}", time_ns=seen.time_ns + begin,
                addresses=tuple(map(own, seen.addresses)),
            )
        )  # fmt: skip
    for seen in world.drops:
        first, last = seen.first_ns + begin, seen.last_ns + begin
        whole.drops.append(
            replace(seen, destination=own(seen.destination), first_ns=first, last_ns=last)
        )
    for seen in world.unreachable:
        refused = replace(seen.refused, destination=own(seen.refused.destination))
        whole.unreachable.append(replace(seen, time_ns=seen.time_ns + begin, refused=refused))
    whole.packets += [
        replace(seen, source=own(seen.source), time_ns=seen.time_ns + begin)
        for seen in world.packets
    ]
