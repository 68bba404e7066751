"""The messages of the Container Runtime Interface that are used here, and only their fields.

Source: k8s.io/cri-api, pkg/apis/runtime/v1/api.proto (package runtime.v1). Fields that are not listed
are skipped by the wire format, so a newer runtime's answers are read all the same. There is nothing
to generate: protobuf makes classes of descriptors, and descriptors of this table.
"""

from collections.abc import Mapping
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "runtime.v1"
SERVICE = f"/{PACKAGE}.RuntimeService"
READY = 0  # PodSandboxState.SANDBOX_READY
NODE_NETWORK = 2  # NamespaceMode.NODE: the pod lives in the node's own network namespace

Fields = tuple[tuple[str, int, str], ...]
"""Name, number and type of each field; a `*` before the type is `repeated`. Enums are int32."""

MESSAGES: Mapping[str, Fields] = {
    "PodSandboxStateValue": (("state", 1, "int32"),),
    "PodSandboxFilter": (("state", 2, "PodSandboxStateValue"),),
    "ListPodSandboxRequest": (("filter", 1, "PodSandboxFilter"),),
    "PodSandboxMetadata": (("name", 1, "string"), ("uid", 2, "string"), ("namespace", 3, "string")),
    "PodSandbox": (("id", 1, "string"), ("metadata", 2, "PodSandboxMetadata")),
    "ListPodSandboxResponse": (("items", 1, "*PodSandbox"),),
    "PodSandboxStatusRequest": (("pod_sandbox_id", 1, "string"),),
    "PodIP": (("ip", 1, "string"),),
    "PodSandboxNetworkStatus": (("ip", 1, "string"), ("additional_ips", 2, "*PodIP")),
    "NamespaceOption": (("network", 1, "int32"),),
    "Namespace": (("options", 2, "NamespaceOption"),),
    "LinuxPodSandboxStatus": (("namespaces", 1, "Namespace"),),
    "PodSandboxStatus": (
        ("network", 5, "PodSandboxNetworkStatus"),
        ("linux", 6, "LinuxPodSandboxStatus"),
    ),
    "PodSandboxStatusResponse": (("status", 1, "PodSandboxStatus"),),
}
SCALARS = {"string": 9, "int32": 5, "bool": 8}  # FieldDescriptorProto.Type
MESSAGE = 11
OPTIONAL, REPEATED = 1, 3  # FieldDescriptorProto.Label


def classes(messages: Mapping[str, Fields] = MESSAGES) -> dict[str, Any]:
    """Return a class per message, by name. TypeError when a type is neither scalar nor listed."""
    file = descriptor_pb2.FileDescriptorProto(name="cri", package=PACKAGE, syntax="proto3")
    for name, fields in messages.items():
        message = file.message_type.add(name=name)
        for field, number, kind in fields:
            bare = kind.removeprefix("*")
            added = message.field.add(name=field, number=number)
            added.label = OPTIONAL if bare == kind else REPEATED
            added.type = SCALARS.get(bare, MESSAGE)
            if added.type == MESSAGE:
                added.type_name = f".{PACKAGE}.{bare}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.{name}"))
        for name in messages
    }
