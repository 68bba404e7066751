"""The rules of Seeds and the reserved ranges, for ranges that nobody thought of."""

from ipaddress import IPv4Network, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.address import Family
from dataplane.model.problem import Severity, Source
from dataplane.rules.gardener import reserved, seed
from dataplane.rules.gardener.seed import SeedNetworks

FOUR = st.builds(
    lambda base, length: IPv4Network((base, length), strict=False),
    st.integers(0, 2**32 - 1),
    st.integers(8, 32),
)
SIX = st.builds(
    lambda base, length: IPv6Network((base, length), strict=False),
    st.integers(0x2000 << 112, (0x4000 << 112) - 1),  # global unicast: none of it is reserved
    st.integers(8, 128),
)


@given(st.one_of(FOUR, SIX), st.sampled_from(["pod", "service", "node"]))
def test_a_range_is_refused_exactly_where_it_meets_a_reserved_one(network, kind):
    problems = reserved.overlap("p", kind, str(network), network)
    met = [
        one
        for one in reserved.RESERVED
        if one.network.version == network.version and one.network.overlaps(network)
    ]

    assert [p.detail for p in problems] == [f"{kind} network intersects with {one}" for one in met]
    assert all(p.source is Source.GARDENER and p.severity is Severity.ERROR for p in problems)


def test_the_table_is_upstreams_in_its_order():
    assert [str(one) for one in reserved.RESERVED] == [
        "default vpn network (fd8f:6d53:b97a:1::/96)",
        "reserved kube-apiserver mapping range (240.0.0.0/8)",
        "reserved seed pod network mapping range (241.0.0.0/8)",
        "reserved shoot node network mapping range (242.0.0.0/8)",
        "reserved shoot service network mapping range (243.0.0.0/8)",
        "reserved shoot pod network mapping range (244.0.0.0/8)",
    ]


@given(st.lists(SIX, min_size=3, max_size=3), st.lists(st.one_of(SIX, FOUR), max_size=2))
def test_dual_stack_ranges_are_refused_exactly_where_python_finds_an_overlap(own, defaults):
    pods, services, nodes = own
    texts = [str(network) for network in defaults] + [None, None]
    networks = SeedNetworks(
        pods=str(pods),
        services=str(services),
        nodes=str(nodes),
        default_pods=texts[0],
        default_services=texts[1],
        families=("IPv4", "IPv6"),
    )
    problems = [p for p in seed.check("n", networks) if "must not overlap" in p.detail]

    def meet(one, other):
        return one.version == other.version and one.overlaps(other)

    pairs = [
        (pods, services),
        (pods, nodes),
        (services, nodes),
        *([defaults] * (len(defaults) > 1)),
    ]
    pairs += [(one, other) for one in own for other in defaults if other.version == 6]
    assert len(problems) == sum(meet(*pair) for pair in pairs)


@given(st.permutations(["10.0.0.0/9", "11.0.0.0/9", "12.0.0.0/9"]))
def test_the_order_of_fields_decides_who_is_blamed(texts):
    pods, services, nodes = texts
    clash = SeedNetworks(pods=pods, services=nodes, nodes=nodes, families=("IPv4",))

    assert seed.check("n", SeedNetworks(pods=pods, services=services, nodes=nodes)) == []
    (problem,) = seed.check("n", clash)
    assert problem.field == "n.nodes"
    assert problem.detail == f'must not overlap with "n.services" ("{nodes}")'


@given(SIX, st.booleans())
def test_a_range_of_the_wrong_family_is_shown_without_its_length(network, gate):
    networks = SeedNetworks(pods=str(network), services="10.0.0.0/8")
    lines = [p.message for p in seed.check("n", networks, gate=gate)]
    address = network.network_address

    assert lines == [f'n.pods: Invalid value: "{address}": must be a valid IPv4 address']
    assert [p.message for p in seed.check("n", networks, profile="gep21", gate=gate)] == lines


@given(st.sampled_from(["current", "gep21"]), FOUR, FOUR)
def test_a_seed_that_stays_as_it_is_passes_its_update(profile, pods, services):
    networks = SeedNetworks(pods=str(pods), services=str(services), families=(profile,))
    assert seed.check_update("n", networks, networks) == []


@pytest.mark.parametrize(
    ("families", "hints"), [((), 0), (("IPv4",), 0), (("IPv6",), 1), (("IPv6", "IPv4"), 0)]
)
def test_only_single_ipv6_is_worth_a_hint(families, hints):
    assert len(seed.scheduling("n", families)) == hints


def test_a_hostile_block_is_neither_shown_whole_nor_raw():
    (problem,) = seed.blocked("b", ["\x1b[2J" + "x" * 10_000])
    assert "\x1b" not in problem.message
    assert len(problem.message) < 300


def test_the_vpn_of_the_first_release_was_ipv4():
    vpn = reserved.VPN_V1_63.network
    inside = str(next(vpn.subnets(new_prefix=28)))
    networks = SeedNetworks(pods=inside, services="10.0.0.0/8", families=(Family.IPV4,))
    (problem,) = seed.check("n", networks, profile="gep21")

    assert problem.detail == f'must not overlap with "[]" ("{vpn}")'
    assert vpn == ip_network("192.168.123.0/24")
    assert seed.check("n", networks) == []
