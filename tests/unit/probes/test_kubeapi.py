"""The one GET at the API server: credentials of a kubeconfig, and what is said when it does not work."""

import base64
import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
import trustme
import yaml

from probes.node import kubeapi
from probes.node.kubeapi import KubeApiError

NODE = {"kind": "Node", "metadata": {"name": "node-a"}}


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def server(authority):
    """Return an API server that knows one node, and what it was asked."""
    asked = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self):
            peer = self.connection.getpeercert()
            asked.append((self.path, self.headers.get("Authorization"), bool(peer)))
            found = self.path == "/api/v1/nodes/node-a"
            body = NODE if found else {"kind": "Status", "message": 'nodes "x" is forbidden'}
            self.send_response(200 if found else 403)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_words):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    with HTTPServer(("localhost", 0), Answers) as answering:
        answering.socket = context.wrap_socket(answering.socket, server_side=True)
        thread = threading.Thread(target=answering.serve_forever)
        thread.start()
        yield f"https://localhost:{answering.server_port}", asked
        answering.shutdown()
        thread.join()


@pytest.fixture
def kubeconfig(tmp_path, authority, server):
    def write(user, **cluster):
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "c",
            "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
            "clusters": [
                {
                    "name": "k",
                    "cluster": {
                        "server": server[0],
                        "certificate-authority-data": encoded(authority.cert_pem.bytes()),
                        **cluster,
                    },
                }
            ],
            "users": [{"name": "u", "user": user}],
        }
        path = tmp_path / "kubeconfig"
        path.write_text(yaml.safe_dump(content))
        return path

    return write


def encoded(data):
    return base64.b64encode(data).decode()


def test_a_token_opens_the_door(kubeconfig, server, tmp_path):
    (tmp_path / "token").write_text("secret\n")
    for user in ({"token": "secret"}, {"tokenFile": "token"}):
        found, where = kubeapi.node(kubeconfig(user), "node-a")
        assert found == NODE
        assert where == f"{server[0]}/api/v1/nodes/node-a"
    assert server[1] == [("/api/v1/nodes/node-a", "Bearer secret", False)] * 2


def test_a_certificate_opens_the_door_from_data_or_from_a_file(
    kubeconfig, server, authority, tmp_path
):
    issued = authority.issue_cert("node-a")
    chain, key = issued.cert_chain_pems[0].bytes(), issued.private_key_pem.bytes()
    (tmp_path / "both.pem").write_bytes(chain + key)
    for user in (
        {"client-certificate-data": encoded(chain), "client-key-data": encoded(key)},
        {"client-certificate": "both.pem", "client-key": "both.pem"},
    ):
        assert kubeapi.node(kubeconfig(user), "node-a")[0] == NODE
    assert [peer for _, _, peer in server[1]] == [True, True]


def test_another_authoritys_server_is_not_asked(kubeconfig, server):
    strange = encoded(trustme.CA().cert_pem.bytes())
    path = kubeconfig({"token": "secret"}, **{"certificate-authority-data": strange})
    with pytest.raises(KubeApiError, match="CERTIFICATE_VERIFY_FAILED"):
        kubeapi.node(path, "node-a")
    assert server[1] == []


def test_a_name_is_no_path(kubeconfig, server):
    with pytest.raises(KubeApiError, match=r'403 nodes "x" is forbidden'):
        kubeapi.node(kubeconfig({}), "../../secrets")
    assert server[1][0][0] == "/api/v1/nodes/..%2F..%2Fsecrets"


@pytest.mark.parametrize(
    ("user", "cluster", "words"),
    [
        ({"exec": {"command": "x"}}, {}, "come from a program"),
        ({"tokenFile": "none"}, {}, "tokenFile"),
        ({}, {"server": "http://localhost:1"}, "not an https:// address"),
        ({}, {"server": "https://localhost:1"}, "refused"),
        ({}, {"certificate-authority-data": "%"}, "no base64"),
        ({"client-certificate": "none.pem"}, {}, "none.pem"),
    ],
)
def test_what_does_not_work_is_said(kubeconfig, server, user, cluster, words):
    with pytest.raises(KubeApiError, match=words):
        kubeapi.node(kubeconfig(user, **cluster), "node-a")
    assert server[1] == []


@pytest.mark.parametrize("text", ["", "[]", "{", "current-context: c\n"])
def test_what_is_no_kubeconfig_is_refused(tmp_path, text):
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(KubeApiError, match="kubeconfig"):
        kubeapi.node(path, "node-a")
