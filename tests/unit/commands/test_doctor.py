"""What `doctor` says of what it found: marks, reasons, what to do, and what is left behind."""

import pytest

from dataplane.commands import abilities
from dataplane.commands.abilities import ABILITIES, Ability, Feature
from dataplane.commands.diagnosis import Diagnosis, lines
from dataplane.session.nodelook import NodeLook

NODE = NodeLook(
    cni="calico",
    because_cni="interface cali1",
    caveats=("it owns the hooks of cali*",),
    pods=2,
    uplinks=("eth0",),
    mode="tc",
    because="TCX is there",
    remedy="",
    programs=("cali1 TCX ingress: cil_from (id 7)",),
    left=(),
    at_work=(),
)


def said(*features, node=NODE, **more):
    values = {
        "able": all(one.there for one in features if one.needed),
        "alive": (),
        "left_behind": (),
        "untold": (),
        "swept": (),
        "filters_removed": (),
    }
    return "\n".join(lines(Diagnosis(features=features, node=node, **values | more)))


def feature(name, *, there=True, needed=False, **words):
    return Feature(
        name=name,
        there=there,
        needed=needed,
        reason=words.get("reason", ""),
        without=words.get("without", ""),
        remedy=words.get("remedy", ""),
        note=words.get("note", ""),
    )


def test_what_is_missing_says_why_what_goes_with_it_and_what_to_do():
    text = said(
        feature("root", needed=True),
        feature("nft", there=False, needed=True, reason="gone", without="rules", remedy="get it"),
        feature("memory", note="492 MB left"),
    )

    assert "yes  root\n" in text
    assert "NO   nft                 gone\n" in text
    assert "without: rules\n" in text
    assert "-> get it\n" in text
    assert "yes  memory              492 MB left" in text
    assert "A lab cannot run here: nft." in text


def test_what_is_only_welcome_does_not_keep_a_lab_from_running():
    text = said(feature("TCX", there=False, reason="old", without="w", remedy="r"))

    assert text.startswith("no   TCX")
    assert "A lab can run here." in text


def test_what_attach_would_meet_on_this_node():
    text = said()

    assert "attach would watch 2 pods and 1 uplinks (eth0) in mode tc: TCX is there." in text
    assert "CNI: calico (interface cali1)" in text
    assert "it owns the hooks of cali*" in text
    assert "program of somebody else: cali1 TCX ingress: cil_from (id 7)" in text


def test_why_attach_would_refuse_and_what_to_do_about_it():
    node = NodeLook(
        cni="unknown", because_cni="", caveats=(), pods=0, uplinks=(), mode="",
        because="no pods", remedy="name an interface", programs=(), left=(), at_work=(),
    )  # fmt: skip

    text = said(node=node)

    assert "attach would refuse: no pods.\n    -> name an interface" in text
    assert "CNI" not in text


def test_without_root_it_says_who_can_tell():
    text = said(node=None, node_untold="only root can tell")

    assert "is not known: only root can tell." in text


@pytest.mark.parametrize(
    ("at_work", "words"),
    [
        ((), "Left behind by a killed attach, filters on cali1; `sixscope doctor --sweep` removes"),
        ((4711,), "attach --hook clsact is at work on cali1: process 4711"),
    ],
)
def test_filters_that_are_there_are_left_or_at_work(at_work, words):
    node = NodeLook(
        cni="calico", because_cni="", caveats=(), pods=1, uplinks=(), mode="tc",
        because="", remedy="", programs=(), left=("cali1",), at_work=at_work,
    )  # fmt: skip

    assert words in said(node=node)


def test_everything_that_is_tried_says_what_to_do_without_it():
    assert len({one.name for one in ABILITIES}) == len(ABILITIES)
    assert all(one.without and one.remedy for one in ABILITIES)


def test_who_is_not_root_is_told_to_ask_as_root_not_to_install_things(monkeypatch):
    def refused():
        raise PermissionError(1, "Operation not permitted")

    stands = Ability(name="old", probe=lambda: "too old", without="w", remedy="a newer one")
    denied = Ability(name="denied", probe=refused, without="w", remedy="install it")
    monkeypatch.setattr(abilities, "ABILITIES", (denied, stands))
    monkeypatch.setattr(abilities.features, "root", lambda: "user id 7")
    assert [one.remedy for one in abilities.tried()] == [abilities.AS_ROOT, "a newer one"]

    monkeypatch.setattr(abilities.features, "root", lambda: None)

    assert [one.remedy for one in abilities.tried()] == ["install it", "a newer one"]
