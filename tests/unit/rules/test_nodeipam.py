"""CidrSet as Kubernetes has it, with what it refuses and what it does not."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.rules import nodeipam
from dataplane.rules.nodeipam import NIL, CidrSet, CidrSetError

POOLS = st.one_of(
    st.tuples(st.integers(0, 28), st.integers(0, 4)).map(
        lambda pool: (ip_network((0x0A0B0C0D, pool[0]), strict=False), sum(pool))
    ),
    st.tuples(st.integers(0, 124), st.integers(0, 4)).map(
        lambda pool: (ip_network((0x20010DB8 << 96, pool[0]), strict=False), sum(pool))
    ),
)
STEPS = st.lists(
    st.tuples(st.sampled_from(["allocate", "occupy", "release"]), st.integers(0, 15)), max_size=40
)


def cidr_set(cluster, mask):
    return CidrSet(ip_network(cluster, strict=False), mask)


@given(pool=POOLS, steps=STEPS)
def test_no_block_is_handed_out_twice(pool, steps):
    network, mask = pool
    cidrs, taken, following = CidrSet(network, mask), set(), 0
    for operation, number in steps:
        index = number % cidrs.max_cidrs
        cidr = nodeipam.block(network, mask, index)
        if operation == "occupy":
            cidrs.occupy(cidr)
            taken.add(index)
        elif operation == "release":
            cidrs.release(cidr)
            taken.discard(index)
        elif len(taken) == cidrs.max_cidrs:
            with pytest.raises(CidrSetError, match="no remaining CIDRs"):
                cidrs.allocate_next()
        else:
            while following in taken:
                following = (following + 1) % cidrs.max_cidrs
            assert cidrs.allocate_next() == nodeipam.block(network, mask, following)
            taken.add(following)
            following = (following + 1) % cidrs.max_cidrs
        assert cidrs.allocated == len(taken)


@given(pool=POOLS, data=st.data())
def test_occupied_is_what_a_cidr_touches(pool, data):
    network, mask = pool
    length = data.draw(st.integers(0, network.max_prefixlen))
    inside = data.draw(st.integers(int(network[0]), int(network[-1])))
    cidr = type(network)((inside, length), strict=False)
    cidrs = CidrSet(network, mask)

    cidrs.occupy(cidr)

    blocks = (nodeipam.block(network, mask, index) for index in range(cidrs.max_cidrs))
    assert cidrs.allocated == sum(block.overlaps(cidr) for block in blocks)
    cidrs.release(cidr)
    assert cidrs.allocated == 0


@given(pool=POOLS, data=st.data())
def test_the_index_of_a_block_leads_back_to_it(pool, data):
    network, mask = pool
    index = data.draw(st.integers(0, (1 << mask - network.prefixlen) - 1))
    block = nodeipam.block(network, mask, index)

    assert nodeipam.index_to_cidr_block(network, mask, index) == str(block)
    if network.prefixlen or mask < 32:  # 2**32 blocks are none to upstream's uint32
        assert CidrSet(network, mask).index_for_cidr(block) == index


def test_next_fit_goes_round():
    cidrs = cidr_set("2001:db8::/62", 64)
    first = [cidrs.allocate_next() for _ in range(3)]
    cidrs.release(first[0])
    cidrs.release(first[1])

    given = [str(cidrs.allocate_next()) for _ in range(3)]

    assert given == ["2001:db8:0:3::/64", "2001:db8::/64", "2001:db8:0:1::/64"]


def test_the_search_goes_round_when_the_end_is_taken():
    cidrs = cidr_set("2001:db8::/62", 64)
    first = [cidrs.allocate_next() for _ in range(2)]
    cidrs.occupy(ip_network("2001:db8:0:2::/63"))
    cidrs.release(first[0])

    assert cidrs.allocate_next() == first[0]


def test_a_pool_of_millions_is_taken_at_once():
    cidrs = cidr_set("10.0.0.0/8", 32)
    cidrs.occupy(ip_network("10.0.0.0/9"))

    assert cidrs.allocated == 1 << 23
    assert str(cidrs.allocate_next()) == "10.128.0.0/32"
    cidrs.release(ip_network("0.0.0.0/0"))
    assert cidrs.allocated == 0


@pytest.mark.parametrize(
    ("cluster", "mask"),
    [("2001:db8::/48", 64), ("::/0", 16), ("10.0.0.0/8", 32), ("0.0.0.0/0", 32)],
)
def test_the_largest_pools(cluster, mask):
    assert cidr_set(cluster, mask).max_cidrs == 1 << mask - ip_network(cluster).prefixlen


@pytest.mark.parametrize(("cluster", "mask"), [("2001:db8::/47", 64), ("::/0", 17), ("::/0", 999)])
def test_seventeen_bits_are_too_many_for_ipv6(cluster, mask):
    with pytest.raises(CidrSetError, match=r"^New CIDR set failed; the node CIDR size is too big$"):
        cidr_set(cluster, mask)


@pytest.mark.parametrize(("cluster", "mask"), [("10.0.0.0/16", 15), ("2001:db8::/64", 48)])
def test_a_mask_that_is_too_short_leaves_nothing_to_hand_out(cluster, mask):
    """Upstream makes the set, since `1 << uint32(-1)` is 0; its caller has to know better."""
    cidrs = cidr_set(cluster, mask)

    with pytest.raises(CidrSetError, match="no remaining CIDRs left"):
        cidrs.allocate_next()
    inner = next(ip_network(cluster).subnets(prefixlen_diff=8))
    masked = inner.supernet(new_prefix=mask).network_address
    with pytest.raises(CidrSetError) as refused:
        cidrs.occupy(inner)
    assert str(refused.value) == f"CIDR: {masked}/{mask} is out of the range of CIDR allocator"


def test_an_ipv6_mask_for_an_ipv4_range():
    """gardener/gardener#15448: `--node-cidr-mask-size=64` for 10.240.0.0/16."""
    cidrs = cidr_set("10.240.0.0/16", 64)

    with pytest.raises(CidrSetError, match=r"^invalid IP: <nil>$"):
        cidrs.occupy(ip_network("10.240.1.0/24"))
    with pytest.raises(CidrSetError, match="would be <nil>: a mask of /64 does not exist"):
        cidrs.allocate_next()
    assert nodeipam.index_to_cidr_block(cidrs.network, 64, 0) == NIL
    cidrs.occupy(ip_network("10.0.0.0/8"))
    assert cidrs.allocated == cidrs.max_cidrs == 1 << 48


@pytest.mark.parametrize(
    ("cluster", "mask", "cidr"),
    [
        ("10.0.0.0/16", 24, "10.1.0.0/24"),
        ("10.0.0.0/16", 24, "2001:db8::/64"),
        ("2001:db8::/48", 64, "2001:db9::/64"),
        ("2001:db8::/48", 64, "10.0.0.0/8"),
    ],
)
def test_out_of_range(cluster, mask, cidr):
    cidrs = cidr_set(cluster, mask)

    for change in (cidrs.occupy, cidrs.release):
        with pytest.raises(CidrSetError) as refused:
            change(ip_network(cidr))
        assert str(refused.value) == f"cidr {cidr} is out the range of cluster cidr {cluster}"


@pytest.mark.parametrize(
    ("cluster", "mask", "cidr", "index"),
    [
        ("10.0.0.0/8", 16, "10.77.0.0/16", 77),
        ("2001:db8:100::/40", 48, "2001:db8:1cd::/48", 0xCD),
        ("10.0.0.0/8", 24, "10.0.1.128/25", 1),
        ("10.0.0.0/8", 24, "::/24", 0),  # upstream compares what it has, whatever its width
    ],
)
def test_the_index_of_a_cidr(cluster, mask, cidr, index):
    assert cidr_set(cluster, mask).index_for_cidr(ip_network(cidr)) == index


@pytest.mark.parametrize(
    ("cluster", "mask", "cidr"),
    [
        ("10.0.0.0/16", 24, "11.0.0.0/24"),
        ("2001:db8::/48", 64, "2001:db9::/64"),
        ("10.0.0.0/8", 24, "2001:db8::/32"),
        ("0.0.0.0/0", 32, "10.0.0.0/32"),  # uint32(1 << 32) is 0
    ],
)
def test_the_index_of_a_cidr_outside(cluster, mask, cidr):
    with pytest.raises(CidrSetError) as refused:
        cidr_set(cluster, mask).index_for_cidr(ip_network(cidr))
    address = cidr.partition("/")[0]
    assert str(refused.value) == f"CIDR: {address}/{mask} is out of the range of CIDR allocator"


@pytest.mark.parametrize(
    ("cluster", "mask", "index", "printed"),
    [
        ("10.0.0.0/16", 24, 256, "10.1.0.0/24"),  # laid over the address, not refused
        ("10.1.0.0/16", 24, 256, "10.1.0.0/24"),
        ("10.0.0.0/16", 24, -1, "255.255.255.0/24"),
        ("10.0.0.0/16", 24, 1 << 24, "10.0.0.0/24"),
        ("2001:db8::/60", 64, 16, "2001:db8:0:10::/64"),
        ("2001:db8::/60", 72, 1 << 12, "2001:db8:0:10::/72"),
        ("2001:db8::/64", 80, 1 << 16, "2001:db8::/80"),  # cut off, the left half stays
        ("10.1.0.0/16", 8, 0, "10.1.0.0/8"),
        ("10.0.0.0/16", -1, 0, NIL),
        ("2001:db8::/64", 129, 0, NIL),
    ],
)
def test_an_index_outside_is_not_refused(cluster, mask, index, printed):
    assert nodeipam.index_to_cidr_block(ip_network(cluster), mask, index) == printed
