"""`attach` ended at any instant between programs of others, which go on counting every packet."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from random import Random

import pytest

from dataplane.commands.doctor import sweep_filters
from dataplane.kernel import netns
from dataplane.session.digest import compare, take
from tests.netns.attach.conftest import OUTSIDE, Node, inside
from tests.netns.attach.strangers import AHEAD, PAUSE, Strangers, strangers
from tests.netns.attach.test_attach import Lines

pytestmark = pytest.mark.needs("root", "netns", "bpf", "btf", "tcx", "cgroup2", "nft", "ping")

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WAYS = (("--mode", "tc"), ("--hook", "clsact"), ("--mode", "zero-touch"))
KILLS, SHARE = 1000, 20
BEFORE_ATTACHED, AFTER_ATTACHED = 6.0, 0.5  # seconds into which instants fall
LONGEST = 180.0  # seconds until it is attached, on a busy machine


@pytest.fixture
def others(node, tmp_path):
    assert inside(node.pod, "ping", "-c", "1", OUTSIDE).returncode == 0  # neighbours are known
    with strangers(node, tmp_path) as made:
        yield made


def state(node: Node):
    """Return the digest, with what the agent replaces all the time in its one and only form."""
    return netns.call(node.name, take, {})


def differences(before, after, uplink):
    """Return what differs, but for the agent's own programs and for other sessions' control groups."""
    own = {(uplink, "egress filter pref 1 handle 0x1"), (uplink, "TCX egress")}
    found = [one for one in compare(before, after).differences if one.area != "cgroup"]
    for one in found:
        if (one.interface, one.thing) in own:
            assert "sixscope" not in one.after
            assert one.after.count("(id") == 1
            assert "agent_" in one.after or "chain_" in one.after
    return [one for one in found if (one.interface, one.thing) not in own]


def sending(others: Strangers, seconds: float, until=lambda: False) -> None:
    """Send datagrams for so long, or until something is true."""
    end = time.monotonic() + seconds
    pace = threading.Event()  # nobody sets it
    while time.monotonic() < end and not until():
        others.send()
        pace.wait(PAUSE)


def killed(others: Strangers, way, number: signal.Signals, chance: Random) -> None:
    """Start `attach`, send datagrams all along, end it at some instant, and look at everybody else."""
    node = others.node
    before, begun = state(node), others.sent
    late = chance.random() < 0.7  # most of the time is compiling, when there is nothing to leave
    command = [
        sys.executable,
        "-m",
        "dataplane",
        "attach",
        "--interval",
        "0.1s",
        "-o",
        "json",
        *way,
    ]
    where = f"{way} {number.name}, late {late}"
    with ExitStack() as stack:
        child = stack.enter_context(
            subprocess.Popen(
                ["nsenter", f"--net=/run/netns/{node.name}", *command],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
        )
        stack.callback(lambda: child.poll() is None and child.kill())
        lines = Lines(child)
        if late:
            sending(others, LONGEST, lambda: attached(lines) or child.poll() is not None)
            assert attached(lines), f"{where}: {said(child)}"
            assert others.all_counted(), where
            stack.enter_context(others.ahead())
            base = others.sent - others.hits(AHEAD)
            sending(others, chance.uniform(0, AFTER_ATTACHED))
        else:
            sending(others, chance.uniform(0, BEFORE_ATTACHED))
        with suppress(ProcessLookupError):
            child.send_signal(number)
        sending(others, LONGEST, lambda: child.poll() is not None)
        assert child.returncode in (-number, 128 + number), f"{where}: {said(child)}"
        sending(others, 0.02)
        assert others.all_counted(), f"{where}: {others.sent - begun} sent, {others.counted()}"
        if late:
            assert others.hits(AHEAD) == others.sent - base, where
    if number is signal.SIGKILL and "clsact" in way:
        netns.call(node.name, sweep_filters)
    assert differences(before, state(node), node.uplink) == [], where
    sending(others, 0.01)
    assert others.all_counted(), where


def said(child: subprocess.Popen) -> str:
    """Return what it said on its way, once it has ended for good."""
    child.kill()
    return child.stderr.read()


def attached(lines: Lines) -> bool:
    return any(line.get("kind") == "attached" for line in list(lines.seen))


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way[1])
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_others_count_every_packet_whatever_ends_it(others, way, number):
    killed(others, way, number, Random(f"{way}/{number.name}"))

    assert others.replaced > 10, "the agent was at work all along"


@pytest.mark.long
@pytest.mark.parametrize("share", range(KILLS // SHARE))
def test_others_count_every_packet_whatever_ends_it_often(others, share):
    chance = Random(share)
    for _ in range(SHARE):
        killed(others, chance.choice(WAYS), chance.choice(SIGNALS), chance)
