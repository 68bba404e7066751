"""One GET at the API server, with the credentials of a kubeconfig: the Node that one stands on.

Source: client-go's kubeconfig (v1 Config: `current-context`, `contexts`, `clusters`, `users`). Only what
needs no other program is understood: certificates, keys and tokens, in the file or beside it. Nothing is
ever written, and no other request is made.
"""

import base64
import binascii
import json
import ssl
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from dataplane.manifest import read_documents
from dataplane.model.problem import InvalidInputError

TIMEOUT_S = 10.0
LARGEST = 8 << 20  # octets of an answer that is read


class KubeApiError(Exception):
    """The API server was not asked, or did not answer with a Node; the text says why."""


def node(kubeconfig: Path, name: str) -> tuple[object, str]:
    """Return the Node of this name as the API server has it, and where it was asked for.

    KubeApiError in words. It blocks, for TIMEOUT_S at the longest in each step.
    """
    cluster, user = _current(kubeconfig)
    server = cluster.get("server")
    if not isinstance(server, str) or not server.startswith("https://"):
        raise KubeApiError(
            f"{kubeconfig}: the cluster's server is {server!r}, not an https:// address"
        )
    url = f"{server.rstrip('/')}/api/v1/nodes/{urllib.parse.quote(name, safe='')}"
    request = urllib.request.Request(url, headers={"Accept": "application/json"})  # noqa: S310 - https
    if token := _token(user, kubeconfig):
        request.add_header("Authorization", f"Bearer {token}")
    opener = urllib.request.build_opener(
        urllib.request.HTTPSHandler(context=_context(cluster, user, kubeconfig)),
        urllib.request.ProxyHandler({}),  # an environment's proxy is none of the node's
    )
    try:
        with opener.open(request, timeout=TIMEOUT_S) as answer:
            return json.loads(answer.read(LARGEST)), url
    except urllib.error.HTTPError as failure:
        raise KubeApiError(f"GET {url}: {failure.code} {_why(failure)}") from failure
    except (OSError, ValueError) as failure:
        raise KubeApiError(f"GET {url}: {failure}") from failure


def _why(failure: urllib.error.HTTPError) -> str:
    """Return the message of a Status, else the reason of the protocol."""
    try:
        said = json.loads(failure.read(LARGEST))
    except (OSError, ValueError):
        return failure.reason
    return str(said.get("message", failure.reason)) if isinstance(said, dict) else failure.reason


def _current(kubeconfig: Path) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Return the cluster and the user of the current context."""
    try:
        documents = read_documents(kubeconfig.read_text(), name=str(kubeconfig))
    except (OSError, UnicodeDecodeError, InvalidInputError) as failure:
        raise KubeApiError(f"{kubeconfig}: {failure}") from failure
    content = next((one.value for one in documents if isinstance(one.value, dict)), None)
    if content is None:
        raise KubeApiError(f"{kubeconfig} is no kubeconfig")
    context = _named(content, "contexts", content.get("current-context"), "context", kubeconfig)
    return (
        _named(content, "clusters", context.get("cluster"), "cluster", kubeconfig),
        _named(content, "users", context.get("user"), "user", kubeconfig),
    )


def _named(
    content: Mapping[str, object], section: str, name: object, what: str, kubeconfig: Path
) -> Mapping[str, object]:
    listed = content.get(section)
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            value = entry.get(what)
            return value if isinstance(value, dict) else {}
    raise KubeApiError(f"{kubeconfig}: no {what} {name!r} in {section}")


def _token(user: Mapping[str, object], kubeconfig: Path) -> str:
    for scheme in ("exec", "auth-provider"):
        if scheme in user:
            raise KubeApiError(
                f"{kubeconfig}: the user's credentials come from a program ({scheme}), which is not "
                "run; take a kubeconfig with a certificate or a token (a node's kubelet has one)"
            )
    if isinstance(token := user.get("token"), str):
        return token
    if isinstance(beside := user.get("tokenFile"), str):
        try:
            return (kubeconfig.parent / beside).read_text().strip()
        except (OSError, UnicodeDecodeError) as failure:
            raise KubeApiError(f"{kubeconfig}: tokenFile: {failure}") from failure
    return ""


def _context(
    cluster: Mapping[str, object], user: Mapping[str, object], kubeconfig: Path
) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if cluster.get("insecure-skip-tls-verify") is True:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if authority := _bytes(cluster, "certificate-authority", kubeconfig):
            context = ssl.create_default_context(cadata=authority.decode())
        certificate = _bytes(user, "client-certificate", kubeconfig)
        key = _bytes(user, "client-key", kubeconfig)
        if certificate and key:
            # OpenSSL takes a chain from files only; this one is root's, and gone at once.
            with tempfile.NamedTemporaryFile() as both:
                both.write(certificate + b"\n" + key)
                both.flush()
                context.load_cert_chain(both.name)
    except (OSError, ValueError) as failure:  # ssl.SSLError is an OSError
        raise KubeApiError(f"{kubeconfig}: {failure}") from failure
    return context


def _bytes(section: Mapping[str, object], name: str, kubeconfig: Path) -> bytes:
    """Return what stands in the file itself, base64, or in a file beside it."""
    if isinstance(data := section.get(f"{name}-data"), str):
        try:
            return base64.b64decode(data, validate=True)
        except binascii.Error as failure:
            raise ValueError(f"{name}-data is no base64: {failure}") from failure
    if isinstance(path := section.get(name), str):
        return (kubeconfig.parent / path).read_bytes()
    return b""
