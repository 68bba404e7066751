"""`attach` on a machine that is not our lab: sees the truth, changes nothing, leaves nothing."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import contextmanager

import pytest

from dataplane.kernel import bpf, bpfcall, cgroup, netns
from dataplane.kernel.hooks import BPF_F_BEFORE, Direction
from tests.netns.attach.conftest import OUTSIDE, Node, inside, ip

pytestmark = pytest.mark.needs("root", "netns", "bpf", "tcx", "cgroup2", "nft", "ping")

MASQUERADE = f"""
table ip6 foreign {{
  chain postrouting {{ type nat hook postrouting priority 100; oifname eth9 ip6 daddr {OUTSIDE} masquerade; }}
}}
"""


class Lines:
    """The JSON lines of a running `attach`, read as they come."""

    def __init__(self, child: subprocess.Popen) -> None:
        self.child, self.seen = child, []
        self._changed = threading.Condition()
        self._over = False
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        for line in self.child.stdout:
            with self._changed:
                self.seen.append(json.loads(line))
                self._changed.notify_all()
        with self._changed:
            self._over = True
            self._changed.notify_all()

    def until(self, wanted, seconds: float = 20.0) -> dict:
        """Wait for a line; the first one that `wanted` is true of."""
        with self._changed:
            found = self._changed.wait_for(
                lambda: next(filter(wanted, self.seen), None) or self._over, seconds
            )
        assert isinstance(found, dict), f"not seen; but: {self.seen}"
        return found

    def rest(self) -> list[dict]:
        self._reader.join(20)
        return self.seen


@contextmanager
def attached(node: Node, *options: str):
    command = [sys.executable, "-m", "dataplane", "attach", "--interval", "0.2s", "-o", "json"]
    with subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{node.name}", *command, *options],
        stdout=subprocess.PIPE,
        text=True,
    ) as child:
        lines = Lines(child)
        try:
            # what comes earlier is not seen; four programs are compiled until then
            lines.until(lambda line: line.get("kind") == "attached", 180)
            yield lines
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGINT)
            child.wait(60)
            lines.rest()


def digest(node: Node) -> str:
    words = [
        inside(node.name, *argv).stdout
        for argv in (
            ["tc", "qdisc", "show"],
            ["tc", "filter", "show", "dev", node.pod_interface, "ingress"],
            ["tc", "filter", "show", "dev", node.uplink, "egress"],
            ["nft", "list", "ruleset"],
            ["bpftool", "net", "show"],
            ["sysctl", "net.ipv6.conf"],
            ["ip", "-6", "address"],
        )
    ]
    return "\n".join(words)


def connect(node: Node, address: str, port: int = 80) -> None:
    family = "AF_INET6" if ":" in address else "AF_INET"
    program = (
        f"import socket; s = socket.socket(socket.{family}); s.settimeout(0.5)\n"
        f"s.connect_ex(({address!r}, {port}))"
    )
    inside(node.pod, sys.executable, "-c", program)


def test_flows_attempts_and_the_interfaces_that_they_are_on(node):
    with attached(node) as lines:
        connect(node, OUTSIDE)
        connect(node, "198.51.100.7")
        flow = lines.until(
            lambda line: (
                line["kind"] == "flow" and line["destination"] == OUTSIDE and line["leaving"]
            )
        )
        attempt = lines.until(
            lambda line: line["kind"] == "connect" and line["destination"] == "198.51.100.7"
        )

    hooks = {line["where"]: line["owner"] for line in lines.seen if line["kind"] == "hook"}
    assert hooks[node.pod_interface] == node.pod
    assert hooks[node.uplink] == "node"
    assert flow["tap"] in (node.pod_interface, node.uplink)
    assert attempt["owner"] == node.pod
    assert (attempt["family"], attempt["result"]) == ("IPv4", "unsent")


def test_a_masqueraded_source_is_told_with_what_became_of_it(node):
    inside(node.name, "nft", "-f", "-", input=MASQUERADE)
    with attached(node) as lines:
        connect(node, OUTSIDE)
        change = lines.until(lambda line: line["kind"] == "source-change")

    assert change["owner"] == node.pod
    assert (change["source"], change["seen_as"]) == ("2001:db8:d::2", "2001:db8:e::1")
    assert change["uplink"] == node.uplink


def test_a_source_that_is_kept_is_not_told_of(node):
    with attached(node) as lines:
        connect(node, OUTSIDE)
        lines.until(lambda line: line["kind"] == "flow" and line["tap"] == node.uplink)

    assert [line for line in lines.rest() if line["kind"] == "source-change"] == []


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_whatever_ends_it(node, end):
    before = digest(node)
    with attached(node) as lines:
        assert digest(node) != ""  # the digest itself works while it is attached
        lines.child.send_signal(end)
        lines.child.wait(20)

    assert digest(node) == before


def test_the_duration_ends_it_and_the_totals_come_last(node):
    with attached(node, "--duration", "2s") as lines:
        inside(node.pod, "ping", "-c", "3", "-i", "0.2", OUTSIDE)
        lines.child.wait(20)

    assert lines.child.returncode == 0
    kinds = [line["kind"] for line in lines.rest()]
    assert kinds[-2:] == ["report", "digest"]
    total = next(t for t in lines.seen if t["kind"] == "total" and t["where"] == node.pod_interface)
    assert total["family"] == "IPv6"
    assert total["packets"] >= 6


def test_one_interface_by_name_needs_no_pods(node):
    with attached(node, "--interface", node.uplink) as lines:
        inside(node.name, "ping", "-c", "1", OUTSIDE)
        lines.until(lambda line: line["kind"] == "flow" and line["destination"] == OUTSIDE)

    assert next(line["where"] for line in lines.seen if line["kind"] == "hook") == node.uplink


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_ended_while_it_attaches_it_leaves_no_filter(node, number):
    before = digest(node)
    command = [sys.executable, "-m", "dataplane", "attach", "--hook", "clsact", "-o", "json"]
    with subprocess.Popen(
        ["nsenter", f"--net=/run/netns/{node.name}", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        kinds = (json.loads(line)["kind"] for line in child.stdout)
        assert "hook" in kinds
        child.send_signal(number)
        out, err = child.communicate(timeout=30)

    assert '"attached"' not in out, "the signal came while it was attaching"
    assert child.returncode == 128 + number, err
    assert "taking everything down" in err
    assert digest(node) == before


def test_clsact_leaves_filters_after_sigkill_and_the_sweep_removes_them(node):
    before = digest(node)
    with attached(node, "--hook", "clsact") as lines:
        lines.child.kill()
        lines.child.wait(20)
    assert "sixscope" in digest(node)

    done = inside(node.name, sys.executable, "-m", "dataplane", "doctor", "--sweep", "-o", "json")

    assert set(json.loads(done.stdout)["filters_removed"]) == {node.pod_interface, node.uplink}
    assert digest(node) == before


def test_a_program_of_somebody_else_ahead_is_reported_and_stays(node, tmp_path):
    source = tmp_path / "ok.c"
    source.write_text("int ok(struct __sk_buff *skb) { return 0; }\n")  # TC_ACT_OK, as CNIs say
    entry = bpf.Entry(name="ok", type=bpf.ProgramType.SCHED_CLS)

    def ahead(program: int) -> tuple[int, int]:
        index = socket.if_nametoindex(node.uplink)
        return index, bpfcall.link(program, index, Direction.EGRESS.tcx, flags=BPF_F_BEFORE)

    with bpf.load(source, [entry]) as module, attached(node) as lines:
        index, link = netns.call(node.name, ahead, module.program("ok"))
        try:
            connect(node, OUTSIDE)
            lines.child.send_signal(signal.SIGINT)
            lines.child.wait(20)
            left = netns.call(node.name, bpfcall.attached, index, Direction.EGRESS.tcx)
        finally:
            os.close(link)
        assert len(left.programs) == 1, "the stranger stays, and we are gone"

    reports = [line for line in lines.rest() if line["kind"] == "report"]
    blind = {line["where"]: line["blind"] for line in reports if line["probe"] == "flows"}
    assert "ok" in blind[node.uplink]
    assert blind[node.pod_interface] is None


def test_no_pods_at_all_says_what_to_do(unique):
    subprocess.run(["ip", "netns", "add", unique], check=True)
    try:
        done = inside(unique, sys.executable, "-m", "dataplane", "attach")
    finally:
        subprocess.run(["ip", "netns", "del", unique], check=True)

    assert done.returncode == 2
    assert "--interface" in done.stderr


def test_an_interface_that_is_not_there_names_the_others(node):
    done = inside(node.name, sys.executable, "-m", "dataplane", "attach", "--interface", "eth7")

    assert done.returncode == 2
    assert node.uplink in done.stderr


@contextmanager
def living(namespace: str, group):
    """Have a process live in a namespace and in a control group, as a container does."""
    group.mkdir(parents=True)
    script = f"echo $$ > {group}/cgroup.procs && echo here && exec sleep 60"
    command = ["nsenter", f"--net=/run/netns/{namespace}", "/bin/sh", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        try:
            assert child.stdout.readline() == "here\n"
            yield
        finally:
            child.kill()
            child.wait(20)
            cgroup.remove(group)


def test_pods_have_their_names_and_those_without_an_interface_are_told(node, unique, tmp_path):
    web, agent = "3f2b8c1e-7a5d-4e0f-9b6c-1d2e3f4a5b6c", "00000000-1111-2222-3333-444444444444"
    (tmp_path / f"var/log/pods/default_web-0_{web}").mkdir(parents=True)
    (tmp_path / f"var/log/pods/kube-system_agent_{agent}").mkdir(parents=True)
    top = cgroup.root() / unique
    of = top / "kubepods"
    try:
        with (
            living(node.pod, of / f"pod{web}" / ("a" * 64)),
            living(node.name, of / f"pod{agent}" / ("b" * 64)),
            attached(node, "--node-root", str(tmp_path)) as lines,
        ):
            connect(node, "198.51.100.7")
            attempt = lines.until(lambda line: line["kind"] == "connect")
    finally:
        cgroup.remove(top)

    (here,) = [line for line in lines.seen if line["kind"] == "node"]
    assert here["cni"] == "calico"
    assert node.pod_interface in here["because"]
    assert "kube-system/agent" in here["host_network"]
    hooks = {line["where"]: line["owner"] for line in lines.seen if line["kind"] == "hook"}
    assert hooks[node.pod_interface] == "default/web-0"
    assert attempt["owner"] == "default/web-0"


@pytest.mark.parametrize("mode", ["tc", "zero-touch"])
def test_a_pod_that_comes_is_watched_and_one_that_goes_is_told(node, unique, mode):
    pod = f"{unique}q"
    with attached(node, "--mode", mode) as lines:
        try:
            ip("netns", "add", pod)
            ip("-n", node.name, "link", "add", "calinew", "type", "veth", "peer", "name", "eth0",
               "netns", pod)  # fmt: skip
            came = lines.until(lambda line: line["kind"] == "pod" and line["change"] == "came")
            for where, interface, address in (
                (node.name, "calinew", "2001:db8:a::1/64"),
                (pod, "eth0", "2001:db8:a::2/64"),
            ):
                ip("-n", where, "link", "set", interface, "up")
                ip("-n", where, "address", "add", address, "dev", interface, "nodad")
            inside(pod, "ping", "-c", "1", "2001:db8:a::1")
            flow = lines.until(
                lambda line: line["kind"] == "flow" and line["destination"] == "2001:db8:a::1"
            )
        finally:
            ip("netns", "del", pod)
        gone = lines.until(lambda line: line["kind"] == "pod" and line["change"] == "gone")

    assert (came["where"], came["owner"], came["note"]) == ("calinew", pod, "")
    assert (flow["tap"], flow["source"]) == ("calinew", "2001:db8:a::2")
    assert gone["where"] == "calinew"
    (books,) = [
        line
        for line in lines.seen
        if line["kind"] == "report" and (line["probe"], line["where"]) == ("flows", "calinew")
    ]
    assert books["counted"] > 0
    assert books["blind"] == "its interface is gone"
