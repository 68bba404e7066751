"""Free address space."""

from ipaddress import ip_network

from hypothesis import given
from hypothesis import strategies as st

from dataplane.planning.space import Space, number


def test_the_first_free_subnet_from_a_number_on():
    space = Space()
    parent = ip_network("10.0.0.0/22")
    space.take(ip_network("10.0.2.128/25"))
    space.take(ip_network("2001:db8::/32"))
    assert [str(space.first_free(parent, 24, start=1)) for _ in range(4)] == [
        "10.0.1.0/24",
        "10.0.3.0/24",
        "10.0.0.0/24",
        "None",
    ]
    assert space.first_free(parent, 21) is None
    assert str(space.first_of([parent, ip_network("10.1.0.0/24")], 24)) == "10.1.0.0/24"


@given(
    st.lists(st.tuples(st.integers(0, 255), st.integers(24, 32)), max_size=20),
    st.integers(24, 30),
    st.integers(0, 1000),
)
def test_nothing_free_is_overlooked(taken, length, start):
    parent = ip_network("192.0.2.0/24")
    space = Space()
    used = [ip_network((int(parent[0]) + offset, size), strict=False) for offset, size in taken]
    for network in used:
        space.take(network)
    free = [n for n in parent.subnets(new_prefix=length) if not any(n.overlaps(u) for u in used)]
    found = [space.first_free(parent, length, start=start) for _ in free]
    assert set(found) == set(free)
    assert space.first_free(parent, length, start=start) is None


def test_numbers_are_the_same_everywhere():
    assert number("cluster", 0) == 0x90CF9F066B3AA48A
    assert number("a", "b") != number("ab")
