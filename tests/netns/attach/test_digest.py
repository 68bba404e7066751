"""The digest of a namespace: it sees every change, tells no change that is none, and `attach` takes it."""

import json
import os
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from dataplane.commands import main
from dataplane.kernel import bpf, bpfcall, netns
from dataplane.kernel.hooks import Direction
from dataplane.kernel.netstate import sysctls
from dataplane.session.digest import FOREIGN, LEFT, NEVER, WENT, compare, take
from tests.netns.attach.conftest import inside, ip
from tests.netns.attach.test_attach import attached

pytestmark = pytest.mark.needs("root", "netns", "bpf", "tcx", "cgroup2", "nft", "ping")

# Other sessions on this machine may come and go on the root of the control groups: not asserted here.
MACHINE = {"cgroup"}
RULES = """
table inet foreign {
  set known { type ipv6_addr; elements = { 2001:db8::1, 2001:db8::2 }; }
  set seen { type ipv6_addr; flags dynamic,timeout; timeout 1m; }
  counter heard { }
  chain forward { type filter hook forward priority 0; policy accept;
    ip6 saddr @known counter accept
    ip6 nexthdr icmpv6 counter name heard
  }
}
"""


@pytest.fixture
def look(node):
    """Return a function that compares the node with what it was when it was called last."""
    state = [netns.call(node.name, take, {})]

    def look():
        before, after = state[0], netns.call(node.name, take, {})
        state[0] = after
        assert after.not_read == ()
        return [one for one in compare(before, after).differences if one.area not in MACHINE]

    return look


def nft(node, text):
    done = inside(node.name, "nft", "-f", "-", input=text)
    assert done.returncode == 0, done.stderr


def test_packets_alone_change_nothing(node, look):
    nft(node, RULES)
    inside(node.name, "tc", "qdisc", "add", "dev", node.uplink, "clsact")
    look()

    done = inside(node.pod, "ping", "-c", "3", "-i", "0.01", "2001:db8:e::2")

    assert done.returncode == 0
    assert look() == []


@pytest.mark.parametrize(
    ("command", "area", "word"),
    [
        ("ip address add 2001:db8:d::9/64 dev calipod nodad", "addresses", "2001:db8:d::9/64"),
        ("ip -6 route add 2001:db8:f::/64 via 2001:db8:e::2", "routes", "2001:db8:f::/64"),
        ("ip -6 route add 2001:db8:f::/64 dev eth9 table 77", "routes", "table 77"),
        ("ip -6 rule add from 2001:db8::/32 table 77 pref 99", "routes", "IPv6 rule 99"),
        ("ip link set eth9 mtu 1400", "links", "link"),
        ("ip link set eth9 promisc on", "links", "link"),
        ("ip link set eth9 txqueuelen 17", "links", "link"),
        ("sysctl -qw net.ipv6.conf.eth9.accept_ra=2", "sysctls", "ipv6/conf/accept_ra"),
        ("sysctl -qw net.ipv4.conf.eth9.rp_filter=2", "sysctls", "ipv4/conf/rp_filter"),
        ("sysctl -qw net.ipv6.conf.default.use_tempaddr=2", "sysctls", "default/use_tempaddr"),
        ("sysctl -qw net.ipv6.bindv6only=1", "sysctls", "net/ipv6/bindv6only"),
        ("tc qdisc add dev eth9 clsact", "tc", "qdisc clsact"),
        ("tc qdisc add dev eth9 root pfifo limit 7", "tc", "qdisc pfifo"),
        ("nft add table ip6 t", "nftables", "table ip6 t"),
    ],
)
def test_a_change_is_seen_and_so_is_that_it_was_undone(node, look, command, area, word):
    begin = netns.call(node.name, take, {})
    done = inside(node.name, *command.split())
    assert done.returncode == 0, done.stderr

    found = look()

    assert any(one.area == area and word in one.thing for one in found), found
    assert begin.sha256 != netns.call(node.name, take, {}).sha256


@pytest.mark.parametrize(
    ("command", "thing"),
    [
        ("add rule inet foreign forward drop", "chain inet foreign forward"),
        ("add element inet foreign known { 2001:db8::3 }", "set inet foreign known"),
        ("add set inet foreign more { type ipv4_addr; }", "set inet foreign more"),
        ("delete rule inet foreign forward handle HANDLE", "chain inet foreign forward"),
        ("add chain inet foreign forward { policy drop; }", "chain inet foreign forward"),
        ("add counter inet foreign another", "object inet foreign another"),
    ],
)
def test_rules_that_change_are_seen_without_any_program_of_theirs(node, look, command, thing):
    nft(node, RULES)
    listing = inside(node.name, "nft", "-a", "list", "chain", "inet", "foreign", "forward").stdout
    handle = next(line for line in listing.splitlines() if "saddr" in line).rpartition(" ")[2]
    look()

    nft(node, command.replace("HANDLE", handle))

    assert thing in {one.thing for one in look()}


def test_elements_that_come_and_go_by_themselves_are_no_change(node, look):
    nft(node, RULES)
    look()

    nft(node, "add element inet foreign seen { 2001:db8::7 }")

    assert look() == []


def test_sysctls_of_interfaces_have_the_names_and_numbers_of_their_files(node):
    def both():
        files = {}
        for family in ("ipv4", "ipv6"):
            directory = Path(f"/proc/sys/net/{family}/conf/{node.uplink}")
            paths = [path for path in directory.iterdir() if path.name != "stable_secret"]
            for path in paths:  # so that two of them in each other's place would be seen
                if path.name != "disable_ipv6" and path.read_text().strip() in ("0", "1"):
                    with suppress(OSError):
                        path.write_text("1" if len(path.name) % 2 else "0")
            files |= {f"{family}/conf/{path.name}": path.read_text().strip() for path in paths}
        return sysctls(), files

    own, files = netns.call(node.name, both)

    mine = {where.thing: words for where, words in own.items() if where.interface == node.uplink}
    assert len(files) > 80
    assert files.keys() <= mine.keys()
    # where rtnetlink has milliseconds, or the like, the files have seconds or ticks
    differing = {name for name in files if files[name] != mine[name]}
    timed = {name for name in differing if "interval" in name or "delay" in name}
    assert differing - timed <= {"ipv6/conf/ioam6_id_wide"}  # wider than the array's numbers


def test_an_interface_that_came_is_told_once(node, look):
    ip("-n", node.name, "link", "add", "calinew", "type", "veth", "peer", "name", "calipeer")

    found = look()

    assert {one.interface for one in found} == {"calinew", "calipeer"}
    assert all("came meanwhile" in one.note for one in found)


def test_programs_at_hooks_are_told_with_their_owners(node, look, tmp_path):
    source = tmp_path / "ok.c"
    source.write_text("int ok(struct __sk_buff *skb) { return 0; }\n")
    entry = bpf.Entry(name="ok", type=bpf.ProgramType.SCHED_CLS)

    def put(program):
        return bpfcall.link(program, socket.if_nametoindex(node.uplink), Direction.EGRESS.tcx)

    before = netns.call(node.name, take, {})
    with bpf.load(source, [entry]) as module:
        number = bpfcall.program_info(module.program("ok")).id
        link = netns.call(node.name, put, module.program("ok"))
        try:
            (one,) = look()
            assert (one.area, one.thing, one.note) == ("tcx", "TCX egress", FOREIGN)
            assert one.after == f"ok (id {number})"
            compared = compare(before, netns.call(node.name, take, {}, {number}), {number})
            assert {one.area for one in compared.differences if one.note == LEFT} == {
                "tcx",
                "bpf-links",
            }
        finally:
            os.close(link)
    (gone,) = look()
    assert (gone.after, gone.note) == ("", WENT)


def of(lines, kind):
    (found,) = [line for line in lines.rest() if line["kind"] == kind]
    return found


@pytest.mark.parametrize(
    "options",
    [("--mode", "tc"), ("--hook", "clsact"), ("--mode", "zero-touch"), ("--digest", "pods")],
)
def test_attach_tells_that_the_machine_is_as_before(node, options):
    with attached(node, *options) as lines:
        inside(node.pod, "ping", "-c", "1", "2001:db8:e::2")
        lines.child.send_signal(signal.SIGTERM)
        lines.child.wait(20)

    told = of(lines, "digest")
    assert told["left"] == 0
    assert [one for one in told["differences"] if one["area"] not in MACHINE] == []
    assert told["namespaces"] == (2 if "pods" in options else 1)
    assert told["things"] > 300
    assert lines.seen[-1]["kind"] == "digest"


def test_attach_tells_what_somebody_else_changed_meanwhile(node):
    with attached(node) as lines:
        inside(node.name, "sysctl", "-qw", "net.ipv6.conf.eth9.accept_ra=2")
        inside(node.name, "tc", "qdisc", "add", "dev", node.uplink, "clsact")

    told = of(lines, "digest")
    found = {one["thing"]: one for one in told["differences"] if one["area"] not in MACHINE}
    assert set(found) == {"ipv6/conf/accept_ra", "qdisc clsact ffff: of fffffff1"}
    assert found["ipv6/conf/accept_ra"]["note"] == NEVER
    assert (told["same"], told["hooks_same"], told["left"]) == (False, False, 0)


def test_without_a_digest_nothing_is_told_of_it(node):
    with attached(node, "--digest", "none") as lines:
        pass

    assert [line for line in lines.rest() if line["kind"] == "digest"] == []


def digest_verb(node, *words):
    command = [sys.executable, "-m", "dataplane", "digest", *words]
    return inside(node.name, *command)


def test_the_verb_prints_a_digest_and_compares_with_it(node, tmp_path):
    before = tmp_path / "before.json"
    before.write_text(digest_verb(node, "-o", "json").stdout)
    inside(node.name, "sysctl", "-qw", "net.ipv6.conf.eth9.accept_ra=2")

    done = digest_verb(node, "--compare", str(before), "-o", "json")

    told = json.loads(done.stdout)
    assert done.returncode == 1, done.stderr
    assert "ipv6/conf/accept_ra" in {one["thing"] for one in told["differences"]}
    inside(node.name, "sysctl", "-qw", "net.ipv6.conf.eth9.accept_ra=1")
    text = digest_verb(node, "--compare", str(before)).stdout
    assert "accept_ra" not in text


def test_a_newcomers_walk_leaves_the_node_as_it_was(node, tmp_path):
    before = tmp_path / "before.json"
    before.write_text(digest_verb(node, "--pods", "-o", "json").stdout)

    walk = (
        ("doctor",),
        ("attach", "--duration", "2s"),
        ("doctor", "--sweep"),
        ("digest", "--pods"),
    )
    for words in walk:
        done = inside(node.name, sys.executable, "-m", "dataplane", *words)
        assert done.returncode == 0, done.stdout + done.stderr

    done = digest_verb(node, "--pods", "--compare", str(before), "-o", "json")
    told = json.loads(done.stdout)
    assert (told["namespaces"], told["not_read"]) == (2, [])
    assert [one for one in told["differences"] if one["area"] not in MACHINE] == []


def test_the_verb_says_what_it_compares_with(node, tmp_path):
    stray = tmp_path / "stray.json"
    stray.write_text("{}")

    done = digest_verb(node, "--compare", str(stray))

    assert done.returncode == 2
    assert "sixscope digest -o json" in done.stderr


def test_it_needs_root_and_says_so(monkeypatch, capsys):
    monkeypatch.setattr(os, "geteuid", lambda: 65534)

    assert main(["digest"]) == 2
    assert "root" in capsys.readouterr().err
