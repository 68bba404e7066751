"""Gardener's rules and the texts of field errors."""

from ipaddress import IPv4Network, IPv6Network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.address import Family
from dataplane.model.problem import Severity
from dataplane.rules import fielderror, providers
from dataplane.rules.gardener import cidrs, ipfamilies, shoot
from dataplane.rules.gocidr import parse_cidr

V4, V6 = Family.IPV4, Family.IPV6


@pytest.mark.parametrize(
    ("families", "profile", "messages"),
    [
        ((), "current", []),
        (("IPv4", "IPv6"), "current", []),
        (("IPv6",), "gep21", []),
        (
            ("IPv4", "IPv6"),
            "gep21",
            [
                (
                    'f: Invalid value: []core.IPFamily{"IPv4", "IPv6"}: '
                    "dual-stack networking is not supported"
                )
            ],
        ),
        (
            ("ipv6", "IPv4", "IPv4"),
            "current",
            [
                'f[0]: Unsupported value: "ipv6": supported values: "IPv4", "IPv6"',
                'f[2]: Duplicate value: "IPv4"',
            ],
        ),
        (
            ("ipv6", "ipv6"),
            "gep21",
            [
                'f[0]: Unsupported value: "ipv6": supported values: "IPv4", "IPv6"',
                'f[1]: Unsupported value: "ipv6": supported values: "IPv4", "IPv6"',
                'f[1]: Duplicate value: "ipv6"',
            ],
        ),
    ],
)
def test_ip_families(families, profile, messages):
    problems = ipfamilies.check("f", families, profile=profile)
    assert [problem.message for problem in problems] == messages
    assert all(problem.remedy for problem in problems)


@pytest.mark.parametrize("name", ["calico", "my.plugin", "a_b", "a" * 63])
def test_network_types(name):
    assert shoot.network_type("type", name) == []


@pytest.mark.parametrize("name", ["-a", "a/b", "a b", "ä", "a" * 64, "a\n"])
def test_network_types_that_are_no_label(name):
    (problem,) = shoot.network_type("type", name)
    assert problem.detail == "type must be a valid label name"


def test_the_first_release_took_any_type():
    assert shoot.network_type("type", "-a" * 40, profile="gep21") == []


def test_a_missing_network_type_is_required():
    (problem,) = shoot.network_type("type", "")
    assert problem.message == "type: Required value: networking type must be provided"


def test_a_family_error_shows_the_address_without_its_mask():
    (problem,) = cidrs.family("pods", parse_cidr("10.250.0.1/16"), [V6])
    assert problem.message == 'pods: Invalid value: "10.250.0.0": must be a valid IPv6 address'
    assert cidrs.family("pods", parse_cidr("10.250.0.1/16"), [V6, V4]) == []


networks = st.one_of(
    st.builds(
        lambda value, length: IPv4Network((value, length), strict=False),
        st.integers(0, 2**32 - 1),
        st.integers(0, 32),
    ),
    st.builds(
        lambda value, length: IPv6Network((value, length), strict=False),
        st.integers(0, 2**128 - 1),
        st.integers(0, 128),
    ),
)


@given(networks, networks)
def test_networks_meet_where_one_is_in_the_other(one, other):
    met = one.version == other.version and one.overlaps(other)
    assert cidrs.intersect(one, other) is cidrs.intersect(other, one) is met
    assert cidrs.intersect(one, one)


@pytest.mark.parametrize(
    ("families", "gate", "details"),
    [
        (("IPv6",), True, []),
        (("IPv6",), False, ["IPv6 single-stack networking is not supported"]),
        (("IPv4",), False, []),
        (
            ("IPv6", "IPv4"),
            False,
            [
                "dual-stack networking is not supported",
                "IPv6 single-stack networking is not supported",
            ],
        ),
        ((), False, []),
    ],
)
def test_the_feature_gate(families, gate, details):
    problems = ipfamilies.check("f", families, profile="gep21", gate=gate)
    assert [problem.detail for problem in problems] == details
    assert ipfamilies.check("f", families, profile="current", gate=gate) == []


def test_extensions_have_a_type_of_their_own():
    (problem,) = ipfamilies.check("f", ("IPv4", "IPv6"), profile="gep21", package="v1alpha1")
    assert '[]v1alpha1.IPFamily{"IPv4", "IPv6"}' in problem.message


MOVES = {(("IPv4",), ("IPv4", "IPv6")), (("IPv4", "IPv6"), ("IPv4",))}
CHOICES = [("IPv4",), ("IPv6",), ("IPv4", "IPv6"), ("IPv6", "IPv4")]


@pytest.mark.parametrize("old", CHOICES)
@pytest.mark.parametrize("new", CHOICES)
def test_moves_between_families(old, new):
    today = ipfamilies.update("f", new, old, profile="current")
    first = ipfamilies.update("f", new, old, profile="gep21")
    assert bool(today) is (old != new and (old, new) not in MOVES)
    assert bool(first) is (old != new)
    for problem in today:
        shown = f"oldIPFamilies=[{' '.join(old)}], newIPFamilies=[{' '.join(new)}]"
        assert problem.message == f"f: Forbidden: unsupported IP family update: {shown}"


@pytest.mark.parametrize(
    ("text", "details"),
    [
        ("10.250.0.0/16", []),
        ("10.250.0.1/16", ["must be valid canonical CIDR"]),
        ("2001:db8::1/64", ["must be a valid IPv4 address", "must be valid canonical CIDR"]),
        ("v6global", ["invalid CIDR address: v6global"]),
        ("", ["invalid CIDR address: "]),
    ],
)
def test_a_range_in_upstreams_order(text, details):
    found, problems = shoot.range_of("pods", "pods", text, (V4,))
    assert [problem.detail for problem in problems] == details
    assert (found is None) is any("invalid CIDR" in detail for detail in details)


def test_lists_of_the_status_take_either_family():
    problems = shoot.status("status.networking.pods", ["10.0.0.0/8", "fd00::1/8", "x"])
    assert [(p.field, p.detail) for p in problems] == [
        ("status.networking.pods[1]", "must be valid canonical CIDR"),
        ("status.networking.pods[2]", "invalid CIDR address: x"),
    ]


def test_a_canonical_error_shows_what_was_written():
    (problem,) = cidrs.canonical("pods", "10.1.2.3/8", parse_cidr("10.1.2.3/8"))
    assert problem.message == 'pods: Invalid value: "10.1.2.3/8": must be valid canonical CIDR'
    assert "10.0.0.0/8" in problem.remedy


@pytest.mark.parametrize(
    ("provider", "families", "severity"),
    [
        ("aws", (V6,), Severity.ERROR),
        ("gcp", (V4, V6), Severity.ERROR),
        ("local", (V6,), Severity.WARNING),
        ("aws", (V4,), None),
    ],
)
def test_an_overlay_and_ipv6(provider, families, severity):
    problems = providers.overlay("o", True, families, provider)  # noqa: FBT003 - a manifest's value
    assert [p.severity for p in problems] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ('a"b\\\n\t\x1b\x7f', r'"a\"b\\\n\t\x1b\x7f"'),
        ("\u202e\U000e0001ä", '"\\u202e\\U000e0001ä"'),
        (7, "7"),
        (True, "true"),
        (None, "null"),
        (["a", 1], '["a", 1]'),
        ({"a": None}, '{"a": null}'),
        (fielderror.GoLiteral("[]x{}"), "[]x{}"),
    ],
)
def test_values_are_shown_as_go_shows_them(value, text):
    assert fielderror.shown(value) == text


def test_a_huge_value_does_not_flood_the_message():
    problem = fielderror.invalid("a", "x" * 10**6, "is bad", remedy="none")
    assert len(problem.message) < 500


@pytest.mark.parametrize(
    ("problem", "message"),
    [
        (fielderror.required("f", "", remedy="r"), "f: Required value"),
        (fielderror.required("f", "d", remedy="r"), "f: Required value: d"),
        (fielderror.forbidden("f", "", remedy="r"), "f: Forbidden"),
        (fielderror.invalid("f", 1, "", remedy="r"), "f: Invalid value: 1"),
        (fielderror.not_supported("f", "v", (), remedy="r"), 'f: Unsupported value: "v"'),
        (fielderror.duplicate("f", "v", remedy="r"), 'f: Duplicate value: "v"'),
    ],
)
def test_an_error_without_detail_ends_with_its_body(problem, message):
    assert problem.message == message
