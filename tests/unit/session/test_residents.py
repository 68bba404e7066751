"""Pods that come and go: who is new, who has a name by now, who has gone."""

from dataclasses import replace

import pytest

from dataplane.session.residents import NAMELESS, Residents
from probes.node.interfaces import PodInterface
from probes.node.pods import Pod, Source

WEB = PodInterface(
    interface="cali1",
    index=7,
    owner="default/web-0",
    cookie=77,
    pod=Pod(uid="u", namespace="default", name="web-0", source=Source.RUNTIME),
)
NAMELESS_WEB = replace(WEB, owner="cni-12", pod=None)


def moves(residents, *found, now=0.0):
    return [(m.change, m.tap.name, m.tap.owner) for m in residents.compare(found, now)]


def residents(*pods):
    return Residents(pods, [pod.tap() for pod in pods], 0.0)


def test_nothing_new_is_nothing():
    assert moves(residents(WEB), WEB) == []


def test_a_pod_comes_gets_its_name_and_goes():
    node = residents()
    assert moves(node, NAMELESS_WEB) == [("came", "cali1", "cni-12")]
    assert moves(node, NAMELESS_WEB) == []
    assert moves(node, WEB) == [("named", "cali1", "default/web-0")]
    assert moves(node) == [("gone", "cali1", "default/web-0")]
    assert moves(node) == []


def test_the_same_name_on_a_new_interface_is_told_from_the_old_one():
    node = residents(WEB)
    again = replace(WEB, index=9)
    assert moves(node, again) == [
        ("gone", "cali1", "default/web-0"),
        ("came", "cali1#9", "default/web-0"),
    ]


def test_who_is_not_watched_does_not_go():
    node = Residents([WEB], [], 0.0)
    assert not node.expects_names(0.0)
    assert moves(node) == []


@pytest.mark.parametrize(
    ("pod", "now", "expected"),
    [(NAMELESS_WEB, 0.0, True), (NAMELESS_WEB, NAMELESS, False), (WEB, 0.0, False)],
)
def test_a_name_is_looked_for_for_a_while(pod, now, expected):
    assert residents(pod).expects_names(now) is expected
