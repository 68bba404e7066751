"""`doctor` on a node: what `attach` would meet, before it is started."""

import json
import sys

import pytest

from dataplane.kernel import netns
from dataplane.session.nodelook import look
from tests.netns.attach.conftest import inside
from tests.netns.attach.strangers import strangers
from tests.netns.attach.test_attach import attached

pytestmark = pytest.mark.needs("root", "netns", "bpf", "tcx", "cgroup2", "nft", "ping")


def test_a_node_without_programs_of_others(node):
    seen = netns.call(node.name, look)

    assert (seen.cni, seen.because_cni) == ("calico", f"interface {node.pod_interface}")
    assert (seen.pods, seen.uplinks) == (1, (node.uplink,))
    assert (seen.mode, seen.programs, seen.left, seen.at_work) == ("tc", (), (), ())


def test_programs_of_others_are_named_with_their_places(node, tmp_path):
    with strangers(node, tmp_path):
        seen = netns.call(node.name, look)

    places = {words.partition(":")[0] for words in seen.programs}
    assert places == {
        f"{node.pod_interface} TCX ingress",
        f"{node.pod_interface} ingress filter pref 1 handle 0x1",
        f"{node.uplink} TCX egress",
        f"{node.uplink} egress filter pref 1 handle 0x1",
    }
    assert any("cil_from (id " in words for words in seen.programs)
    assert seen.left == ()


def test_filters_of_an_attach_that_runs_are_at_work_and_of_a_killed_one_left(node):
    with attached(node, "--hook", "clsact") as lines:
        during = netns.call(node.name, look)
        lines.child.kill()
        lines.child.wait(20)
    after = netns.call(node.name, look)

    assert during.left == after.left == (node.pod_interface, node.uplink)
    assert during.programs == after.programs == (), "they are ours"
    assert during.at_work == (lines.child.pid,)
    assert after.at_work == ()


def test_the_verb_tells_the_node_beside_the_lab(node):
    command = [sys.executable, "-m", "dataplane", "doctor"]

    told = json.loads(inside(node.name, *command, "-o", "json").stdout)
    text = inside(node.name, *command).stdout

    assert told["node"]["uplinks"] == [node.uplink]
    assert {one["name"] for one in told["features"]} >= {"lockdown", "memory", "AppArmor"}
    assert all(one["remedy"] for one in told["features"] if not one["there"])
    assert f"attach would watch 1 pods and 1 uplinks ({node.uplink}) in mode tc" in text
