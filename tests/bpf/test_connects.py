"""Connects: every call of a process, and every way in which it can end."""

import json
import select
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest

from dataplane.kernel import bpf, cgroup, hooks, netns
from dataplane.kernel.hooks import CgroupHook
from dataplane.kernel.process import Placement
from dataplane.model.address import Family
from dataplane.model.seen import ConnectResult
from probes import connects as connects_module
from probes.connects import Connects
from probes.watch import Watch

pytestmark = pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft")

CLIENT = Path(__file__).with_name("client.py")
OPEN, SHUT, DROPPED, REJECTED = 7001, 7002, 7003, 7004
RULES = f"""
table inet t {{
  chain in {{
    type filter hook input priority 0;
    tcp dport {DROPPED} drop
    tcp dport {REJECTED} reject with icmpx admin-prohibited
  }}
}}
"""


@pytest.fixture
def group(unique):
    path = cgroup.create(f"{unique}-pod")
    yield path
    cgroup.remove(path)


@pytest.fixture
def world(pair):
    """The pair, with a server in b that listens on one port, drops another and rejects a third."""
    load = ("nft", "-f", "-")
    netns.call(pair.b, lambda: subprocess.run(load, input=RULES, text=True, check=True))
    listener = netns.call(pair.b, listen)
    yield pair
    listener.close()


def listen():
    listener = socket.create_server(("::", OPEN), family=socket.AF_INET6, dualstack_ipv6=True)
    listener.settimeout(0)
    return listener


@contextmanager
def client(pair, group, *calls):
    """Run a client in a's namespace and the group; yield what it says of its calls, while it lives."""
    place = Placement(netns=netns.path(pair.a), cgroup=group)
    words = place.command([sys.executable, str(CLIENT), *calls])
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield [json.loads(process.stdout.readline()) for _ in calls]
        process.stdin.close()
        assert process.wait(10) == 0


def until(probe, wanted, seconds=10.0):
    """Read until `wanted(attempts)` is true, woken by the ring buffer; return the attempts."""
    end = time.monotonic() + seconds
    while True:
        probe.ring.consume()
        attempts = probe.read()
        if wanted(attempts) or time.monotonic() > end:
            return attempts
        select.select([probe.ring.descriptor], [], [], 0.05)


def result_of(pair, group, call, *, alive=True):
    """Make one call; return the one attempt that was seen, while the client lives or after."""
    with Connects.open({"pod-a": group}) as probe:
        with client(pair, group, call) as (said,):
            settled = until(
                probe, lambda seen: all(a.result is not ConnectResult.PENDING for a in seen)
            )
        if not alive:
            settled = until(
                probe, lambda seen: all(a.result is not ConnectResult.PENDING for a in seen)
            )
    (attempt,) = settled
    assert attempt.pid == said["pid"]
    assert attempt.socket_cookie == said["cookie"]
    return attempt, said["error"]


def test_every_field_of_an_attempt(world, group):
    before = time.monotonic_ns()
    with Connects.open({"pod-a": group}) as probe:
        with client(world, group, f"tcp,6,2001:db8::2,{OPEN}") as (said,):
            (attempt,) = until(probe, lambda seen: seen and seen[0].latency_ns)
        (report,) = probe.reports()
    assert before < attempt.time_ns < time.monotonic_ns()
    assert attempt.pid == said["pid"]
    assert attempt.comm.startswith("python")
    assert attempt.owner == "pod-a"
    assert attempt.netns_cookie == netns.call(world.a, cookie)
    assert attempt.socket_cookie == said["cookie"]
    assert attempt.call == "connect"
    assert attempt.protocol == 6
    assert attempt.family is Family.IPV6
    assert (attempt.destination, attempt.port) == (ip_address("2001:db8::2"), OPEN)
    assert attempt.result is ConnectResult.ESTABLISHED
    assert 0 < attempt.latency_ns < time.monotonic_ns() - before
    assert (report.probe, report.where, report.hook) == ("connects", "cgroup", "cgroup-link")
    assert (report.counted, report.recorded, report.lost) == (1, 3, 0)
    assert report.blind is None


def cookie():
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as own:
        return int.from_bytes(own.getsockopt(socket.SOL_SOCKET, 71, 8), sys.byteorder)


@pytest.mark.parametrize(
    ("call", "name", "protocol", "result", "error"),
    [
        ("tcp,4,198.51.100.7,80", "connect", 6, "unsent", "Network is unreachable"),
        ("fastopen,4,198.51.100.7,80", "connect", 6, "unsent", "Network is unreachable"),
        ("tcp,6,::ffff:198.51.100.7,80", "connect", 6, "unsent", "Network is unreachable"),
        ("udp,4,198.51.100.7,53", "connect", 17, "unsent", "Network is unreachable"),
        ("sendto,4,198.51.100.7,53", "sendmsg", 17, "unsent", "Network is unreachable"),
        ("sendto,6,::ffff:198.51.100.7,53", "sendmsg", 17, "unsent", "Network is unreachable"),
        (f"tcp,4,192.0.2.2,{OPEN}", "connect", 6, "established", None),
        (f"tcp,6,::ffff:192.0.2.2,{OPEN}", "connect", 6, "established", None),
        (f"tcp,4,192.0.2.2,{SHUT}", "connect", 6, "refused", "Connection refused"),
        (f"tcp,4,192.0.2.2,{REJECTED}", "connect", 6, "refused", "No route to host"),
        ("udp,4,192.0.2.2,53", "connect", 17, "sent", None),
    ],
)
def test_every_call_that_asks_for_ipv4(world, group, *, call, name, protocol, result, error):
    attempt, said = result_of(world, group, call, alive=False)
    assert attempt.family is Family.IPV4
    assert attempt.destination.version == 4
    assert (attempt.call, attempt.protocol, attempt.result) == (name, protocol, result)
    assert said == error
    # the time to the end is known where there was one
    assert (attempt.latency_ns is None) == (result == "unsent")


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (f"tcp,6,2001:db8::2,{OPEN}", "established"),
        (f"tcp,6,2001:db8::2,{SHUT}", "refused"),
        (f"tcp,6,2001:db8::2,{REJECTED}", "refused"),
        (f"tcp,6,2001:db8::2,{DROPPED},timeout=0.2", "timed-out"),
        ("tcp,6,2001:db8:9::1,80", "unsent"),
        ("sendto,6,2001:db8::2,9", "sent"),
        ("udp,6,2001:db8::2,9,keep", "sent"),
    ],
)
def test_every_end_over_ipv6(world, group, call, result):
    attempt, _ = result_of(world, group, call, alive=False)
    assert attempt.family is Family.IPV6
    assert attempt.result == result


def test_a_retransmitted_syn_without_an_answer_is_timed_out_while_it_waits(world, group):
    with (
        Connects.open({"pod-a": group}) as probe,
        client(world, group, f"tcp,6,2001:db8::2,{DROPPED},nonblocking,keep"),
    ):
        (attempt,) = until(probe, lambda seen: len(seen) == 1)
        assert attempt.result is ConnectResult.PENDING
        assert attempt.latency_ns is None
        (attempt,) = until(probe, lambda seen: seen[0].result is not ConnectResult.PENDING)
        assert attempt.result is ConnectResult.TIMED_OUT
        assert attempt.latency_ns > 0


def test_when_the_kernel_gives_up_it_is_timed_out(world, group):
    retries = "/proc/sys/net/ipv4/tcp_syn_retries"  # of the namespace, for both families
    netns.call(world.a, lambda: Path(retries).write_text("1"))
    attempt, error = result_of(world, group, f"tcp,6,2001:db8::2,{DROPPED}")
    assert error == "Connection timed out"
    assert attempt.result is ConnectResult.TIMED_OUT
    assert attempt.latency_ns > 2_000_000_000  # the first timer and the one of the second SYN


def test_a_datagram_that_the_packet_filter_refuses_was_never_sent(world, group):
    rules = "table inet t { chain out { type filter hook output priority 0; udp dport 99 drop; }; }"
    load = ("nft", "-f", "-")
    netns.call(world.a, lambda: subprocess.run(load, input=rules, text=True, check=True))
    attempt, error = result_of(world, group, "sendto,6,2001:db8::2,99")
    assert error == "Operation not permitted"
    assert attempt.result is ConnectResult.UNSENT


def test_choosing_a_source_address_is_no_packet(world, group):
    """What getaddrinfo does for RFC 6724: connect a datagram socket, look at its name, close it."""
    source = "import socket,sys; s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM); s.connect(('2001:db8::2',80))"
    place = Placement(netns=netns.path(world.a), cgroup=group)
    with Connects.open({"pod-a": group}) as probe:
        subprocess.run(place.command([sys.executable, "-c", source]), check=True, timeout=10)
        probe.ring.consume()
        (attempt,) = probe.read()
    assert (attempt.protocol, attempt.result) == (17, ConnectResult.UNSENT)


def test_one_attempt_per_destination_of_a_socket(world, group):
    calls = ["sendto,6,2001:db8::2,9", "sendto,6,2001:db8::2,10", f"tcp,6,2001:db8::2,{OPEN}"]
    with (
        Connects.open({"pod-a": group}) as probe,
        client(world, group, *calls),
    ):
        probe.ring.consume()
        attempts = probe.read()
        assert [(a.call, a.port) for a in attempts] == [
            ("sendmsg", 9),
            ("sendmsg", 10),
            ("connect", OPEN),
        ]
        (report,) = probe.reports()
        assert report.counted == 5 + 5 + 1


def test_a_process_of_another_group_is_not_seen(world, group, unique):
    other = cgroup.create(f"{unique}-other")
    try:
        with (
            Connects.open({"pod-a": group}) as probe,
            client(world, other, f"tcp,6,2001:db8::2,{OPEN}"),
        ):
            probe.ring.consume()
            assert probe.read() == ()
    finally:
        cgroup.remove(other)


def test_groups_below_belong_to_the_owner_and_count_once(world, group):
    container = group / "container"
    container.mkdir()
    with (
        Connects.open({"pod-a": group, "inner": container}) as probe,
        client(world, container, f"tcp,6,2001:db8::2,{OPEN}"),
    ):
        probe.ring.consume()
        (attempt,) = probe.read()
        assert attempt.owner == "inner"
    later = group / "later"
    with Connects.open({"pod-a": group}) as probe:
        later.mkdir()  # a container that starts while we watch
        with client(world, later, f"tcp,6,2001:db8::2,{OPEN}"):
            probe.ring.consume()
            (attempt,) = probe.read()
            assert attempt.owner == "pod-a"


def test_the_namespace_names_the_owner_where_the_group_cannot(world, group, monkeypatch):
    monkeypatch.setattr(connects_module, "_ids", lambda _: [])
    with (
        Watch.open(
            [world.tap("a", owner="pod-a")],
            lambda name: name,
            {"pods": group},
            flows=False,
            stamps=False,
        ) as watch,
        client(world, group, f"tcp,6,2001:db8::2,{OPEN}"),
    ):
        (attempt,) = watch.connects()
        assert attempt.owner == "pod-a"


def test_without_a_group_the_report_is_blind(tmp_path):
    with Connects.open({}) as probe:
        (report,) = probe.reports()
        assert report.blind == "no control group was given to watch"
    with Connects.open({"pod-a": tmp_path}) as probe:  # a directory of another file system
        (report,) = probe.reports()
        assert str(tmp_path) in report.blind
        assert probe.read() == ()


REWRITE = """
int rewrite(struct bpf_sock_addr *ctx) {
  if (ctx->user_port == __builtin_bswap16(7777))
    ctx->user_port = __builtin_bswap16(7001);
  return 1;
}
"""


def test_a_load_balancer_above_does_not_hide_what_was_asked_for(world, group, tmp_path):
    """A program of a parent group that rewrites destinations, as Cilium's does, runs after ours."""
    pod = group / "pod"
    pod.mkdir()
    source = tmp_path / "rewrite.c"
    source.write_text(REWRITE)
    hook = CgroupHook.INET6_CONNECT
    entry = bpf.Entry(name="rewrite", type=bpf.ProgramType.CGROUP_SOCK_ADDR, hook=hook)
    with (
        bpf.load(source, [entry]) as balancer,
        hooks.attach_cgroup(balancer.program("rewrite"), group, hook),
        Connects.open({"pod-a": pod}) as probe,
        client(world, pod, "tcp,6,2001:db8::2,7777") as (said,),
    ):
        assert said["error"] is None
        probe.ring.consume()
        (attempt,) = probe.read()
        assert (attempt.port, attempt.result) == (7777, ConnectResult.ESTABLISHED)


NESTED = """
import json, os, socket, sys
from pathlib import Path
from probes.connects import Connects
with Connects.open({"pod-a": Path(sys.argv[1])}) as probe:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("127.0.0.1", 9))
    probe.ring.consume()
    (attempt,) = probe.read()
    (report,) = probe.reports()
    print(json.dumps([os.getpid(), attempt.pid, report.blind]))
"""


def test_process_ids_are_those_of_our_own_process_namespace(group):
    """A container sees its own ids; where the kernel cannot tell them, the probe says so."""
    place = Placement(cgroup=group)
    own = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    done = subprocess.run(
        place.command([*own, sys.executable, "-c", NESTED, str(group)]),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    ours, seen, blind = json.loads(done.stdout)
    assert ours < 20
    assert seen == ours or "needs Linux 6.10" in blind


def test_attempts_that_nobody_reads_are_dropped_and_reported(world, group, monkeypatch):
    monkeypatch.setattr(connects_module, "UNREAD", 4)
    monkeypatch.setattr(Connects.__init__, "__kwdefaults__", {"most": 2})
    calls = [f"sendto,6,2001:db8::2,{port}" for port in range(1, 6)]
    with (
        Connects.open({"pod-a": group}, most=2) as probe,
        client(world, group, *calls),
    ):
        probe.ring.consume()
        (report,) = probe.reports()
        assert (report.counted, report.evicted) == (25, 3)
        assert [attempt.port for attempt in probe.read()] == [4, 5]


def test_hostile_names_of_processes_are_text(world, group):
    name = "a\\n\\x1b[31m"
    source = f"import socket; open('/proc/self/comm','w').write('{name}'); socket.create_connection(('2001:db8::2',{OPEN}))"
    place = Placement(netns=netns.path(world.a), cgroup=group)
    with Connects.open({"pod-a": group}) as probe:
        subprocess.run(place.command([sys.executable, "-c", source]), check=True, timeout=10)
        probe.ring.consume()
        (*_, attempt) = probe.read()
    assert attempt.comm == "a\n\x1b[31m"  # as it is; escaped by whoever shows it
