"""ipBlocks and their exceptions, for ranges that nobody thought of."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.problem import Severity, Source
from dataplane.rules import networkpolicy
from dataplane.rules.networkpolicy import Block, Peer, Rule

SIX = st.ip_addresses(v=6).filter(lambda address: not address.ipv4_mapped)  # IPv4 for Go
NETWORKS = st.one_of(st.ip_addresses(v=4), SIX).flatmap(
    lambda address: st.integers(0, address.max_prefixlen).map(
        lambda length: ip_network(f"{address}/{length}", strict=False)
    )
)


def block(*texts):
    return Block(path="b", cidr=texts[0], exceptions=tuple(texts[1:]))


def rule(*texts, path="r", ports=""):
    peers = tuple(Peer(path="p", block=block(text)) for text in texts)
    return Rule(path=path, peers=peers, ports=ports)


@given(NETWORKS, NETWORKS)
def test_an_exception_is_a_true_part_of_its_block(whole, part):
    problems = networkpolicy.check_block(block(str(whole), str(part)))
    inside = whole.version == part.version and part != whole and part.subnet_of(whole)
    errors = [p for p in problems if p.severity is Severity.ERROR]
    assert [p.field for p in errors] == ([] if inside else ["b.except[0]"])


@given(NETWORKS)
def test_a_canonical_block_is_worth_no_word(network):
    assert networkpolicy.check_block(block(str(network))) == []


@given(st.lists(st.text(max_size=20), min_size=1, max_size=3))
def test_no_text_breaks_it(texts):
    problems = networkpolicy.check_block(block(*texts))
    assert all(p.source is Source.KUBERNETES and p.remedy for p in problems)
    networkpolicy.unpaired([rule(*texts)])


@pytest.mark.parametrize(
    "text", ["0.0.0.0/0", "0.0.0.0/00", "000.0.0.0/0", "1.2.3.4/0", "::ffff:0:0/96"]
)
def test_all_of_ipv4_is_known_however_it_is_written(text):
    (problem,) = networkpolicy.unpaired([rule(text, path="spec.egress[0].to")])
    assert problem.severity is Severity.WARNING
    assert problem.remedy == 'add to spec.egress[0].to: - {ipBlock: {cidr: "::/0"}}'


@given(st.integers(0, 3))
def test_whatever_holds_all_global_unicast_is_a_twin(length):
    twin = str(ip_network(f"2000::/{length}", strict=False))
    assert networkpolicy.unpaired([rule("0.0.0.0/0", twin)]) == []


@pytest.mark.parametrize("text", ["2000::/4", "fc00::/7", "8000::/1", "nonsense", "10.0.0.0/8"])
def test_nothing_less_is(text):
    (problem,) = networkpolicy.unpaired([rule("0.0.0.0/0", text)])
    assert problem.severity is Severity.WARNING


def test_selectors_alone_are_of_both_families():
    peers = (Peer(path="p", selectors=1),)
    assert networkpolicy.unpaired([Rule(path="r", peers=peers)]) == []


@pytest.mark.parametrize(("ports", "told"), [("", ()), ("80", ("r1",)), ("443", ("r0",))])
def test_a_rule_for_ipv6_is_a_twin_for_its_own_ports_and_without_ports_for_all(ports, told):
    rules = [
        rule("0.0.0.0/0", path="r0", ports="80"),
        rule("0.0.0.0/0", path="r1", ports="443"),
        rule("::/0", path="r2", ports=ports),
    ]
    problems = networkpolicy.unpaired(rules)
    assert tuple(p.remedy.split()[2].rstrip(":") for p in problems) == told


def test_each_of_many_rules_is_looked_at_once():
    asked = []

    class Counted(Rule):
        @property
        def opens_ipv6(self):
            asked.append(self.path)
            return super().opens_ipv6

    rules = [Counted(path=f"r{index}", ports=str(index)) for index in range(100)]
    assert networkpolicy.unpaired(rules) == []
    assert len(asked) == 100
