"""The rule behind a changed source, and whose design it is: rules are read when they are needed."""

from dataclasses import replace
from ipaddress import ip_address

import pytest

from dataplane.rules.natrules import Rules
from dataplane.session.blame import FRESH_S, UNEXPLAINED_S, Blame
from probes.node.ruleset import texts
from tests.unit.session.test_expecting import PACKET, SEEN_AS, TAPS

OUT = replace(PACKET, tap="eth0", time_ns=2, source=SEEN_AS)
SERVICE = ip_address("2001:db8:5e::a")
LISTING = """\
table ip6 nat { # handle 1
\tchain KUBE-POSTROUTING { # handle 6
\t\tmeta mark & 0x00004000 != 0x00004000 counter packets 0 bytes 0 return # handle 8
\t\tcounter packets 3 bytes 9  masquerade fully-random # handle 10
\t}

\tchain POSTROUTING { # handle 2
\t\ttype nat hook postrouting priority srcnat; policy accept;
\t\toifname "eth0" counter packets 1 bytes 2 masquerade comment "# handle 3" # handle 4
\t}
}
"""


def ruleset(chain, *conditions, table="nat"):
    place = {"family": "ip6", "table": table}
    base = {"type": "nat", "hook": "postrouting", "prio": 100}
    expressions = [*conditions, {"masquerade": None}]
    return Rules(
        objects=[
            {"chain": {**place, "name": "POSTROUTING", **base}},
            {"rule": {**place, "chain": "POSTROUTING", "handle": 1, "expr": [{"jump": {"target": chain}}]}},
            {"rule": {**place, "chain": chain, "handle": 2, "expr": expressions}},
        ],
        texts={("ip6", table, chain, 2): "masquerade"},
    )  # fmt: skip


def blame(rules, trouble="", clock=lambda: 0.0):
    made = Blame(lambda: (rules, trouble), clock)
    made.know(TAPS)
    return made


def test_a_rule_that_came_lately_is_found_and_one_that_has_gone_is_told_of():
    now, rules = [0.0], [ruleset("KUBE-POSTROUTING"), ruleset("mine")]
    made = Blame(lambda: (rules[0], ""), lambda: now[0])
    assert made(PACKET, OUT)[0].startswith("no rule")
    del rules[0]
    assert made(PACKET, OUT)[0].startswith("no rule")  # so soon it is not read again
    now[0] += UNEXPLAINED_S + 0.1
    assert made(PACKET, OUT)[0].startswith("ip6 nat mine: masquerade")
    rules[0] = ruleset("KUBE-POSTROUTING")
    now[0] += FRESH_S + 0.1
    assert made(PACKET, OUT)[0].endswith("(no counter); it is not there any more")
    assert made(PACKET, replace(OUT, source=SERVICE))[0].startswith("no rule")


@pytest.mark.parametrize(
    ("chain", "destination", "rule", "design"),
    [
        ("mine", PACKET.destination, "ip6 nat mine: masquerade (no counter)", ""),
        ("CNI-0a", PACKET.destination, "ip6 nat CNI-0a: masquerade", "by design of CNI plugin"),
        ("cali-nat-outgoing", PACKET.destination, "of Calico, natOutgoing", ""),
        ("KUBE-POSTROUTING", PACKET.destination, "no rule that nft lists explains it", ""),
        ("KUBE-POSTROUTING", SERVICE, "ip6 nat KUBE-POSTROUTING", "by design of kube-proxy"),
    ],
)
def test_a_rule_is_named_with_whose_it_is(chain, destination, rule, design):
    words, whose = blame(ruleset(chain))(replace(PACKET, destination=destination), OUT)
    assert rule in words
    assert whose.startswith(design)
    assert bool(whose) is bool(design)


def test_gardeners_own_translations_are_named_by_their_addresses():
    metadata = ip_address("fd30:1319:f1e:230b::1")
    before, after = replace(PACKET, destination=metadata), replace(OUT, destination=metadata)
    _, whose = blame(ruleset("mine"))(before, after)
    assert whose.startswith("by design of node-local-dns")


def test_rules_that_could_not_be_read_are_said():
    assert blame(None, "no nft")(PACKET, OUT) == ("the rule is not known: no nft", "")


def test_a_reading_is_good_for_a_while():
    now, readings = [0.0], []

    def read():
        readings.append(now[0])
        return ruleset("mine"), ""

    made = Blame(read, lambda: now[0])
    for now[0] in (1.0, 2.0, 2.0 + FRESH_S):
        made(PACKET, OUT)
    assert readings == [1.0, 2.0 + FRESH_S]


def test_texts_go_by_the_handles_of_the_listing():
    assert dict(texts(LISTING)) == {
        ("ip6", "nat", "KUBE-POSTROUTING", 8): "meta mark & 0x00004000 != 0x00004000 "
        "counter return",
        ("ip6", "nat", "KUBE-POSTROUTING", 10): "counter masquerade fully-random",
        ("ip6", "nat", "POSTROUTING", 4): 'oifname "eth0" counter masquerade comment "# handle 3"',
    }
