"""The rules of Networks, and what changed in words of Go."""

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.problem import ProblemType
from dataplane.rules.gardener import network
from dataplane.rules.gardener.changes import Field, differences
from dataplane.rules.gardener.network import NetworkSpec

FAMILIES = st.lists(st.sampled_from(["IPv4", "IPv6"]), unique=True, max_size=2).map(tuple)
SIX = st.ip_addresses(v=6).filter(lambda address: not address.ipv4_mapped)  # IPv4 for Go
RANGES = st.one_of(st.ip_addresses(v=4), SIX).flatmap(
    lambda address: st.integers(0, address.max_prefixlen).map(lambda length: f"{address}/{length}")
)
SPECS = st.builds(
    NetworkSpec, type=st.just("cilium"), pods=RANGES, services=RANGES, families=FAMILIES
)


@given(SPECS)
def test_ranges_are_refused_for_their_family_or_for_sharing_addresses(spec):
    problems = network.check("s", spec)
    nets = [ip_network(text, strict=False) for text in (spec.pods, spec.services)]
    only = {(): 4, ("IPv4",): 4, ("IPv6",): 6}.get(spec.families)
    strangers = [net for net in nets if only not in {None, net.version}]
    met = nets[0].version == nets[1].version and nets[0].overlaps(nets[1])

    assert sum("must be a valid" in p.detail for p in problems) == len(strangers)
    assert sum("must not overlap" in p.detail for p in problems) == (
        met and spec.families != ("IPv6",)
    )
    assert all(p.type is ProblemType.INVALID for p in problems)


@given(SPECS, st.booleans(), st.sampled_from(["current", "gep21"]))
def test_a_network_that_stays_as_it_is_passes_its_update(spec, deleted, profile):
    assert network.check_update("s", spec, spec, deleted=deleted, profile=profile) == []


@given(SPECS, SPECS, st.sampled_from(["current", "gep21"]))
def test_while_one_is_deleted_a_change_is_one_error(new, old, profile):
    problems = network.check_update("s", new, old, deleted=True, profile=profile)
    assert len(problems) == (new != old)
    assert {(p.field, p.type) for p in problems} <= {("s", ProblemType.FORBIDDEN)}


@given(SPECS, SPECS)
def test_the_first_release_kept_families_and_today_moves_them_in_one_way(new, old):
    path = "s.ipFamilies"
    today = [p for p in network.check_update("s", new, old, deleted=False) if p.field == path]
    first = network.check_update("s", new, old, deleted=False, profile="gep21")
    moved = {new.families, old.families} == {("IPv4",), ("IPv4", "IPv6")}

    assert len(today) == (new.families != old.families and not moved)
    assert len([p for p in first if p.field == path]) == (new.families != old.families)


@pytest.mark.parametrize(
    ("field", "lines"),
    [
        (Field(name="A", new="x", old=None), ["A: x != "]),
        (Field(name="A", new=None, old=""), []),
        (Field(name="A", new=(), old=None), []),
        (Field(name="A", new=["x"], old=("x",)), []),
        (Field(name="A", new=["x", "y"], old=["x", "z"]), ["A.slice[1]: y != z"]),
        (Field(name="A", new=["x"], old=["x", "z"]), ["A.slice[1]: <no value> != z"]),
        (Field(name="A", new=[], old=["x", "z"]), ["A: <nil slice> != [x z]"]),
        (Field(name="A", new=None, old=5, pointer="int64"), ["A: <nil pointer> != int64"]),
        (Field(name="A", new=5, old=6, pointer="int64"), ["A: 5 != 6"]),
        (Field(name="A", new={}, old=None, pointer="T"), ["A: T != <nil pointer>"]),
        (Field(name="A", new={"a": 1}, old={"a": 2}, pointer="T"), ["A.Raw: it has changed"]),
        (Field(name="A", new="x" * 300, old="y"), [f"A: {'x' * 255}... != y"]),
    ],
)
def test_differences_are_told_as_go_does(field, lines):
    assert differences([field]) == lines


def test_ten_differences_are_enough():
    fields = [Field(name=f"F{number}", new="a", old="b") for number in range(30)]
    assert differences(fields) == [f"F{number}: a != b" for number in range(10)]
