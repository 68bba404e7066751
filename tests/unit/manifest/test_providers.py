"""Shoots before their providers and network plugins."""

import pytest

from dataplane.model.problem import ProblemType, Severity, Source
from tests.unit.manifest.provider_shoots import (
    AWS,
    AWS_IPV6,
    AZURE,
    GCP,
    INFRASTRUCTURE,
    OPENSTACK,
    changed,
    check,
    errors,
    warnings,
)


@pytest.mark.parametrize("text", [AWS, AWS_IPV6, OPENSTACK, GCP, AZURE])
def test_a_shoot_from_the_providers_documentation_is_fine(text):
    assert errors(check(text)) == warnings(check(text)) == []


@pytest.mark.parametrize(
    ("text", "pairs", "message"),
    [
        (
            AWS,
            [("    nodes: 10.250.0.0/16\n", "")],
            "spec.networking.nodes: Required value: a nodes CIDR must be provided for AWS shoots",
        ),
        (
            AWS,
            [("InfrastructureConfig\n", "InfrastructureConfiguration\n")],
            f"{INFRASTRUCTURE}.kind: Unsupported value: ",
        ),
        (
            AWS,
            [("aws.provider.extensions.gardener.cloud/v1alpha1\n      kind: C", "aws/v1\n      kind: C")],
            ('spec.provider.controlPlaneConfig.apiVersion: Unsupported value: "aws/v1": supported '
            'values: "aws.provider.extensions.gardener.cloud/v1alpha1"'),
        ),
        (
            GCP,
            [("gcp.provider", "aws.provider")],
            f"{INFRASTRUCTURE}.apiVersion: Unsupported value: ",
        ),
        (
            AWS,
            [("workers: 10.250.0.0/19", "workers: 10.251.0.0/19")],
            (f"{INFRASTRUCTURE}.networks.zones[0].workers: Invalid value: "
            '"10.251.0.0/19": must be a subset of "spec.networking.nodes" ("10.250.0.0/16")'),
        ),
        (
            AWS,
            [("public: 10.250.96.0/22", "public: 10.250.0.0/22")],
            'must not overlap with "spec.provider.infrastructureConfig.networks.zones[0].workers"',
        ),
        (
            AWS,
            [("          cidr: 10.250.0.0/16\n", "          cidr: 10.250.0.0/16\n          id: vpc-1\n")],
            f"{INFRASTRUCTURE}.networks.vpc: Invalid value: ",
        ),
        (
            AWS,
            [
                (
                    "          cidr: 10.250.0.0/16\n",
                    ("          cidr: 10.250.0.0/16\n"
                    "          ipv6IpamPool: {id: p, cidrBlock: '2001:db8::/48'}\n"),
                )
            ],
            (f'{INFRASTRUCTURE}.networks.vpc.ipv6IpamPool.cidrBlock: Invalid value: "2001:db8::/48": '
            "must be a /56 CIDR block"),
        ),
        (
            AWS_IPV6,
            [("type: calico", "type: calico\n    providerConfig: {overlay: {enabled: true}}")],
            ("spec.networking.providerConfig.overlay.enabled: Invalid value: true: "
            "overlay must be set to false in conjunction with IPv6"),
        ),
        (
            AWS_IPV6,
            [("type: calico", "type: other")],
            ('spec.networking.ipFamilies: Invalid value: ["IPv6"]: '
            "overlay must be set to false in conjunction with IPv6"),
        ),
        (
            OPENSTACK,
            [("        ipv6:\n          subnetPoolID: my-pool\n", "")],
            f"{INFRASTRUCTURE}.networks.ipv6: Required value: must be set for dual-stack shoots",
        ),
        (
            OPENSTACK,
            [("subnetPoolID: my-pool", "nodeCIDR: 2001:db8::/64")],
            f"{INFRASTRUCTURE}.networks.ipv6.podCIDR: Required value: ",
        ),
        (
            OPENSTACK,
            [("[IPv4, IPv6]", "[IPv6]")],
            "IPv6 single-stack networking is not supported",
        ),
        (
            OPENSTACK,
            [("workers: 10.250.0.0/19", "workers: 10.251.0.0/19")],
            'must be a subset of "spec.networking.nodes" ("10.250.0.0/16")',
        ),
        (
            GCP,
            [("100.96.0.0/11", "2001:db8::/48")],
            'spec.networking.pods: Invalid value: "2001:db8::/48": GCP assigns IPv6 ranges',
        ),
        (
            GCP,
            [("workers: 10.242.0.0/19", "workers: 10.242.0.0/19\n        internal: 10.242.0.0/20")],
            'must not overlap with "spec.networking.nodes" ("10.242.0.0/19")',
        ),
        (AZURE, [("type: calico", "type: calico\n    ipFamilies: [IPv4, IPv6]")], "dual-stack net"),
        (AZURE, [("zoned: true", "zoned: true\n      x: 1"), ("        workers: 10.250.0.0/19", "        workers: 10.250.0.1/19")], "must be valid canonical CIDR"),
        (
            AZURE,
            [("        workers: 10.250.0.0/19", "        workers: 10.250.0.0/19\n        zones: [{name: 1, cidr: 10.250.32.0/19}]")],
            "workers and zones cannot be specified at the same time",
        ),
        (
            AWS,
            [("ipFamilies: [IPv4]", "providerConfig: {ipv6: {mode: Never}}")],
            "IPv6 configuration must not be specified if Shoot doesn't use IPv6 networking",
        ),
        (
            GCP,
            [("type: calico", "type: calico\n    providerConfig: {ipam: {type: calico-ipam}}")],
            'IPAM type "calico-ipam" is only supported for IPv4 single-stack shoots',
        ),
        (
            OPENSTACK,
            [("overlay: {enabled: false}", "tunnel: gre")],
            'spec.networking.providerConfig.tunnel: Invalid value: "gre": unsupported value',
        ),
        (
            AWS,
            [("      kind: ControlPlaneConfig\n", "      kind: ControlPlaneConfig\n      loadBalancerController: {enabled: 'true'}\n")],
            ("spec.provider.controlPlaneConfig.loadBalancerController.enabled: Invalid value: "
            '"true": must be true or false'),
        ),
    ],
)  # fmt: skip
def test_nonsense_is_refused_in_the_extensions_words(text, pairs, message):
    problems = check(changed(text, *pairs))

    assert len([line for line in errors(problems) if message in line]) == 1, errors(problems)
    assert all(problem.remedy for problem in problems)


def test_a_problem_knows_its_place():
    (problem,) = [
        p
        for p in check(changed(AWS, ("workers: 10.250.0.0/19", "workers: 10.251.0.0/19")))
        if p.severity is Severity.ERROR and "nodes" in p.detail
    ]

    assert (problem.line, problem.column) == (17, 20)


@pytest.mark.parametrize(
    ("networking", "fields"),
    [
        ("type: calico", ["spec.networking.nodes"]),
        ("ipFamilies: [IPv6]", ["spec.networking.ipFamilies"]),
        ("ipFamilies: [IPv6]\n    type: calico", []),
        (
            "ipFamilies: [IPv6]\n    type: calico\n    pods: 2001:db8::/48",
            ["spec.networking.pods"],
        ),
        ("nodes: 10.0.0.0/8", []),
    ],
)
def test_an_excerpt_is_warned_of_what_its_provider_would_refuse(networking, fields):
    excerpt = (
        f"spec:\n  provider: {{type: aws, workers: [{{}}]}}\n  networking:\n    {networking}\n"
    )
    problems = check(excerpt)

    assert errors(problems) == []
    assert [problem.field for problem in problems] == fields
    assert {problem.source for problem in problems} <= {Source.PROVIDER}


@pytest.mark.parametrize(
    "text",
    [
        "spec: {provider: {type: aws, workers: []}, networking: {ipFamilies: [IPv6]}}",
        "spec: {networking: {ipFamilies: [IPv6], nodes: '2001:db8::/64'}}",
        "spec: {provider: {type: local, workers: [{}]}, networking: {ipFamilies: [IPv6]}}",
        "spec: {provider: {type: aws, infrastructureConfig: {dualStack: {enabled: true}}}}",
    ],
)
def test_nobody_has_a_say_without_workers_or_networking(text):
    problems = check(text)

    assert [p for p in problems if p.type is not ProblemType.REQUIRED] == []
    assert errors(problems) == []


def test_an_overlay_under_ipv6_is_told_once():
    text = changed(AWS_IPV6, ("type: calico", "providerConfig: {overlay: {enabled: true}}"))

    assert len(errors(check(text))) == 1


@pytest.mark.parametrize("provider", ["local", "openstack"])
def test_an_overlay_under_ipv6_is_warned_of_everywhere(provider):
    text = (
        f"spec:\n  provider: {{type: {provider}, workers: [{{}}]}}\n  networking:\n"
        "    nodes: 10.0.0.0/8\n    ipFamilies: [IPv4, IPv6]\n"
        "    providerConfig: {overlay: {enabled: true}}\n"
    )
    (problem,) = check(text)

    assert (problem.severity, problem.source) == (Severity.WARNING, Source.SEED)
