"""On Debian 12's kernel, which has no TCX, the programs load and the same things are found."""

import json
import sys
from pathlib import Path

import pytest

from dataplane.kernel import built
from tests.vm import guest
from tests.vm.kernel import unpacked

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [
    pytest.mark.needs("root", "qemu", "kernel61"),
    pytest.mark.xdist_group("vm"),  # one at a time: each takes all processors
]


@pytest.fixture(scope="module")
def kernel():
    found = unpacked("6.1")
    assert found is not None
    return found


def taken(programs):
    """Have a guest load what was built here: it fits its kernel, too, and to compile takes it a minute."""
    return f"test -d {programs} && export {built.VARIABLE}={programs}"


def test_the_guest_is_another_kernel_with_our_files(kernel):
    done = guest.run(kernel, "sh", "-c", "uname -r; pwd; echo words >&2; exit 7", where=ROOT)
    assert (done.status, done.stderr) == (7, "words\n")
    assert done.stdout.splitlines() == [kernel.release, str(ROOT)]


def test_what_a_guest_writes_stays_there(kernel, unique):
    new = ROOT / unique
    done = guest.run(kernel, "sh", "-c", f"touch {new} && test -e {new}", where=ROOT)
    assert done.status == 0
    assert not new.exists()


def test_a_guest_that_does_not_end_is_stopped_and_said(kernel):
    with pytest.raises(guest.GuestFailedError, match="not done in 10 s: tail"):
        guest.run(kernel, "tail", "-f", "/dev/null", where=ROOT, timeout=10)


def test_every_probe_loads(kernel):
    done = guest.run(kernel, sys.executable, "-m", "tests.vm.load", where=ROOT)
    assert done.status == 0, done.stderr[-4000:]
    answer = json.loads(done.stdout)
    assert answer["kernel"] == kernel.release
    sources = {path.stem for path in (ROOT / "probes" / "bpf").glob("*.c")}
    assert answer["loaded"].keys() == sources
    assert all(answer["loaded"].values())


@pytest.mark.needs("netns", "bpf", "cgroup2", "nft", "tun", "tayga", "bind")
def test_the_same_things_are_found(kernel, built_programs):
    sixscope = Path(sys.executable).with_name("sixscope")
    healthy = f"{sixscope} run default -o json"
    broken = f"{sixscope} run masquerading-node --expect -o json"
    script = f"{taken(built_programs)}; {healthy}; echo $?; {broken}; echo $?"
    done = guest.run(kernel, "sh", "-c", script, where=ROOT)
    assert done.stdout.count("\n") == 4, f"{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
    answer, status, hiding, met = (json.loads(line) for line in done.stdout.splitlines())

    assert status == 0, f"{answer}\n{done.stderr[-4000:]}"
    assert answer["lost_events"] == 0, answer
    assert answer["answers"]
    assert {one["state"] for one in answer["answers"]} == {"holds"}, answer
    assert all(one["looked_at"] > 0 for one in answer["answers"])

    assert (met, hiding["met"]) == (0, True), hiding
    states = {one["check"]: one["state"] for one in hiding["answers"]}
    assert states.pop("masquerade") == "broken"
    assert set(states.values()) == {"holds"}


@pytest.mark.needs("netns", "bpf", "cgroup2")
def test_without_tcx_attach_touches_nothing_and_sees_all_the_same(kernel, built_programs):
    attach = f"{sys.executable} -m dataplane attach --interface lo"
    script = (
        f"{taken(built_programs)}; {attach} --duration 600s -o json >/run/lines & "
        "while kill -0 $! && ! grep -q kind...attached /run/lines; do sleep 1; done; "
        "ping -q -c 3 ::1 >/dev/null; tc qdisc show dev lo; kill -INT $!; wait $!; cat /run/lines; "
        f"{attach} --duration 1s --mode tc >/dev/null; echo $?; "
        f"{attach} --duration 1s --hook clsact -o json >/dev/null; echo $?; "
        "tc qdisc show dev lo"
    )
    done = guest.run(kernel, "sh", "-c", script, where=ROOT, timeout=900)

    during, *lines, refused, allowed, after = done.stdout.splitlines()
    assert "clsact" not in during + after
    told = [json.loads(line) for line in lines]
    (mode,) = [line for line in told if line["kind"] == "mode"]
    assert (mode["mode"], "no TCX" in mode["because"]) == ("zero-touch", True)
    echoes = [line for line in told if line["kind"] == "flow" and line["protocol"] == 58]
    assert {(line["destination"], line["leaving"]) for line in echoes} >= {
        ("::1", True),
        ("::1", False),
    }
    (total,) = [line for line in told if line["kind"] == "total"]
    assert total["packets"] == 12  # three requests and three replies, out and in

    assert (refused, allowed) == ("2", "0"), done.stderr
    assert "Linux 6.6" in done.stderr
    assert "`--hook clsact` would, but a SIGKILL" in done.stderr
