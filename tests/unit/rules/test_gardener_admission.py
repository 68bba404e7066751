"""Ranges of a Shoot against each other, its seed's and the reserved ones; what seeds fill in."""

from ipaddress import IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.problem import Source
from dataplane.rules.gardener import admission, defaults, update
from dataplane.rules.gardener.admission import SeedRange
from dataplane.rules.gardener.shoot import Range
from dataplane.rules.gocidr import parse_cidr

SEED_V6 = {"nodes": "2001:db8:a::/48", "pods": "2001:db8:b::/48", "services": "2001:db8:c::/48"}
SEED_V4 = {"nodes": "10.240.0.0/16", "pods": "10.241.0.0/17", "services": "10.242.0.0/17"}


def ranges(**texts):
    return [Range(f"n.{k}", k, text, parse_cidr(text).network) for k, text in texts.items()]


def seed(texts):
    return [SeedRange(kind, text, parse_cidr(text).network) for kind, text in texts.items()]


def told(problems):
    return [(problem.field, problem.detail) for problem in problems]


def test_overlaps_are_put_where_upstream_puts_them():
    given_ranges = ranges(nodes="10.1.2.0/24", pods="10.0.0.0/8", services="10.1.0.0/16")
    assert told(admission.within_shoot(given_ranges)) == [
        ("n.services", "shoot pod network intersects with shoot service network"),
        ("n.pods", "shoot pod network intersects with shoot node network"),
        ("n.services", "shoot service network intersects with shoot node network"),
    ]


def test_what_is_refused_is_shown_as_written():
    written = ranges(pods="2001:DB8::/64", services="2001:db8:0::/65")
    (problem,) = admission.within_shoot(written)
    assert '"2001:db8:0::/65"' in problem.message
    assert "2001:DB8::/64" in problem.remedy


def test_families_never_meet():
    assert admission.within_shoot(ranges(pods="::/0", services="0.0.0.0/0")) == []


def test_ipv4_may_equal_the_seeds():
    assert admission.from_seed(ranges(**SEED_V4), seed(SEED_V4)) == []


def test_ipv6_must_not_meet_the_seeds():
    written = ranges(pods="2001:db8:b:1::/64", nodes="2001:db8::/32", services="2001:db8:d::/48")
    assert told(admission.from_seed(written, seed(SEED_V6))) == [
        ("n.nodes", "shoot node network intersects with seed service network"),
        ("n.nodes", "shoot node network intersects with seed pod network"),
        ("n.nodes", "shoot node network intersects with seed node network"),
        ("n.pods", "shoot pod network intersects with seed pod network"),
    ]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("fd8f:6d53:b97a:1::5:0/112", "default vpn network (fd8f:6d53:b97a:1::/96)"),
        ("240.9.0.0/16", "reserved kube-apiserver mapping range (240.0.0.0/8)"),
        ("241.9.0.0/16", "reserved seed pod network mapping range (241.0.0.0/8)"),
        ("242.9.0.0/16", "reserved shoot node network mapping range (242.0.0.0/8)"),
        ("243.9.0.0/16", "reserved shoot service network mapping range (243.0.0.0/8)"),
        ("244.9.0.0/16", "reserved shoot pod network mapping range (244.0.0.0/8)"),
    ],
)
def test_reserved_ranges(text, what):
    for kind, noun in (("nodes", "node"), ("services", "service"), ("pods", "pod")):
        problems = admission.from_seed(ranges(**{kind: text}), [])
        assert told(problems) == [(f"n.{kind}", f"{noun} network intersects with {what}")]


def test_the_first_release_compared_ipv4_and_let_slips_through():
    written = ranges(nodes="10.241.0.0/24", pods="10.240.1.0/24", services="192.168.123.0/28")
    problems = admission.from_seed_v1_63(written, seed(SEED_V4))
    assert [problem.message for problem in problems] == [
        (
            'n.services: Invalid value: "192.168.123.0/28": '
            "shoot service network intersects with default vpn network (192.168.123.0/24)"
        ),
        (
            'n.pods: Invalid value: "10.240.0.0/16": '
            "shoot pod network intersects with seed node network"
        ),
    ]


def test_a_pair_of_families_that_gep21_leaves_out_is_the_proposals():
    assert admission.other_family("f", "IPv6", "IPv4").source is Source.SEED


@pytest.mark.parametrize(
    ("written", "seeds", "families", "filled"),
    [
        ({}, SEED_V4, ("IPv4",), ("10.241.0.0/17", "10.242.0.0/17")),
        ({"pods": "10.9.0.0/16"}, SEED_V4, ("IPv4",), ("10.9.0.0/16", "10.242.0.0/17")),
        ({}, SEED_V4, ("IPv6",), (None, None)),
        ({}, SEED_V6, ("IPv4", "IPv6"), ("2001:db8:b::/48", "2001:db8:c::/48")),
        ({}, {}, ("IPv4",), (None, None)),
        ({}, {"pods": "nonsense"}, ("IPv4",), (None, None)),
    ],
)
def test_seeds_complete_a_shoot(written, seeds, families, filled):
    found = defaults.ranges(written, seeds, families, workerless=False, key=b"")
    assert (found["pods"], found["services"]) == filled


@pytest.mark.parametrize(
    ("seeds", "families", "services"),
    [
        (SEED_V4, ("IPv4",), "10.242.0.0/17"),
        (SEED_V6, ("IPv6",), "2001:db8:c::/48"),
        ({}, ("IPv4",), None),
    ],
)
def test_without_workers_there_are_services_alone(seeds, families, services):
    found = defaults.ranges({}, seeds, families, workerless=True, key=b"")
    assert found == {"pods": None, "services": services}


@given(st.binary(max_size=40), st.booleans())
def test_workerless_ipv6_gets_a_unique_local_range_that_can_be_repeated(key, dual):
    families = ("IPv6", "IPv4") if dual else ("IPv6",)
    one, other = (
        defaults.ranges({}, {}, families, workerless=True, key=key)["services"] for _ in range(2)
    )
    network = IPv6Network(one)
    assert one == other
    assert network.prefixlen == 112
    assert network.subnet_of(IPv6Network("fd00::/8"))


def test_the_first_release_minded_no_family():
    filled = defaults.ranges_v1_63({"pods": "::/0"}, SEED_V4)
    assert filled == {"pods": "::/0", "services": "10.242.0.0/17"}


@pytest.mark.parametrize(
    ("new", "old", "profile", "lines"),
    [
        ({"type": "a"}, {"type": "a"}, "current", []),
        ({"type": "b"}, {"type": "a"}, "current", ['n.type: Invalid value: "b"']),
        ({}, {"type": "a"}, "current", ['n.type: Invalid value: "null"']),
        ({}, {"type": "a"}, "gep21", ['n.type: Invalid value: ""']),
        ({"pods": "x"}, {}, "current", []),
        ({"pods": "x"}, {"pods": "y"}, "current", ['n.pods: Invalid value: "x"']),
        ({}, {"services": "y"}, "current", ['n.services: Invalid value: "null"']),
        ({"nodes": "x"}, {"nodes": "y"}, "current", []),
        ({"nodes": "x"}, {"nodes": "y"}, "gep21", ['n.nodes: Invalid value: "x"']),
        (None, {"type": "a"}, "gep21", ['n.type: Invalid value: ""']),
        ({"pods": "x"}, None, "current", []),
    ],
)
def test_what_must_stay(new, old, profile, lines):
    problems = update.networking("n", new, old, profile=profile)
    assert [problem.message for problem in problems] == [
        f"{line}: field is immutable" for line in lines
    ]


def test_gep21s_lists_must_stay_as_the_proposal_has_it():
    old = {"podsCIDRs": ["2001:db8::/48", "10.0.0.0/8"]}
    (problem,) = update.networking("n", {"podsCIDRs": ["::/0"]}, old, profile="gep21")
    assert (problem.field, problem.source) == ("n.podsCIDRs", Source.SEED)


def test_networking_stays_once_it_is_there():
    (problem,) = update.networking("n", None, {}, profile="current")
    assert problem.message == "n: Forbidden: networking cannot be set to nil if it's already set"


def test_a_shoot_that_is_being_deleted_stays_as_it_is():
    assert update.being_deleted("spec", {"a": 1}, {"a": 1}) == []
    (problem,) = update.being_deleted("spec", {"networking": {}}, {"networking": None, "b": 2})
    assert problem.message == (
        "spec: Forbidden: cannot update shoot spec if deletion timestamp is set. "
        "Requested changes: networking,b"
    )
