import dataclasses
import json
import os
import stat
import string
from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.checks import checks
from dataplane.model.answer import State
from dataplane.model.evidence import Evidence, Header
from dataplane.model.problem import InvalidInputError
from dataplane.model.seen import (
    AddressSeen,
    ConnectSeen,
    DhcpSeen,
    DiscoverySeen,
    FlowSeen,
    LinkSeen,
    ListenerSeen,
    NeighbourSeen,
    PacketSeen,
    ProbeReport,
    Quoted,
    RouteSeen,
    SettingSeen,
    TooBigSeen,
)
from dataplane.model.stimulus import Outcome, Reach, Resolve
from dataplane.model.topology import Tap
from dataplane.record import parse, read, serialize, write
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

PLAN = six_only()

TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
WHOLE = st.integers(0, 2**64 - 1)
st.register_type_strategy(IPv6Address, st.ip_addresses(v=6))
SHAPES = {str: TEXT, int: WHOLE, float: st.floats(allow_nan=False, allow_infinity=False)}


def values(model):
    """Return a strategy for a model's values, the texts and numbers of which can be written."""
    with_shapes = {
        field.name: SHAPES[field.type]
        for field in dataclasses.fields(model)
        if field.type in SHAPES and field.name != "schema"
    }
    return st.builds(model, **with_shapes)


EVIDENCE = st.builds(
    Evidence,
    header=st.builds(
        Header,
        schema=st.just(1),
        version=TEXT,
        scenario=TEXT,
        engine=TEXT,
        plan=st.sampled_from([None, PLAN, dual_stack()]),
        taps=st.lists(values(Tap), max_size=2).map(tuple),
    ),
    stimuli=st.lists(st.one_of(values(Reach), values(Resolve)), max_size=3).map(tuple),
    outcomes=st.lists(values(Outcome), max_size=3).map(tuple),
    flows=st.lists(values(FlowSeen), max_size=3).map(tuple),
    packets=st.lists(values(PacketSeen), max_size=3).map(tuple),
    discoveries=st.lists(values(DiscoverySeen), max_size=3).map(tuple),
    too_big=st.lists(values(TooBigSeen), max_size=3).map(tuple),
    connects=st.lists(values(ConnectSeen), max_size=3).map(tuple),
    listeners=st.lists(values(ListenerSeen), max_size=3).map(tuple),
    settings=st.lists(values(SettingSeen), max_size=3).map(tuple),
    routes=st.lists(values(RouteSeen), max_size=3).map(tuple),
    links=st.lists(values(LinkSeen), max_size=3).map(tuple),
    neighbours=st.lists(values(NeighbourSeen), max_size=3).map(tuple),
    addresses=st.lists(values(AddressSeen), max_size=3).map(tuple),
    dhcp=st.lists(values(DhcpSeen), max_size=3).map(tuple),
    reports=st.lists(values(ProbeReport), max_size=3).map(tuple),
)


@pytest.fixture(name="evidence", scope="module")
def _evidence():
    faults = Faults(masquerading={"node-1"})
    applicable = [check for check in checks() if check.applies(PLAN) is None]
    seen = World(PLAN, faults).drive(s for c in applicable for s in c.stimuli(PLAN)).evidence()
    return dataclasses.replace(seen, too_big=(_too_big(seen.packets),))


def _too_big(packets):
    """Return a message that somebody's packet was too big."""
    packet = next(p for p in packets if p.source.version == 6)
    refused = Quoted(
        protocol=6,
        source=packet.source,
        destination=packet.destination,
        source_port=1,
        destination_port=2,
    )
    return TooBigSeen(
        tap="pod-a",
        leaving=False,
        time_ns=1,
        family=packet.family,
        source=packet.destination,
        destination=packet.source,
        mtu=1400,
        refused=refused,
    )


@given(EVIDENCE)
def test_what_is_written_is_read_again(evidence):
    assert parse(serialize(evidence), "e") == evidence


def test_a_whole_run_comes_back_from_disk(evidence, tmp_path):
    path = tmp_path / "run.jsonl"

    size = write(path, evidence)

    assert path.stat().st_size == size
    assert read(path) == evidence
    assert judge(read(path), checks()) == judge(evidence, checks())


def test_nobody_else_may_read_it(evidence, tmp_path):
    path = tmp_path / "run.jsonl"
    path.touch(mode=0o644)

    write(path, evidence)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["run.jsonl"]


def test_every_line_says_what_it_is_and_answers_are_none_of_it(evidence):
    lines = [json.loads(line) for line in serialize(evidence)]

    assert lines[0]["kind"] == "header"
    assert lines[0]["schema"] == 1
    assert {line["kind"] for line in lines[1:]} == {
        "reach",
        "resolve",
        "outcome",
        "flow",
        "packet",
        "too-big",
        "connect",
        "listener",
        "setting",
        "route",
        "link",
        "report",
    }
    names = set().union(*(line for line in lines if line["kind"] != "outcome"))
    assert not names & {"answers", "findings", "faults", "state", "expected", "victims"}


def test_lines_are_plain_ascii_whatever_a_process_calls_itself(evidence):
    hostile = dataclasses.replace(evidence.connects[0], comm="a\n\x1b[2J\x00\u202e\udc80😀")
    odd = dataclasses.replace(evidence, connects=(hostile,))

    raw = b"".join(serialize(odd))

    assert set(raw) <= set(string.printable.encode())
    (connect,) = parse(serialize(odd), "e").connects
    assert connect.comm == "a\n\x1b[2J\x00\u202e?😀"


def altered(evidence, kind, change):
    """Return the evidence with one line of a kind changed on disk, for which `change` is true."""
    lines = list(serialize(evidence))
    for number, line in enumerate(lines):
        members = json.loads(line)
        if members["kind"] == kind and change(members):
            lines[number] = json.dumps(members).encode() + b"\n"
            return parse(lines, "altered")
    raise AssertionError(f"no line of type {kind} to alter")


def _states(evidence):
    answers, _ = judge(evidence, checks())
    return {answer.check: (answer.state, answer.looked_at, answer.findings) for answer in answers}


def test_altering_one_seen_line_alters_the_answers(evidence):
    def foreign(flow):
        flow["source"] = "2001:db8:bad::1"
        return flow["tap"] == "pod-a" and flow["leaving"] and flow["family"] == "IPv6"

    def elsewhere(packet):
        packet["stamp"] += 1
        return packet["tap"] == "node-1" and packet["leaving"]

    def fallen(connect):
        connect["result"] = "unsent"
        return connect["family"] == "IPv4" and connect["protocol"] == 6

    def lossy(report):
        report["lost"] = 1
        return report["where"] == "pod-a" and report["probe"] == "flows"

    def deaf(listener):
        listener["address"], listener["family"] = "0.0.0.0", "IPv4"
        return listener["protocol"] == 6

    def off(setting):
        setting["value"] = "0"
        return setting["name"] == "net/ipv6/conf/all/forwarding"

    def into_services(route):
        route["destination"] = str(PLAN.service_ranges[0])
        return route["interface"] == "node-0"

    def narrow(seen):
        seen["mtu"] = 1200
        return True

    before = _states(evidence)
    for kind, change in (
        ("flow", foreign),
        ("packet", elsewhere),
        ("connect", fallen),
        ("listener", deaf),
        ("setting", off),
        ("route", into_services),
        ("link", narrow),
        ("too-big", narrow),
        ("report", lossy),
    ):
        assert _states(altered(evidence, kind, change)) != before, kind


READ = ("listener", "setting", "route", "link", "neighbour", "address")
READINGS = ("sockets", "sysctls", "routes", "links", "neighbours", "addresses")


def test_a_recording_from_before_there_were_readings_is_still_read(evidence):
    """What it does not hold was not seen: nothing else is known less."""
    old = []
    for line in serialize(evidence):
        members = json.loads(line)
        if members["kind"] not in READ and members.get("probe") not in READINGS:
            old.append(line)

    answers, _ = judge(parse(old, "old"), checks())

    before = {name: state for name, (state, _, _) in _states(evidence).items()}
    after = {answer.check: answer.state for answer in answers}
    less = {"listeners", "forwarding", "service-range", "missing-return-route"}
    less |= {"pmtu", "pool-size"}
    assert {name for name in after if after[name] is State.UNKNOWN} == less
    assert {n: s for n, s in after.items() if n not in less} == {
        n: s for n, s in before.items() if n not in less
    }


def test_a_lost_report_line_leaves_no_answer_that_holds_on_it(evidence):
    lines = [line for line in serialize(evidence) if b'"kind":"report"' not in line]

    answers, _ = judge(parse(lines, "e"), checks())

    assert State.HOLDS not in {answer.state for answer in answers}


BAD = {
    "empty file": (lambda _: [], "line 1: the file is empty"),
    "no header": (lambda lines: lines[1:], "line 1: the first line is no header"),
    "not json": (lambda lines: [lines[0], b"{]\n"], "line 2: not JSON"),
    "binary": (lambda lines: [lines[0], b"\xff\xfe\n"], "line 2: not JSON"),
    "not an object": (lambda lines: [lines[0], b"[1]\n"], "line 2: not a JSON object"),
    "deep": (lambda lines: [lines[0], b"[" * 100_000 + b"\n"], "line 2: not JSON"),
    "cut off": (lambda lines: [lines[0], lines[1].rstrip()], "line 2: the line is cut off"),
    "unknown kind": (
        lambda lines: [lines[0], b'{"kind":"answer"}\n'],
        "line 2: unknown kind 'answer'",
    ),
    "type of a strange type": (
        lambda lines: [lines[0], b'{"kind":["flow"]}\n'],
        "line 2: unknown kind ['flow']",
    ),
    "a second header": (lambda lines: [lines[0], lines[0]], "line 2: unknown kind 'header'"),
    "other schema": (
        lambda lines: [lines[0].replace(b'"schema":1', b'"schema":2')],
        "line 1: schema 2 of sixscope 0",
    ),
    "unknown member": (
        lambda lines: [lines[0], lines[1].replace(b'"check"', b'"faults":1,"check"')],
        "line 2: unknown members: 'faults'",
    ),
    "missing member": (
        lambda lines: [lines[0], b'{"kind":"report"}\n'],
        "line 2: probe: Field required",
    ),
    "number for an address": (
        lambda lines: [lines[0], _with_source(lines, 1)],
        "line 2: source: Input should be a valid string",
    ),
    "no address": (
        lambda lines: [lines[0], _with_source(lines, "::g")],
        "line 2: source: Value error",
    ),
    "text for a number": (
        lambda lines: [
            lines[0],
            b'{"kind":"report","probe":"a","where":"b","hook":"c","lost":"1"}\n',
        ],
        "line 2: lost: Input should be a valid integer",
    ),
    "line too long": (
        lambda lines: [lines[0], b" " * (16 * 1024 * 1024) + b"{}\n"],
        "line 2: the line is longer than",
    ),
}


def _with_source(lines, source):
    line = json.loads(next(line for line in lines if b'"kind":"flow"' in line))
    return json.dumps(line | {"source": source}).encode() + b"\n"


@pytest.mark.parametrize("case", BAD)
def test_a_bad_line_is_named_with_what_is_wrong_and_what_to_do(case, evidence, tmp_path):
    change, message = BAD[case]
    path = tmp_path / "bad.jsonl"
    path.write_bytes(b"".join(change(list(serialize(evidence)))))

    with pytest.raises(InvalidInputError) as caught:
        read(path)

    (problem,) = caught.value.problems
    assert caught.value.name == "bad.jsonl"
    assert problem.message.startswith(message)
    assert problem.remedy
    assert problem.line is not None


def test_a_recording_is_bounded_both_ways(evidence, tmp_path):
    path = tmp_path / "run.jsonl"

    with pytest.raises(InvalidInputError, match=r"run\.jsonl"):
        write(path, evidence, limit=10_000)
    assert not list(tmp_path.iterdir()), "nothing is left behind"
    size = write(path, evidence)
    with pytest.raises(InvalidInputError) as caught:
        read(path, limit=size - 1)
    assert f"bigger than {size - 1} octets" in caught.value.problems[0].message


def test_a_directory_that_is_not_there_is_an_error_of_the_system(evidence, tmp_path):
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "nowhere" / "run.jsonl", evidence)


def test_what_is_no_regular_file_is_not_replaced_by_one(evidence, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)

    with pytest.raises(OSError, match="not a regular file"):
        write(pipe, evidence)

    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert [entry.name for entry in tmp_path.iterdir()] == ["pipe"]


def test_a_link_stays_one(evidence, tmp_path):
    link, file = tmp_path / "link", tmp_path / "file"
    link.symlink_to(file)

    write(link, evidence)

    assert link.is_symlink()
    assert read(file) == evidence
