"""The calls to a CRI socket. Importing this needs grpcio and protobuf; nobody else imports them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # what fails is said once, by us

import grpc
from grpc import RpcError

from probes.node.crimessages import READY, SERVICE, classes

__all__ = ["Calls", "RpcError", "calls"]

CLASSES = classes()
OPTIONS = (
    ("grpc.enable_http_proxy", 0),  # a proxy of the environment is none for a socket
    ("grpc.max_receive_message_length", 16 << 20),
    ("grpc.use_local_subchannel_pool", 1),  # else a refusal is remembered beyond its connection
)


class Calls:
    """What is asked of a runtime over one connection; RpcError when it does not answer well."""

    def __init__(self, channel: grpc.Channel, timeout: float) -> None:
        self._channel, self._timeout = channel, timeout

    def ready(self) -> Any:  # noqa: ANN401 - messages of protobuf
        """Return the sandboxes that are ready (PodSandbox)."""
        only = CLASSES["PodSandboxFilter"](state=CLASSES["PodSandboxStateValue"](state=READY))
        return self._call("ListPodSandbox", CLASSES["ListPodSandboxRequest"](filter=only)).items

    def status(self, sandbox: str) -> Any:  # noqa: ANN401 - messages of protobuf
        """Return the status of a sandbox (PodSandboxStatus); empty when it has gone meanwhile."""
        request = CLASSES["PodSandboxStatusRequest"](pod_sandbox_id=sandbox)
        try:
            return self._call("PodSandboxStatus", request).status
        except RpcError as failure:
            if failure.code() is grpc.StatusCode.NOT_FOUND:
                return CLASSES["PodSandboxStatus"]()
            raise

    def _call(self, method: str, request: Any) -> Any:  # noqa: ANN401 - messages of protobuf
        answer = CLASSES[f"{method}Response"]
        call = self._channel.unary_unary(
            f"{SERVICE}/{method}",
            request_serializer=type(request).SerializeToString,
            response_deserializer=answer.FromString,
        )
        return call(request, timeout=self._timeout)


@contextmanager
def calls(socket: Path, timeout: float) -> Iterator[Calls]:
    """Connect to a socket while the body runs; `timeout` in seconds is that of each call."""
    with grpc.insecure_channel(f"unix:{socket}", options=OPTIONS) as channel:
        yield Calls(channel, timeout)
