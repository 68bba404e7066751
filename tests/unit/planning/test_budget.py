"""The bit budget: what a prefix per VM leaves, in nibbles."""

import pytest

from dataplane.planning.budget import budget, budgets, render_budget, warn


def test_a_64_per_vm_leaves_seven_nibbles():
    row = budget(64)
    assert (row.region, row.bits, row.nibbles) == (36, 28, 7)
    assert [(x.name, x.start, x.end) for x in row.levels] == [
        ("zone", 36, 40),
        ("VPC", 40, 52),
        ("VM", 52, 64),
        ("inside", 64, 128),
    ]
    assert 1 << row.level("VM").bits == 4096


@pytest.mark.parametrize(("length", "more"), [(80, 4), (96, 8)])
def test_longer_prefixes_add_nibbles(length, more):
    assert budget(length).nibbles == budget(64).nibbles + more


def test_a_flat_network_has_no_vpcs():
    row = budget(64, flat=True)
    assert row.level("VPC") is None
    assert row.level("VM").bits == 24


def test_levels_always_add_up():
    for length in range(40, 129):
        for flat in (False, True):
            row = budget(length, flat=flat)
            assert sum(level.bits for level in row.levels) == 128 - 36
            assert all(level.bits >= 0 for level in row.levels)
    with pytest.raises(ValueError, match="leaves no bits"):
        budget(39)


def test_a_plans_own_prefix_is_in_the_table():
    assert [row.vm_prefix for row in budgets(72)] == [64, 72, 80, 96]
    assert [row.vm_prefix for row in budgets(80)] == [64, 80, 96]
    assert [row.vm_prefix for row in budgets(None)] == [64, 80, 96]
    assert [row.vm_prefix for row in budgets(32)] == [64, 80, 96]


def test_the_warning():
    assert warn(80, flat=False) == []
    assert warn(None, flat=False) == []
    assert warn(64, flat=True) == []
    (advice,) = warn(64, flat=False)
    assert "leaves 28 bits (7 nibbles) below a /36 region" in advice.message
    assert "vpc: none" in advice.remedy
    assert "is not even inside a /36 region" in warn(36, flat=False)[0].message


def test_the_table():
    head, first, *_ = render_budget([budget(64), budget(96, flat=True)])
    assert head[:3] == ("VM GETS", "BITS", "NIBBLES")
    assert first == ("/64", "28", "7", "16", "4096", "4096", "2^64")
    assert render_budget([budget(96, flat=True)])[1] == (
        *("/96", "60", "15", "16", "none", "2^56", "2^32"),
    )
