"""kube-controller-manager's flags, and which CIDRs nodes get."""

from ipaddress import ip_network

import pytest

from dataplane.rules import rangeallocator
from dataplane.rules.nodeipam import CidrSetError
from dataplane.rules.rangeallocator import AllocatorParams, MaskFlags, NodeCIDRs

FOUR, SIX = "10.32.0.0/16", "2001:db8:32::/48"


def params(*cidrs, masks, **services):
    networks = tuple(ip_network(cidr) for cidr in cidrs)
    services = {name: ip_network(text) for name, text in services.items()}
    return AllocatorParams(cluster_cidrs=networks, node_cidr_mask_sizes=masks, **services)


def nodes(*own):
    return [NodeCIDRs(name=f"n{number}", pod_cidrs=cidrs) for number, cidrs in enumerate(own)]


def cidrs(allocated):
    return [node.pod_cidrs for node in allocated]


@pytest.mark.parametrize(
    ("flags", "text", "sizes"),
    [
        (MaskFlags(), FOUR, (24,)),
        (MaskFlags(), SIX, (64,)),
        (MaskFlags(), f"{SIX},{FOUR}", (64, 24)),
        (MaskFlags(ipv4=26, ipv6=72), f"{FOUR},{SIX}", (26, 72)),
        (MaskFlags(ipv6=72), f"{FOUR},{SIX}", (24, 72)),
        (MaskFlags(both=80), SIX, (80,)),
        (MaskFlags(both=26), FOUR, (26,)),
        (MaskFlags(both=64), FOUR, (64,)),  # nobody looks at the family
        (MaskFlags(ipv6=72), SIX, (72,)),
    ],
)
def test_the_mask_of_each_range(flags, text, sizes):
    networks = rangeallocator.cluster_cidrs(text)

    assert rangeallocator.node_cidr_mask_sizes(flags, networks) == sizes


@pytest.mark.parametrize(
    ("flags", "text", "error"),
    [
        (
            MaskFlags(both=24),
            f"{FOUR},{SIX}",
            "usage of --node-cidr-mask-size is not allowed with dual-stack clusters",
        ),
        (
            MaskFlags(both=24, ipv4=24),
            FOUR,
            (
                "usage of --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6 is not allowed if "
                "--node-cidr-mask-size is set. For dual-stack clusters please unset it and use IPFamily "
                "specific flags"
            ),
        ),
        (
            MaskFlags(ipv4=24),
            SIX,
            "usage of --node-cidr-mask-size-ipv4 is not allowed for a single-stack IPv6 cluster",
        ),
        (
            MaskFlags(ipv6=64),
            FOUR,
            "usage of --node-cidr-mask-size-ipv6 is not allowed for a single-stack IPv4 cluster",
        ),
        (
            MaskFlags(both=8),
            FOUR,
            (
                "Controller: Invalid --cluster-cidr, mask size of cluster CIDR must be less than or equal "
                "to --node-cidr-mask-size configured for CIDR family"
            ),
        ),
    ],
)
def test_masks_that_stop_the_controller(flags, text, error):
    with pytest.raises(CidrSetError) as refused:
        rangeallocator.start(text, flags)
    assert str(refused.value) == error


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", 'failed to parse cidr value:"" with error:invalid CIDR address: '),
        (
            "10.0.0.0",
            'failed to parse cidr value:"10.0.0.0" with error:invalid CIDR address: 10.0.0.0',
        ),
        (
            "10.0.0.0/8,11.0.0.0/8",
            (
                "len of ClusterCIDRs==2 and they are not configured as dual stack (at least one from each "
                "IPFamily"
            ),
        ),
        (f"{FOUR},{SIX},{FOUR}", "length of clusterCIDRs is:3 more than max allowed of 2"),
    ],
)
def test_ranges_that_stop_the_controller(text, error):
    with pytest.raises(CidrSetError) as refused:
        rangeallocator.start(text, MaskFlags())
    assert str(refused.value) == error


def test_no_range_at_all():
    with pytest.raises(CidrSetError, match="Must specify --cluster-cidr if --allocate-node-cidrs"):
        rangeallocator.node_cidr_mask_sizes(MaskFlags(), ())


def test_leading_zeros_are_taken():
    assert rangeallocator.cluster_cidrs(" 010.0.0.0/8") == (ip_network("10.0.0.0/8"),)


def test_service_ranges_are_of_two_families():
    one, other = ip_network("10.1.0.0/16"), ip_network("10.2.0.0/16")

    with pytest.raises(CidrSetError, match="are not dualstack"):
        rangeallocator.start(FOUR, MaskFlags(), service_cidr=one, secondary_service_cidr=other)


def test_nodes_get_one_cidr_of_each_range_in_its_order():
    found = rangeallocator.allocate(params(SIX, FOUR, masks=(64, 24)), nodes((), ()))

    assert cidrs(found) == [
        ("2001:db8:32::/64", "10.32.0.0/24"),
        ("2001:db8:32:1::/64", "10.32.1.0/24"),
    ]


def test_what_nodes_have_is_taken_first_and_kept():
    found = rangeallocator.allocate(
        params(FOUR, masks=(24,)), nodes((), ("10.32.0.0/24",), ("10.32.2.7/24",), ())
    )

    assert cidrs(found) == [
        ("10.32.1.0/24",), ("10.32.0.0/24",), ("10.32.2.7/24",), ("10.32.3.0/24",),
    ]  # fmt: skip


def test_services_inside_the_range_are_left_out():
    services = {"service_cidr": "10.32.0.0/23", "secondary_service_cidr": "2001:db8:32::/63"}
    found = rangeallocator.allocate(params(FOUR, SIX, masks=(24, 64), **services), nodes(()))

    assert cidrs(found) == [("10.32.2.0/24", "2001:db8:32:2::/64")]


@pytest.mark.parametrize(
    ("cluster", "masks", "own", "error"),
    [
        (
            (FOUR,),
            (24,),
            ("172.16.0.0/24",),
            (
                "failed to mark cidr[172.16.0.0/24] at idx [0] as occupied for node: n0: cidr "
                "172.16.0.0/24 is out the range of cluster cidr 10.32.0.0/16"
            ),
        ),
        (
            (FOUR,),
            (24,),
            ("10.32.1.0/24", "2001:db8:32::/64"),
            (
                "node:n0 has an allocated cidr: 2001:db8:32::/64 at index:1 that does not exist in "
                "cluster cidrs configuration"
            ),
        ),
        ((FOUR,), (24,), ("nonsense",), "failed to parse node n0, CIDR nonsense"),
        (
            (FOUR,),
            (64,),
            ("10.32.1.0/24",),
            "failed to mark cidr[10.32.1.0/24] at idx [0] as occupied for node: n0: invalid IP: <nil>",
        ),
        (
            (SIX, FOUR),
            (64, 24),
            ("10.32.1.0/24", "2001:db8:32::/64"),
            (
                "failed to mark cidr[10.32.1.0/24] at idx [0] as occupied for node: n0: cidr "
                "10.32.1.0/24 is out the range of cluster cidr 2001:db8:32::/48"
            ),
        ),
    ],
    ids=["foreign", "family-given-up", "nonsense", "ipv6-mask-for-ipv4", "order-changed"],
)
def test_nodes_that_stop_the_controller(cluster, masks, own, error):
    with pytest.raises(CidrSetError) as refused:
        rangeallocator.allocate(params(*cluster, masks=masks), nodes(own))
    assert str(refused.value) == error


def test_too_large_a_pool_stops_the_controller():
    with pytest.raises(CidrSetError, match=r"^New CIDR set failed; the node CIDR size is too big$"):
        rangeallocator.allocate(params("2001:db8::/64", masks=(96,)), [])


def test_a_family_that_runs_out_has_cost_the_other_one_a_block():
    sets = rangeallocator.cidr_sets(params("10.32.0.0/23", "2001:db8::/64", masks=(24, 64)), [])
    rangeallocator.next_cidrs(sets)

    with pytest.raises(CidrSetError) as refused:
        rangeallocator.next_cidrs(sets)

    assert str(refused.value) == (
        "failed to allocate cidr from cluster cidr at idx:1: CIDR allocation failed; there are no "
        "remaining CIDRs left to allocate in the accepted range"
    )
    assert [one.allocated for one in sets] == [2, 1]


def test_a_node_that_goes_gives_its_cidrs_back():
    sets = rangeallocator.cidr_sets(params(FOUR, masks=(24,)), nodes(("10.32.4.0/24",)))
    rangeallocator.release(sets, *nodes(("10.32.4.0/24",)))

    assert sets[0].allocated == 0
    for own, error in [
        (("nonsense",), "failed to parse CIDR nonsense on Node n0: invalid CIDR address: nonsense"),
        (("10.32.4.0/24", SIX), "node:n0 has an allocated cidr: 2001:db8:32::/48 at index:1"),
        (
            ("11.0.0.0/24",),
            "error when releasing CIDR 11.0.0.0/24: cidr 11.0.0.0/24 is out the range",
        ),
    ]:
        with pytest.raises(CidrSetError) as refused:
            rangeallocator.release(sets, *nodes(own))
        assert str(refused.value).startswith(error)
