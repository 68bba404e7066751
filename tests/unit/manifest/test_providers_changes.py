"""Shoots on AWS with dual-stack ingress, changes of Shoots, and plugins that contradict them."""

import pytest

from dataplane.model.problem import Severity
from tests.unit.manifest.provider_shoots import (
    AWS,
    GCP,
    INFRASTRUCTURE,
    OPENSTACK,
    changed,
    check,
    errors,
    warnings,
)

DUAL_STACK = changed(
    AWS, ("      networks:\n", "      dualStack: {enabled: true}\n      networks:\n")
)


def test_an_ipv4_cluster_on_aws_is_told_of_dual_stack_ingress():
    (note,) = check(AWS)

    assert (note.severity, note.field) == (Severity.INFO, f"{INFRASTRUCTURE}.dualStack.enabled")
    assert check(DUAL_STACK) == []


def test_an_existing_vpc_is_warned_of_with_dual_stack():
    text = changed(DUAL_STACK, ("          cidr: 10.250.0.0/16\n", "          id: vpc-123\n"))
    (warning,) = warnings(check(text))

    assert warning.startswith(f"{INFRASTRUCTURE}.networks.vpc.id: this VPC must have an Amazon")
    assert warnings(check(changed(AWS, ("cidr: 10.250.0.0/16", "id: vpc-123")))) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (AWS, DUAL_STACK, []),
        (DUAL_STACK, DUAL_STACK, []),
        (
            DUAL_STACK,
            AWS,
            [
                (
                    f"{INFRASTRUCTURE}.dualStack.enabled: Forbidden: field can't be changed from "
                    '"true" to "false"'
                )
            ],
        ),
        (
            AWS,
            changed(AWS, ("cidr: 10.250.0.0/16", "cidr: 10.0.0.0/8")),
            [
                f'{INFRASTRUCTURE}.networks.vpc.cidr: Invalid value: "10.0.0.0/8": field is immutable'
            ],
        ),
        (
            AWS,
            changed(AWS, ("public: 10.250.96.0/22", "public: 10.250.100.0/22")),
            [
                (
                    f'{INFRASTRUCTURE}.networks.zones[0].public: Invalid value: "10.250.100.0/22": '
                    "field is immutable"
                )
            ],
        ),
        (
            changed(AWS, ("zones:\n", "zones:\n        - {name: z}\n")),
            AWS.replace("- name: eu-central-1a", "- name: z"),
            [f"{INFRASTRUCTURE}.networks.zones: Forbidden: removing zones is not allowed"],
        ),
        (
            OPENSTACK,
            changed(OPENSTACK, ("my-pool", "other-pool")),
            [
                (
                    f'{INFRASTRUCTURE}.networks.ipv6: Invalid value: {{"subnetPoolID": "other-pool"}}: '
                    "field is immutable"
                )
            ],
        ),
        (
            changed(OPENSTACK, ("        ipv6:\n          subnetPoolID: my-pool\n", "")),
            OPENSTACK,
            [],
        ),
        (
            GCP,
            changed(GCP, ("workers: 10.242.0.0/19", "workers: 10.242.0.0/20")),
            [
                (
                    f'{INFRASTRUCTURE}.networks.workers: Invalid value: "10.242.0.0/20": '
                    "worker CIDR blocks can only be expanded"
                )
            ],
        ),
    ],
)
def test_updates(old, new, expected):
    found = errors(check(new, old))

    assert set(expected) <= set(found)
    assert bool(found) is bool(expected)


def test_the_overlay_of_before_counts_when_nobody_says_more():
    dual = changed(AWS, ("[IPv4]", "[IPv4, IPv6]"))
    on = changed(
        AWS, ("type: calico", "type: calico\n    providerConfig: {overlay: {enabled: true}}")
    )
    off = on.replace("enabled: true", "enabled: false")
    field = "spec.networking.providerConfig.overlay.enabled"

    assert [line.partition(":")[0] for line in errors(check(dual, on))] == [field]
    assert errors(check(dual, off)) == warnings(check(dual, off)) == []
    assert errors(check(dual, AWS)) == []
    (warning,) = warnings(check(dual, AWS))
    assert "overlay must be set to false in conjunction with IPv6" in warning


def test_a_keyword_and_the_plugins_own_ipam_contradict():
    text = (
        "spec:\n  networking:\n    type: calico\n    ipFamilies: [IPv6]\n    pods: v6fromNode\n"
        "    providerConfig:\n"
        "      apiVersion: calico.networking.extensions.gardener.cloud/v1alpha1\n"
        "      kind: NetworkConfig\n      ipam: {type: host-local, cidr: '2001:db8::/64'}\n"
    )
    (problem,) = check(text)

    assert problem.field == "spec.networking.providerConfig.ipam.cidr"
    assert check(text.replace("v6fromNode", "custom")) == []
    assert check(text.replace("'2001:db8::/64'", "usePodCIDR")) == []
