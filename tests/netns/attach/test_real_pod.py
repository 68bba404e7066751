"""A pod of containerd, runc and CNI's ptp: `attach` names it, and the rule that hides it."""

from importlib import import_module
from pathlib import Path

import pytest

from tests.netns.attach.conftest import OUTSIDE, inside
from tests.netns.attach.test_attach import attached
from tests.netns.attach.test_judging import told

pytestmark = pytest.mark.needs(
    "root", "netns", "bpf", "tcx", "cgroup2", "nft", "ping", "containerd", "grpc"
)

UID = "3f2b8c1e-7a5d-4e0f-9b6c-1d2e3f4a5b6c"
NETWORK = {
    "cniVersion": "1.0.0",
    "name": "podnet",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": True,
            "mtu": 1400,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "2001:db8:c::/80"}]],
                "routes": [{"dst": "::/0"}],
            },
        }
    ],
}


def process_of(sandbox: str) -> str:
    """Return the process of a sandbox, as this process namespace calls it."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            groups = (process / "cgroup").read_text()
        except OSError:
            continue
        if f"/{sandbox}\n" in groups:
            return process.name
    raise AssertionError(f"no process is in the groups of {sandbox}")


def test_what_ipmasq_does_is_named_with_its_rule_and_is_no_error(node, unique, short):
    runtime = import_module("tests.netns.node.runtime").runtime  # needs grpcio
    with (
        runtime(node.name, short, NETWORK, unique) as made,
        made.pod("web-0", UID, unique) as sandbox,
        attached(node, "--node-root", str(short), "--cri", str(made.socket)) as lines,
    ):
        ping = ["ping", "-c", "1", "-W", "2", OUTSIDE]
        inside(node.name, "nsenter", "-t", process_of(sandbox), "--net", *ping)
        change = lines.until(lambda line: line["kind"] == "source-change")
    answers, values = told(lines)

    assert change["owner"] == "default/web-0"
    assert " CNI-" in change["rule"]
    assert "ff00::/8" in change["rule"]
    assert "ipMasq" in change["design"]
    assert values["masqueraded"]["value"] == ["IPv6"]
    assert values["families"]["value"] == ["IPv6"]
    assert values["mtu"]["value"] == ["1400"]
    (finding,) = answers["masquerade"]["findings"]
    assert (answers["masquerade"]["state"], finding["severity"]) == ("holds", "info")
    assert any(piece.startswith("rule: ip6 nat CNI-") for piece in finding["evidence"])
    assert answers["source-range"]["state"] == "holds"
    assert [line for line in lines.seen if line["kind"] == "contradiction"] == []
