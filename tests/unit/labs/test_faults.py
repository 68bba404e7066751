"""Faults are pure: the same seed breaks the same thing, in the topology and nowhere else."""

from dataclasses import replace
from random import Random

import pytest

from dataplane.model.errors import UnsupportedError
from dataplane.session.prepare import Shape, prepare_scenario
from labs import scenario as scenarios
from labs.fault import faults

FAULTS = sorted(faults())
USED = [name for name in scenarios.names() if scenarios.load(name).faults]


def broken_by(fault: str):
    """Return the first scenario that has this fault in it."""
    return next(
        scenario for scenario in map(scenarios.load, scenarios.names()) if fault in scenario.faults
    )


def whole(scenario):
    shape = Shape(clat=scenario.clat, cloud=scenario.cloud, seed=0)
    return prepare_scenario(replace(scenario, faults=(), expect={}), shape)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_changes_the_topology_and_names_somebody(name):
    prepared = whole(broken_by(name))
    fault = faults()[name]

    assert fault.applies(prepared.plan) is None
    faulted = fault.apply(prepared.topology, prepared.plan, Random(7))

    assert faulted.topology != prepared.topology
    known = {n.name for n in prepared.topology.namespaces}
    assert faulted.subjects
    assert set(faulted.subjects) <= known
    assert fault.doc.strip()


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_repeatable(name):
    prepared = whole(broken_by(name))
    fault = faults()[name]

    one, two = (fault.apply(prepared.topology, prepared.plan, Random("3/x")) for _ in range(2))

    assert one == two


@pytest.mark.parametrize("name", USED)
def test_the_seed_picks_the_victims(name):
    scenario = scenarios.load(name)
    chosen = {
        tuple(sorted(e.subjects))
        for seed in range(12)
        for e in prepare_scenario(scenario, Shape(seed=seed)).expected.values()
        if e.subjects
    }

    assert chosen
    if not chosen & {
        ("gateway",),
        ("server-v4",),
        ("balancer",),
        ("balancer-old",),
        ("router-v6",),
        ("egress-proxy",),
        ("node-0", "node-1"),  # everybody
    }:  # one of each
        assert len(chosen) > 1


@pytest.mark.parametrize("name", USED)
def test_expectations_name_every_check_that_applies(name):
    expected = prepare_scenario(scenarios.load(name), Shape()).expected
    states = {check: expectation.state.value for check, expectation in expected.items()}

    assert "holds" in states.values()
    assert "broken" in states.values()
    assert {"reachability", "source-range", "service-range"} <= states.keys()
    if "ipv4-only" not in scenarios.load(name).tags:
        assert {"masquerade", "fallback", "listeners", "forwarding", "overlay"} <= states.keys()


def test_an_unknown_fault_is_refused_with_the_known_ones():
    with pytest.raises(UnsupportedError, match=r"dns64-off.*found no such fault"):
        prepare_scenario(scenarios.load("default"), Shape(), ("dns46-off",))


def test_a_fault_that_has_nothing_to_break_is_refused_with_the_reason():
    with pytest.raises(UnsupportedError, match="pods have one family only"):
        prepare_scenario(scenarios.load("default"), Shape(), ("ipv6-black-hole",))


def test_further_faults_make_the_expectations_void():
    assert prepare_scenario(scenarios.load("default"), Shape(), ("dns64-off",)).expected is None
