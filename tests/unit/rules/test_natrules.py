"""Which rule changed a source: rules as nft lists them, iptables' among them."""

from ipaddress import ip_address

import pytest

from dataplane.rules.natrules import (
    AGENT,
    CALICO,
    CILIUM,
    HOST_PORT,
    IP_MASQ,
    KUBE_PROXY,
    NatPacket,
    NatRule,
    Rules,
    design,
    responsible,
)

POD, FAR = "2001:db8:d::2", "2001:db8:f::1"


def packet(source=POD, destination=FAR):
    return NatPacket(
        source=ip_address(source), destination=ip_address(destination), protocol=6,
        source_port=40000, destination_port=443, in_interface="veth1", out_interface="eth0",
    )  # fmt: skip


def address(field, right, op="==", protocol="ip6"):
    left = {"payload": {"protocol": protocol, "field": field}}
    return {"match": {"op": op, "left": left, "right": right}}


def meta(key, right, op="=="):
    return {"match": {"op": op, "left": {"meta": {"key": key}}, "right": right}}


def prefix(text):
    start, _, length = text.partition("/")
    return {"prefix": {"addr": start, "len": int(length)}}


MARKED = {"match": {"op": "!=", "left": {"&": [{"meta": {"key": "mark"}}, 16384]}, "right": 16384}}
MASQUERADE, XT = {"masquerade": None}, {"xt": {"type": "target", "name": "MASQUERADE"}}
SNAT, RETURN, ACCEPT = {"snat": {"addr": "2001:db8::5"}}, {"return": None}, {"accept": None}
COMMENT = {"xt": {"type": "match", "name": "comment"}}
MULTIPORT = {"xt": {"type": "match", "name": "multiport"}}
COUNTED, NEVER = {"counter": {"packets": 7, "bytes": 9}}, {"counter": {"packets": 0, "bytes": 0}}


def jump(chain, how="jump"):
    return {how: {"target": chain}}


def rules(chains, family="ip6", table="nat", sets=None, prio=100):
    """Return a ruleset of one table; the first chain is its base chain."""
    base = next(iter(chains))
    place = {"family": family, "table": table}
    hook = {"type": "nat", "hook": "postrouting", "prio": prio}
    objects = [{"metainfo": {}}, {"table": {"family": family, "name": table}}]
    objects += [
        {"chain": {**place, "name": name, **(hook if name == base else {})}} for name in chains
    ]
    objects += [
        {"set": {**place, "name": n, "elem": elements}} for n, elements in (sets or {}).items()
    ]
    handle, texts = 0, {}
    for name, content in chains.items():
        for expressions in content:
            handle += 1
            objects.append(
                {"rule": {**place, "chain": name, "handle": handle, "expr": expressions}}
            )
            texts[family, table, name, handle] = f"rule {handle}"
    return Rules(objects=objects, texts=texts)


def found(ruleset, given=None):
    return [
        (rule.chain, rule.handle, rule.certain) for rule in responsible(ruleset, given or packet())
    ]


@pytest.mark.parametrize(
    ("conditions", "met"),
    [
        ([], True),
        ([address("saddr", prefix("2001:db8:d::/64"))], True),
        ([address("saddr", prefix("2001:db8:e::/64"))], False),
        ([address("saddr", POD), COMMENT], True),
        ([address("daddr", prefix("ff00::/8"), "!=")], True),
        ([address("daddr", prefix("2001:db8::/32"), "!=")], False),
        ([address("daddr", {"set": [prefix("fd00::/8"), FAR]})], True),
        ([address("daddr", {"range": ["2001:db8:f::", "2001:db8:f::ff"]})], True),
        ([address("daddr", "@lan")], False),
        ([address("daddr", "@lan", "!=")], True),
        ([meta("oifname", "eth0")], True),
        ([meta("oifname", {"set": ["a", "eth*"]})], True),
        ([meta("oifname", "lo", "!="), meta("iifname", "veth*")], True),
        ([meta("l4proto", {"set": ["tcp", "udp"]}), address("dport", 443, protocol="th")], True),
        ([address("dport", {"range": [1, 400]}, protocol="tcp")], False),
        ([address("dport", 443, protocol="udp")], False),
        ([address("dport", 443, "!=", protocol="udp")], False),
        ([address("saddr", "10.0.0.1", "!=", protocol="ip")], False),
        ([meta("nfproto", "ipv6")], True),
    ],
)  # fmt: skip
def test_conditions_are_met_as_the_kernel_meets_them(conditions, met):
    ruleset = rules(
        {"post": [[*conditions, COUNTED, MASQUERADE]]}, sets={"lan": [prefix("fd00::/8")]}
    )
    assert found(ruleset) == ([("post", 1, True)] if met else [])


@pytest.mark.parametrize("unseen", [MARKED, MULTIPORT, address("daddr", "@elsewhere"), meta("cgroup", 1),
                                    {"match": {"op": "in", "left": {"ct": {"key": "state"}}, "right": "new"}},
                                    address("daddr", {"concat": [1]}), address("dport", "http", protocol="tcp")])  # fmt: skip
def test_what_was_not_seen_of_a_packet_leaves_a_rule_possible(unseen):
    assert found(rules({"post": [[unseen, MASQUERADE]]})) == [("post", 1, False)]
    assert found(rules({"post": [[unseen, MASQUERADE], [COUNTED, XT]]})) == [
        ("post", 1, False),
        ("post", 2, False),
    ]


@pytest.mark.parametrize(
    ("chains", "expected"),
    [
        ({"post": [[jump("CNI-a")], [SNAT]], "CNI-a": [[XT]]}, [("CNI-a", 3, True)]),
        ({"post": [[jump("CNI-a")], [SNAT]], "CNI-a": [[RETURN], [XT]]}, [("post", 2, True)]),
        ({"post": [[jump("x", "goto")], [SNAT]], "x": [[address("daddr", "::1"), XT]]}, []),
        ({"post": [[ACCEPT], [SNAT]]}, []),
        ({"post": [[jump("x")], [SNAT]], "x": [[ACCEPT]]}, []),
        ({"post": [[MARKED, jump("x")], [SNAT]], "x": [[ACCEPT], [XT]]}, [("post", 2, False)]),
        ({"post": [[MARKED, jump("x")]], "x": [[XT]]}, [("x", 2, False)]),
        ({"post": [[MARKED, RETURN], [XT]]}, [("post", 2, False)]),
        ({"post": [[jump("x")], [SNAT]], "x": [[MARKED, RETURN]]}, [("post", 2, True)]),
        ({"post": [[NEVER, XT]]}, []),
        ({"post": [[MASQUERADE], [SNAT]]}, [("post", 1, True)]),
        ({"post": [[jump("post")], [SNAT]]}, [("post", 2, True)]),
        ({"post": [[jump("gone")]]}, []),
    ],
)
def test_chains_are_walked_as_the_kernel_walks_them(chains, expected):
    assert found(rules(chains)) == expected


def test_kube_proxys_rule_is_possible_since_the_mark_was_not_seen():
    """The return before it is met or not: what comes behind it rests on the same mark."""
    ruleset = rules({"POSTROUTING": [[jump("KUBE-POSTROUTING")]],
                     "KUBE-POSTROUTING": [[MARKED, COUNTED, RETURN], [COUNTED, XT]]})  # fmt: skip
    (rule,) = responsible(ruleset, packet())
    assert (rule.chain, rule.packets, rule.certain) == ("KUBE-POSTROUTING", 7, False)
    assert rule.worded == "ip6 nat KUBE-POSTROUTING: rule 3 (7 packets, possibly)"
    assert design(rule) is KUBE_PROXY


def test_the_first_base_chain_that_translates_counts_and_families_stay_apart():
    late, early = (
        rules({"late": [[SNAT]]}, prio=200),
        rules({"early": [[SNAT]]}, table="t", prio=-5),
    )
    both = Rules(objects=[*late.objects, *early.objects], texts={})
    assert found(both) == [("early", 1, True)]
    assert found(rules({"post": [[SNAT]]}, family="ip")) == []
    assert found(rules({"post": [[SNAT]]}, family="inet"), packet("10.0.0.2", "192.0.2.1")) == [("post", 1, True)]  # fmt: skip


@pytest.mark.parametrize(
    ("table", "chain", "whose", "healthy"),
    [
        ("kube-proxy", "masquerading", KUBE_PROXY, True),
        ("nat", "KUBE-POSTROUTING", KUBE_PROXY, True),
        ("nat", "CNI-0123456789abcdef", IP_MASQ, True),
        ("nat", "CNI-HOSTPORT-MASQ", HOST_PORT, True),
        ("nat", "cali-nat-outgoing", CALICO, False),
        ("nat", "CILIUM_POST_nat", CILIUM, False),
        ("nat", "IP-MASQ-AGENT", AGENT, False),
    ],
)
def test_rules_of_known_components_are_told_by_their_chains(table, chain, whose, healthy):
    rule = NatRule(family="ip6", table=table, chain=chain, handle=1, text="", packets=None, certain=True)  # fmt: skip
    assert design(rule) is whose
    assert whose.healthy is healthy
    assert design(NatRule(family="ip6", table="t", chain="c", handle=1, text="", packets=None, certain=True)) is None  # fmt: skip
