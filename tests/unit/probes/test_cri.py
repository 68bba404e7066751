"""What a container runtime answers, and what is said when it does not: replies over a real socket."""

import json
import os
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from ipaddress import ip_address

import pytest

from probes.node import cri
from probes.node.cri import Runtime, Sandbox
from probes.node.pods import Pods, Source

UID = "3f2b8c1e-7a5d-4e0f-9b6c-1d2e3f4a5b6c"
ID = "a" * 64
LONG = "x" * 120
SOCKET = cri.SOCKETS[0]


def sandbox(uid=UID, name="web-0", addresses=("2001:db8::7",)):
    own = tuple(map(ip_address, addresses))
    return Sandbox(id=ID, uid=uid, namespace="default", name=name, addresses=own)


@contextmanager
def answering(path, replies):
    """Have somebody answer at a socket: `replies` gives a message or a status code per method."""
    grpc = pytest.importorskip("grpc")
    from probes.node.crimessages import SERVICE, classes  # noqa: PLC0415 - needs protobuf

    own = classes()

    class Service(grpc.GenericRpcHandler):
        def service(self, details):
            method = details.method.removeprefix(f"{SERVICE}/")
            if method not in replies:
                return None
            reply = replies[method]

            def answer(_request, context):
                if isinstance(reply, grpc.StatusCode):
                    context.abort(reply, "because")
                return own[f"{method}Response"](**reply)

            return grpc.unary_unary_rpc_method_handler(
                answer,
                request_deserializer=own[f"{method}Request"].FromString,
                response_serializer=lambda message: message.SerializeToString(),
            )

    server = grpc.server(ThreadPoolExecutor(1))
    server.add_generic_rpc_handlers((Service(),))
    path.parent.mkdir(parents=True, exist_ok=True)
    server.add_insecure_port(f"unix:{path}")
    server.start()
    try:
        yield
    finally:
        server.stop(None).wait()


LISTED = {"items": [{"id": ID, "metadata": {"name": "web-0", "uid": UID, "namespace": "default"}}]}
STATUS = {
    "status": {
        "network": {"ip": "2001:db8::7", "additional_ips": [{"ip": "192.0.2.7"}]},
        "linux": {"namespaces": {"options": {"network": 0}}},
    }
}
ON_THE_NODE = {"status": {"linux": {"namespaces": {"options": {"network": 2}}}}}


@pytest.mark.needs("grpc")
@pytest.mark.parametrize(
    ("status", "addresses", "host"),
    [
        (STATUS, ("2001:db8::7", "192.0.2.7"), False),
        (ON_THE_NODE, (), True),
        ("NOT_FOUND", (), False),
        ({"status": {"network": {"ip": "nonsense"}}}, (), False),
    ],
)
def test_a_sandbox_is_told_with_its_addresses(tmp_path, status, addresses, host):
    if isinstance(status, str):
        status = pytest.importorskip("grpc").StatusCode[status]
    with answering(tmp_path / SOCKET, {"ListPodSandbox": LISTED, "PodSandboxStatus": status}):
        runtime = Runtime(tmp_path)
        (told,) = runtime.sandboxes()
        again = runtime.sandboxes()

    assert runtime.trouble == ""
    assert (told.called, told.uid, told.host_network) == ("default/web-0", UID, host)
    assert told.addresses == tuple(map(ip_address, addresses))
    assert again[0] is told, "what a sandbox is does not change"


@pytest.mark.needs("grpc")
@pytest.mark.parametrize(
    ("replies", "words"),
    [({}, cri.TOO_OLD), ({"ListPodSandbox": "PERMISSION_DENIED"}, "permission denied: because")],
)
def test_a_runtime_that_refuses_is_quoted(tmp_path, replies, words):
    grpc = pytest.importorskip("grpc")
    codes = {method: grpc.StatusCode[name] for method, name in replies.items()}
    with answering(tmp_path / SOCKET, codes):
        runtime = Runtime(tmp_path)
        assert runtime.sandboxes() == ()
    assert runtime.trouble == f"{tmp_path / SOCKET}: {words}"


@pytest.mark.needs("grpc")
def test_a_socket_with_nobody_behind_and_one_that_is_silent(tmp_path, monkeypatch):
    monkeypatch.setattr(cri, "TIMEOUT_S", 0.2)
    path = tmp_path / SOCKET
    path.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        runtime = Runtime(tmp_path)
        assert runtime.sandboxes() == ()
        assert "unavailable" in runtime.trouble
        server.listen()
        assert runtime.sandboxes() == ()
        assert "deadline exceeded" in runtime.trouble


def test_without_a_socket_nobody_is_asked_and_nothing_is_wrong(tmp_path):
    (tmp_path / SOCKET).parent.mkdir(parents=True)
    (tmp_path / SOCKET).write_text("no socket")
    runtime = Runtime(tmp_path)
    assert (runtime.socket, runtime.sandboxes(), runtime.trouble) == (None, (), "")


def test_without_grpcio_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "probes.node.criclient", None)
    runtime = Runtime(tmp_path, tmp_path / "socket")
    assert runtime.sandboxes() == ()
    assert "sixscope[node]" in runtime.trouble


def test_a_path_that_is_too_long_for_a_socket_is_said(tmp_path):
    runtime = Runtime(tmp_path, tmp_path / LONG)
    assert runtime.sandboxes() == ()
    assert "longer than the path of a socket" in runtime.trouble
    assert len(os.fsencode(tmp_path / LONG)) > cri.LONGEST


def test_the_runtime_names_pods_that_no_file_names(tmp_path):
    pods = Pods(tmp_path, [sandbox()])
    named = pods.of(f"0::/kubepods/pod{UID}/x\n")
    assert (named.called, named.source) == ("default/web-0", Source.CRI)
    assert named.addresses == (ip_address("2001:db8::7"),)
    assert pods.of(f"0::/k8s.io/{ID}\n") == named


@pytest.mark.parametrize(
    ("told", "words"),
    [
        (sandbox(name="web-1"), "CRI socket calls pod"),
        (sandbox(addresses=("2001:db8::8",)), "the addresses 2001:db8::7, others 2001:db8::8"),
        (sandbox(), None),
        (sandbox(addresses=()), None),
    ],
)
def test_what_the_runtime_says_otherwise_than_a_file_is_told(tmp_path, told, words):
    results = tmp_path / "var/lib/cni/results"
    results.mkdir(parents=True)
    for interface, address in (("eth0", "2001:db8::7/64"), ("net1", "2001:db8:9::1/64")):
        result = {
            "ifName": interface,
            "containerId": ID,
            "cniArgs": [
                ["K8S_POD_NAMESPACE", "default"],
                ["K8S_POD_NAME", "web-0"],
                ["K8S_POD_UID", UID],
            ],
            "result": {"ips": [{"address": address}]},
        }
        (results / interface).write_text(json.dumps(result))
    pods = Pods(tmp_path, [told])
    if words is None:
        assert pods.contradictions == ()
        assert pods.of(f"0::/k8s.io/{ID}\n").addresses == (ip_address("2001:db8::7"),)
    else:
        assert words in pods.contradictions[0]


@pytest.mark.parametrize("uid", ["", "x", f"{UID}/.."])
def test_a_sandbox_that_is_no_pods_is_passed_over(tmp_path, uid):
    assert Pods(tmp_path, [sandbox(uid=uid)]).of(f"0::/k8s.io/{ID}\n") is None
