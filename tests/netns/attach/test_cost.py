"""What `attach` tells of its own cost, and that it goes when it costs more than it may."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from dataplane.kernel import bpf, bpfcall, netns
from dataplane.kernel.hooks import Direction
from tests.bpf.live import eventually
from tests.netns.attach.conftest import OUTSIDE, inside
from tests.netns.attach.test_attach import attached

pytestmark = pytest.mark.needs("root", "netns", "bpf", "tcx", "cgroup2", "nft", "ping")

PACKETS = 200_000  # more than any test waits for; the flood ends with the test


@contextmanager
def flood(node):
    """Have a pod send as fast as it gets answers, for a while."""
    command = ["nsenter", f"--net=/run/netns/{node.pod}", "ping", "-q", "-f", "-w", "60"]
    with subprocess.Popen(
        [*command, "-c", str(PACKETS), OUTSIDE], stdout=subprocess.DEVNULL
    ) as child:
        try:
            yield
        finally:
            child.kill()


def kinds(lines, kind):
    return [line for line in lines.rest() if line["kind"] == kind]


@pytest.mark.parametrize("mode", ["tc", "zero-touch"])
def test_programs_are_timed_in_samples_and_the_total_comes_at_the_end(node, mode):
    def busy(line):
        return line["kind"] == "cost" and any(one["runs"] > 100 for one in line["programs"])

    with attached(node, "--mode", mode, "--measure-cost", "1.5s") as lines, flood(node):
        window = lines.until(busy)
        lines.child.send_signal(signal.SIGINT)
        lines.child.wait(30)

    packets = {"ethernet_ingress", "ethernet_egress"} if mode == "tc" else {"received", "sent"}
    assert packets & {one["program"] for one in window["programs"]}
    assert 0 < window["programs_share"] < 2
    assert window["share"] == pytest.approx(
        window["cpu_share"] + window["programs_share"], abs=1e-5
    )
    total = kinds(lines, "cost")[-1]
    assert total["last"]
    assert total["sampled"] >= window["sampled"] > 0.9
    assert total["resident"] > 50_000_000
    assert total["peak"] >= total["resident"]


def test_without_being_asked_no_program_is_timed(node):
    with attached(node) as lines:
        inside(node.pod, "ping", "-c", "1", OUTSIDE)

    (only,) = kinds(lines, "cost")
    assert only["last"]
    assert (only["programs"], only["programs_share"], only["sampled"]) == ([], None, 0)
    assert only["cpu_seconds"] > 0


def test_beyond_the_budget_it_detaches_itself_and_the_traffic_goes_on(node):
    with attached(node, "--max-overhead", "0.001%", "--measure-cost", "1.2s") as lines, flood(node):
        over = lines.until(lambda line: line["kind"] == "over-budget", 30)
        lines.child.wait(30)
        still = inside(node.pod, "ping", "-c", "1", OUTSIDE)

    assert lines.child.returncode == 3, "what comes after is unknown"
    assert over["budget"] == pytest.approx(0.00001)
    assert over["share"] > over["budget"]
    assert len([one for one in kinds(lines, "cost") if not one["last"]]) == 2
    (told,) = kinds(lines, "digest")
    assert [one for one in told["differences"] if one["area"] != "cgroup"] == []
    assert still.returncode == 0


def test_within_the_budget_it_stays_until_its_time_is_over(node):
    with attached(
        node, "--max-overhead", "1000%", "--measure-cost", "1.2s", "--duration", "4s"
    ) as lines:
        lines.child.wait(30)

    assert lines.child.returncode == 0
    assert kinds(lines, "over-budget") == []
    assert len(kinds(lines, "cost")) >= 2


def test_killed_in_a_sample_it_leaves_no_program_timed(node, tmp_path):
    source = tmp_path / "ok.c"
    source.write_text("int ok(struct __sk_buff *skb) { return -1; }\n")
    entry = bpf.Entry(name="ok", type=bpf.ProgramType.SCHED_CLS)

    def put(program):
        return bpfcall.link(program, socket.if_nametoindex(node.uplink), Direction.EGRESS.tcx)

    with bpf.load(source, [entry]) as module:
        program = module.program("ok")
        link = netns.call(node.name, put, program)

        def timed():
            before = bpfcall.run_time(program).runs
            assert inside(node.pod, "ping", "-c", "1", OUTSIDE).returncode == 0
            return bpfcall.run_time(program).runs > before

        try:
            with attached(node, "--mode", "tc", "--measure-cost", "1.5s") as lines:
                assert eventually(timed, wanted=True)
                lines.child.kill()
                lines.child.wait(20)
            # others may time programs on this machine, for a moment
            assert eventually(timed, wanted=False, seconds=30) is False
        finally:
            os.close(link)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--max-overhead", "0%"), "write 2%"),
        (("--max-overhead", "much"), "write 2%"),
        (("--measure-cost", "1s"), "leave more between two"),
    ],
)
def test_what_makes_no_sense_is_refused(node, words, said):
    done = inside(node.name, sys.executable, "-m", "dataplane", "attach", *words)

    assert done.returncode == 2
    assert said in done.stderr
