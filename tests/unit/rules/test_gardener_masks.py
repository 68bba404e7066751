"""Node masks: bounds, defaults, and what an update may do to them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataplane.model.address import Family
from dataplane.model.problem import ProblemType, Severity
from dataplane.rules.gardener import masks, update
from dataplane.rules.gardener.masks import Masks

V4, V6, DUAL = ("IPv4",), ("IPv6",), ("IPv4", "IPv6")
INVALID, FORBIDDEN = ProblemType.INVALID, ProblemType.FORBIDDEN


def sizes(plain=None, six=None):
    return Masks(path="k", plain=plain, six=six)


@pytest.mark.parametrize(
    ("plain", "six", "families", "types"),
    [
        (16, None, V4, []),
        (15, None, V4, [INVALID]),
        (29, None, (), [INVALID]),
        (29, None, DUAL, []),
        (64, None, V6, []),
        (63, None, V6, [INVALID]),
        (125, None, V6, [INVALID]),
        (None, 124, DUAL, []),
        (None, 63, DUAL, [INVALID]),
        (None, 125, V6, [INVALID]),
        (None, 64, V4, [FORBIDDEN]),
        (None, 63, V4, [FORBIDDEN]),
        (64, 64, V6, [FORBIDDEN]),
        (24, 125, V6, [FORBIDDEN, INVALID, INVALID]),
        (99, 63, ("ipv6",), [INVALID]),  # of no family, but not IPv4 either
    ],
)
def test_bounds(plain, six, families, types):
    assert [p.type for p in masks.check(sizes(plain, six), families)] == types


@pytest.mark.parametrize(
    ("plain", "six", "families", "bad"),
    [(15, None, V4, 1), (15, None, V6, 0), (29, None, DUAL, 0), (24, 9, V4, 0), (9, 9, V6, 0)],
)
def test_the_first_release_minded_ipv4_alone(plain, six, families, bad):
    assert len(masks.check(sizes(plain, six), families, profile="gep21")) == bad


@pytest.mark.parametrize(
    ("kubelet", "workers", "most"),
    [
        (None, [], 110),
        (None, [60], 110),  # a worker only raises it
        (60, [], 60),
        (60, [None, 100], 100),
        (250, [100], 250),
    ],
)
def test_the_most_pods_of_any_node(kubelet, workers, most):
    assert masks.highest(kubelet, workers, default=110) == most


@pytest.mark.parametrize(
    ("families", "written", "current", "gep21"),
    [
        (V4, (None, None), (24, None), (24, None)),
        (V4, (22, None), (22, None), (22, None)),
        (V6, (None, None), (64, None), (64, None)),
        (V6, (None, 80), (None, 80), (64, None)),
        (V6, (72, None), (72, None), (72, None)),
        (DUAL, (None, None), (24, 64), (24, None)),
        (DUAL, (None, 80), (24, 80), (24, None)),
        (("IPv5",), (None, None), (None, None), (24, None)),
    ],
)
def test_defaults(families, written, current, gep21):
    for profile, wanted in (("current", current), ("gep21", gep21)):
        found = masks.defaulted(sizes(*written), families, 110, profile=profile)
        assert (found.plain, found.six) == wanted


@pytest.mark.parametrize("pods", [0, -1, -(2**31)])
def test_no_pods_are_no_logarithm(pods):
    assert masks.default_node_mask_size(pods) == 32


@given(st.integers(1, 2**20))
def test_a_default_mask_has_room_for_twice_the_pods_and_not_for_twice_that(pods):
    size = masks.default_node_mask_size(pods)
    assert 2 ** (32 - size) >= 2 * pods > 2 ** (32 - size - 1)


@pytest.mark.parametrize("size", [-(2**31), -1, 0])
def test_a_mask_below_zero_is_not_computed(size):
    assert masks.room_for_pods("k", size, Family.IPV4, 2**31 - 1) == []


@pytest.mark.parametrize(
    ("new", "old", "messages"),
    [
        ((24, None), (24, None), []),
        ((25, None), (24, None), ["k.nodeCIDRMaskSize: Invalid value: 25: field is immutable"]),
        ((None, None), (24, None), []),  # the default is the same
        ((24, None), (None, None), []),
        ((None, None), (25, None), ["k.nodeCIDRMaskSize: Invalid value: 24: field is immutable"]),
        ((23, None), (None, None), ["k.nodeCIDRMaskSize: Invalid value: 23: field is immutable"]),
        ((None, 80), (None, None), []),  # may be added
        ((None, 72), (None, 80), ["k.nodeCIDRMaskSizeIPv6: Invalid value: 72: field is immutable"]),
        ((None, None), (None, 64), []),
        (
            (None, None),
            (None, 80),
            ["k.nodeCIDRMaskSizeIPv6: Invalid value: 64: field is immutable"],
        ),
    ],
)
def test_masks_stay(new, old, messages):
    one, other = sizes(*new), sizes(*old)
    filled = tuple(masks.defaulted(each, DUAL, 110, profile="current") for each in (one, other))
    problems = update.node_masks(one, other, defaults=filled)
    assert [problem.message for problem in problems] == messages


def test_a_mask_that_is_taken_away_without_a_default_is_null():
    none = sizes()
    (problem,) = update.node_masks(none, sizes(six=80), defaults=(none, none))
    assert problem.message == 'k.nodeCIDRMaskSizeIPv6: Invalid value: "null": field is immutable'
    assert problem.severity is Severity.ERROR
