"""Plans as they are printed: golden files, the same on every machine.

`SIXSCOPE_WRITE_GOLDEN=1 pytest tests/unit/planning/test_render.py` writes them anew; read the diff.
"""

import json
import os
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml
from pydantic import TypeAdapter

from dataplane.model.cloud import Allocator
from dataplane.model.infrastructure import Infrastructure
from dataplane.model.plan import Plan
from dataplane.planning import clouds
from dataplane.planning.drawing import render_svg
from dataplane.planning.plan import plan
from dataplane.planning.render import render_text, render_yaml, structure
from dataplane.planning.resolved import render_manifest
from tests.unit.planning.clusters import read
from tests.unit.planning.shoots import GCP, VPC, dual, four, seed_diagram, six, wish

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))
PER_VM = [wish("v6global", size=64, node_prefix=80)]
CLOUDS = {
    "aws-poc": (
        six("aws", name="aws-poc", nodes=PER_VM, pods=[wish("v6fromNode")]),
        {"infrastructure": Infrastructure(prefix=VPC)},
    ),
    "aws-dual": (
        dual("aws", name="aws-dual"),
        {"infrastructure": Infrastructure(prefix=VPC, zones=2), "nodes": 3},
    ),
    "aws-ingress": (
        four("aws", name="aws-ingress"),
        {"infrastructure": Infrastructure(prefix=VPC, ingress=True)},
    ),
    "gcp-dual": (
        dual("gcp", name="gcp-dual"),
        {"infrastructure": Infrastructure(prefix=GCP)},
    ),
    "azure": (six("azure", name="azure"), {"infrastructure": Infrastructure(zones=2)}),
    "local-cni": (dual(name="local-cni"), {"allocator": Allocator.CNI}),
    "prefix64": (six(name="prefix64"), {"model": "prefix64"}),
    "prefix64-flat": (
        six(name="prefix64-flat"),
        {"model": "prefix64", "infrastructure": Infrastructure(flat=True)},
    ),
    "openstack-seed": (seed_diagram()[0], {"infrastructure": seed_diagram()[1]}),
}


def planned(name):
    return plan(read((GOLDEN / f"{name}.yaml").read_text(), name=name), nodes=2, pods=5)


def as_golden(path, text):
    if os.environ.get("SIXSCOPE_WRITE_GOLDEN"):
        path.write_text(text)
    return path.read_text()


@pytest.mark.parametrize("name", NAMES)
def test_text(name):
    text = render_text(planned(name))
    assert text == as_golden(GOLDEN / f"{name}.txt", text)
    assert not any(line.endswith(" ") for line in text.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_structure(name):
    text = json.dumps(structure(planned(name)), indent=1) + "\n"
    assert text == as_golden(GOLDEN / f"{name}.json", text)


def on_cloud(name):
    cluster, options = CLOUDS[name]
    return plan(cluster, **options)


@pytest.mark.parametrize("name", CLOUDS)
@pytest.mark.parametrize(
    ("suffix", "render"),
    [
        ("txt", render_text),
        ("yaml", render_yaml),
        ("svg", render_svg),
        ("manifest.yaml", render_manifest),
    ],
)
def test_clouds(name, suffix, render):
    text = render(on_cloud(name))
    assert text == as_golden(GOLDEN / "clouds" / f"{name}.{suffix}", text)


def test_every_cloud_model_has_a_golden_plan():
    assert {on_cloud(name).cloud.model for name in CLOUDS} == set(clouds.names())


@pytest.mark.parametrize("name", CLOUDS)
def test_yaml_says_the_same_as_json(name):
    made = on_cloud(name)
    assert yaml.safe_load(render_yaml(made)) == json.loads(json.dumps(structure(made)))


@pytest.mark.parametrize("name", CLOUDS)
def test_a_plan_survives_its_own_json(name):
    made, adapter = on_cloud(name), TypeAdapter(Plan)
    assert adapter.validate_json(adapter.dump_json(made)) == made


def test_all_examples_are_there():
    assert {"gep-21", "keywords", "dual-stack", "ipv4"} <= set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_the_structure_holds_every_address(name):
    made = planned(name)
    found = structure(made)
    pods = [pod for node in found["nodes"] for pod in node["pods"]]
    for pod, plain in zip(made.pods, pods, strict=True):
        assert tuple(ip_address(text) for text in plain["addresses"]) == pod.addresses
    assert tuple(ip_network(text) for text in found["pod_ranges"]) == made.pod_ranges


def test_hostile_names_stay_visible():
    made = replace(planned("keywords"), name="\x1b[31mred\u202e", cni="a\nb")
    text = render_text(made)
    assert "cluster \\u001b[31mred\\u202e: IPv6-only" in text
    assert "network plugin a\\u000ab" in text
