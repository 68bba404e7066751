import dataclasses

import pytest

from dataplane.checks import checks
from dataplane.model.address import Family
from dataplane.model.answer import State
from dataplane.model.plan import ClatPlacement
from dataplane.model.stimulus import Reach
from dataplane.verify import judge
from tests.unit.plans import dual_stack, six_only
from tests.unit.world import World

NAMES = {
    "clat",
    "cluster-cidr-mismatch",
    "dns-family",
    "dns64",
    "egress-proxy",
    "fallback",
    "forwarding",
    "ipv4-leak",
    "listeners",
    "masquerade",
    "missing-return-route",
    "nat64",
    "overlay",
    "pmtu",
    "pool-size",
    "reachability",
    "service-range",
    "source-range",
}
PLANS = {
    "six-only": six_only(),
    "clat-on-node": six_only(clat=ClatPlacement.NODE),
    "without-clat": six_only(clat=None),
    "dual-stack": dual_stack(),
    "dual-stack-six-first": dual_stack(Family.IPV6),
    "one-node": six_only(nodes=1, pods=2),
    "hundred-pods": six_only(nodes=4, pods=100),
}


@pytest.fixture(params=PLANS, name="plan")
def _plan(request):
    return PLANS[request.param]


def test_the_package_lists_its_own_checks_by_name():
    names = [check.name for check in checks()]

    assert names == sorted(names)
    assert set(names) >= NAMES


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
def test_a_check_explains_itself(check):
    definition, *rest = check.doc.strip().split("\n\n")

    assert definition.endswith(".")
    assert definition.count(". ") == 0, "one sentence says what it is"
    text = "\n".join(rest)
    assert "Guards against:" in text
    assert "Looks at:" in text
    assert "What to do:" in text
    assert check.title


@pytest.mark.parametrize("check", checks(), ids=lambda check: check.name)
def test_stimuli_come_from_actors_and_have_names_of_their_own(check, plan):
    if check.applies(plan) is not None:
        return
    actors = {pod.name for pod in plan.actors}
    stimuli = check.stimuli(plan)

    assert {stimulus.check for stimulus in stimuli} <= {check.name}
    assert {stimulus.pod for stimulus in stimuli} <= actors
    assert len({stimulus.id for stimulus in stimuli}) == len(stimuli)
    assert all(s.id.startswith(f"{check.name}/{s.pod}/") for s in stimuli)
    assert check.stimuli(plan) == stimuli, "the same plan asks for the same"


def test_no_check_asks_for_more_than_the_time_allows(plan):
    assert all(len(check.stimuli(plan)) <= 60 for check in checks())


@pytest.mark.parametrize("alike", [False, True], ids=["echoes", "answers that look alike"])
def test_a_healthy_cluster_has_no_findings(plan, alike):
    applicable = [check for check in checks() if check.applies(plan) is None]
    world = World(plan, alike=alike).drive(s for check in applicable for s in check.stimuli(plan))

    answers, absent = judge(world.evidence(), checks())

    assert {a.check for a in answers} | {n.check for n in absent} == {c.name for c in checks()}
    assert [(a.check, a.state, a.reason) for a in answers] == [
        (check.name, State.HOLDS, "") for check in applicable
    ]
    assert not [finding for answer in answers for finding in answer.findings]
    assert all(answer.looked_at for answer in answers)
    assert all(entry.reason for entry in absent)


def test_nothing_that_was_sent_counts_without_the_kernels_word(plan):
    applicable = [check for check in checks() if check.applies(plan) is None]
    world = World(plan).drive(s for check in applicable for s in check.stimuli(plan))
    unwatched = dataclasses.replace(
        world.evidence(),
        flows=(),
        packets=(),
        connects=(),
        listeners=(),
        settings=(),
        routes=(),
        reports=(),
    )

    answers, _ = judge(unwatched, checks())

    assert {answer.state for answer in answers} == {State.UNKNOWN}
    assert {answer.looked_at for answer in answers} == {0}


def test_without_probes_only_what_the_kernel_tells_when_asked_is_known(plan):
    applicable = [check for check in checks() if check.applies(plan) is None]
    evidence = World(plan).drive(s for c in applicable for s in c.stimuli(plan)).evidence()
    read = tuple(r for r in evidence.reports if r.probe in {"sockets", "sysctls", "routes"})
    asked = dataclasses.replace(evidence, flows=(), packets=(), connects=(), reports=read)

    answers, _ = judge(asked, checks())

    asked_for = {"forwarding", "listeners", "pool-size"}
    assert {a.check for a in answers if a.state is State.HOLDS} == asked_for
    assert {a.state for a in answers} == {State.HOLDS, State.UNKNOWN}


def test_each_family_is_tried_with_the_other_one_blocked(plan):
    reach = next(check for check in checks() if check.name == "reachability")

    for stimulus in reach.stimuli(plan):
        assert isinstance(stimulus, Reach)
        assert stimulus.family is not None
        assert stimulus.blocked is stimulus.family.other
