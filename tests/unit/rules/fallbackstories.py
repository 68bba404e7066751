"""What can become of a process that wants to reach a name: causes of fallbacks, and their healthy twins."""

from dataclasses import replace
from ipaddress import ip_address

from dataplane.model.fallback import Why
from tests.unit.rules.fallbackworld import FOUR, SIX


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
