"""A recording of a run: replayed without root it says the same, altered it says something else."""

import json
import re
import signal
import stat
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

pytestmark = pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun", "tayga", "bind")

SIXSCOPE = (sys.executable, "-m", "dataplane")
# In a user namespace that nothing is mapped into: nobody's user id and not one capability.
WITHOUT_ROOT = ("unshare", "--user", "--")

Members = dict
Change = Callable[[Members], Members | None]


def call(*words: str, within: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    command = [*within, *SIXSCOPE, *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def told(done: subprocess.CompletedProcess) -> dict:
    result = json.loads(done.stdout)
    return {"answers": result["answers"], "not_applicable": result["not_applicable"]}


def record(directory: Path, scenario: str) -> tuple[Path, dict, int]:
    path = directory / f"{scenario}.jsonl"
    done = call("run", scenario, "--evidence", str(path), "-o", "json")
    assert done.stdout, done.stderr
    return path, told(done), done.returncode


@pytest.fixture(scope="module", name="default")
def _default(tmp_path_factory):
    return record(tmp_path_factory.mktemp("default"), "default")


@pytest.fixture(scope="module", name="dual")
def _dual(tmp_path_factory):
    return record(tmp_path_factory.mktemp("dual"), "dual-stack")


@pytest.fixture(scope="module", name="refused")
def _refused(tmp_path_factory):
    return record(tmp_path_factory.mktemp("refused"), "ipv6-refused")


@pytest.fixture(scope="module", name="sick")
def _sick(tmp_path_factory):
    return record(tmp_path_factory.mktemp("sick"), "masquerading-node")


@pytest.mark.parametrize("recording", ["default", "dual", "sick"])
def test_it_says_the_same_without_root(recording, request):
    path, answers, code = request.getfixturevalue(recording)

    done = call("replay", str(path), "-o", "json", within=WITHOUT_ROOT)

    assert told(done) == answers
    assert done.returncode == code
    assert code == (1 if recording == "sick" else 0)


def test_those_are_really_no_root(default):
    path, _, _ = default

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    done = call("run", "default", within=WITHOUT_ROOT)
    assert done.returncode == 2
    assert "needs root" in done.stderr


def altered(path: Path, change: Change, *, once: bool = False) -> tuple[Path, int]:
    """Write a copy with every line (or the first one) changed that `change` returns anew."""
    lines, changed = path.read_text().splitlines(keepends=True), 0
    for number, line in enumerate(lines):
        before = json.loads(line)
        after = change(dict(before))
        if after != before and not (once and changed):
            changed += 1
            lines[number] = "" if after is None else json.dumps(after) + "\n"
    copy = path.with_name("altered.jsonl")
    copy.write_text("".join(lines))
    return copy, changed


def replayed(path: Path) -> dict[str, dict]:
    done = call("replay", str(path), "-o", "json")
    assert done.stdout, done.stderr
    return {answer["check"]: answer for answer in json.loads(done.stdout)["answers"]}


def test_one_foreign_source_breaks_the_answer(default):
    def foreign(line):
        pod = line.get("tap") == "pod-a" and line["kind"] == "flow" and line["leaving"]
        if pod and line["family"] == "IPv6" and line["source"].startswith("2001:db8:1:"):
            line["source"] = "2001:db8:bad::1"
        return line

    copy, changed = altered(default[0], foreign, once=True)
    answer = replayed(copy)["source-range"]

    assert changed == 1
    assert answer["state"] == "broken"
    assert {finding["subject"] for finding in answer["findings"]} == {"pod-a"}
    assert "2001:db8:bad::1" in answer["findings"][0]["seen"]


def test_a_pod_that_no_uplink_saw_is_unknown(default):
    path, _, _ = default
    header = json.loads(path.read_text().splitlines()[0])
    pods = [pod for node in header["plan"]["nodes"] for pod in node["pods"]]
    addresses = set(next(pod["addresses"] for pod in pods if pod["name"] == "pod-a"))
    clat = next(pod["clat_address"] for pod in pods if pod["name"] == "pod-a")

    def unseen(line):
        uplink = line["kind"] == "packet" and line["tap"].startswith("node-")
        return None if uplink and line["source"] in addresses | {clat} else line

    copy, changed = altered(path, unseen)
    answer = replayed(copy)["masquerade"]

    assert changed > 1
    assert answer["state"] == "unknown"
    assert "pod-a" in answer["reason"]


def test_one_attempt_that_was_never_sent_breaks_the_answer(default):
    def unsent(line):
        if line["kind"] == "connect" and (line["family"], line["protocol"]) == ("IPv4", 6):
            line["result"] = "unsent"
        return line

    copy, changed = altered(default[0], unsent, once=True)
    answer = replayed(copy)["clat"]

    assert changed == 1
    assert answer["state"] == "broken"
    assert len(answer["findings"]) == 1


def test_where_ipv6_was_not_refused_nothing_was_hidden(refused):
    path, before, _ = refused

    def established(line):
        if line["kind"] == "connect" and (line["family"], line["protocol"]) == ("IPv6", 6):
            line["result"] = "established"
        return line

    copy, changed = altered(path, established)

    assert changed >= 1
    states = {answer["check"]: answer["state"] for answer in before["answers"]}
    assert states["fallback"] == "broken"
    assert replayed(copy)["fallback"]["state"] == "holds"


@pytest.mark.parametrize(
    ("number", "text", "words"),
    [
        (1, '{"kind":"header","schema":99,"version":"9.1"}', "schema 99 of sixscope 9.1"),
        (7, "{]", "line 7: not JSON"),
        (7, '{"kind":"flow"}', "line 7: "),
        (7, '{"kind":"answer"}', "line 7: unknown kind 'answer'"),
    ],
)
def test_a_bad_line_is_named(default, number, text, words):
    path, _, _ = default
    lines = path.read_text().splitlines(keepends=True)
    copy = path.with_name(f"bad{number}.jsonl")
    copy.write_text("".join([*lines[: number - 1], text + "\n", *lines[number:]]))

    done = call("replay", str(copy), "-o", "json")

    assert done.returncode == 2
    assert words in done.stderr
    (problem,) = json.loads(done.stdout)["error"]["problems"]
    assert problem["line"] == number
    assert problem["remedy"]


def test_a_recording_is_served(default):
    path, answers, _ = default
    command = [*WITHOUT_ROOT, *SIXSCOPE, "serve", str(path), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as child:
        try:
            said = child.stderr.readline()
            port = int(re.search(r"http://[^ ]+:(\d+)", said)[1])
            with urllib.request.urlopen(
                f"http://localhost:{port}/api/v1/answers", timeout=10
            ) as got:
                body = json.load(got)
            child.send_signal(signal.SIGINT)
            assert child.wait(20) == 130
        finally:
            child.kill()

    assert body["answers"] == answers["answers"]
