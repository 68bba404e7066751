"""Plans as they are printed: golden files, the same on every machine.

`SIXSCOPE_WRITE_GOLDEN=1 pytest tests/unit/planning/test_render.py` writes them anew; read the diff.
"""

import json
import os
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from dataplane.planning.plan import plan
from dataplane.planning.render import render_text, structure
from tests.unit.planning.clusters import read

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in GOLDEN.glob("*.yaml"))


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
