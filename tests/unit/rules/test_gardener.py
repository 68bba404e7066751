"""Gardener's rules and the texts of field errors."""

from ipaddress import ip_network

import pytest

from dataplane.model.address import Family
from dataplane.model.problem import ProblemType, Severity
from dataplane.rules import fielderror, gardener, providers
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
    ],
)
def test_ip_families(families, profile, messages):
    problems = gardener.ip_families("f", families, profile=profile)
    assert [problem.message for problem in problems] == messages
    assert all(problem.remedy for problem in problems)


@pytest.mark.parametrize("name", ["calico", "my.plugin", "a_b", "a" * 63])
def test_network_types(name):
    assert gardener.network_type("type", name) == []


@pytest.mark.parametrize("name", ["-a", "a/b", "a b", "ä", "a" * 64, "a\n"])
def test_network_types_that_are_no_label(name):
    (problem,) = gardener.network_type("type", name)
    assert problem.detail == "type must be a valid label name"


def test_a_missing_network_type_is_required():
    (problem,) = gardener.network_type("type", "")
    assert problem.message == "type: Required value: networking type must be provided"


def test_a_family_error_shows_the_address_without_its_mask():
    (problem,) = gardener.cidr_family("pods", parse_cidr("10.250.0.1/16"), [V6])
    assert problem.message == 'pods: Invalid value: "10.250.0.0": must be a valid IPv6 address'
    assert gardener.cidr_family("pods", parse_cidr("10.250.0.1/16"), [V6, V4]) == []


def test_a_canonical_error_shows_what_was_written():
    (problem,) = gardener.cidr_canonical("pods", "10.1.2.3/8", parse_cidr("10.1.2.3/8"))
    assert problem.message == 'pods: Invalid value: "10.1.2.3/8": must be valid canonical CIDR'
    assert "10.0.0.0/8" in problem.remedy


def test_overlaps_are_put_where_admission_puts_them():
    ranges = [
        ("pods", "pod", ip_network("10.0.0.0/8")),
        ("pods", "pod", ip_network("2001:db8::/32")),
        ("services", "service", ip_network("10.1.0.0/16")),
        ("nodes", "node", ip_network("10.1.2.0/24")),
    ]
    assert [(p.field, p.detail) for p in gardener.overlap(ranges)] == [
        ("services", "shoot pod network intersects with shoot service network"),
        ("pods", "shoot pod network intersects with shoot node network"),
        ("services", "shoot service network intersects with shoot node network"),
    ]


@pytest.mark.parametrize(
    ("sizes", "families", "types"),
    [
        ({V4: 16}, (V4,), []),
        ({V4: 15}, (V4,), [ProblemType.INVALID]),
        ({V4: 29}, (V4,), [ProblemType.INVALID]),
        ({V4: 29}, (V4, V6), []),
        ({V4: 64}, (V6,), []),
        ({V4: 63}, (V6,), [ProblemType.INVALID]),
        ({V6: 124}, (V4, V6), []),
        ({V6: 125}, (V4, V6), [ProblemType.INVALID]),
        ({V6: 64}, (V4,), [ProblemType.FORBIDDEN]),
        ({V4: 64, V6: 64}, (V6,), [ProblemType.FORBIDDEN]),
    ],
)
def test_node_mask_sizes(sizes, families, types):
    assert [p.type for p in gardener.node_mask_size("k", sizes, families)] == types


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
