"""Pods' names and addresses from a real container runtime, by its CRI socket."""

from importlib import import_module
from ipaddress import ip_address

import pytest

from dataplane.kernel import netns, process
from probes.node.cri import Runtime
from probes.node.pods import Pods, Source

pytestmark = pytest.mark.needs("root", "netns", "containerd", "grpc")

UID, OTHER = "3f2b8c1e-7a5d-4e0f-9b6c-1d2e3f4a5b6c", "00000000-1111-2222-3333-444444444444"
NETWORK = {
    "cniVersion": "1.0.0",
    "name": "podnet",
    "plugins": [
        {
            "type": "ptp",
            "ipMasq": False,
            "mtu": 1400,
            "ipam": {
                "type": "host-local",
                "ranges": [[{"subnet": "2001:db8:d::/80"}], [{"subnet": "10.96.0.0/24"}]],
                "routes": [{"dst": "::/0"}, {"dst": "0.0.0.0/0"}],
            },
        }
    ],
}


@pytest.fixture
def namespace(unique):
    netns.create(unique)
    try:
        process.run(["ip", "link", "set", "lo", "up"], namespace=unique)
        yield unique
    finally:
        netns.remove(unique)


def test_what_a_runtime_says_names_the_pods_of_its_groups(namespace, unique, short):
    runtime = import_module("tests.netns.node.runtime").runtime  # needs grpcio
    with runtime(namespace, short, NETWORK, unique) as node:
        asked = Runtime(short)
        assert (asked.socket, asked.sandboxes(), asked.trouble) == (node.socket, (), "")

        with (
            node.pod("web-0", UID, unique) as web,
            node.pod("agent", OTHER, unique, network=2) as agent,
        ):
            told = {sandbox.id: sandbox for sandbox in asked.sandboxes()}
            files = Pods(short, told.values())
            named = Pods(short / "nothing-here", told.values())
        assert asked.sandboxes() == ()

    assert set(told) == {web, agent}
    assert (told[web].called, told[web].host_network) == ("default/web-0", False)
    assert (told[agent].called, told[agent].addresses, told[agent].host_network) == (
        "default/agent",
        (),
        True,
    )
    v6, v4 = sorted(told[web].addresses, key=lambda a: -a.version)
    assert v6.compressed.startswith("2001:db8:d::")
    assert v4.compressed.startswith("10.96.0.")
    group = f"0::/kubepods/besteffort/pod{UID}/{web}\n"
    assert (files.of(group).source, files.of(group).addresses) == (
        Source.RUNTIME,
        told[web].addresses,
    )
    assert files.contradictions == ()
    assert (named.of(group).source, named.of(group).called) == (Source.CRI, "default/web-0")
    assert named.of(f"0::/elsewhere/{web}\n").uid == UID
    assert ip_address("2001:db8:d::1") not in told[web].addresses
