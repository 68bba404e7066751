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
from tests.unit.rules.fallbackstories import (
    CAUSES,
    TWINS,
    black_hole,
    black_hole_by_a_rule,
    ipv4_only,
    no_route,
    not_tried,
    prohibited_while_the_client_was_busy,
    refused,
)
from tests.unit.rules.fallbackworld import (
    FOUR,
    MS,
    NAME,
    OWN,
    PID,
    POD,
    RESOLVER,
    ROUTER,
    SIX,
    START,
    World,
)

LOCAL = ip_address("fd00::2")
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


@pytest.mark.parametrize("first", [0, 1])
def test_of_names_that_share_an_address_each_process_gets_its_own(world, first):
    """Two processes of a pod ask at one time; the one that connects first may have been told last."""
    for number, at in enumerate((0, 1)):
        name = f"{number}.example"
        world.asked("A", at, name=name, port=4000 + number)
        world.asked("AAAA", at, name=name, port=4000 + number, number=2)
        world.answered("A", at + 10, FOUR, name=name, port=4000 + number)
        world.tried(RESOLVER, at - 0.1, "sent", 0.05, port=53, protocol=17, pid=number)
    for place, number in enumerate((first, 1 - first)):
        world.tried(FOUR, 3000 + place, "established", 1, pid=number)
    told = {one.pid: (one.name, one.why) for one in fallbacks(world.sights())}

    assert told == {n: (f"{n}.example", Why.AAAA_UNANSWERED) for n in (0, 1)}


def test_only_what_is_new_is_judged(world):
    refused(world)

    assert list(fallbacks(world.sights(since_ns=START + 8 * MS))) == []
    assert len(list(fallbacks(world.sights(since_ns=START + 8 * MS - 1)))) == 1


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
