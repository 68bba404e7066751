"""What kube-apiserver starts with, and what it says when it does not."""

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.rules import kubeapiserver
from dataplane.rules.kubeapiserver import Gates

ANY_SIZE = Gates(multi_cidr_service_allocator=True)
HALF = Gates(multi_cidr_service_allocator=True, disable_allocator_dual_write=False)
NO_CIDR = "--service-cluster-ip-range must contain at least one valid cidr"
TOO_MANY = "--service-cluster-ip-range must not contain more than two entries"
FAMILIES = (
    "--service-cluster-ip-range[0] and --service-cluster-ip-range[1] must be of different IP family"
)


def too_large(bits, flag="--service-cluster-ip-range"):
    return (
        f"specified {flag} is too large; for {bits}-bit addresses, the mask must be >= {bits - 20}"
    )


@pytest.mark.parametrize(
    ("text", "errors"),
    [
        ("100.64.0.0/13", []),
        ("100.64.0.0/12", []),
        ("100.64.0.0/11", [too_large(32)]),
        ("2001:db8::/112", []),
        ("2001:db8::/108", []),
        ("2001:db8::/107", [too_large(128)]),
        ("100.64.0.0/13,2001:db8::/112", []),
        ("2001:db8::/112,100.64.0.0/13", []),
        ("0100.064.0.0/13", []),  # read by the sloppy parser
        ("2001:db8::/112,0.0.0.0/0", [too_large(32, "--service-cluster-ip-range[1]")]),
        ("::/0,0.0.0.0/0", [too_large(128), too_large(32, "--service-cluster-ip-range[1]")]),
        ("100.64.0.0/13,100.80.0.0/13", [FAMILIES]),
        ("100.64.0.0/13,2001:db8::/112,", [TOO_MANY]),
        ("100.64.0.0/13,100.80.0.0/13,2001:db8::/112", [TOO_MANY, FAMILIES]),
        ("", [NO_CIDR]),
        ("nonsense", ["service-cluster-ip-range[0] is not a valid cidr"]),
        ("100.64.0.0/13, 2001:db8::/112", ["service-cluster-ip-range[1] is not an ip net"]),
        ("100.64.0.0/13,", ["service-cluster-ip-range[1] is not an ip net"]),
        (
            "2001:db8::/126",
            [
                (
                    "error determining service IP ranges for primary service cidr: the service cluster IP "
                    "range must be at least 8 IP addresses"
                )
            ],
        ),
        ("2001:db8::/125", []),
        ("2001:db8::/112,10.0.0.0/30", []),  # the smallest is for the primary range only
        ("::ffff:10.0.0.0/104", [too_large(128)]),  # Go has an IPv4 network with 128 bits of mask
    ],
)
def test_ranges(text, errors):
    assert kubeapiserver.service_cluster_ip_range(text) == errors


@pytest.mark.parametrize("text", ["10.0.0.0/7", "2001:db8::/48", "2001:db8::/48,10.0.0.0/8"])
def test_two_gates_lift_the_limit_together(text):
    assert kubeapiserver.service_cluster_ip_range(text, ANY_SIZE) == []
    assert kubeapiserver.service_cluster_ip_range(text, HALF)
    assert kubeapiserver.service_cluster_ip_range(text, Gates())


@pytest.mark.parametrize(
    "text", ["10.0.0.0/8,11.0.0.0/8", "10.0.0.0/8,2001:db8::/64,10.0.0.0/8", ""]
)
def test_no_gate_lifts_the_rest(text):
    assert kubeapiserver.service_cluster_ip_range(text, ANY_SIZE)


def test_the_flags_alone_pass_over_what_is_no_cidr():
    check = kubeapiserver.validate_cluster_ip_flags

    assert check("100.64.0.0/13,nonsense", Gates()) == []
    assert check(",100.64.0.0/13", Gates()) == [
        NO_CIDR,
        (
            "error attempting to validate dualstack for --service-cluster-ip-range value error:"
            "invalid CIDR[0]: <nil>"
        ),
        FAMILIES,
    ]


@given(st.integers(0, 32), st.integers(0, 40))
def test_the_limit_is_a_number_of_bits(length, bits):
    errors = kubeapiserver.validate_max_cidr_range(f"10.0.0.0/{length}", bits, "--flag")

    assert bool(errors) is (32 - length > bits)


@pytest.mark.parametrize(
    ("primary", "advertised", "reconciler", "wrong"),
    [
        ("2001:db8::/112", "2001:db8::1", "lease", False),
        ("10.0.0.0/16", "10.1.0.1", "master-count", False),
        ("10.0.0.0/16", "2001:db8::1", "none", False),
        ("10.0.0.0/16", "2001:db8::1", "lease", True),
        ("2001:db8::/112", "10.1.0.1", "master-count", True),
    ],
)
def test_the_advertised_address_has_the_primary_family(primary, advertised, reconciler, wrong):
    errors = kubeapiserver.validate_public_ip_families(
        ip_network(primary), ip_address(advertised), reconciler
    )

    text = f'service IP family "{primary}" must match public address family "{advertised}"'
    assert errors == ([text] if wrong else [])


def test_errors_are_put_together_as_go_does_it():
    assert kubeapiserver.aggregate(["a"]) == "a"
    assert kubeapiserver.aggregate(["a", "a"]) == "a"
    assert kubeapiserver.aggregate(["a", "b", "a"]) == "[a, b]"
