"""Fallbacks of real clients, made by real causes, are found; what is as it should be is not.

One `attach` follows a node while many trials run: each is a kind of client that fetches something
from a name of its own, whose fate is the cause's.
"""

import os
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.netns.attach.clients import HERE
from tests.netns.attach.conftest import NODE, OUTSIDE, _connect, inside, ip, serving
from tests.netns.attach.test_attach import attached

pytestmark = pytest.mark.needs("root", "netns", "bpf", "btf", "tcx", "cgroup2", "nft", "tun")

RESOLVER = "192.0.2.2"
CLIENTS = {client.name: client for client in HERE}
LONG_TRIALS = 200
AT_ONCE = 4  # clients that run side by side


@dataclass(frozen=True)
class Cause:
    """What becomes of a name, and what is to be found of whoever asks for it; None for nothing."""

    why: str | None
    aaaa: str = "ok"
    listens: bool = False
    six: bool = True
    four: bool = True
    elsewhere: bool = False  # another pod asks first
    only_four: bool = False  # the client is told to ask for IPv4 alone
    races: bool = False  # for clients that race, or that insist
    insists: bool = False


CAUSES = {
    "refused": Cause("refused"),
    "hole": Cause("black-hole"),  # dropped outside, where nobody sees it
    "filtered": Cause("black-hole"),  # dropped on the node
    "unreachable": Cause("unreachable"),
    "rejected": Cause("unreachable"),
    "neighbour": Cause("neighbour"),
    "wayless": Cause("no-route"),
    "prohibited": Cause("prohibited"),
    "late": Cause("race-lost", races=True),
    "narrow": Cause("too-big", listens=True, insists=True),
    "servfail": Cause("aaaa-failed", aaaa="SERVFAIL", listens=True),
    "denied": Cause("aaaa-denied", aaaa="NXDOMAIN", listens=True),
    "silent": Cause("aaaa-unanswered", aaaa="silent", listens=True),
    "missing": Cause("aaaa-missing", aaaa="once", listens=True, elsewhere=True),
    "unasked": Cause("not-asked", listens=True, elsewhere=True, only_four=True),
    "healthy": Cause(None, listens=True),
    "fouronly": Cause(None, six=False),
    "fouronly-asked": Cause(None, six=False, only_four=True),
    "sixonly": Cause(None, listens=True, four=False),
    "down": Cause(None),  # nobody listens in either family
}
# of these a client that does not fall back has nothing to hide
ATTEMPTED = frozenset({"refused", "hole", "filtered", "unreachable", "rejected", "neighbour"})
THERE = tuple(name for name in CAUSES if name not in ("neighbour", "unreachable", "late"))
TWINS = tuple(name for name, cause in CAUSES.items() if cause.why is None)
NUMBERS = {name: number for number, name in enumerate(CAUSES, start=0x100)}


def six_of(cause: str) -> str:
    return f"2001:db8:e::{NUMBERS[cause]:x}"


def four_of(cause: str) -> str:
    return f"192.0.2.{NUMBERS[cause] - 0x100 + 100}"


RULES = {
    "outside": f"table ip6 t {{ chain c {{ type filter hook input priority 0; ip6 daddr {six_of('hole')} drop; }}; }}",
    "pod": "table ip6 t { chain c { type filter hook input priority 0; icmpv6 type packet-too-big drop; }; }",
    "node": f"""table ip6 t {{ chain c {{ type filter hook forward priority 0;
      ip6 daddr {six_of("filtered")} drop;
      ip6 daddr {six_of("rejected")} reject with icmpv6 type admin-prohibited; }}; }}""",
}


@pytest.fixture
def town(node, unique, tmp_path):
    """The node with IPv4 too, a second pod, and an outside with a resolver and servers."""
    other = f"{unique}q"
    ip("netns", "add", other)
    ip("-n", other, "link", "set", "lo", "up")
    try:
        _connect(node.name, "calipod2", other, "eth0")
        for where, interface, *addresses in (
            (node.name, "calipod2", "10.9.1.1/24", "2001:db8:d1::1/64"),
            (other, "eth0", "10.9.1.2/24", "2001:db8:d1::2/64"),
            (node.name, node.pod_interface, "10.9.0.1/24"),
            (node.pod, "eth0", "10.9.0.2/24"),
            (node.name, node.uplink, "192.0.2.1/24"),
            (node.outside, "eth0", f"{RESOLVER}/24"),
            (node.outside, "eth0", *(f"{four_of(cause)}/32" for cause in CAUSES)),
            (node.outside, "eth0", *(f"{six_of(cause)}/128" for cause in THERE)),
        ):
            for address in addresses:
                words = ["nodad"] if ":" in address else []
                ip("-n", where, "address", "add", address, "dev", interface, *words)
        for namespace, *route in (
            (node.pod, "default", "via", "10.9.0.1"),
            (other, "default", "via", "10.9.1.1"),
            (other, "-6", "default", "via", "2001:db8:d1::1"),
            (node.outside, "10.9.0.0/16", "via", "192.0.2.1"),
            (node.outside, "-6", "2001:db8:d1::/64", "via", NODE),
            (node.name, "-6", "unreachable", six_of("unreachable")),
            (node.name, "-6", f"{six_of('narrow')}/128", "via", OUTSIDE, "mtu", "lock", "1280"),
            (node.name, "-6", f"{six_of('late')}/128", "via", OUTSIDE),
            (node.pod, "-6", "unreachable", six_of("wayless")),
            (node.pod, "-6", "prohibit", six_of("prohibited")),
        ):
            family = ["-6"] if route[0] == "-6" else []
            ip("-n", namespace, *family, "route", "add", *route[len(family) :])
        inside(node.name, "sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.icmp.ratelimit=0")
        inside(node.pod, "sysctl", "-qw", "net.ipv4.tcp_syn_retries=1")
        inside(node.outside, "sysctl", "-qw", "net.ipv6.conf.all.forwarding=1")
        for place, rules in RULES.items():
            inside(getattr(node, {"node": "name"}.get(place, place)), "nft", "-f", "-", input=rules)
        (tmp_path / "resolv.conf").write_text(
            f"nameserver {RESOLVER}\noptions timeout:1 attempts:1\n"
        )
        (tmp_path / "nsswitch.conf").write_text("hosts: files dns\n")
        with serving(node, served()):
            yield Town(node=node, other=other, folder=tmp_path)
    finally:
        subprocess.run(["ip", "netns", "del", other], capture_output=True, check=False)


def served():
    """Return what is served outside, for outside.py."""
    return {
        "resolver": RESOLVER,
        "late": six_of("late"),
        "listen": [
            *(four_of(name) for name in CAUSES if name != "down"),
            *(six_of(name) for name, cause in CAUSES.items() if cause.listens),
        ],
        "zones": {
            name: {
                "six": [six_of(name)] if cause.six else [],
                "four": [four_of(name)] if cause.four else [],
                "aaaa": cause.aaaa,
            }
            for name, cause in CAUSES.items()
        },
    }


@dataclass(frozen=True)
class Trial:
    """A client and a cause; `number` makes its name its own."""

    client: str
    cause: str
    number: int

    @property
    def name(self):
        return f"{self.cause}{self.number}.example"

    @property
    def expected(self):
        cause, client = CAUSES[self.cause], CLIENTS[self.client]
        return None if self.cause in ATTEMPTED and not client.falls_back else cause.why

    @property
    def possible(self):
        cause, client = CAUSES[self.cause], CLIENTS[self.client]
        return (
            (not cause.only_four or client.four is not None)
            and (not cause.races or client.races)
            and (not cause.insists or client.insists)
        )


@dataclass(frozen=True)
class Town:
    node: object
    other: str
    folder: Path

    def run(self, pod, command, stdin=""):
        mounts = " && ".join(
            f"mount --bind {self.folder / name} /etc/{name}"
            for name in ("resolv.conf", "nsswitch.conf")
        )
        wrapped = ["unshare", "--mount", "sh", "-c", f'{mounts} && exec "$@"', "sh", *command]
        with subprocess.Popen(
            ["nsenter", f"--net=/run/netns/{pod}", *wrapped],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "LC_ALL": "C"},
        ) as child:
            child.communicate(stdin, timeout=60)

    def carry_out(self, trial):
        cause, client = CAUSES[trial.cause], CLIENTS[trial.client]
        if cause.elsewhere:
            asks = f"import socket; socket.getaddrinfo({trial.name!r}, 80)"
            self.run(self.other, [sys.executable, "-c", asks])
        command = client.command(trial.name, only_four=cause.only_four)
        self.run(self.node.pod, command, client.stdin(trial.name))

    def try_all(self, trials, *options):
        """Run the trials; return what was found by name, and all lines."""
        with attached(self.node, *options) as lines, ThreadPoolExecutor(AT_ONCE) as several:
            list(several.map(self.carry_out, trials))
        found = {}
        for line in lines.seen:
            if line["kind"] == "fallback":
                found.setdefault(line["name"], []).append(line)
        return found, lines.seen


def judge(trials, found):
    """Compare what was found with what was to be found: all of it, once, and nothing else."""
    expected = {trial.name: trial.expected for trial in trials if trial.expected}
    told = {name: [line["why"] for line in lines] for name, lines in found.items()}
    clients = {trial.name: trial.client for trial in trials}
    wrong = {
        name: (clients.get(name), expected.get(name), told.get(name))
        for name in expected.keys() | told.keys()
        if told.get(name) != ([expected[name]] if name in expected else None)
    }
    assert not wrong, wrong


@pytest.mark.parametrize("mode", ["tc", "zero-touch"])
def test_every_cause_is_found_of_some_client_and_no_twin_is(town, mode):
    chance = random.Random(mode)
    trials = [
        Trial(client, cause, number)
        for number, cause in enumerate(CAUSES)
        for client in [chance.choice([name for name in CLIENTS if Trial(name, cause, 0).possible])]
    ]
    found, lines = town.try_all(trials, "--mode", mode)

    judge(trials, found)
    answers = {line["check"]: line for line in lines if line["kind"] == "answer"}
    assert (answers["fallback"]["state"], answers["drops"]["state"]) == ("broken", "broken")
    assert len(answers["fallback"]["findings"]) == len(found)
    for told in (line for some in found.values() for line in some):
        assert told["pod"] == town.node.pod
        assert told["finding"]["severity"] == "error"
        assert told["tried"][-1]["result"] == "established"
    lost = {(line["what"], line["destination"]) for line in lines if line["kind"] == "drop-finding"}
    assert lost == {("neighbour", six_of("neighbour")), ("too-big", six_of("narrow"))}


def test_twins_alone_hold(town):
    trials = [
        Trial(client, cause, number)
        for number, client in enumerate(list(CLIENTS)[:3])
        for cause in TWINS
        if Trial(client, cause, number).possible
    ]
    found, lines = town.try_all(trials)

    judge(trials, found)
    answers = {line["check"]: line for line in lines if line["kind"] == "answer"}
    assert answers["fallback"]["state"] == "holds", answers["fallback"]


def test_a_fallback_decides_the_exit_code(town):
    with attached(town.node, "--duration", "12s") as lines:
        town.carry_out(Trial("python", "refused", 1))
        lines.child.wait(60)

    assert lines.child.returncode == 1
    (told,) = [line for line in lines.rest() if line["kind"] == "fallback"]
    assert (told["why"], told["name"]) == ("refused", "refused1.example")
    assert told["tried"][0]["error"] == "ECONNREFUSED"


@pytest.mark.long
@pytest.mark.parametrize("seed", range(LONG_TRIALS // 25))
def test_clients_and_causes_by_lot(town, seed):
    """In all 200 trials: every one that is to be found is found, and no other."""
    chance = random.Random(seed)
    trials = []
    while len(trials) < 25:
        trial = Trial(chance.choice(list(CLIENTS)), chance.choice(list(CAUSES)), len(trials))
        trials += [trial] if trial.possible else []
    found, _ = town.try_all(trials, "--mode", chance.choice(("tc", "zero-touch")))

    judge(trials, found)


def test_there_are_clients_enough():
    assert len(CLIENTS) >= 2, f"of {len(CLIENTS)} kinds here nothing is learned"
    assert OUTSIDE not in map(six_of, CAUSES)
