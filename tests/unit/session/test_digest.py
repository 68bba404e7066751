"""Comparing two digests: what differs, whose doing it is, and what is said of it."""

import pytest

from dataplane.kernel.netstate import Where
from dataplane.session import digest
from dataplane.session.digest import FOREIGN, LEFT, MOST, NEVER, WENT, Thing, compare
from dataplane.session.follow_text import line

LINK = "index 7, flags 0x1, mtu 1500"
OURS = {41, 42}


def taken(*things, pods=(), seconds=0.1, not_read=()):
    """Return a digest of a node with these things (area, interface, thing, words)."""
    namespaces = {"node": things, **dict(pods)}
    values = {
        name: tuple(
            Thing(area=area, interface=interface, thing=thing, words=words)
            for area, interface, thing, words in many
        )
        for name, many in namespaces.items()
    }
    return digest._digest(values, tuple(not_read), seconds)


def only(compared):
    (difference,) = compared.differences
    return difference


UP = ("links", "eth0", "link", LINK)
ADDRESS = ("addresses", "eth0", "address 2001:db8::1/64", "scope 0, for ever")


def test_the_same_things_in_another_order_are_the_same():
    one, other = taken(UP, ADDRESS), taken(ADDRESS, UP, seconds=9)

    compared = compare(one, other)

    assert one.sha256 == other.sha256
    assert (compared.same, compared.hooks_same, compared.differences) == (True, True, ())
    assert "the machine is as before" in line(compared)


def test_another_word_is_another_digest_and_told_with_both():
    was = taken(UP, ("sysctls", "eth0", "ipv6/conf/forwarding", "0"))
    now = taken(UP, ("sysctls", "eth0", "ipv6/conf/forwarding", "1"))

    compared = compare(was, now)

    assert was.sha256 != now.sha256
    assert not compared.same
    assert compared.hooks_same
    one = only(compared)
    assert (one.area, one.interface, one.thing) == ("sysctls", "eth0", "ipv6/conf/forwarding")
    assert (one.before, one.after, one.note) == ("0", "1", NEVER)
    assert "eth0 ipv6/conf/forwarding: 0 -> 1" in line(compared)


def test_an_interface_that_came_is_one_difference_with_all_that_is_on_it():
    new = (
        ("links", "cali1", "link", "index 9, flags 0x1"),
        ("addresses", "cali1", "address fe80::1/64", "scope 253"),
        ("tcx", "cali1", "TCX ingress", "cil_from (id 7)"),
    )

    compared = compare(taken(UP), taken(UP, *new))

    one = only(compared)
    assert (one.interface, one.before, one.after) == ("cali1", "", new[0][3])
    assert "came meanwhile; sixscope makes none (with it 1 of addresses, 1 of tcx)" in one.note
    assert compared.hooks_same


def test_an_interface_of_the_same_name_with_another_index_is_another_one():
    now = ("links", "eth0", "link", LINK.replace("7", "8"))

    assert "is another one" in only(compare(taken(UP, ADDRESS), taken(now))).note


@pytest.mark.parametrize(
    ("area", "thing", "words"),
    [
        ("tcx", "TCX ingress", "ethernet_ingres (id 41)"),
        ("tcx", "TCX ingress", "cil_from (id 7), ethernet_ingres (id 42)"),
        ("bpf-links", "link 5", "raw tracepoint, dropped (id 41)"),
        ("tc", "ingress filter pref 1 handle 0x2", "bpf sixscope, (id 99)"),
    ],
)
def test_what_is_ours_and_still_there_is_left(area, thing, words):
    compared = compare(taken(UP), taken(UP, (area, "", thing, words)), OURS)

    assert only(compared).note == LEFT
    assert (compared.left, compared.hooks_same) == (1, False)
    assert "SIXSCOPE LEFT 1 THINGS" in line(compared)


@pytest.mark.parametrize(
    ("area", "was", "now"),
    [
        ("tcx", "", "cil_from (id 7)"),
        ("tcx", "cil_from (id 7)", "cil_from (id 7), other (id 8)"),
        ("cgroup", "", "cil_sock4 (id 7)"),
        ("tc", "bpf cil_from, cil_from (id 7)", "bpf cil_from, cil_from (id 8)"),
    ],
)
def test_a_program_of_somebody_else_that_came_is_not_our_doing(area, was, now):
    before = [(area, "", "place", was)] if was else []

    compared = compare(taken(UP, *before), taken(UP, (area, "", "place", now)), OURS)

    assert only(compared).note == FOREIGN
    assert (compared.same, compared.hooks_same) == (False, True)


@pytest.mark.parametrize(
    ("area", "was", "now", "note"),
    [
        ("tcx", "cil_from (id 7)", "", WENT),
        ("tcx", "cil_from (id 7)", "cil_from (id 8)", WENT),
        ("tc", "bpf cil_from, cil_from (id 7)", "", ""),
        ("tc", "", "a qdisc that nobody has signed", ""),
    ],
)
def test_what_nobody_can_prove_differs(area, was, now, note):
    state = [[(area, "", "place", words)] if words else [] for words in (was, now)]

    compared = compare(taken(UP, *state[0]), taken(UP, *state[1]), OURS)

    assert only(compared).note == note
    assert not compared.hooks_same
    assert "hooks DIFFER" in line(compared)


def test_a_pod_that_went_is_told_once():
    pods = [("default/web", (UP, ADDRESS))]

    one = only(compare(taken(UP, pods=pods), taken(UP)))

    assert (one.namespace, one.after) == ("default/web", "gone")


def test_hooks_come_first_and_of_many_the_rest_is_counted():
    was = [("sysctls", "", f"net/{number}", "0") for number in range(MOST + 5)]
    now = [(*one[:3], "1") for one in was]

    compared = compare(taken(*was), taken(*now, ("tc", "eth0", "qdisc clsact", "")))

    assert compared.differences[0].area == "tc"
    assert (len(compared.differences), compared.untold) == (MOST, 6)
    assert f"and {MOST + 6 - 12} more" in line(compared)


def test_what_could_not_be_read_is_said_once():
    one = taken(UP, not_read=["nftables of node: EPERM"])

    compared = compare(one, one)

    assert compared.not_read == ("nftables of node: EPERM",)
    assert "not read: nftables of node: EPERM" in line(compared)


def test_an_area_that_cannot_be_read_does_not_hide_the_others():
    def fails():
        raise OSError(1, "Operation not permitted")

    taking = digest._Taking()
    taking.read("node", {"nftables": fails, "links": lambda: {Where("lo", "link"): "index 1"}})

    assert [one.area for one in taking.namespaces["node"]] == ["links"]
    assert "nftables of node" in taking.not_read[0]
