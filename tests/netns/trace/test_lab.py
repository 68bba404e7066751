"""`trace` in the default lab, as users run it: the truth about each way, in text, json and pcapng."""

import json
import signal
import subprocess
import sys
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from pydantic import TypeAdapter
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.utils import PcapNgReader

from dataplane.model.trace import By, State, TraceResult
from dataplane.session.prepare import Shape, prepare_scenario
from labs import scenario as scenarios
from labs import supervisor
from labs.claim import Manifest
from labs.site import RUNS
from tests.netns.lab.leftovers import gone, left_of

pytestmark = pytest.mark.needs(
    "root", "netns", "bpf", "btf", "tcx", "cgroup2", "nft", "tun", "tayga", "bind"
)
PREPARED = prepare_scenario(scenarios.load("default"), Shape())
PLAN = PREPARED.plan
POD = PLAN.pods[0]


def trace(*words, **options):
    command = [sys.executable, "-m", "dataplane", "trace", *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=500, check=False, **options
    )


def told(*words) -> tuple[int, TraceResult]:
    done = trace(*words, "-o", "json")
    assert done.stdout, done.stderr
    return done.returncode, TypeAdapter(TraceResult).validate_json(done.stdout)


def places(leg):
    return [(hop.owner, hop.interface, "out" if hop.egress else "in") for hop in leg.hops]


def done(leg):
    return [
        (hop.change.by, hop.change.undone)
        for hop in leg.hops
        if hop.change and hop.change.by is not By.ROUTED
    ]


@pytest.fixture(scope="module")
def standing(prefix):
    """A lab that stands for all tests of this module that ask nothing special of it."""
    run = f"{prefix.removeprefix('sx-')}trace"
    supervisor.up(PREPARED.topology, run=run)
    yield run
    supervisor.down(run)
    assert left_of(run) == []


@pytest.fixture(scope="module")
def by_name(standing, tmp_path_factory):
    """A connection to the IPv4-only server by its name, with its pcapng file."""
    file = tmp_path_factory.mktemp("trace") / "way.pcapng"
    code, result = told(
        "v4only.internet.test", "--lab", standing, "--port", "8080", "--write", str(file)
    )
    return code, result, file


def test_an_ipv4_only_server_by_name_goes_by_dns64_and_nat64(by_name):
    code, result, _ = by_name

    assert (code, result.state, result.origin) == (0, State.ANSWERED, POD.name)
    (one,) = result.traces
    assert one.destination in PLAN.nat64.prefix
    request, answer = one.legs
    assert places(request) == [
        (POD.name, POD.name, "in"),
        (POD.node, "uplink", "out"),
        ("gateway", "nat64", "out"),
        ("gateway", "nat64", "in"),
        ("gateway", "edge", "out"),
        ("server-v4", "eth0", "in"),
    ]
    assert done(request) == [(By.NAT64, False), (By.MASQUERADE, False)]
    assert done(answer) == [(By.MASQUERADE, True), (By.NAT64, True)]
    assert answer.hops[-1].source == request.hops[0].destination
    assert request.hops[-1].source == PLAN.nat64.public4
    assert [hop.family for hop in request.hops[2:4]] == ["IPv6", "IPv4"]


def test_every_hop_has_its_limit_mtu_time_and_length(by_name):
    _, result, _ = by_name
    hops = [hop for leg in result.traces[0].legs for hop in leg.hops]

    assert {hop.mtu for hop in hops} == {1500}
    assert hops[0].hop_limit == 64
    limits = [hop.hop_limit for hop in result.traces[0].legs[0].hops]
    assert limits == sorted(limits, reverse=True)
    assert len(set(limits)) == len(limits)
    assert all(after.offset_us >= before.offset_us for before, after in pairwise(hops))
    lengths = [hop.length for hop in result.traces[0].legs[0].hops]
    assert lengths[2] - lengths[3] == 20  # the two headers, RFC 7915
    assert result.gaps == ()


def test_hops_are_the_packets_of_the_file(by_name):
    _, result, file = by_name
    with PcapNgReader(str(file)) as reader:
        packets = list(reader)

    assert len(packets) == result.frames
    for leg in result.traces[0].legs:
        for hop in leg.hops:
            packet = packets[hop.frame - 1]
            layer = packet[IPv6] if hop.family == "IPv6" else packet[IP]
            assert (layer.src, layer.dst) == (str(hop.source), str(hop.destination))
            said = packet.comments[0].decode()
            assert f"{leg.way}, hop {hop.number} of {len(leg.hops)}: {hop.owner}" in said


@pytest.mark.needs("tshark")
def test_tshark_opens_the_file_with_its_comments(by_name):
    _, result, file = by_name

    done = subprocess.run(
        [
            "tshark",
            "-r",
            str(file),
            "-T",
            "json",
            "-e",
            "frame.comment",
            "-e",
            "frame.interface_name",
        ],
        capture_output=True,
        text=True,
        check=True,
    )

    layers = [packet["_source"]["layers"] for packet in json.loads(done.stdout)]
    assert len(layers) == result.frames
    last = result.traces[0].legs[1].hops[-1]
    assert "answered after" in layers[last.frame - 1]["frame.comment"][0]
    assert layers[last.frame - 1]["frame.interface_name"] == [f"{POD.node}/{POD.name}"]


def test_an_ipv4_literal_leaves_the_pod_by_its_clat(standing):
    code, result = told("198.51.100.4", "--lab", standing)

    (one,) = result.traces
    assert (code, done(one.legs[0])[0], done(one.legs[1])[-1]) == (
        0, (By.CLAT, False), (By.CLAT, True),
    )  # fmt: skip
    assert places(one.legs[0])[:2] == [(POD.name, "clat", "out"), (POD.name, "clat", "in")]
    assert one.legs[1].hops[-1].namespace == POD.name


@pytest.mark.parametrize("protocol", ["tcp", "udp", "icmp"])
def test_a_server_with_ipv6_is_reached_without_a_translator(standing, protocol):
    words = () if protocol == "icmp" else ("--port", "8080", "--size", "900")

    code, result = told(
        "v6only.internet.test", "--lab", standing, "--protocol", protocol, "--count", "2", *words
    )

    assert (code, [trace.state for trace in result.traces]) == (0, [State.ANSWERED] * 2)
    for one in result.traces:
        assert done(one.legs[0]) == done(one.legs[1]) == []
        assert places(one.legs[0])[-1] == ("server-v6", "eth0", "in")


def test_a_pod_on_another_node(standing):
    other = next(pod for pod in PLAN.pods if pod.node != POD.node)

    code, result = told(str(other.addresses[0]), "--lab", standing, "--port", "8080")

    assert code == 0
    assert places(result.traces[0].legs[0]) == [
        (POD.name, POD.name, "in"),
        (POD.node, "uplink", "out"),
        (other.node, "uplink", "in"),
        (other.name, other.name, "out"),
    ]
    assert result.traces[0].legs[0].hops[2].change.hidden == 1  # the fabric between them


def test_a_service_address_is_exchanged_on_the_node_and_back(standing):
    service = next(s for s in PLAN.services if s.port == 80)

    code, result = told(
        str(service.addresses[0]), "--lab", standing, "--port", "80", "--count", "3"
    )

    assert code == 0
    for one in result.traces:
        first, last = one.legs[0].hops[0], one.legs[0].hops[-1]
        assert first.destination == service.addresses[0]
        assert last.destination in {pod.addresses[0] for pod in PLAN.pods}
        assert (last.destination_port, one.legs[1].hops[-1].source) == (8080, first.destination)


def test_a_port_where_nobody_listens_is_refused_by_who_is_named(standing):
    code, result = told("v6only.internet.test", "--lab", standing, "--port", "9")

    assert (code, result.state) == (1, State.REFUSED)
    assert "server-v6 sent a reset" in result.traces[0].verdict


def test_a_name_that_is_not_there_is_unknown(standing):
    code, result = told("nobody.internet.test", "--lab", standing)

    assert (code, result.state, result.traces[0].legs) == (3, State.UNKNOWN, ())
    assert "NXDOMAIN" in result.traces[0].verdict


def test_the_text_fits_a_terminal(standing):
    done = trace("v4only.internet.test", "--lab", standing, "--port", "8080")

    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "NAT64: IPv6 and IPv4 exchanged" in done.stdout


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (("--from", "pod-zz"), "none of that name"),
        (("--lab", "no-such-run"), "run no-such-run"),
    ],
)
def test_what_is_not_there_is_named(standing, words, what):
    lab = () if "--lab" in words else ("--lab", standing)

    done = trace("v4only.internet.test", *lab, *words)

    assert done.returncode == 2
    assert what in done.stderr


def broken(fault, *words):
    code, result = told(*words, "--scenario", "default", "--fault", fault)
    assert code == 1
    return result


def test_a_translator_that_is_down_keeps_the_packet_and_its_kernel_says_so():
    result = broken("nat64-down", "v4only.internet.test", "--port", "8080")

    one = result.traces[0]
    assert (one.state, one.legs[0].hops[-1].tap) == (State.DROPPED, "gateway-nat64")
    assert {(stop.owner, stop.interface) for stop in one.stops} == {("gateway", "nat64")}
    assert "gateway gave it up at nat64" in one.verdict


def test_a_packet_too_big_in_the_middle_is_placed_though_nobody_may_say_so():
    other = next(pod for pod in PLAN.pods if pod.node != POD.node)

    result = broken("pmtu-black-hole", str(other.addresses[0]), "--port", "8080", "--size", "20000")

    one = result.traces[0]
    assert one.state is State.STALLED
    assert {stop.reason for stop in one.stops} == {"PKT_TOO_BIG"}
    assert "too big for the next link" in one.verdict
    assert "the client says TIMEOUT" in one.verdict


def test_a_name_that_cannot_be_asked_for_has_its_question_traced():
    """The neighbour does not answer: given up after three seconds, and the trace waits for that."""
    code, result = told("v6only.internet.test", "--scenario", "neighbour-advertisements-lost")

    one = result.traces[0]
    assert (code, one.state, one.port) == (1, State.REJECTED, 53)
    assert "was not resolved in the pod" in one.verdict
    assert "hardware address is not resolved" in one.verdict
    assert {stop.interface for stop in one.stops if stop.what == "drop"} == {"uplink"}


def test_a_clat_on_the_node_brings_the_answer_home_to_a_link_local_pod():
    code, result = told("198.51.100.4", "--scenario", "clat-on-node")

    one = result.traces[0]
    assert (code, one.state) == (0, State.ANSWERED)
    assert done(one.legs[0])[:2] == [(By.MASQUERADE, False), (By.CLAT, False)]
    assert places(one.legs[1])[-1] == (POD.name, POD.name, "out")
    assert one.legs[1].hops[-1].destination.is_link_local


@pytest.mark.parametrize("when", ["building", "sending"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_a_signal_in_the_middle_leaves_nothing(number, when):
    words = ["v6only.internet.test", "--count", "100", "--scenario", "default"]
    with subprocess.Popen(
        [sys.executable, "-m", "dataplane", "trace", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        run = _until(child, lambda: _run_of(child.pid))
        if when == "sending":
            _until(child, lambda: _client_of(run))
        child.send_signal(number)
        _, said = child.communicate(timeout=60)

    assert child.returncode == 128 + number, said
    assert gone(lambda: left_of(run))


def _until(child, look):
    while not (found := look()):
        assert child.poll() is None, child.stderr.read()
    return found


def _run_of(pid: int) -> str:
    manifests = map(Manifest.read, RUNS.iterdir()) if RUNS.is_dir() else ()
    with suppress(FileNotFoundError):  # somebody else's has gone meanwhile
        return next((found.run for found in manifests if found and found.pid == pid), "")
    return ""


def _client_of(run: str) -> bool:
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if f"/sixscope-{run}/" in (process / "cgroup").read_text():
                words = (process / "cmdline").read_bytes()
                if b"labs/client.py" in words and b"enter.py" not in words:
                    return True
    return False
