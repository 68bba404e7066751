"""Hooks: first in line, nobody else disturbed, nothing left, whatever ends the process."""

import dataclasses
import os
import re
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dataplane.kernel import bpf, bpfcall, hooks, netns
from dataplane.kernel.clsact import NAME, Parent, TrafficControl
from dataplane.kernel.hooks import Direction, Place
from dataplane.model.errors import ProbeRefusedError
from dataplane.model.topology import Point
from probes.flows import Flows
from probes.watch import Watch
from tests.bpf.conftest import INDEX_A, Pair

pytestmark = pytest.mark.needs("root", "netns", "bpf")

OK = "int ok(struct __sk_buff *skb) { return 0; }\n"
PLACES = [Place(interface="e0", index=INDEX_A, direction=direction) for direction in Direction]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory):
    """A program that behaves as a CNI's does: it returns TC_ACT_OK."""
    source = tmp_path_factory.mktemp("c") / "ok.c"
    source.write_text(OK)
    with bpf.load(source, [bpf.Entry(name="ok", type=bpf.ProgramType.SCHED_CLS)]) as module:
        yield module.program("ok")


@pytest.fixture(scope="module")
def flows():
    with Flows.open([Pair("").tap("a"), Pair("").tap("b")]) as flows:
        yield flows


def programs(pair, direction):
    return netns.call(pair.a, lambda: bpfcall.attached(INDEX_A, direction.tcx).programs)


def filters(pair):
    def both():
        with TrafficControl() as control:
            return [entry for parent in Parent for entry in control.filters(INDEX_A, parent)]

    return netns.call(pair.a, both)


def qdiscs(pair):
    words = ("tc", "-n", pair.a, "qdisc", "show", "dev", "e0")
    return "clsact" in subprocess.run(words, capture_output=True, text=True, check=True).stdout


def tc(pair, *words):
    subprocess.run(("tc", "-n", pair.a, *words), check=True, timeout=10)


def add_filter(pair, side, preference, protocol):
    """Add a filter of somebody else: one classic instruction, "return 0"."""
    words = ("filter", "add", "dev", "e0", side, "pref", preference, "protocol", protocol)
    tc(pair, *words, "bpf", "da", "bytecode", "1,6 0 0 0,")


def ping(pair):
    words = ("ping", "-c", "1", "-W", "2", "-I", "2001:db8::1", "2001:db8::2")
    done = netns.call(pair.a, lambda: subprocess.run(words, capture_output=True, check=False))
    return done.returncode == 0


@pytest.mark.needs("tcx")
def test_tcx_is_the_first_choice_and_the_head_of_the_chain(pair, flows, stranger):
    place = PLACES[0]
    foreign = netns.call(pair.a, lambda: bpfcall.link(stranger, INDEX_A, place.direction.tcx))
    try:
        tap = pair.tap("a")
        netns.call(pair.a, flows.attach, tap)
        assert flows.hook(tap) == "tcx"
        ours = bpfcall.program_info(flows.module.program("ethernet_ingress")).id
        theirs = bpfcall.program_info(stranger).id
        assert programs(pair, Direction.INGRESS) == (ours, theirs)
        assert not qdiscs(pair)
        assert ping(pair)
        assert flows.books(tap).packets >= 2
        flows.detach(tap)
        assert programs(pair, Direction.INGRESS) == (theirs,)
        assert programs(pair, Direction.EGRESS) == ()
    finally:
        os.close(foreign)


def test_clsact_leaves_nothing(pair, flows):
    tap = pair.tap("a")
    netns.call(pair.a, flows.attach, tap, hook="clsact")
    assert flows.hook(tap) == "clsact"
    assert [(entry.name, entry.handle, entry.preference) for entry in filters(pair)] == [
        (NAME, 2, 1),
        (NAME, 2, 1),
    ]
    assert ping(pair)
    flows.detach(tap)
    assert not qdiscs(pair)


def test_a_foreign_qdisc_and_its_filters_stay(pair, flows):
    tc(pair, "qdisc", "add", "dev", "e0", "clsact")
    add_filter(pair, "ingress", "1", "all")
    before = filters(pair)
    assert len(before) == 1
    tap = pair.tap("a")
    netns.call(pair.a, flows.attach, tap, hook="clsact")
    during = filters(pair)
    assert len(during) == 3
    assert during[0].name == NAME  # runs before the one that was there
    flows.detach(tap)
    assert filters(pair) == before
    assert qdiscs(pair)


def test_our_qdisc_stays_when_somebody_else_uses_it(pair, flows):
    tap = pair.tap("a")
    netns.call(pair.a, flows.attach, tap, hook="clsact")
    add_filter(pair, "egress", "7", "all")
    flows.detach(tap)
    (left,) = filters(pair)
    assert (left.preference, left.ours) == (7, False)
    assert qdiscs(pair)


def test_a_place_that_others_hold_is_refused(pair, flows):
    tc(pair, "qdisc", "add", "dev", "e0", "clsact")
    # one preference has one protocol, and ours would be "all"
    add_filter(pair, "ingress", "1", "ip")
    before = filters(pair)
    with pytest.raises(ProbeRefusedError, match="e0: probe refused: cannot be the first clsact"):
        netns.call(pair.a, flows.attach, pair.tap("a"), hook="clsact")
    assert filters(pair) == before


def test_an_index_that_is_another_interface_is_refused(pair, flows):
    stray = dataclasses.replace(pair.tap("a"), index=1)
    with pytest.raises(ProbeRefusedError, match="index 1 is lo in its namespace"):
        netns.call(pair.a, flows.attach, stray)
    gone = dataclasses.replace(pair.tap("a"), index=4000)
    with pytest.raises(ProbeRefusedError, match="index 4000 is no interface"):
        netns.call(pair.a, flows.attach, gone)


@pytest.mark.parametrize("hook", ["auto", "clsact"])
def test_an_interface_that_vanished_is_no_error_at_the_end(pair, flows, hook):
    tap = pair.tap("a")
    netns.call(pair.a, flows.attach, tap, hook=hook)
    subprocess.run(("ip", "-n", pair.a, "link", "delete", "e0"), check=True)
    netns.call(pair.a, flows.examine, tap)
    assert "index 101 is no interface" in flows.blind(tap)
    flows.detach(tap)


def blind(pair, flows, point, direction, stranger, *, behind):
    """Put a stranger behind (or in front of) our probe and return what is said of the tap."""
    tap = dataclasses.replace(pair.tap("a"), point=point)
    netns.call(pair.a, flows.attach, tap)
    flags = 0 if behind else hooks.BPF_F_BEFORE
    link = netns.call(pair.a, lambda: bpfcall.link(stranger, INDEX_A, direction.tcx, flags=flags))
    try:
        netns.call(pair.a, flows.examine, tap)
        return flows.blind(tap)
    finally:
        os.close(link)
        flows.detach(tap)


@pytest.mark.needs("tcx")
@pytest.mark.parametrize(
    ("point", "direction", "behind", "reason"),
    [
        (Point.UPLINK, Direction.EGRESS, True, "TCX program ok .* runs behind the probe at egress"),
        (Point.EDGE, Direction.EGRESS, True, "runs behind the probe at egress"),
        (Point.POD, Direction.EGRESS, True, None),
        (Point.UPLINK, Direction.INGRESS, True, None),
        (Point.POD, Direction.INGRESS, False, "TCX program ok .* runs before the probe at ingress"),
        (Point.UPLINK, Direction.EGRESS, False, "runs before the probe at egress"),
    ],
)
def test_programs_of_others_make_a_tap_blind(
    pair, flows, stranger, *, point, direction, behind, reason
):
    said = blind(pair, flows, point, direction, stranger, behind=behind)
    if reason is None:
        assert said is None
    else:
        assert re.search(reason, said)


@pytest.mark.needs("tcx")
def test_a_filter_of_others_behind_the_uplink_makes_it_blind(pair, flows):
    tap = dataclasses.replace(pair.tap("a"), point=Point.UPLINK)
    netns.call(pair.a, flows.attach, tap)
    tc(pair, "qdisc", "add", "dev", "e0", "clsact")
    add_filter(pair, "egress", "3", "all")
    netns.call(pair.a, flows.examine, tap)
    assert flows.blind(tap) == "bpf filter 1 (pref 3) runs behind the probe at egress"
    tc(pair, "qdisc", "del", "dev", "e0", "clsact")
    netns.call(pair.a, flows.examine, tap)
    assert flows.blind(tap) is None
    flows.detach(tap)


@pytest.mark.needs("tcx")
def test_tcx_hides_clsact_filters(pair, flows, stranger):
    tap = pair.tap("a")
    netns.call(pair.a, flows.attach, tap, hook="clsact")
    link = netns.call(pair.a, lambda: bpfcall.link(stranger, INDEX_A, Direction.INGRESS.tcx))
    try:
        netns.call(pair.a, flows.examine, tap)
        assert re.search(r"TCX program ok .* runs before the probe at ingress", flows.blind(tap))
    finally:
        os.close(link)
        flows.detach(tap)


@pytest.mark.needs("tcx")
def test_two_watchers_do_not_blind_each_other(pair, flows):
    tap = dataclasses.replace(pair.tap("a"), point=Point.UPLINK)
    netns.call(pair.a, flows.attach, tap)
    with Watch.open([tap], lambda name: name, {}, connects=False) as watch:
        (report, _) = watch.reports()
        assert report.blind is None
        netns.call(pair.a, flows.examine, tap)
        assert flows.blind(tap) is None
    flows.detach(tap)


CHILD = """
import sys
from dataplane.model.topology import (Point, Tap)
from probes.watch import Watch
tap = Tap(name="a", namespace=sys.argv[1], interface="e0", index=int(sys.argv[2]), point=Point.POD,
          owner="a", leaving_is_ingress=False)
Watch.open([tap], lambda name: name, {}, hook=sys.argv[3], connects=False)
print("ready", flush=True)
sys.stdin.read()
"""


def killed_while_watching(pair, hook):
    """Start a process that watches, and kill it the hard way."""
    words = [sys.executable, "-c", CHILD, pair.a, str(INDEX_A), hook]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as child:
        ready, _, _ = select.select([child.stdout], [], [], 30)
        assert ready
        assert child.stdout.readline() == b"ready\n"
        yield
        child.send_signal(signal.SIGKILL)
        child.wait(10)
    yield


@pytest.mark.needs("tcx")
def test_kill_9_leaves_no_tcx_link(pair):
    steps = killed_while_watching(pair, "tcx")
    next(steps)
    assert [len(programs(pair, direction)) for direction in Direction] == [1, 1]
    next(steps)
    assert [len(programs(pair, direction)) for direction in Direction] == [0, 0]
    assert ping(pair)


def test_kill_9_leaves_clsact_filters_that_can_be_swept(pair):
    steps = killed_while_watching(pair, "clsact")
    next(steps)
    next(steps)
    assert [entry.name for entry in filters(pair)] == [NAME, NAME]
    add_filter(pair, "egress", "7", "all")

    def sweep():
        with TrafficControl() as control:
            return control.sweep(INDEX_A)

    assert netns.call(pair.a, sweep) == (NAME, NAME)
    (left,) = filters(pair)
    assert left.preference == 7
    tc(pair, "filter", "del", "dev", "e0", "egress", "pref", "7")
    assert netns.call(pair.a, sweep) == ()
    assert qdiscs(pair)  # empty, and nobody knows any more whose it is
