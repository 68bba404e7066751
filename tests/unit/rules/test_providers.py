"""What the infrastructure providers' extensions say about networking and ranges."""

import pytest

from dataplane.model.address import Family
from dataplane.model.problem import ProblemType, Severity, Source
from dataplane.rules import providers
from dataplane.rules.providers import aws, azure, gcp, openstack, ranges
from dataplane.rules.providers.networking import Networking, Overlay
from dataplane.rules.providers.ranges import Layout

V4, V6 = "IPv4", "IPv6"
NODES = "10.250.0.0/16"


def given(families=None, *, nodes=NODES, overlay=Overlay.OFF, kind="calico"):
    return Networking(path="n", type=kind, nodes=nodes, families=families, overlay=overlay)


def lines(problems):
    return [problem.message for problem in problems]


def one(path, text):
    found, problems = ranges.read(path, text)
    assert problems == []
    return found


@pytest.mark.parametrize(
    ("provider", "networking", "expected"),
    [
        ("aws", given(), []),
        ("aws", given((V6,), nodes=None), []),
        ("aws", given((V6, V4)), []),
        (
            "aws",
            given(nodes=None),
            ["n.nodes: Required value: a nodes CIDR must be provided for AWS shoots"],
        ),
        (
            "aws",
            given((V4, V6), nodes=None),
            ["n.nodes: Required value: a nodes CIDR must be provided for AWS shoots"],
        ),
        (
            "aws",
            given((V6,), nodes=None, overlay=Overlay.ON),
            [
                (
                    "n.providerConfig.overlay.enabled: Invalid value: true: "
                    "overlay must be set to false in conjunction with IPv6"
                )
            ],
        ),
        (
            "aws",
            given((V6,), nodes=None, overlay=Overlay.UNSET),
            [
                (
                    'n.ipFamilies: Invalid value: ["IPv6"]: '
                    "overlay must be set to false in conjunction with IPv6"
                )
            ],
        ),
        ("aws", given((V4,), overlay=Overlay.ON), []),
        ("gcp", given((V4, V6)), []),
        (
            "gcp",
            given((V6,), nodes=None),
            [
                "n.nodes: Required value: a nodes CIDR must be provided for GCP shoots",
                'n.ipFamilies: Invalid value: ["IPv6"]: IPv6 single-stack networking is not supported',
            ],
        ),
        ("openstack", given((V4, V6), overlay=Overlay.UNSET), []),
        (
            "openstack",
            given((V6,), nodes=None),
            [
                "n.nodes: Required value: a nodes CIDR must be provided for Openstack shoots",
                'n.ipFamilies: Invalid value: ["IPv6"]: IPv6 single-stack networking is not supported',
            ],
        ),
        ("azure", given((V4,)), []),
        (
            "azure",
            given((V4, V6), nodes=None),
            [
                "n.nodes: Required value: a nodes CIDR must be provided for Azure shoots",
                'n.ipFamilies: Invalid value: ["IPv4","IPv6"]: dual-stack networking is not supported',
            ],
        ),
        (
            "azure",
            given((V6,)),
            [
                'n.ipFamilies: Invalid value: ["IPv6"]: IPv6 single-stack networking is not supported',
            ],
        ),
        (
            "azure",
            given((V4,), overlay=Overlay.ON),
            [
                (
                    "n.providerConfig.overlay.enabled: Forbidden: "
                    "Calico overlay network is not supported on azure"
                )
            ],
        ),
        ("azure", given((V4,), overlay=Overlay.ON, kind="cilium"), []),
        ("local", given((V6,), nodes=None, overlay=Overlay.ON), []),
    ],
)
def test_networking_as_the_provider_wants_it(provider, networking, expected):
    problems = providers.networking(provider, networking)

    assert lines(problems) == expected
    assert {problem.source for problem in problems} <= {Source.PROVIDER}
    assert all(problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("identifier", "block", "expected"),
    [
        (None, None, []),
        ("ipam-pool-1", None, []),
        ("ipam-pool-1", "2001:db8:12:3400::/56", []),
        (None, "2001:db8:12:3400::/56", [("p.id", "must be set when cidrBlock is set")]),
        ("", "2001:db8:12:3400::/56", [("p.id", "must be set when cidrBlock is set")]),
        ("i", "2001:db8:12:3456::/56", [("p.cidrBlock", "must be valid canonical CIDR")]),
        ("i", "2001:db8:12::/48", [("p.cidrBlock", "must be a /56 CIDR block")]),
        ("i", "10.0.0.0/8", [("p.cidrBlock", "must be a valid IPv6 address")]),
        ("i", "2001:db8::", [("p.cidrBlock", "invalid CIDR address: 2001:db8::")]),
    ],
)
def test_a_pinned_block_is_a_56_of_a_named_pool(identifier, block, expected):
    problems = aws.ipam_pool("p", identifier, block)

    assert [(problem.field, problem.detail) for problem in problems] == expected


def test_a_vpc_is_an_old_or_a_new_one():
    assert (
        aws.vpc("v", "vpc-1", None) == aws.vpc("v", None, NODES) == aws.vpc("v", None, None) == []
    )
    (problem,) = aws.vpc("v", "vpc-1", NODES)
    assert problem.detail == "must specify either a vpc id or a cidr"


def test_an_existing_vpc_needs_ipv6_of_its_own():
    (problem,) = aws.own_vpc("v.id", "vpc-1", dual_stack=True)

    assert "Amazon-provided IPv6 CIDR" in problem.message
    assert problem.severity is Severity.WARNING
    assert aws.own_vpc("v.id", "vpc-1", dual_stack=False) == []
    assert aws.own_vpc("v.id", None, dual_stack=True) == []


@pytest.mark.parametrize(("new", "old"), [(True, True), (True, False), (False, False)])
def test_dual_stack_may_be_switched_on(new, old):
    assert aws.dual_stack_update("dualStack.enabled", new=new, old=old) == []


def test_dual_stack_is_not_taken_back():
    problems = aws.dual_stack_update("dualStack.enabled", new=False, old=True)

    assert lines(problems) == [
        'dualStack.enabled: Forbidden: field can\'t be changed from "true" to "false"'
    ]


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (
            Layout(
                whole=one("vpc", "10.250.0.0/16"),
                workers=(one("w", "10.250.0.0/19"),),
                others=(one("i", "10.250.112.0/22"), one("p", "10.250.96.0/22")),
                nodes=one("n", NODES),
                pods=one("pods", "100.96.0.0/11"),
                services=one("services", "100.64.0.0/13"),
            ),
            [],
        ),
        (
            Layout(nodes=one("n", "10.250.0.0/17"), workers=(one("w", "10.250.0.0/16"),)),
            [("w", 'must be a subset of "n" ("10.250.0.0/17")')],
        ),
        (
            Layout(nodes=one("n", "2001:db8::/48"), workers=(one("w", "10.250.0.0/16"),)),
            [("w", 'must be a subset of "n" ("2001:db8::/48")')],
        ),
        (
            Layout(whole=one("vpc", NODES), others=(one("p", "10.0.0.0/24"),)),
            [("p", 'must be a subset of "vpc" ("10.250.0.0/16")')],
        ),
        (
            Layout(whole=one("vpc", "100.0.0.0/8"), pods=one("pods", "100.96.0.0/11")),
            [("pods", 'must not overlap with "vpc" ("100.0.0.0/8")')],
        ),
        (
            Layout(workers=(one("a", "10.0.0.0/16"), one("b", "10.0.128.0/17"))),
            [("b", 'must not overlap with "a" ("10.0.0.0/16")')],
        ),
        (
            Layout(services=one("s", "10.0.0.0/12"), workers=(one("a", "10.0.0.0/16"),)),
            [("a", 'must not overlap with "s" ("10.0.0.0/12")')],
        ),
        (Layout(pods=one("p", "2001:db8::/48"), workers=(one("a", "10.0.0.0/16"),)), []),
    ],
)
def test_ranges_fit_each_other(layout, expected):
    assert [(problem.field, problem.detail) for problem in ranges.fit(layout)] == expected


def test_a_range_of_the_provider_reads_as_in_go():
    found, problems = ranges.read("w", "10.250.0.1/016")

    assert lines(problems) == ['w: Invalid value: "10.250.0.1/016": must be valid canonical CIDR']
    assert str(found.network) == "10.250.0.0/16"
    assert ranges.read("w", None) == (None, [])
    assert ranges.of_family(one("w", "10.0.0.0/8"), Family.IPV6)[0].source is Source.PROVIDER


THREE = {
    "nodeCIDR": "2001:db8:1::/64",
    "podCIDR": "2001:db8:2::/56",
    "serviceCIDR": "2001:db8:3::/112",
}


def errors(problems):
    return [(p.type, p.field) for p in problems if p.severity is Severity.ERROR]


@pytest.mark.parametrize(
    ("pool", "written", "expected"),
    [
        ("pool", {}, []),
        (None, THREE, []),
        ("pool", THREE, []),
        (None, {}, [(ProblemType.REQUIRED, "v6")]),
        (
            None,
            {"nodeCIDR": "2001:db8:1::/64"},
            [(ProblemType.REQUIRED, "v6.podCIDR"), (ProblemType.REQUIRED, "v6.serviceCIDR")],
        ),
        (None, THREE | {"podCIDR": "10.0.0.0/8"}, [(ProblemType.INVALID, "v6.podCIDR")]),
        (
            None,
            THREE | {"nodeCIDR": "2001:db8:2::1/48"},
            [(ProblemType.INVALID, "v6.nodeCIDR"), (ProblemType.INVALID, "v6.podCIDR")],
        ),
        (None, THREE | {"serviceCIDR": "x"}, [(ProblemType.INVALID, "v6.serviceCIDR")]),
        (
            "pool",
            THREE | {"serviceCIDR": "2001:db8:1::/112"},
            [(ProblemType.INVALID, "v6.serviceCIDR")],
        ),
    ],
)
def test_ipv6_of_openstack_is_a_pool_or_three_ranges(pool, written, expected):
    assert errors(openstack.ipv6("v6", pool, written)) == expected


def test_a_subnet_that_exists_needs_no_range():
    rest = {key: value for key, value in THREE.items() if key != "nodeCIDR"}

    assert errors(openstack.ipv6("v6", None, rest, node_subnet=True)) == []
    assert errors(openstack.ipv6("v6", None, {}, node_subnet=True)) == [
        (ProblemType.REQUIRED, "v6.podCIDR"),
        (ProblemType.REQUIRED, "v6.serviceCIDR"),
    ]


def test_a_subnet_of_ones_own_on_openstack_has_a_router():
    (refused,) = openstack.routed("v6.nodeSubnetId", "s", None)
    (told,) = openstack.routed("v6.nodeSubnetId", "s", "r")

    assert (refused.severity, refused.source) == (Severity.ERROR, Source.PROVIDER)
    assert refused.message.startswith(
        'v6.nodeSubnetId: Invalid value: "s": requires networks.router.id'
    )
    assert told.severity is Severity.WARNING
    assert "router r must be attached to this subnet already" in told.detail


@pytest.mark.parametrize(
    ("key", "text", "warning"),
    [
        ("serviceCIDR", "2001:db8:3::/108", "v6.serviceCIDR: becomes a /112, without a word"),
        ("podCIDR", "2001:db8:2::/112", "a node's block of /64 does not fit into the range"),
        ("podCIDR", "2001:db8:8000::/40", "New CIDR set failed; the node CIDR size is too big"),
    ],
)
def test_ranges_that_do_not_become_what_they_say(key, text, warning):
    problems = openstack.ipv6("v6", None, THREE | {key: text})

    warnings = [p.message for p in problems if p.severity is Severity.WARNING]
    assert len(warnings) == 1
    assert warning in warnings[0]
    assert errors(problems) == []


def test_a_subnet_has_one_family():
    assert openstack.one_family("w", one("w", NODES)) == []
    (problem,) = openstack.one_family("w", one("w", "2001:db8::/64"))
    assert "never of both" in problem.message


def test_google_lends_ipv6_ranges_and_takes_none():
    assert gcp.no_ipv6_range(one("nodes", NODES)) == []
    (problem,) = gcp.no_ipv6_range(one("nodes", "2001:db8::/64"))
    assert problem.severity is Severity.ERROR


def test_the_nodes_subnet_of_gcp_only_grows():
    small, large = one("w", "10.250.0.0/19"), one("w", NODES)

    assert gcp.workers_update(large, small) == gcp.workers_update(small, small) == []
    (problem,) = gcp.workers_update(small, large)
    assert problem.detail == "worker CIDR blocks can only be expanded"


@pytest.mark.parametrize(
    ("text", "count"), [("fd00::/48", 0), ("fc00::/7", 0), ("2001:db8::/48", 1), (NODES, 0)]
)
def test_ipv6_on_azure_stays_local(text, count):
    assert len(azure.local_range(one("r", text))) == count
