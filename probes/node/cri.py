"""The container runtime, asked by its CRI socket: which pods there are, and which addresses they have.

Two calls that read (ListPodSandbox, PodSandboxStatus), nothing else. They need grpcio and protobuf (the
extra `node`), which are imported only when there is a socket to ask.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dataplane.model.address import Address

if TYPE_CHECKING:
    import grpc

SOCKETS = (
    "run/containerd/containerd.sock",
    "run/crio/crio.sock",
    "run/k3s/containerd/containerd.sock",
)
TIMEOUT_S = 2.0  # of one call; a runtime answers these from its memory
LONGEST = 107  # octets of a socket's path (unix(7)); one octet is its end
EXTRA = "grpcio and protobuf are not installed (the extra `node`: pip install 'sixscope[node]')"
TOO_OLD = "it does not speak CRI v1 (containerd does since 1.6, CRI-O since 1.20)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """A pod that the runtime says is ready. `addresses` are empty for pods in the node's network."""

    id: str
    uid: str
    namespace: str
    name: str
    addresses: tuple[Address, ...] = ()
    host_network: bool = False

    @property
    def called(self) -> str:
        """Return `namespace/name`."""
        return f"{self.namespace}/{self.name}"


class Runtime:
    """A container runtime. `socket` is None where there is none; `trouble` says why it told nothing."""

    def __init__(self, node: Path, socket: Path | None = None) -> None:
        """Find the socket under `node`, the root of the node's file system, or take the one given."""
        self.socket = socket or _socket(node)
        self.trouble = ""
        self._known: dict[str, Sandbox] = {}

    def sandboxes(self) -> tuple[Sandbox, ...]:
        """Ask for the pods that are ready; nothing, and `trouble`, when nobody answers.

        What a sandbox is does not change, so that each is asked about once. It blocks, for one
        `TIMEOUT_S` at most when the runtime hangs.
        """
        self.trouble = ""
        if self.socket is None:
            return ()
        if len(os.fsencode(self.socket)) > LONGEST:
            self.trouble = f"{self.socket}: longer than the path of a socket may be ({LONGEST})"
            return ()
        try:
            from probes.node.criclient import RpcError, calls  # noqa: PLC0415 - see EXTRA
        except ImportError:
            self.trouble = f"{self.socket}: {EXTRA}"
            return ()
        try:
            with calls(self.socket, TIMEOUT_S) as call:
                ready = call.ready()
                self._known = {
                    listed.id: self._known.get(listed.id)
                    or _sandbox(listed, call.status(listed.id))
                    for listed in ready
                }
        except RpcError as failure:
            self.trouble = f"{self.socket}: {_words(failure)}"
            return ()
        return tuple(self._known.values())


def _socket(node: Path) -> Path | None:
    for candidate in SOCKETS:
        with suppress(OSError):
            if stat.S_ISSOCK((node / candidate).stat().st_mode):
                return node / candidate
    return None


def _sandbox(listed: Any, status: Any) -> Sandbox:  # noqa: ANN401 - messages of protobuf
    from probes.node.crimessages import NODE_NETWORK  # noqa: PLC0415 - see EXTRA

    network = status.network
    texts = (network.ip, *(more.ip for more in network.additional_ips))
    named = listed.metadata
    return Sandbox(
        id=listed.id,
        uid=named.uid,
        namespace=named.namespace,
        name=named.name,
        addresses=tuple(_addresses(texts)),
        host_network=status.linux.namespaces.options.network == NODE_NETWORK,
    )


def _addresses(texts: tuple[str, ...]) -> Iterator[Address]:
    for text in texts:
        with suppress(ValueError):  # empty for a pod in the node's network
            yield ip_address(text)


def _words(failure: "grpc.RpcError") -> str:
    code = failure.code().name
    if code == "UNIMPLEMENTED":
        return TOO_OLD
    return f"{code.lower().replace('_', ' ')}: {failure.details()}"
