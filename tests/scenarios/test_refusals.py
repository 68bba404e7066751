"""What cannot be done is said: where, what, why, what to do. One JSON object when asked for; nothing left."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SIXSCOPE = (sys.executable, "-m", "dataplane")
WITHOUT_ROOT = ("unshare", "--user", "--")
SHOOT = """
apiVersion: core.gardener.cloud/v1beta1
kind: Shoot
metadata: {name: "../../hostile\\e[2J"}
spec:
  provider: {type: PROVIDER, workers: [{name: w}]}
  networking: {type: calico, NETWORKING}
"""
SIX = "ipFamilies: [IPv6], nodes: '2001:db8:a::/64', pods: '2001:db8:b::/56', services: '2001:db8:c::/112'"
FOUR = "ipFamilies: [IPv4], nodes: 10.250.0.0/19, pods: 100.64.0.0/12, services: 100.104.0.0/13"
DUAL = (
    "ipFamilies: [IPv4, IPv6], nodes: 10.180.0.0/16, pods: 100.96.0.0/11, services: 100.64.0.0/13"
)
NATIVE = {"reachability", "masquerade", "source-range", "fallback"}
TRANSLATED = NATIVE | {"nat64", "dns64", "clat", "ipv4-leak"}


def call(*words: str, within=(), environment=None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [*within, *SIXSCOPE, *words],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, **(environment or {})},
    )


def refused(done: subprocess.CompletedProcess) -> str:
    """Check that it was refused in words, and as one JSON object; return the words."""
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    (line,) = done.stdout.splitlines()
    said = json.loads(line)["error"]["message"]
    assert said in done.stderr
    return said


def shoot(directory: Path, provider: str, networking: str) -> str:
    path = directory / "shoot.yaml"
    path.write_text(SHOOT.replace("PROVIDER", provider).replace("NETWORKING", networking))
    return str(path)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--nodes", "0"), "0 is not between 1 and 250"),
        (("--nodes", "251"), "251 is not between 1 and 250"),
        (("--pods", "501"), "501 is not between 1 and 500"),
        (("--pods", "many"), "many"),
        (("--seed", "x"), "x"),
        (("--clat", "everywhere"), "everywhere"),
        (("--engine", "nope"), "one of"),
        (("--fault", "nope"), "sixscope explain"),
        (("--fault", "masquerading-nod"), "did you mean masquerading-node"),
        (("--nope",), "--nope"),
        (("--evidence", "/nowhere/e.jsonl"), "/nowhere"),
        (("--junit", "/nowhere/e.xml"), "/nowhere"),
        (("--evidence", "/dev/null"), "no regular file"),
        (("--serve", "--port", "99999"), "99999"),
    ],
)
def test_an_option_that_cannot_be(words, said):
    assert said in refused(call("run", "default", *words, "-o", "json"))


@pytest.mark.parametrize("words", [("nope",), ("run", "nope"), ("replay",), ("explain", "nope")])
def test_words_that_lead_nowhere(words):
    refused(call(*words, "-o", "json"))


BOMB = "\n".join(
    ["a: &a [x,x,x,x,x,x,x,x,x]"]
    + [f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]" for a, b in zip("abcdef", "bcdefg", strict=True)]
)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (BOMB.encode(), "aliases counted"),
        (b"[" * 100_000, "nested deeper"),
        (b"a" * 3_000_000, "larger than"),
        (b"\x7fELF\xff\xfe\x00", "not UTF-8"),
        (b"\0\0\0", "control characters"),
        (b'!!python/object/apply:os.system ["id"]', "not for manifests"),
        (b"", "no Shoot"),
        (b"kind: [", "while parsing"),
    ],
    ids=["bomb", "deep", "huge", "binary", "control", "tag", "empty", "cut"],
)
def test_a_file_that_is_no_manifest(tmp_path, content, said):
    path = tmp_path / "m.yaml"
    path.write_bytes(content)

    done = call("run", str(path), "-o", "json")

    assert "m.yaml" in refused(done)
    assert said in done.stderr


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("'2001:db8:b::/56'", "'2001:db8:b::/126'", "does not fit"),
        ("'2001:db8:b::/56'", "'2001:db8:b::1/56'", "host bits"),
        ("'2001:db8:c::/112'", "'2001:db8:c::/129'", "invalid CIDR"),
        ("'2001:db8:c::/112'", "'2001:db8:c::/128'", "too small"),
        ("'2001:db8:a::/64'", "'2001:db8:a::/128'", "no room for 2"),
        ("'2001:db8:b::/56'", "'2001:db8:b::/64'", "2 nodes need"),
        ("[IPv6]", "[IPv7]", "IPv7"),
    ],
)
def test_ranges_that_cannot_be(tmp_path, old, new, said):
    assert old in SIX
    done = call("run", shoot(tmp_path, "local", SIX.replace(old, new)), "-o", "json")

    refused(done)
    assert said in done.stderr
    assert "-> " in done.stderr, "it says what to do"


def test_a_field_that_nobody_knows_is_said_and_goes_on(tmp_path):
    done = call("validate", shoot(tmp_path, "local", f"{SIX}, nodez: 1"))

    assert done.returncode == 0
    assert "did you mean nodes?" in done.stdout + done.stderr


def test_a_manifest_that_may_not_be_read(tmp_path):
    path = tmp_path / "secret.yaml"
    path.touch(mode=0o000)

    done = call("validate", str(path), "-o", "json", within=WITHOUT_ROOT)

    assert done.returncode == 2, done.stderr
    (problem,) = json.loads(done.stdout)["problems"]
    assert (problem["type"], problem["severity"]) == ("Unreadable", "error")
    assert "may not be read" in problem["message"]
    assert "may not be read" in refused(call("plan", str(path), "-o", "json", within=WITHOUT_ROOT))


@pytest.mark.needs("root")
@pytest.mark.parametrize("words", [("run",), ("attach",), ("doctor", "--sweep"), ("bench",)])
def test_without_root(words):
    said = refused(call(*words, "-o", "json", within=WITHOUT_ROOT))

    assert "needs root" in said


@pytest.mark.needs("root", "netns")
@pytest.mark.parametrize(
    ("program", "package"), [("nft", "nftables"), ("tayga", "tayga"), ("named", "bind9")]
)
def test_a_program_that_is_missing_names_its_package(program, package):
    # Programs are looked for beyond PATH, too: so the file itself is hidden, from this one alone.
    found = subprocess.run(["which", "-a", program], capture_output=True, text=True, check=False)
    assert found.stdout, f"{program} is not even here"
    hide = "".join(f"mount --bind /dev/null {path} && " for path in found.stdout.split())
    within = ("unshare", "--mount", "--", "sh", "-c", f'{hide}exec "$@"', "sh")

    said = refused(call("run", "default", "-o", "json", within=within))

    assert program in said
    assert package in said


@pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun", "tayga", "bind")
def test_where_no_cgroup2_is_visible_it_mounts_its_own():
    hide = 'umount -l $(findmnt -n -o TARGET -t cgroup2) && exec "$@"'
    within = ("unshare", "--mount", "--", "sh", "-c", hide, "sh")

    done = call("run", "default", "--expect", "-o", "json", within=within)

    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["met"] is True


@pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun", "tayga", "bind")
@pytest.mark.parametrize(
    ("provider", "networking", "checks"),
    [
        ("local", SIX, TRANSLATED),
        ("aws", "ipFamilies: [IPv6]", TRANSLATED),
        ("aws", DUAL, NATIVE),
        ("gcp", DUAL, NATIVE),
        ("gcp", FOUR, {"reachability", "source-range"}),
        ("openstack", FOUR, {"reachability", "source-range"}),
    ],
)
def test_a_shoot_written_by_hand_holds(tmp_path, provider, networking, checks):
    done = call("run", shoot(tmp_path, provider, networking), "-o", "json")

    assert done.returncode == 0, done.stdout + done.stderr
    answers = json.loads(done.stdout)["answers"]
    assert {answer["state"] for answer in answers} == {"holds"}, answers
    assert all(answer["looked_at"] for answer in answers)
    assert checks <= {answer["check"] for answer in answers}


@pytest.mark.needs("root", "netns", "bpf", "cgroup2", "nft", "tun", "tayga", "bind")
@pytest.mark.parametrize(
    ("fault", "networking", "broken"),
    [
        ("masquerading-node", SIX, {"masquerade"}),
        ("nat64-down", SIX, {"nat64"}),
        ("clat-missing", SIX, {"clat"}),
        ("ipv6-black-hole", DUAL, {"fallback", "reachability"}),
    ],
)
def test_a_fault_in_a_manifest_is_judged_as_in_a_scenario(tmp_path, fault, networking, broken):
    done = call(
        "run", shoot(tmp_path, "local", networking), "--fault", fault, "--seed", "3", "-o", "json"
    )

    assert done.returncode == 1, done.stdout + done.stderr
    states = {answer["check"]: answer["state"] for answer in json.loads(done.stdout)["answers"]}
    assert {check for check, state in states.items() if state == "broken"} == broken
    assert set(states.values()) == {"broken", "holds"}
