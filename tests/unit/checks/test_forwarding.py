from dataclasses import replace

import pytest

from dataplane.checks.forwarding import CHECK
from dataplane.model.answer import State
from dataplane.model.problem import Severity
from dataplane.verify import judge
from tests.unit.network import Faults
from tests.unit.plans import dual_stack
from tests.unit.world import World

PLAN = dual_stack()
EVIDENCE = World(PLAN).evidence()
PER_NODE = 2 + 1  # all and default, and the pods' interface, which has one name in this world


def answer(evidence):
    (only,), _ = judge(evidence, (CHECK,))
    return only


def setting(interface, value, *, node="node-0"):
    """Return the evidence with one node's sysctl changed, or gone where the value is None."""
    name = f"net/ipv6/conf/{interface}/forwarding"
    changed = tuple(
        replace(s, value=value) if (s.owner, s.name) == (node, name) else s
        for s in EVIDENCE.settings
        if value is not None or (s.owner, s.name) != (node, name)
    )
    return replace(EVIDENCE, settings=changed)


def test_every_node_that_forwards_holds():
    found = answer(EVIDENCE)

    assert (found.state, found.looked_at) == (State.HOLDS, PER_NODE * len(PLAN.nodes))


def test_all_off_is_one_finding_whatever_else_is_off():
    found = answer(World(PLAN, Faults(not_forwarding={"node-1"})).evidence())

    (finding,) = found.findings
    assert (finding.subject, finding.severity) == ("node-1", Severity.ERROR)
    assert finding.seen == "net.ipv6.conf.all.forwarding = 0"
    assert len(finding.evidence) == 2


def test_default_off_is_about_the_pods_to_come():
    (finding,) = answer(setting("default", "0")).findings

    assert (finding.subject, finding.severity) == ("node-0", Severity.ERROR)
    assert "new pods" in finding.cause
    assert finding.seen == "net.ipv6.conf.default.forwarding = 0"


def test_an_interface_of_a_pod_that_is_off_is_a_warning():
    found = answer(setting("pod", "0"))

    assert found.state is State.HOLDS
    (finding,) = found.findings
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize("interface", ["uplink", "lo", "eth0.100"])
def test_other_interfaces_are_not_judged(interface):
    assert answer(setting(interface, "0")) == answer(EVIDENCE)


def test_an_interface_leads_to_pods_of_its_own_node_only():
    """Interfaces of two nodes may have one name, and lead to different places."""
    taps = tuple(
        replace(tap, interface="uplink") if (tap.namespace, tap.point) == ("node-1", "pod") else tap
        for tap in EVIDENCE.header.taps
    )
    evidence = setting("uplink", "0")

    found = answer(replace(evidence, header=replace(evidence.header, taps=taps)))

    assert found.findings == ()


@pytest.mark.parametrize("value", ["2", "-1"])
def test_the_kernel_takes_any_number_but_zero_for_on(value):
    assert answer(setting("all", value)).state is State.HOLDS


@pytest.mark.parametrize("interface", ["all", "default"])
def test_what_was_not_read_is_unknown_and_named(interface):
    found = answer(setting(interface, None))

    assert found.state is State.UNKNOWN
    assert f"node-0: net.ipv6.conf.{interface}.forwarding was not read" in found.reason


def test_nothing_read_is_unknown():
    reports = tuple(r for r in EVIDENCE.reports if r.probe != "sysctls")
    found = answer(replace(EVIDENCE, settings=(), reports=reports))

    assert (found.state, found.looked_at) == (State.UNKNOWN, 0)


def test_a_node_that_could_not_be_read_is_unknown():
    reports = tuple(
        replace(r, blind="no such file") if r.probe == "sysctls" else r for r in EVIDENCE.reports
    )

    assert answer(replace(EVIDENCE, reports=reports)).state is State.UNKNOWN
