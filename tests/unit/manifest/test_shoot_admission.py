"""Shoots on their way: updates, admission with a seed, defaults."""

import pytest

from dataplane.manifest import severity
from dataplane.manifest.case import Case, Stage
from dataplane.manifest.documents import Document
from dataplane.manifest.fields import root
from dataplane.manifest.kinds import kind
from dataplane.model.problem import Severity

MASK = "spec.kubernetes.kubeControllerManager.nodeCIDRMaskSize"
SEED = {"nodes": "2001:db8:a::/48", "pods": "2001:db8:b::/48", "services": "2001:db8:c::/48"}
WORKERS = ({"name": "a"},)


def shoot(networking=None, *, workers=WORKERS, kubernetes=None, metadata=None, **spec):
    value = {"apiVersion": "core.gardener.cloud/v1beta1", "kind": "Shoot", "spec": spec}
    if workers is not None:
        spec["provider"] = {"type": "local", "workers": list(workers)}
    if networking is not None:
        spec["networking"] = networking
    if kubernetes is not None:
        spec["kubernetes"] = kubernetes
    if metadata is not None:
        value["metadata"] = metadata
    return value


def section(value):
    return None if value is None else root(Document(index=0, value=value))


def seed(**networks):
    return {"kind": "Seed", "spec": {"networks": networks}}


def errors(new, old=None, *, given_seed=None, stage=Stage.BOTH, profile="current"):
    top = section(new)
    case = Case(top=top, old=section(old), seed=section(given_seed), stage=stage, profile=profile)
    kind("Shoot").judge(case)
    weighed = severity.weighed(top.problems, strict=False)
    return [p.message for p in weighed if p.severity is Severity.ERROR]


def infos(new, old=None):
    top = section(new)
    kind("Shoot").judge(Case(top=top, old=section(old)))
    return [p for p in top.problems if p.severity is Severity.INFO]


def net(**fields):
    return {"type": "calico", **fields}


def default(value, *, given_seed=None, profile="current"):
    case = Case(top=section(value), seed=section(given_seed), profile=profile)
    return kind("Shoot").default(case)


def test_an_update_is_judged_as_an_object_too():
    old, new = shoot(net(pods="10.0.0.0/16")), shoot(net(pods="10.0.0.1/16"))
    assert errors(new, old) == [
        'spec.networking.pods: Invalid value: "10.0.0.1/16": field is immutable',
        'spec.networking.pods: Invalid value: "10.0.0.1/16": must be valid canonical CIDR',
    ]


def test_absent_families_are_ipv4_before_and_after():
    assert errors(shoot(net()), shoot(net(ipFamilies=["IPv4"]))) == []
    assert errors(shoot(net(ipFamilies=["IPv4", "IPv6"])), shoot(net())) == []
    (line,) = errors(shoot(net(ipFamilies=["IPv6"])), shoot(net()))
    assert line.endswith("oldIPFamilies=[IPv4], newIPFamilies=[IPv6]")


def test_the_first_release_let_no_family_change_and_defaulted_first():
    lines = errors(shoot(net(ipFamilies=["IPv6"])), shoot(net()), profile="gep21")
    assert lines == [
        f"{MASK}: Invalid value: 64: field is immutable",
        'spec.networking.ipFamilies: Invalid value: []core.IPFamily{"IPv6"}: field is immutable',
    ]


def test_networking_cannot_be_taken_away():
    old, new = shoot(net()), shoot()
    assert errors(new, old) == [
        "spec.networking: Forbidden: networking cannot be set to nil if it's already set",
        "spec.networking: Required value: networking should not be nil for a Shoot with workers",
    ]


@pytest.mark.parametrize(("first", "second"), [(WORKERS, ()), ((), WORKERS)])
def test_workers_come_and_go_with_the_cluster(first, second):
    services = {"services": "100.64.0.0/13"}
    old = shoot(net(**services) if first else services, workers=first)
    new = shoot(net() if second else {}, workers=second)
    (line,) = errors(new, old, stage=Stage.VALIDATION)
    assert line.startswith("spec.provider.workers: Forbidden: cannot switch from a ")


def test_a_shoot_that_is_being_deleted_has_one_error():
    metadata = {"deletionTimestamp": "2026-01-01T00:00:00Z"}
    old, new = shoot(net(pods="10.0.0.0/16")), shoot(net(pods="10.1.0.0/16"), metadata=metadata)
    (line,) = errors(new, old)
    assert "cannot update shoot spec if deletion timestamp is set" in line
    assert errors(shoot(net(), metadata=metadata), shoot(net())) == []


def test_an_excerpt_that_says_nothing_of_the_type_does_not_change_it():
    old, new = shoot(net(), workers=None), shoot({}, workers=None)
    assert errors(new, old) == errors(old, new) == []
    (line,) = errors(shoot({"type": "cilium"}, workers=None), old)
    assert line == 'spec.networking.type: Invalid value: "cilium": field is immutable'


def test_the_way_to_dual_stack_is_told_and_dual_stack_from_the_start_too():
    dual = shoot(net(ipFamilies=["IPv4", "IPv6"]))
    (moved,) = infos(dual, shoot(net()))
    assert "restarts all pods" in moved.detail
    assert "load balancer" in moved.remedy
    (new,) = infos(dual)
    assert "go IPv6-only" in new.remedy
    (kept,) = infos(dual, dual)
    assert kept == new
    assert infos(shoot(net())) == []


@pytest.mark.parametrize(
    ("networking", "networks", "lines"),
    [
        (
            {},
            {},
            ["pods: Required value: pods is required", "services: Required value: services is req"],
        ),
        ({}, {"shootDefaults": {"pods": "10.0.0.0/16", "services": "10.1.0.0/16"}}, []),
        (
            {"pods": "10.0.0.0/15"},
            {"shootDefaults": {"services": "10.1.0.0/16"}},
            [
                (
                    'services: Invalid value: "10.1.0.0/16": '
                    "shoot pod network intersects with shoot service network"
                )
            ],
        ),
        ({"ipFamilies": ["IPv6"]}, {}, []),
        (
            {"ipFamilies": ["IPv4", "IPv6"], "nodes": "2001:db8:b::/64", "pods": "::/128"},
            {**SEED, "shootDefaults": {"services": "10.1.0.0/16"}},
            ['nodes: Invalid value: "2001:db8:b::/64": shoot node network intersects with seed'],
        ),
        ({"ipFamilies": ["IPv6"], "nodes": "2001:db8:b::/64"}, SEED, []),
    ],
)
def test_admission_with_a_seed(networking, networks, lines):
    found = errors(shoot(net(**networking)), given_seed=seed(**networks))
    assert len(found) == len(lines)
    for line, start in zip(found, lines, strict=True):
        assert line.startswith(f"spec.networking.{start}")


def test_admission_waits_for_validation():
    networking = net(pods="10.0.0.1/16", services="10.0.0.0/16")
    (line,) = errors(shoot(networking), given_seed=seed(**SEED))
    assert line.endswith("must be valid canonical CIDR")
    lines = errors(shoot(networking), given_seed=seed(**SEED), stage=Stage.ADMISSION)
    assert [line.rpartition(": ")[2] for line in lines] == [
        "shoot pod network intersects with shoot service network"
    ]


def test_workerless_ipv6_needs_services_or_a_seed_that_completes():
    value = shoot({"ipFamilies": ["IPv6"]}, workers=())
    (line,) = errors(value, given_seed=seed(**SEED))
    assert line == "spec.networking.services: Required value: services is required"
    assert errors(value, given_seed=seed(**SEED, shootDefaults={})) == []


def test_later_changes_are_not_held_against_the_seeds_ranges():
    networking = net(pods="240.1.0.0/16", services="10.0.0.0/16")
    old = shoot(networking, seedName="one")
    given_seed = seed(**SEED)
    assert errors(shoot(networking, seedName="one"), old, given_seed=given_seed) == []
    (line,) = errors(shoot(networking, seedName="two"), old, given_seed=given_seed)
    assert "reserved kube-apiserver mapping range" in line
    (line,) = errors(old, given_seed=given_seed)
    assert "reserved kube-apiserver mapping range" in line


def test_assigned_ranges_are_held_against_a_new_seed():
    value = shoot(net(pods="10.0.0.0/16", services="10.1.0.0/16"))
    value["status"] = {"networking": {"pods": ["10.0.0.0/16", "2001:db8:b:1::/64"]}}
    assert errors(value, given_seed=seed(**SEED)) == [
        (
            'status.networking.pods: Invalid value: "2001:db8:b:1::/64": '
            "shoot pod network intersects with seed pod network"
        )
    ]


def test_the_first_release_asked_thrice_and_compared_ipv4():
    found = errors(shoot(net()), given_seed=seed(), profile="gep21")
    assert [line.rpartition(": ")[2] for line in found] == [
        "pods is required",
        "shoot pod network is required",
        "pods is required",
        "services is required",
        "shoot service network is required",
        "services is required",
    ]
    networking = net(pods="10.0.0.0/16", services="10.1.0.0/16")
    found = errors(shoot(networking), given_seed=seed(pods="10.1.0.0/16"), profile="gep21")
    assert [line.rpartition(": ")[2] for line in found] == [
        "shoot service network intersects with seed pod network"
    ]


def test_defaults_of_a_shoot_and_of_its_networking_alone():
    filled = default(shoot(net(ipFamilies=["IPv4", "IPv6"], pods="10.0.0.0/8")))
    assert filled == {
        "spec.networking.ipFamilies": ["IPv4", "IPv6"],
        MASK: 24,
        f"{MASK}IPv6": 64,
        "spec.networking.nodes": None,
        "spec.networking.pods": "10.0.0.0/8",
        "spec.networking.services": None,
    }
    assert default({"networking": {}})["networking.ipFamilies"] == ["IPv4"]


def test_defaults_with_a_seed_and_without_workers():
    filled = default(
        shoot({}, workers=()), given_seed=seed(shootDefaults={"services": "10.0.0.0/8"})
    )
    assert filled[MASK] is filled[f"{MASK}IPv6"] is None
    assert filled["spec.networking.pods"] is None
    assert filled["spec.networking.services"] == "10.0.0.0/8"
    unique = default(shoot({"ipFamilies": ["IPv6"]}, workers=()), given_seed=seed())
    assert unique["spec.networking.services"].startswith("fd")


def test_the_first_release_had_one_mask():
    filled = default(shoot(net(ipFamilies=["IPv6"])), profile="gep21")
    assert filled[MASK] == 64
    assert f"{MASK}IPv6" not in filled


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        (
            {"shoot": {"pods": ["10.0.0.0/8", "2001:db8:b::/64"]}, "seed": SEED},
            [("pods", "2001:db8:b::/64")],
        ),
        ({"shoot": {"pods": "x", "nodes": None}, "seed": {"pods": "x"}}, []),
        ({"shoot": {"services": "fd8f:6d53:b97a:1::/96"}, "seed": {}}, [("services", "fd8f")]),
    ],
)
def test_ranges_of_a_shoot_against_those_of_a_seed(value, fields):
    top = section(value)
    kind("NetworkDisjointedness").judge(Case(top=top))
    assert [p.field for p in top.problems] == [field for field, _ in fields]
    for problem, (_, text) in zip(top.problems, fields, strict=True):
        assert text in problem.message


def test_ranges_of_a_shoot_against_each_other():
    for value in (
        {"shoot": {"pods": "10.0.0.0/8", "services": "10.1.0.0/16"}},
        {"pods": "10.0.0.0/8", "services": "10.1.0.0/16"},
    ):
        top = section(value)
        kind("ShootDisjointedness").judge(Case(top=top))
        assert [p.field for p in top.problems] == ["services"]
