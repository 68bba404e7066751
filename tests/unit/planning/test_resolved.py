"""The resolved manifest: keywords replaced, the status filled in, and still a manifest."""

from dataclasses import replace

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from dataplane.manifest import parse
from dataplane.manifest.validation import Terms, judge, read_sheet
from dataplane.model.problem import Severity
from dataplane.planning.plan import plan
from dataplane.planning.resolved import manifest, render_manifest
from dataplane.rules import names
from tests.unit.planning.clusters import clusters, networking
from tests.unit.planning.shoots import dual, six, wish
from tests.unit.planning.test_topology import OPTIONS, possible

SEED_EXAMPLE = {
    "type": "calico",
    "nodes": "v6global/64+prefix/96",
    "pods": "v6fromNode",
    "services": "v6global/64",
}


def documents(made):
    return list(yaml.safe_load_all(render_manifest(made)))


def test_keywords_become_cidrs():
    made = plan(networking(**SEED_EXAMPLE))
    shoot, *nodes = documents(made)
    (node_range,), (services,) = made.node_ranges, made.service_ranges
    assert shoot["spec"]["networking"] == {
        "type": "calico",
        "ipFamilies": ["IPv6"],
        "nodes": str(node_range),
        "pods": str(node_range),
        "services": str(services),
    }
    assert shoot["status"]["networking"] == {
        "nodes": [str(node_range)],
        "pods": [str(node_range)],
        "services": [str(services)],
    }
    assert "kubernetes" not in shoot["spec"], "no RangeAllocator, so nobody reads a mask"
    assert [node["metadata"]["name"] for node in nodes] == ["node-0", "node-1"]


def test_nodes_carry_their_pod_cidrs():
    made = plan(dual(pods=[wish("2001:db8:1::/56")]))
    node = documents(made)[2]
    assert node == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "node-1"},
        "spec": {"podCIDR": "100.96.1.0/24", "podCIDRs": ["100.96.1.0/24", "2001:db8:1:1::/64"]},
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": str(address)}
                for address in made.nodes[1].addresses
            ]
        },
    }


def test_what_the_cloud_decides_is_in_the_status_only():
    shoot = documents(plan(six("aws")))[0]
    assert set(shoot["spec"]["networking"]) == {"type", "ipFamilies"}
    assert shoot["status"]["networking"]["nodes"] == shoot["status"]["networking"]["pods"]
    both = documents(plan(dual("aws")))[0]
    assert both["spec"]["networking"]["nodes"] == "10.250.0.0/16"
    assert [len(both["status"]["networking"][kind]) for kind in ("nodes", "pods", "services")] == [
        2,
        2,
        2,
    ]


def test_masks_of_two_families():
    made = plan(dual(pods=[wish("2001:db8:1::/56")]))
    assert manifest(made.resolved)["spec"]["kubernetes"] == {
        "kubeControllerManager": {"nodeCIDRMaskSize": 24, "nodeCIDRMaskSizeIPv6": 64}
    }


@settings(suppress_health_check=[HealthCheck.filter_too_much])
@given(clusters(), OPTIONS)
def test_a_resolved_manifest_is_read_without_surprises(cluster, options):
    """What is resolved once resolves to itself: same ranges, no keyword left."""
    made = possible(cluster, options)
    text = yaml.safe_dump(manifest(made.resolved))
    parsed = parse(text)
    spoken = [
        p for p in parsed.problems if p.severity is Severity.ERROR and "networking" in p.field
    ]
    if len(cluster.families) == 1 and not spoken and parsed.cluster is not None:
        assert parsed.cluster.families == cluster.families
        for kind in ("nodes", "pods", "services"):
            asked = {w.family for w in getattr(cluster, kind) if w.strategy != "provider"}
            found = {w.family: w.network for w in getattr(parsed.cluster, kind)}
            if cluster.families[0] in asked:
                entry = next(r for r in made.resolved.ranges if r.kind == kind)
                assert found[cluster.families[0]] == entry.spec


def test_the_seeds_example_resolves_to_a_valid_manifest():
    made = plan(networking(**SEED_EXAMPLE))
    parsed = parse(yaml.safe_dump(manifest(made.resolved)))
    assert not parsed.errors
    assert parsed.cluster.nodes[0].network == made.node_ranges[0]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("johndoe-aws", "johndoe-aws"),
        ("a.b", "a.b"),
        ("/srv/of mine/Six_global.yaml", "six-global"),
        ("six.yaml", "six"),
        ("./x/../six--two.yml", "six-two"),
        ("-", "shoot"),
        ("", "shoot"),
        ("a: [b\n\x1b", "a-b"),
        ("generated-", "generated"),
        ("x" * 300, "x" * 63),
    ],
)
def test_a_resolved_shoot_has_a_name_that_an_api_server_takes(name, written):
    made = plan(six(name=name))
    assert documents(made)[0]["metadata"]["name"] == written
    assert names.subdomain(written) == []


def test_nothing_is_said_about_a_mask_that_nobody_reads():
    shoot = manifest(plan(networking(**SEED_EXAMPLE)).resolved)
    assert warned(shoot) == []

    del shoot["status"]
    assert ["serves one single node" in detail for detail in warned(shoot)] == [True]


def test_a_mask_that_is_written_is_still_judged():
    shoot = manifest(plan(networking(**SEED_EXAMPLE)).resolved)
    shoot["spec"]["kubernetes"] = {"kubeControllerManager": {"nodeCIDRMaskSize": 64}}
    assert ["serves one single node" in detail for detail in warned(shoot)] == [True]


def test_the_resolved_manifest_of_keywords_on_aws_is_judged_without_a_word():
    cluster = six(
        "aws",
        nodes=[wish("v6global", node_prefix=80)],
        pods=[wish("v6fromNode")],
        services=[wish("v6global")],
    )
    shoot = manifest(plan(cluster).resolved)
    assert set(shoot["spec"]["networking"]) == {"type", "ipFamilies"}
    assert warned(shoot) == []


def warned(shoot):
    (judged,) = judge([read_sheet(yaml.safe_dump(shoot), name="resolved")], Terms())
    return [problem.detail for problem in judged.problems]


def test_a_plan_of_before_has_no_manifest():
    with pytest.raises(ValueError, match="does not know its manifest"):
        render_manifest(replace(plan(six()), resolved=None))
