"""Programs built before do what compiled ones do, on a machine that has no compiler."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest

from dataplane.kernel import bpf, built
from dataplane.kernel.module import Entry, ProgramType, Recipe
from probes.programs import recipes
from probes.tracepoints import Tracepoints
from tests.bpf import frames
from tests.bpf.conftest import Dry
from tests.bpf.live import descriptors

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.needs("root", "bpf", "btf"),
    pytest.mark.xdist_group("built"),  # built once: they share what takes ten seconds
]


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    directory = tmp_path_factory.mktemp("programs")
    command = [sys.executable, "-m", "dataplane", "build-programs", str(directory)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(recipes()) == len(list(directory.iterdir()))
    return directory


@pytest.fixture
def without_compiler(programs, tmp_path, monkeypatch):
    """No process that begins from now on, and not this one, can import BCC."""
    (tmp_path / "bcc.py").write_text("raise ImportError('there is no BCC here')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv(built.VARIABLE, str(programs))
    monkeypatch.setitem(sys.modules, "bcc", None)


@pytest.mark.usefixtures("without_compiler")
def test_every_probe_loads_where_there_is_no_compiler():
    command = [sys.executable, "-m", "tests.vm.load"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert '"tracepoints": ["received", "sent"]' in done.stdout


@pytest.mark.usefixtures("without_compiler")
def test_without_them_it_is_said_what_is_missing(tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setenv(built.VARIABLE, str(empty))
    command = [sys.executable, "-m", "tests.vm.load"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"nothing in {empty} was built of this connects.c" in done.stderr


def test_the_same_flows_books_and_events(programs, monkeypatch):
    compiled = Dry()
    monkeypatch.setenv(built.VARIABLE, str(programs))
    loaded = Dry()
    try:
        assert type(loaded.flows.module) is not type(compiled.flows.module)
        for frame in frames.bases():
            for side in (compiled, loaded):
                side.run(frame)
        one, other = (flows_of(side) for side in (compiled, loaded))
        assert one == other
        assert len(one) > 20
        stamps, same = (
            [(packet.packet, packet.stamp, packet.source_port) for packet in side.packets()]
            for side in (compiled, loaded)
        )
        assert stamps == same
        assert len(stamps) > 10
        assert compiled.flows.books(compiled.flows.taps[0]) == loaded.flows.books(
            loaded.flows.taps[0]
        )
    finally:
        compiled.flows.close()
        loaded.flows.close()


def test_no_mark_is_left_and_every_place_is_used(programs, monkeypatch):
    monkeypatch.setenv(built.VARIABLE, str(programs))
    with Tracepoints.open({}) as opened:
        code = opened.module.instructions("received")
    assert built.mark(0).to_bytes(8, sys.byteorder)[4:] not in code
    recipe = next(one for one in recipes() if one.source == Tracepoints.source)
    kept = built.find(recipe, bpf.splice(recipe.source))
    for number in range(len(kept.places)):
        low, high = (half.hex() for half in halves(built.mark(number)))
        assert f"{low}00000000{high}" in kept.programs["received"].instructions


def flows_of(side):
    """Everything but the times."""
    return sorted(
        (str(flow.source), flow.source_port, flow.protocol, flow.packets, flow.bytes, flow.largest)
        for flow in side.seen()
    )


def halves(number):
    octets = number.to_bytes(8, sys.byteorder)
    return octets[:4], octets[4:]


def test_a_size_that_is_part_of_the_instructions_is_refused(tmp_path):
    source = tmp_path / "some.c"
    source.write_text("int some(struct __sk_buff *skb) { return skb->len & (ROOM - 1); }\n")
    entry = Entry(name="some", type=ProgramType.SCHED_CLS)
    recipe = Recipe(source=source, entries=(entry,), sizes={"ROOM": 8})
    with pytest.raises(ValueError, match="ROOM is part of the instructions"):
        bpf.build(recipe)


def test_what_the_verifier_says_is_told(tmp_path, monkeypatch):
    source = tmp_path / "some.c"
    source.write_text("int some(struct __sk_buff *skb) { return *(u32 *)((long)FIELD); }\n")
    entry = Entry(name="some", type=ProgramType.SCHED_CLS)
    recipe = Recipe(source=source, entries=(entry,), places={"FIELD": 8})
    built.write(recipe, bpf.build(recipe), tmp_path)
    monkeypatch.setenv(built.VARIABLE, str(tmp_path))
    with pytest.raises(bpf.LoadFailedError, match="invalid mem access"):
        bpf.prepare(recipe)


def test_sizes_are_chosen_when_it_is_loaded(programs, monkeypatch):
    monkeypatch.setenv(built.VARIABLE, str(programs))
    flows = dataclasses.replace(
        recipes()[0], sizes={"FLOW_ENTRIES": 1000, "TAP_SLOTS": 128, "PACKET_PAGES": 16}
    )
    with bpf.prepare(flows) as module:
        assert module.table("flows").capacity == 1000
        assert module.table("books").capacity == 256


def test_nothing_stays_open(programs, monkeypatch):
    monkeypatch.setenv(built.VARIABLE, str(programs))
    before = descriptors()
    with bpf.prepare(recipes()[0]) as module:
        module.ring("packets", lambda _: None).consume()
    assert descriptors() == before
